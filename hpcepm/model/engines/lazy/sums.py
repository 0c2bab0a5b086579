"""The stress that pending events add to a site: exact sums, in any order."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hpcepm.model.state import Fields
from hpcepm.parallel.compiled import compiled, inlined
from hpcepm.parallel.rows import RowMap

from .arrays import at, rounded_down
from .bounds import bound_of, lower_cell

LANES: Final = 32  # 32-bit numbers that a vectorised loop works on at a time


@inlined
def evaluate(engine: Any, fields: Fields, i: int, j: int, row_map: RowMap) -> None:
    """Add the stress of the pending events at a site of this rank."""
    done, ny = fields.evaluated[at(i), at(j)], fields.yields_at.shape[1]
    change = sum_of_pending(
        engine, row_map.global_row[at(i)], j, done, engine.n_pending[0], row_map.nx, ny
    )
    apply_pending(engine, fields, i, j, change)


@inlined
def apply_pending(engine: Any, fields: Fields, i: int, j: int, change: float) -> None:
    """Change ``yields_at`` of a site by the stress of its pending events, all of them."""
    fields.evaluated[at(i), at(j)] = engine.n_pending[0]
    fields.yields_at[at(i), at(j)] -= change
    _keep_bound(engine, 0, i, j, fields.yields_at[at(i), at(j)])
    if engine.bound_at.shape[0] > 1:
        fields.yields_backward_at[at(i), at(j)] += change
        _keep_bound(engine, 1, i, j, fields.yields_backward_at[at(i), at(j)])


@inlined
def _keep_bound(engine: Any, side: int, i: int, j: int, yields_at: float) -> None:
    """Keep the present bound of a site that was just evaluated."""
    bound = bound_of(engine, side, i, j)
    if engine.ahead.shape[1] > 0:
        bound = rounded_down(np.float64(bound) - np.float64(engine.ahead[side, at(i), at(j)]))
    engine.bound_at[side, at(i), at(j)] = bound
    lower_cell(engine, side, i, j, rounded_down(yields_at + bound))


@inlined
def sum_of_pending(engine: Any, row: int, j: int, first: int, last: int, nx: int, ny: int) -> float:
    """Return the stress that pending events ``first`` to ``last`` − 1 add to a site from far away.

    Groups that fill vector registers are summed together, the rest one by one: sums are exact in
    any order.
    """
    left_over = last - max(last - first, 0) % LANES
    total = _sum_one_by_one(engine, row, j, left_over, last, nx, ny)
    for start in range(first, left_over, engine.table_index.size):
        stop = min(start + engine.table_index.size, left_over)
        table_index = engine.table_index[: stop - start]
        _find_table_index(
            row, j, engine.pending_i[start:stop], engine.pending_j[start:stop], nx, ny, table_index
        )
        total += _sum_at(
            engine.far, table_index, engine.slips[start:stop], engine.rounding_constant
        )
    return total


@inlined
def _sum_one_by_one(
    engine: Any, row: int, j: int, first: int, last: int, nx: int, ny: int
) -> float:
    grid, far, width = engine.rounding_constant, engine.far, ny // 2 + 1
    rows_of, columns_of, slips = engine.pending_i, engine.pending_j, engine.slips
    total = 0.0
    for k in range(at(first), at(last)):
        di, dj = abs(row - rows_of[k]), abs(j - columns_of[k])
        total += (slips[k] * far[at(min(di, nx - di) * width + min(dj, ny - dj))] + grid) - grid
    return total


@compiled
def _find_table_index(
    row: Any,
    j: Any,
    rows_of: NDArray[np.int32],
    columns_of: NDArray[np.int32],
    nx: Any,
    ny: Any,
    table_index: NDArray[np.int32],
) -> None:
    """Find the index into the table of G for the distance of each event from a site.

    A loop of its own in 32 bits, so that it uses vector registers.
    """
    row, j, nx, ny, width = (
        np.int32(row),
        np.int32(j),
        np.int32(nx),
        np.int32(ny),
        np.int32(ny // 2 + 1),
    )
    for k in range(table_index.size):
        di, dj = (
            np.int32(abs(np.int32(row - rows_of[at(k)]))),
            np.int32(abs(np.int32(j - columns_of[at(k)]))),
        )
        di, dj = min(di, np.int32(nx - di)), min(dj, np.int32(ny - dj))
        table_index[at(k)] = np.int32(np.int32(di * width) + dj)


@compiled
def _sum_at(
    table: NDArray[np.float64],
    table_index: NDArray[np.int32],
    slips: NDArray[np.float64],
    grid: float,
) -> float:
    """Return the sum of slip × G over an even number of events, each product rounded."""
    even = odd = 0.0
    for k in range(0, table_index.size, 2):
        even += (slips[at(k)] * table[at(table_index[at(k)])] + grid) - grid
        odd += (slips[at(k + 1)] * table[at(table_index[at(k + 1)])] + grid) - grid
    return even + odd
