"""Transforms along x, in place, of columns that lie far apart in memory.

FFTW takes ten times as long where rows are a power of two long, for a column then falls on few lines of the cache, and so it
would on almost all ranks. Here eight columns at a time go through a small buffer. Each column is transformed by the same plan,
however many a rank has.
"""

from typing import Any, Final

import numpy as np
from mpi4py_fft import fftw
from numpy.typing import NDArray

from .compiled import compiled

AT_A_TIME: Final = 8
LONG: Final = 192  # below, a column is in the cache anyway

Complex = NDArray[np.complex128]


class Columns:
    """A plan for mpi4py-fft: transforms the columns of an array in place.

    Parameters
    ----------
    array
        Shape (nx, columns).
    plan
        ``fftw.fftn`` or ``fftw.ifftn``.
    flags
        Of the planner.
    """

    def __init__(self, array: Complex, plan: Any, flags: tuple[int, ...]) -> None:
        self.input_array = self.output_array = array
        self._buffer = fftw.aligned((AT_A_TIME, array.shape[0]), dtype=complex)
        self._plan = plan(self._buffer, axes=(1,), flags=flags, output_array=self._buffer)

    def get_normalization(self) -> float:
        """Return what a transform and its inverse must be multiplied by."""
        return 1.0 / self.input_array.shape[0]

    def __call__(self, *_: Any, **__: Any) -> Complex:
        """Transform; mpi4py-fft hands over nothing but defaults."""
        for first in range(0, self.input_array.shape[1], AT_A_TIME):
            n = min(AT_A_TIME, self.input_array.shape[1] - first)
            _gather(self.input_array, first, n, self._buffer)
            self._plan()
            _scatter(self.input_array, first, n, self._buffer)
        return self.output_array


def forward_in_place(array: Complex, **options: Any) -> Any:
    """Plan a transform along x that needs no second buffer."""
    if array.shape[0] >= LONG:
        return Columns(array, fftw.fftn, options["flags"])
    return fftw.fftn(array, output_array=array, **options)


def backward_in_place(array: Complex, **options: Any) -> Any:
    """Plan the inverse of `forward_in_place`."""
    if array.shape[0] >= LONG:
        return Columns(array, fftw.ifftn, options["flags"])
    return fftw.ifftn(array, **{**options, "output_array": array})


@compiled
def _gather(array: Complex, first: int, n: int, buffer: Complex) -> None:
    for i in range(array.shape[0]):
        for m in range(n):
            buffer[np.uint64(m), np.uint64(i)] = array[np.uint64(i), np.uint64(first + m)]


@compiled
def _scatter(array: Complex, first: int, n: int, buffer: Complex) -> None:
    for i in range(array.shape[0]):
        for m in range(n):
            array[np.uint64(i), np.uint64(first + m)] = buffer[np.uint64(m), np.uint64(i)]
