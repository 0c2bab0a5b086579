"""Which rows of the lattice each rank has, and sums over the lattice.

The distribution is block-cyclic along x (axis 0): strips of a few rows go to the ranks in turn. An
avalanche, or a shear band, covers strips of many ranks, which share its work. A row is never split:
a sum over the lattice is a sum over each row, followed by a sum over all rows in ascending order,
and so has the same bits on any number of ranks.
"""

from math import prod
from typing import Any, Final, NamedTuple

import numpy as np
from mpi4py_fft import fftw
from numpy.typing import DTypeLike, NDArray

from .compiled import compiled
from .ranks import Ranks
from .strips import strip_height

LocalField = NDArray[Any]
"""A value for each site on the rows of this rank, shape (rows, ny)."""


class RowMap(NamedTuple):
    """Which rows of the lattice a rank has, for compiled loops."""

    nx: int
    global_row: NDArray[np.int32]  # (rows,): the row of the lattice of each local row; ascending
    local_row: NDArray[np.int32]  # (nx,): the local row of each row of the lattice, or −1


class Strip(NamedTuple):
    """Rows that lie together in the lattice and on a rank."""

    start: int  # in the lattice
    here: int  # on the rank
    rows: int


def rows_of_rank(nx: int, size: int, rank: int) -> int:
    """Return how many of nx rows, or of other things, a rank of ``size`` gets; evenly shared."""
    whole, left_over = divmod(nx, size)
    return whole + (rank < left_over)


class Lattice:
    """An nx × ny lattice, periodic in both directions, distributed over ranks.

    Parameters
    ----------
    shape
        (nx, ny).
    ranks
        The ranks that share it.
    strip
        Height of a strip, if not `strip_height`.

    Attributes
    ----------
    row_map
        The rows of this rank.
    rows, rows_of
        How many they are, and how many each rank has.
    """

    def __init__(self, shape: tuple[int, int], ranks: Ranks, strip: int | None = None) -> None:
        self.shape = shape
        self.ranks = ranks
        self.strip = strip or strip_height(shape)
        nx, ny = shape
        self.n_sites = nx * ny
        self.ny = ny
        self.rows_of = [sum(s.rows for s in self.strips_of(rank)) for rank in range(ranks.size)]
        self.rows = self.rows_of[ranks.rank]
        row, here = np.zeros(self.rows, np.int32), np.full(nx, -1, np.int32)
        for s in self.strips_of(ranks.rank):
            row[s.here : s.here + s.rows] = np.arange(s.start, s.start + s.rows)
            here[s.start : s.start + s.rows] = np.arange(s.here, s.here + s.rows)
        self.row_map = RowMap(nx, row, here)

    def strips_of(self, rank: int) -> list[Strip]:
        """Return the strips of a rank."""
        nx, size = self.shape[0], self.ranks.size
        if size == 1:
            return [Strip(0, 0, nx)]
        starts = range(rank * self.strip, nx, size * self.strip)
        return [
            Strip(start, k * self.strip, min(self.strip, nx - start))
            for k, start in enumerate(starts)
        ]

    def field(self, dtype: DTypeLike = np.float64) -> LocalField:
        """Return a new field of zeros, aligned for vector registers."""
        return fftw.aligned((self.rows, self.ny), 64, dtype, 0)

    def local_rows(self, whole: Any) -> LocalField:
        """Return this rank's rows of an array (nx, ny), which may be a dataset of a file."""
        local = self.field(whole.dtype)
        for s in self.strips_of(self.ranks.rank):
            local[s.here : s.here + s.rows] = whole[s.start : s.start + s.rows]
        return local

    def all_rows(self, mine: NDArray[Any]) -> NDArray[Any]:
        """Return values for all rows, shape (nx, ...), from those for my rows, (rows, ...).

        Collective. On one rank it is not a copy.
        """
        if self.ranks.size == 1:
            return mine
        everything = np.zeros((self.shape[0], *mine.shape[1:]), mine.dtype)
        for rank, values in enumerate(self.ranks.allgather(mine)):
            for s in self.strips_of(rank):
                everything[s.start : s.start + s.rows] = values[s.here : s.here + s.rows]
        return everything

    def column_sums(self, mine: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sums over x, shape (...), of the values of my rows, (rows, ...). Collective.

        Each strip is summed by its rank. The sums of strips are added in ascending order, each rank
        doing some of the columns.
        """
        size, columns = self.ranks.size, mine.reshape(self.rows, prod(mine.shape[1:]))
        parts = _sums_of_rows(columns, self.strip)
        if size == 1:
            return _sums_of_rows(parts, len(parts))[0].reshape(mine.shape[1:])
        columns_of = [rows_of_rank(columns.shape[1], size, rank) for rank in range(size)]
        pieces = self.ranks.comm.alltoall(np.split(parts, np.cumsum(columns_of)[:-1], axis=1))
        n_strips = sum(map(len, pieces))
        by_strip = np.zeros((n_strips, columns_of[self.ranks.rank]))
        for rank, piece in enumerate(pieces):
            by_strip[rank::size] = piece
        return np.concatenate(self.ranks.allgather(_sums_of_rows(by_strip, n_strips)[0])).reshape(
            mine.shape[1:]
        )

    def power_means(
        self, field: LocalField, centre: float = 0.0
    ) -> tuple[float, float, float, float]:
        """Return the lattice means of (f − centre)^p for p = 1, 2, 3, 4. Collective."""
        sums = np.empty((self.rows, 4))
        _row_power_sums(field, centre, sums)
        first, second, third, fourth = self.means(sums).tolist()
        return first, second, third, fourth

    def means(self, row_sums: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return means over the lattice, (...), from sums over each of my rows, (rows, ...).

        Collective.
        """
        means = np.empty(row_sums.shape[1:])
        _mean_of_rows(
            self.all_rows(row_sums).reshape(self.shape[0], -1), self.n_sites, means.reshape(-1)
        )
        return means

    def total(self, field: LocalField) -> float:
        """Return the sum of a field over the lattice. Collective."""
        sums, total = np.empty((self.rows, 4)), np.empty(4)
        _row_power_sums(field, 0.0, sums)
        _mean_of_rows(self.all_rows(sums), 1, total)
        return float(total[0])

    def first_bad_site(self, field: LocalField) -> int | None:
        """Return the lowest global index of a site of mine with NaN or infinity, or None."""
        if all_finite(field):
            return None
        i, j = divmod(int(np.flatnonzero(~np.isfinite(field))[0]), self.ny)
        return int(self.row_map.global_row[i]) * self.ny + j


def _sums_of_rows(rows: NDArray[np.float64], height: int) -> NDArray[np.float64]:
    """Return the sum of the first ``height`` rows, of the next, and so on; in ascending order."""
    sums = np.zeros((-(-len(rows) // height), rows.shape[1]))
    _add_rows(rows, height, sums)
    return sums


@compiled
def _add_rows(rows: NDArray[np.float64], height: int, sums: NDArray[np.float64]) -> None:
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            sums[i // height, j] += rows[i, j]


@compiled
def _mean_of_rows(rows: NDArray[np.float64], n_sites: int, means: NDArray[np.float64]) -> None:
    """Set ``means`` to the sums of all rows, in ascending order, divided by the number of sites."""
    means[:] = 0.0
    for i in range(rows.shape[0]):
        means += rows[i]
    means /= n_sites


@compiled
def _row_power_sums(field: LocalField, centre: float, sums: NDArray[np.float64]) -> None:
    for i in range(field.shape[0]):
        s = NO_POWERS
        for j in range(field.shape[1]):
            s = add_powers(s, field[i, j] - centre)
        sums[i, 0], sums[i, 1], sums[i, 2], sums[i, 3] = s


Powers = tuple[float, float, float, float]
NO_POWERS: Final[Powers] = (0.0, 0.0, 0.0, 0.0)


@compiled
def add_powers(s: Powers, d: float) -> Powers:
    """Return four sums with d, d², d³ and d⁴ added. Used by all sums of powers, for their bits."""
    return s[0] + d, s[1] + d * d, s[2] + d * d * d, s[3] + (d * d) * (d * d)


_EXPONENT = 0x7FF0000000000000  # of a double; all ones in NaN and infinity alone


@compiled
def all_finite(*fields: LocalField) -> bool:
    """Return whether no double of some fields is NaN or infinite; as fast as memory is read."""
    for field in fields:
        bits = field.view(np.int64)
        largest = 0
        for i in range(bits.shape[0]):
            for j in range(bits.shape[1]):
                largest = max(largest, bits[i, j] & _EXPONENT)
        if largest == _EXPONENT:
            return False
    return True


def read_only(values: NDArray[Any]) -> NDArray[Any]:
    """Return an array that cannot be written to, of the same memory."""
    view = values.view()
    view.flags.writeable = False
    return view
