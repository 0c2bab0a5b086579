"""What the lazy engine does at an event: stress in the window, bounds everywhere else."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hpcepm.model.engines.base import redistribute
from hpcepm.model.state import Fields
from hpcepm.parallel.compiled import bind, compiled, inlined
from hpcepm.parallel.rows import LocalField, RowMap

from .arrays import ROUNDING, LazyArrays, at, rounded_down
from .bounds import (
    bound_of,
    find_largest_bound,
    find_lowest_of_blocks,
    lower_cell,
    lower_near_cells,
    raise_far_blocks,
    raise_nearby_cells,
)
from .sums import evaluate

EVENTS_BETWEEN_LOOKS: Final = 128  # after so many events the largest bound is looked up


@bind(redistribute, LazyArrays)
@compiled
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
        i, j = events[k].site // ny, events[k].site % ny
        _append(engine, i, j, events[k].slip)
        if row_map.local_row[i] >= 0:
            _round_site(engine, fields.yields_at, row_map.local_row[i], j)
    for k in range(m, m + n):
        i, j, slip = engine.pending_i[k], engine.pending_j[k], engine.slips[k]
        _change_window(engine, fields.yields_at, i, j, slip, row_map)
        lower_near_cells(engine, i, j, slip)
        raise_nearby_cells(engine, i, j, slip)
    raise_far_blocks(engine, m, m + n)
    if engine.n_pending[0] // EVENTS_BETWEEN_LOOKS > m // EVENTS_BETWEEN_LOOKS:
        find_largest_bound(engine)
    return False


@inlined
def _append(engine: Any, i: int, j: int, slip: float) -> None:
    """Append an event to the pending ones."""
    m = engine.n_pending[0]
    engine.pending_i[m] = i
    engine.pending_j[m] = j
    engine.slips[m] = slip
    engine.n_pending[0] = m + 1
    engine.rounding_error[0] += slip * engine.most
    engine.rounding_error[1] += (
        engine.rounding_error[0] * ROUNDING + engine.rounding_constant * 2.0**-51
    )


@inlined
def _round_site(engine: Any, yields_at: LocalField, i: int, j: int) -> None:
    """Round the yields_at of a site that has a new threshold."""
    value = (yields_at[i, j] + engine.rounding_constant) - engine.rounding_constant
    yields_at[i, j] = value
    lower_cell(engine, i, j, rounded_down(value + engine.bound_at[i, j]))


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
    for k in range(wx):
        here = row_map.local_row[at(row)]
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
        row += 1
        if row == row_map.nx:
            row = 0


@compiled
def _subtract(
    yields_at: NDArray[np.float64], near: NDArray[np.float64], slip: float, grid: float
) -> None:
    for j in range(yields_at.size):
        yields_at[at(j)] -= (slip * near[at(j)] + grid) - grid


@compiled
def begin(engine: Any, fields: Fields, pending: NDArray[Any], row_map: RowMap) -> None:
    """Round ``yields_at``, and find all bounds anew from the pending events."""
    engine.n_pending[0] = 0
    engine.rounding_error[:] = 0.0
    engine.bound[:] = 0.0
    engine.cell_bound[:] = 0.0
    for first in range(0, pending.size, EVENTS_BETWEEN_LOOKS):
        last = min(first + EVENTS_BETWEEN_LOOKS, pending.size)
        for k in range(first, last):
            _append(engine, pending[k].i, pending[k].j, pending[k].slip)
            raise_nearby_cells(engine, pending[k].i, pending[k].j, pending[k].slip)
        raise_far_blocks(engine, first, last)
        find_largest_bound(engine)
    for cell_i in range(engine.lowest.shape[0]):
        _begin_row(engine, fields, cell_i, row_map)
    for block_i in range(engine.bound.shape[0]):
        find_lowest_of_blocks(engine, block_i, 0, engine.bound.shape[1])


@inlined
def _begin_row(engine: Any, fields: Fields, cell_i: int, row_map: RowMap) -> None:
    """Begin with a row of cells, while it is in the cache."""
    c, column_min = engine.cell, engine.column_min
    rows, ny = fields.yields_at.shape
    column_min[:] = np.inf
    for i in range(cell_i * c, min((cell_i + 1) * c, rows)):
        _round(fields.yields_at[i], engine.rounding_constant)
        engine.bound_at[i] = 0.0
        if engine.n_pending[0] > 0:
            for j in range(ny):
                if fields.evaluated[at(i), at(j)] > 0:
                    evaluate(engine, fields, i, j, row_map, bound_of(engine, i, j))
        _lower_to(column_min, fields.yields_at[i], engine.bound_at[i])
    for cell_j in range(engine.lowest.shape[1]):
        lowest = np.inf
        for j in range(cell_j * c, min((cell_j + 1) * c, ny)):
            lowest = min(lowest, column_min[at(j)])
        engine.lowest[at(cell_i), at(cell_j)] = rounded_down(lowest)


@compiled
def _round(values: NDArray[np.float64], grid: float) -> None:
    for j in range(values.size):
        values[at(j)] = (values[at(j)] + grid) - grid


@compiled
def _lower_to(
    column_min: NDArray[np.float64], yields_at: NDArray[np.float64], bound_at: NDArray[np.float32]
) -> None:
    for j in range(column_min.size):
        key = yields_at[at(j)] + bound_at[at(j)]
        column_min[at(j)] = key if key < column_min[at(j)] else column_min[at(j)]
