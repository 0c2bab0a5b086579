"""The convolution of hpcepm against mpi4py-fft's own distributed transform, `PFFT`.

The same G * ε_p to 1e-12 of the largest stress: square lattices and not, odd, narrow, with fewer
rows or wavevectors than ranks. PFFT cuts x into contiguous slabs, hpcepm deals out strips of rows.
"""

from itertools import product

import numpy as np
from mpi4py import MPI
from mpi4py_fft import PFFT, newDistArray

from hpcepm.model.convolution import Convolution
from hpcepm.model.kernel import Array, Kernel, Oriented, wavevectors
from hpcepm.model.kernel import kernel as kernels
from hpcepm.parallel import launch
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from tests.ranks.cluster import Cluster

SHAPES = ((64, 64), (97, 61), (15, 21), (8, 50), (128, 3), (3, 70), (2, 64), (64, 4), (3, 5))
TOLERANCE = 1e-12
MU_STAR = 11.46


def by_pfft(comm: MPI.Intracomm, kernel: Kernel, epsilon_p: Array) -> Array:
    """Return G * ε_p, shape (nx, ny), by `PFFT`, from the whole field. Collective.

    PFFT needs a row and a wavevector for each rank; where there are fewer, some ranks have none.
    """
    nx, ny = epsilon_p.shape
    takes_part = comm.rank < min(nx, ny // 2 + 1)
    some = comm.Split(takes_part, comm.rank)
    stress = np.zeros((nx, ny))
    if takes_part:
        transform = PFFT(some, (nx, ny), axes=(0, 1), dtype=np.float64)
        slips, slips_hat = newDistArray(transform, False), newDistArray(transform, True)
        here, (waves_x, waves_y) = transform.local_slice(False), transform.local_slice(True)
        slips[:] = epsilon_p[here]
        transform.forward(slips, slips_hat)
        qx, qy = wavevectors((nx, ny))
        slips_hat *= kernel.fourier(qx[waves_x, None], qy[None, waves_y])
        stress[here] = transform.backward(slips_hat, slips)
        transform.destroy()
    some.Free()
    comm.Allreduce(MPI.IN_PLACE, stress)
    return stress


def main() -> None:
    """Compare both for every shape, kernel and orientation, on one node and on one each."""
    world = launch.initialize()
    arrangements = Ranks(world), Ranks(Cluster(world))
    eshelby = [kind for kind, made in kernels.items() if issubclass(made, Oriented)]
    for shape, kind, orientation in product(SHAPES, eshelby, ("simple", "pure")):
        epsilon_p = np.random.default_rng(1).exponential(size=shape)
        kernel = Kernel(kernels[kind](orientation), MU_STAR)
        expected = by_pfft(world, kernel, epsilon_p)
        largest = abs(expected).max()
        assert largest > 1.0, (shape, kind, orientation)
        for ranks in arrangements:
            lattice = Lattice(shape, ranks)
            mine = lattice.row_map.global_row
            found = Convolution(lattice, kernel).stress_of(epsilon_p[mine])
            error = abs(found - expected[mine]).max(initial=0.0) / largest
            assert error < TOLERANCE, (shape, kind, orientation, ranks.node.size, error)


if __name__ == "__main__":
    main()
