"""The lattice and the slab of it that each rank owns.

Axis 0 (x) is split over the ranks in contiguous slabs, the first ``nx % P`` one row longer, as mpi4py-fft splits it;
with more ranks than rows the last ranks own none. A row is never split: a sum over the lattice is a sum over each row
followed by a sum over all rows in ascending order, whatever the ranks, and so has the same bits on any number of them.
"""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .compiled import compiled
from .parallel import Team

Field = NDArray[Any]
"""One value for each site of this rank's slab, shape (rows, ny)."""


def rows_of_rank(nx: int, size: int, rank: int) -> int:
    """Return how many of nx rows a rank of ``size`` owns."""
    whole, left_over = divmod(nx, size)
    return whole + (rank < left_over)


class Lattice:
    """An nx × ny lattice, periodic both ways, shared out over a team.

    Parameters
    ----------
    shape
        (nx, ny).
    team
        The ranks that share it.

    Attributes
    ----------
    start, stop
        The rows of this rank: ``start <= i < stop``.
    rows_of
        Number of rows of each rank.
    """

    def __init__(self, shape: tuple[int, int], team: Team) -> None:
        self.shape = shape
        self.team = team
        nx, ny = shape
        self.rows_of = [rows_of_rank(nx, team.size, rank) for rank in range(team.size)]
        self.start = sum(self.rows_of[: team.rank])
        self.rows = self.rows_of[team.rank]
        self.stop = self.start + self.rows
        self.n_sites = nx * ny
        self.ny = ny

    def field(self, dtype: DTypeLike = np.float64) -> Field:
        """Return a new field of zeros."""
        return np.zeros((self.rows, self.ny), dtype)

    def all_rows(self, mine: NDArray[Any]) -> NDArray[Any]:
        """Return the per-row values of all rows, shape (nx, ...), from those of mine, (rows, ...). Collective."""
        return np.concatenate(self.team.comm.allgather(mine))

    def row_sums(self, field: Field) -> NDArray[np.float64]:
        """Return the sum over y for each x, shape (nx,). Collective."""
        sums = np.empty((self.rows, 4))
        _row_power_sums(field, 0.0, field, 0.0, sums)
        return self.all_rows(sums[:, 0])

    def column_sums(self, field: Field) -> NDArray[np.float64]:
        """Return the sum over x for each y, shape (ny,), adding rows in ascending order across ranks. Collective."""
        comm, rank, size = self.team.comm, self.team.rank, self.team.size
        sums = np.zeros(self.ny)
        if rank > 0:
            comm.Recv(sums, source=rank - 1)
        for row in field:
            sums += row
        if rank < size - 1:
            comm.Send(sums, dest=rank + 1)
        comm.Bcast(sums, root=size - 1)
        return sums

    def power_means(
        self, field: Field, centre: float = 0.0, other: Field | None = None, factor: float = 0.0
    ) -> tuple[float, float, float, float]:
        """Return the lattice means of (f + factor·other − centre)^p for p = 1, 2, 3, 4. Collective."""
        sums = np.empty((self.rows, 4))
        _row_power_sums(field, centre, field if other is None else other, factor, sums)
        first, second, third, fourth = self.all_rows(sums).sum(axis=0) / self.n_sites
        return float(first), float(second), float(third), float(fourth)

    def first_bad_site(self, field: Field) -> int | None:
        """Return the lowest global index of a site of this slab that holds NaN or infinity, if any."""
        if _all_finite(field.view(np.int64)):
            return None
        return self.start * self.ny + int(np.flatnonzero(~np.isfinite(field))[0])


@compiled
def _row_power_sums(field: Field, centre: float, other: Field, factor: float, sums: NDArray[np.float64]) -> None:
    for i in range(field.shape[0]):
        s1 = s2 = s3 = s4 = 0.0
        for j in range(field.shape[1]):
            d = (field[i, j] + factor * other[i, j]) - centre
            s1 += d
            s2 += d * d
            s3 += d * d * d
            s4 += (d * d) * (d * d)
        sums[i, 0], sums[i, 1], sums[i, 2], sums[i, 3] = s1, s2, s3, s4


_EXPONENT = 0x7FF0000000000000  # of a double; all ones in NaN and infinity alone


@compiled
def _all_finite(bits: NDArray[np.int64]) -> bool:
    """Return whether no double of a field is NaN or infinite; without a branch, so that it runs at the speed of memory."""
    largest = 0
    for i in range(bits.shape[0]):
        for j in range(bits.shape[1]):
            largest = max(largest, bits[i, j] & _EXPONENT)
    return largest < _EXPONENT
