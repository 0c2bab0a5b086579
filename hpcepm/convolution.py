"""G * ε_p on a lattice shared over ranks, by mpi4py-fft."""

import numpy as np
from mpi4py_fft import PFFT
from numpy.typing import NDArray

from .columns import backward_in_place, forward_in_place
from .compiled import compiled
from .kernel import Kernel, wavevectors
from .lattice import Field, Lattice, rows_of_rank


class Convolution:
    """The stress of a field of slips, the mean stress apart.

    FFTW transforms a single row or column by another algorithm, with other last bits, than several at once. So each rank that
    transforms has two at least; where there are more ranks than that, only the first ones transform, and rows travel to and
    from them. The planner only estimates: measured plans change the last bits from run to run.

    Parameters
    ----------
    lattice, kernel
        Where, and of what. Making one is Collective.
    """

    def __init__(self, lattice: Lattice, kernel: Kernel) -> None:
        self.lattice = lattice
        team = lattice.team
        nx, ny = lattice.shape
        n_transforming = max(1, min(team.size, nx // 2, (ny // 2 + 1) // 2))
        takes_part = team.rank < n_transforming
        comm = team.comm.Split(0 if takes_part else 1, team.rank)
        rows_of = [rows_of_rank(nx, n_transforming, rank) if rank < n_transforming else 0 for rank in range(team.size)]
        self._travel = None if rows_of == lattice.rows_of else _Travel(lattice, rows_of)
        self.fft: PFFT | None = None
        self.kernel_hat: NDArray[np.float64] = np.zeros((0, 0))
        if takes_part:
            self.fft = PFFT(
                comm,
                lattice.shape,
                axes=(0, 1),
                dtype=float,
                grid=(-1, 1),
                planner_effort="FFTW_ESTIMATE",
                transforms={(0,): (forward_in_place, backward_in_place)},
            )
            if self.fft.forward.input_array.shape != (rows_of[team.rank], ny):
                raise RuntimeError("mpi4py-fft splits the lattice differently from hpcepm.lattice")
            qx, qy = wavevectors(lattice.shape)
            along_x, along_y = self.fft.local_slice(forward_output=True)
            assert along_x == slice(0, nx)
            self.kernel_hat = kernel.fourier(qx[: nx // 2 + 1, None], qy[None, : ny // 2 + 1][:, along_y])  # even in qx

    def stress_of(self, epsilon_p: Field) -> Field:
        """Return G * ε_p, in units of stress. It lives in a buffer that the next call writes again. Collective."""
        return self._filtered(epsilon_p, self.kernel_hat)

    def equilibrated(self, noise: Field) -> Field:
        """Return the field with Fourier coefficients √|Ĝ| times those of white noise: a stress in equilibrium. Collective."""
        return self._filtered(noise, np.sqrt(np.abs(self.kernel_hat))).copy()

    def _filtered(self, field: Field, factor: NDArray[np.float64]) -> Field:
        rows = field if self._travel is None else self._travel.there(field)
        if self.fft is not None:
            forward, backward = self.fft.forward, self.fft.backward
            forward.input_array[...] = rows
            forward(normalize=False)
            _multiply(forward.output_array, factor, 1.0 / self.lattice.n_sites)
            backward(normalize=False)
            rows = backward.output_array
        return rows if self._travel is None else self._travel.back(rows)

    @property
    def nbytes(self) -> int:
        """Memory on this rank, in bytes."""
        if self.fft is None:
            return 0
        transforms = [transform.forward for transform in self.fft.xfftn]
        buffers = {id(array): array.nbytes for t in transforms for array in (t.input_array, t.output_array)}
        return int(self.kernel_hat.nbytes + sum(buffers.values()))


class _Travel:
    """Rows between the slabs of the lattice and those of the ranks that transform."""

    def __init__(self, lattice: Lattice, rows_of: list[int]) -> None:
        self.comm, self.ny = lattice.team.comm, lattice.ny
        here, there = (np.concatenate([[0], np.cumsum(rows)]) for rows in (lattice.rows_of, rows_of))
        rank = lattice.team.rank
        self._sent = self._overlaps(here[rank], here[rank + 1], there)
        self._received = self._overlaps(there[rank], there[rank + 1], here)
        self._at_home, self._away = lattice.field(), np.zeros((rows_of[rank], self.ny))

    def _overlaps(self, start: int, stop: int, bounds: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many numbers of the rows start to stop lie in each of the slabs that ``bounds`` divide."""
        lowest, highest = np.maximum(bounds[:-1], start), np.minimum(bounds[1:], stop)
        return np.maximum(highest - lowest, 0) * self.ny

    def there(self, field: Field) -> Field:
        """Return the rows that this rank transforms. Collective."""
        self.comm.Alltoallv([np.ascontiguousarray(field), self._sent], [self._away, self._received])
        return self._away

    def back(self, rows: Field) -> Field:
        """Return the rows of this rank's slab. Collective."""
        self.comm.Alltoallv([np.ascontiguousarray(rows), self._received], [self._at_home, self._sent])
        return self._at_home


@compiled
def _multiply(field_hat: NDArray[np.complex128], factor: NDArray[np.float64], scale: float) -> None:
    nx = field_hat.shape[0]
    for i in range(nx):
        for j in range(field_hat.shape[1]):
            field_hat[i, j] *= factor[min(i, nx - i), j] * scale
