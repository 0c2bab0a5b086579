"""What pending events bring to a site: exact sums, in any order."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..compiled import compiled, inlined
from ..lattice import Share
from ..state import Fields
from .lazy_arrays import at

LANES: Final = 32  # 32-bit numbers that a vectorised loop takes up at a time


@inlined
def evaluate(engine: Any, fields: Fields, i: int, j: int, share: Share, bound: Any) -> None:
    """Take up the pending events at a site of this slab."""
    done, ny = fields.evaluated[at(i), at(j)], fields.yields_at.shape[1]
    change = sum_of_pending(engine, share.row[at(i)], j, done, engine.n_pending[0], share.nx, ny)
    take_up(engine, fields, i, j, change, bound)


@inlined
def take_up(engine: Any, fields: Fields, i: int, j: int, change: float, bound: Any) -> None:
    """Change ``yields_at`` of a site by the sum of all pending events, which are evaluated with that."""
    fields.yields_at[at(i), at(j)] -= change
    fields.evaluated[at(i), at(j)] = engine.n_pending[0]
    engine.bound_at[at(i), at(j)] = bound


@inlined
def sum_of_pending(engine: Any, row: int, j: int, first: int, last: int, nx: int, ny: int) -> float:
    """Return the stress that the pending events from first to last, the last one excluded, bring to a site from far away.

    As many as fill vector registers are taken together, what is left over one by one; sums are exact in any order.
    """
    left_over = last - max(last - first, 0) % LANES
    total = _sum_one_by_one(engine, row, j, left_over, last, nx, ny)
    for start in range(first, left_over, engine.places.size):
        stop = min(start + engine.places.size, left_over)
        places = engine.places[: stop - start]
        _find_places(row, j, engine.pending_i[start:stop], engine.pending_j[start:stop], nx, ny, places)
        total += _sum_at(engine.far, places, engine.slips[start:stop], engine.to_grid)
    return total


@inlined
def _sum_one_by_one(engine: Any, row: int, j: int, first: int, last: int, nx: int, ny: int) -> float:
    grid, far, width = engine.to_grid, engine.far, ny // 2 + 1
    rows_of, columns_of, slips = engine.pending_i, engine.pending_j, engine.slips
    total = 0.0
    for k in range(at(first), at(last)):
        di, dj = abs(row - rows_of[k]), abs(j - columns_of[k])
        total += (slips[k] * far[at(min(di, nx - di) * width + min(dj, ny - dj))] + grid) - grid
    return total


@compiled
def _find_places(
    row: Any, j: Any, rows_of: NDArray[np.int32], columns_of: NDArray[np.int32], nx: Any, ny: Any, places: NDArray[np.int32]
) -> None:
    """Find where in the table of G events are, seen from a site. On its own and in 32 bits this runs in vector registers."""
    row, j, nx, ny, width = np.int32(row), np.int32(j), np.int32(nx), np.int32(ny), np.int32(ny // 2 + 1)
    for k in range(places.size):
        di, dj = np.int32(abs(np.int32(row - rows_of[at(k)]))), np.int32(abs(np.int32(j - columns_of[at(k)])))
        di, dj = min(di, np.int32(nx - di)), min(dj, np.int32(ny - dj))
        places[at(k)] = np.int32(np.int32(di * width) + dj)


@compiled
def _sum_at(table: NDArray[np.float64], places: NDArray[np.int32], slips: NDArray[np.float64], grid: float) -> float:
    """Return the sum of an even number of slips times what is at places of a table, each rounded."""
    even = odd = 0.0
    for k in range(0, places.size, 2):
        even += (slips[at(k)] * table[at(places[at(k)])] + grid) - grid
        odd += (slips[at(k + 1)] * table[at(places[at(k + 1)])] + grid) - grid
    return even + odd
