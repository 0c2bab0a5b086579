"""G * ε_p on a lattice shared over ranks, by mpi4py-fft."""

import numpy as np
from mpi4py_fft import PFFT
from numpy.typing import NDArray

from .compiled import compiled
from .kernel import Kernel, wavevectors
from .lattice import Field, Lattice


class Convolution:
    """The stress of a field of slips, the mean stress apart.

    Ranks without rows take no part. The planner only estimates: measured plans change the last bits from run to run.

    Parameters
    ----------
    lattice, kernel
        Where, and of what. Making one is Collective.
    """

    def __init__(self, lattice: Lattice, kernel: Kernel) -> None:
        self.lattice = lattice
        comm = lattice.team.comm.Split(0 if lattice.rows > 0 else 1, lattice.team.rank)
        self._fft: PFFT | None = None
        self.kernel_hat: NDArray[np.float64] = np.zeros((0, 0))
        if lattice.rows == 0:
            return
        self._fft = PFFT(comm, lattice.shape, axes=(0, 1), dtype=float, grid=(-1, 1), planner_effort="FFTW_ESTIMATE")
        if self._fft.forward.input_array.shape != (lattice.rows, lattice.ny):
            raise RuntimeError("mpi4py-fft splits the lattice differently from hpcepm.lattice")
        qx, qy = wavevectors(lattice.shape)
        along_x, along_y = self._fft.local_slice(forward_output=True)
        qy = qy[: lattice.ny // 2 + 1]
        self.kernel_hat = kernel.fourier(qx[along_x, None], qy[None, along_y])

    def stress_of(self, epsilon_p: Field) -> Field:
        """Return G * ε_p, in units of stress. It lives in a buffer that the next call writes again. Collective."""
        return self._filtered(epsilon_p, self.kernel_hat)

    def equilibrated(self, noise: Field) -> Field:
        """Return the field with Fourier coefficients √|Ĝ| times those of white noise: a stress in equilibrium. Collective."""
        return self._filtered(noise, np.sqrt(np.abs(self.kernel_hat))).copy()

    def _filtered(self, field: Field, factor: NDArray[np.float64]) -> Field:
        if self._fft is None:
            return field.copy()
        forward, backward = self._fft.forward, self._fft.backward
        forward.input_array[...] = field
        forward(normalize=False)
        _multiply(forward.output_array, factor, 1.0 / self.lattice.n_sites)
        backward(normalize=False)
        stress: Field = backward.output_array
        return stress

    @property
    def nbytes(self) -> int:
        """Memory on this rank, in bytes."""
        if self._fft is None:
            return 0
        buffers = [transform.forward.input_array.nbytes + transform.forward.output_array.nbytes for transform in self._fft.xfftn]
        return int(self.kernel_hat.nbytes + sum(buffers))


@compiled
def _multiply(field_hat: NDArray[np.complex128], factor: NDArray[np.float64], scale: float) -> None:
    for i in range(factor.shape[0]):
        for j in range(factor.shape[1]):
            field_hat[i, j] *= factor[i, j] * scale
