"""What the lazy engine does at an event: stress in the window, bounds everywhere else."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hpcepm.model.engines.base import redistribute
from hpcepm.model.state import Fields
from hpcepm.parallel.compiled import bind, compiled, inlined
from hpcepm.parallel.prefetch import prefetch
from hpcepm.parallel.rows import LocalField, RowMap

from .arrays import LazyArrays, at, rounded_down
from .bounds import (
    find_lowest_of_blocks,
    look_up_largest,
    lower_cell,
    lower_near_cells,
    raise_bounds,
)
from .sums import evaluate

ROWS_AHEAD: Final = 6  # of a window: those are fetched into the cache meanwhile

LINE: Final = 8  # numbers of a line of the cache

EVENTS_BETWEEN_LOOKS: Final = 128  # after so many events the largest bound is looked up


@bind(redistribute, LazyArrays)
def _redistribute(
    engine: Any, fields: Fields, macro: Any, row_map: RowMap, events: NDArray[Any], n: int
) -> bool:
    m = engine.n_pending[0]
    if (
        macro.pending_cost > engine.max_pending_cost
        or n > engine.max_events_per_step
        or m + n > engine.slips.size
    ):
        return True
    macro.pending_cost += m + n
    ny = fields.yields_at.shape[1]
    for k in range(n):
        _append(engine, events[k].site // ny, events[k].site % ny, events[k].slip)
    for side in range(engine.bound.shape[0]):
        yields_at = fields.yields_at if side == 0 else fields.yields_backward_at
        _change_side(engine, side, yields_at, m, row_map)
    if (m + n) // EVENTS_BETWEEN_LOOKS > m // EVENTS_BETWEEN_LOOKS:
        look_up_largest(engine)
    return False


@inlined
def _change_side(engine: Any, side: int, yields_at: LocalField, m: int, row_map: RowMap) -> None:
    """Do what pending events from number ``m`` on do to one side."""
    last, way = engine.n_pending[0], 1.0 - 2.0 * side
    for k in range(m, last):
        i, j = row_map.local_row[engine.pending_i[k]], engine.pending_j[k]
        if i >= 0:
            _round_site(engine, side, yields_at, i, j)
    for k in range(m, last):
        i, j, slip = engine.pending_i[k], engine.pending_j[k], engine.slips[k]
        _change_window(engine, yields_at, i, j, way * slip, row_map)
        lower_near_cells(engine, side, i, j, slip)
    for k in range(m, last):
        raise_bounds(engine, side, engine.pending_i[k], engine.pending_j[k], engine.slips[k])


@inlined
def _append(engine: Any, i: int, j: int, slip: float) -> None:
    """Append an event to the pending ones."""
    m = engine.n_pending[0]
    engine.pending_i[m] = i
    engine.pending_j[m] = j
    engine.slips[m] = slip
    engine.n_pending[0] = m + 1


@inlined
def _round_site(engine: Any, side: int, yields_at: LocalField, i: int, j: int) -> None:
    """Round the yields_at of a site that has a new threshold."""
    value = (yields_at[i, j] + engine.rounding_constant) - engine.rounding_constant
    yields_at[i, j] = value
    lower_cell(engine, side, i, j, rounded_down(value + engine.bound_at[side, i, j]))


@inlined
def _change_window(
    engine: Any, yields_at: LocalField, i: int, j: int, slip: float, row_map: RowMap
) -> None:
    """Change ``yields_at`` in the window around (i, j), on the rows of this rank."""
    ny = yields_at.shape[1]
    wx, wy = engine.near.shape
    start = (j - engine.half_window) % ny
    first_part = min(wy, ny - start)
    row = (i - engine.half_window) % row_map.nx
    soon = (row + ROWS_AHEAD) % row_map.nx
    for k in range(wx):
        here, later = row_map.local_row[at(row)], row_map.local_row[at(soon)]
        if later >= 0 and k < wx - ROWS_AHEAD:
            for j in range(start, start + first_part, LINE):
                prefetch(yields_at[later], j)
        if here >= 0:
            _subtract(
                yields_at[here, start : start + first_part],
                engine.near[k],
                slip,
                engine.rounding_constant,
            )
            if first_part < wy:
                _subtract(
                    yields_at[here, : wy - first_part],
                    engine.near[k, first_part:],
                    slip,
                    engine.rounding_constant,
                )
        row, soon = row + 1, soon + 1
        if row == row_map.nx:
            row = 0
        if soon == row_map.nx:
            soon = 0


@compiled
def _subtract(
    yields_at: NDArray[np.float64], near: NDArray[np.float64], slip: float, grid: float
) -> None:
    for j in range(yields_at.size):
        yields_at[at(j)] -= (slip * near[at(j)] + grid) - grid


@compiled
def begin(engine: Any, fields: Fields, pending: NDArray[Any], row_map: RowMap) -> None:
    """Round ``yields_at``, and find all bounds anew from the pending events."""
    forget(engine)
    for k in range(pending.size):
        _append(engine, pending[k].i, pending[k].j, pending[k].slip)
        for side in range(engine.bound.shape[0]):
            raise_bounds(engine, side, pending[k].i, pending[k].j, pending[k].slip)
        if (k + 1) % EVENTS_BETWEEN_LOOKS == 0:
            look_up_largest(engine)
    begin_rows(engine, fields, 0, engine.lowest.shape[1])
    if pending.size > 0:
        for i in range(fields.yields_at.shape[0]):
            for j in range(fields.yields_at.shape[1]):
                if fields.evaluated[at(i), at(j)] > 0:
                    evaluate(engine, fields, i, j, row_map)
    find_all_lowest(engine)


@compiled
def forget(engine: Any) -> None:
    """Forget all pending events."""
    engine.n_pending[0] = 0
    engine.largest_bound[:] = 0.0
    engine.rounding_error[:] = 0.0
    engine.bound[:] = 0.0
    engine.cell_bound[:] = 0.0


@compiled
def begin_rows(engine: Any, fields: Fields, first: int, last: int) -> None:
    """Begin with rows of cells ``first`` to ``last`` − 1, of all sides."""
    for side in range(engine.bound.shape[0]):
        begin_cells(
            fields.yields_at if side == 0 else fields.yields_backward_at,
            engine.bound_at[side],
            engine.lowest[side],
            engine.column_min,
            engine.cell,
            engine.rounding_constant,
            first,
            last,
        )
        if engine.ahead.shape[1] > 0:
            _begin_ahead(engine, side, fields, first, last)


@inlined
def _begin_ahead(engine: Any, side: int, fields: Fields, first: int, last: int) -> None:
    """Begin with rows of cells where sites are looked at ahead of their yields_at."""
    yields_at = fields.yields_at if side == 0 else fields.yields_backward_at
    (rows, ny), c = yields_at.shape, engine.cell
    for cell_i in range(first, last):
        engine.lowest[side, cell_i] = np.inf
        for i in range(cell_i * c, min((cell_i + 1) * c, rows)):
            for j in range(ny):
                bound = rounded_down(-np.float64(engine.ahead[side, at(i), at(j)]))
                engine.bound_at[side, at(i), at(j)] = bound
                key = rounded_down(yields_at[at(i), at(j)] + bound)
                if key < engine.lowest[side, at(cell_i), at(j // c)]:
                    engine.lowest[side, at(cell_i), at(j // c)] = key


@compiled
def begin_cells(
    yields_at: LocalField,
    bound_at: LocalField,
    lowest: NDArray[np.float32],
    column_min: NDArray[np.float64],
    cell: int,
    rounding_constant: float,
    first: int,
    last: int,
) -> None:
    """Begin with rows of cells ``first`` to ``last`` − 1, row by row, while they are in the cache.

    Sites without pending events have the bound 0.
    """
    rows, ny = yields_at.shape
    for cell_i in range(first, last):
        column_min[:] = np.inf
        for i in range(cell_i * cell, min((cell_i + 1) * cell, rows)):
            bound_at[i] = 0.0
            _round(yields_at[i], rounding_constant, column_min)
        for cell_j in range(lowest.shape[1]):
            least = np.inf
            for j in range(cell_j * cell, min((cell_j + 1) * cell, ny)):
                least = min(least, column_min[at(j)])
            lowest[at(cell_i), at(cell_j)] = rounded_down(least)


@compiled
def _round(values: NDArray[np.float64], grid: float, column_min: NDArray[np.float64]) -> None:
    """Round some values, and lower a minimum of each column to them."""
    for j in range(values.size):
        value = (values[at(j)] + grid) - grid
        values[at(j)] = value
        column_min[at(j)] = value if value < column_min[at(j)] else column_min[at(j)]


@compiled
def find_all_lowest(engine: Any) -> None:
    """Find the minima of all blocks from their cells."""
    if engine.two_levels:
        for side in range(engine.bound.shape[0]):
            for block_i in range(engine.bound.shape[1]):
                find_lowest_of_blocks(engine, side, block_i, 0, engine.bound.shape[2])
