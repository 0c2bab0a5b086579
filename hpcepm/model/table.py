"""A kernel from a file: one that was measured, or computed elsewhere."""

from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .registry import FileName

Array = NDArray[np.float64]

TOLERANCE: Final = 1e-6
"""How far a table may be from what it must be, relative to its largest value: numbers in single
precision are nearer."""


class EvenTransform(NamedTuple):
    """Ĝ, in units of stress: even, so that a quarter of it says all."""

    shape: tuple[int, int]  # of the lattice
    quarter: Array  # (nx//2 + 1, ny//2 + 1)


@dataclass(frozen=True)
class Table:
    """G as a file has it, in units of stress: μ* does not enter.

    (μ* still gives the units of what is said of a glass, and caps the slips of a quenched
    landscape.) The table is made exactly even, Ĝ(0) exactly 0, and Ĝ ≤ 0, once it is so within
    `TOLERANCE`.

    Attributes
    ----------
    file
        A dataset of the shape of the lattice, ``G.h5:/G``, in units of stress.
    space
        ``"real"``: G(i, j), the stress that a slip of 1 at (0, 0) causes at (i, j). ``"fourier"``:
        Ĝ, its transform, real, in the order of `numpy.fft.fft2`.
    """

    file: FileName
    space: Literal["real", "fourier"] = "real"
    data: ClassVar[EvenTransform]  # of the instance: see `registry.with_data`

    def read_files(self, files: Any) -> EvenTransform:
        """Return Ĝ; raise `ValueError` if the file has none."""
        import scipy.fft  # here: few kernels are tables, and numpy's last bits are others

        given = files.of_lattice(self.file)
        nx, ny = given.shape
        even = (given + mirrored(given, 0)) / 2
        even = (even + mirrored(even, 1)) / 2
        if self.space == "real":
            _check_even(given, "G", "put the slip itself at (0, 0)")
        else:
            _check_even(given, "Ĝ", "q = 0 is at (0, 0), as in numpy.fft.fft2")
        hat = even if self.space == "fourier" else scipy.fft.fft2(even).real
        quarter = hat[: nx // 2 + 1, : ny // 2 + 1].copy()
        self._check(quarter)
        quarter[0, 0] = 0.0
        return EvenTransform((nx, ny), np.minimum(quarter, 0.0))

    def _check(self, quarter: Array) -> None:
        """Raise `ValueError` if Ĝ is not 0 at q = 0, or positive anywhere."""
        small = TOLERANCE * np.abs(quarter).max()
        if abs(quarter[0, 0]) > small:
            remedy = "subtract its mean from G" if self.space == "real" else "set it to 0"
            raise ValueError(
                f"Ĝ(0, 0), the sum of G, is {quarter[0, 0]:g}: it must be 0, since the mean stress "
                f"is kept apart; {remedy}"
            )
        highest = _index_of_largest(quarter)
        if quarter[highest] > small:
            raise ValueError(
                f"Ĝ{highest} is {quarter[highest]:g}: it must not be positive, or slips would "
                "grow; look at the sign, G(0, 0) is negative"
            )

    @property
    def largest(self) -> float:
        """The largest −Ĝ."""
        return float(-self.data.quarter.min())

    def fourier(self, qx: Array, qy: Array) -> Array:
        """Return Ĝ at wavevectors of the lattice, in units of stress."""
        (nx, ny), quarter = self.data
        i, j = (np.rint(np.abs(q) * n / (2 * np.pi)).astype(int) for q, n in ((qx, nx), (qy, ny)))
        return quarter[i, j]


def mirrored(given: Array, axis: int) -> Array:
    """Return what is at −i instead of i, or at −j instead of j."""
    return np.take(given, -np.arange(given.shape[axis]) % given.shape[axis], axis=axis)


def _check_even(given: Array, name: str, remedy: str) -> None:
    """Raise `ValueError` if an array is not even in x and in y."""
    for axis, way in enumerate("xy"):
        off = np.abs(given - mirrored(given, axis))
        here = _index_of_largest(off)
        if off[here] > TOLERANCE * np.abs(given).max():
            there = list(here)
            there[axis] = -here[axis] % given.shape[axis]
            raise ValueError(
                f"{name}{here} is {given[here]:g}, and {name}{tuple(there)} is "
                f"{given[tuple(there)]:g}: they must be equal, as a kernel is even in {way}; "
                f"{remedy}"
            )


def _index_of_largest(values: Array) -> tuple[int, ...]:
    return tuple(int(k) for k in np.unravel_index(int(values.argmax()), values.shape))
