"""How the lazy engine answers a clock: the keys of sites are less by how far ahead it looks."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcepm.model.engines.base import (
    begin_look,
    go_on_looking,
    least_yields_at,
    make_known,
    margin_of,
    set_ahead,
)
from hpcepm.model.state import Fields
from hpcepm.parallel.compiled import bind, compiled
from hpcepm.parallel.rows import RowMap

from .arrays import ROUNDING, LazyArrays, rounded_down
from .bounds import bound_of, lower_cell
from .search import evaluate_blocks, list_blocks, search_limit
from .sums import evaluate

AHEAD_OF_ALL = 1e29  # the key of a site without a limit tells nothing of its bound


@bind(begin_look, LazyArrays)
def _begin_look(engine: Any, side: int, fields: Fields, stress: float) -> int:
    return list_blocks(engine, side, search_limit(engine, side, stress), False)


@bind(go_on_looking, LazyArrays)
def _go_on_looking(
    engine: Any,
    side: int,
    fields: Fields,
    stress: float,
    begin: int,
    end: int,
    found: NDArray[np.int64],
    row_map: RowMap,
) -> tuple[int, int]:
    yields_at = fields.yields_at if side == 0 else fields.yields_backward_at
    limit = search_limit(engine, side, stress)
    n, following = evaluate_blocks(
        engine, side, fields, yields_at, begin, end, limit, row_map, False
    )
    for k in range(n):
        found[k] = engine.candidates[k]
    return n, following


@bind(set_ahead, LazyArrays)
def _set_ahead(engine: Any, side: int, fields: Fields, i: int, j: int, ahead: float) -> None:
    yields_at = fields.yields_at[i, j] if side == 0 else fields.yields_backward_at[i, j]
    above = -rounded_down(-ahead)
    bound = rounded_down(np.float64(bound_of(engine, side, i, j)) - np.float64(above))
    engine.ahead[side, i, j], engine.bound_at[side, i, j] = above, bound
    lower_cell(engine, side, i, j, rounded_down(yields_at + bound))


@bind(margin_of, LazyArrays)
def _margin_of(engine: Any, side: int, stress: float) -> float:
    largest = abs(stress) + 2.0 * engine.largest_bound[side, 1] + 1.0
    return engine.rounding_error[side] + 16.0 * largest * ROUNDING


@bind(least_yields_at, LazyArrays)
def _least_yields_at(engine: Any, side: int, fields: Fields, i: int, j: int) -> float:
    yields_at = fields.yields_at[i, j] if side == 0 else fields.yields_backward_at[i, j]
    if fields.evaluated[i, j] == engine.n_pending[0]:
        return yields_at
    ahead = np.float64(engine.ahead[side, i, j])
    if abs(ahead) > AHEAD_OF_ALL:
        return -np.inf
    grown = np.float64(bound_of(engine, side, i, j)) - (engine.bound_at[side, i, j] + ahead)
    error = abs(yields_at) + abs(ahead) + 2.0 * engine.largest_bound[side, 1]
    return yields_at - grown - engine.rounding_error[side] - 4.0 * error * ROUNDING


@bind(make_known, LazyArrays)
def known(engine: Any, fields: Fields, i: int, j: int, row_map: RowMap) -> None:
    """Answer `make_known`."""
    if fields.evaluated[i, j] < engine.n_pending[0]:
        evaluate(engine, fields, i, j, row_map)


@compiled
def lowest_of_hidden(engine: Any, fields: Fields, row_map: RowMap) -> float:
    """Return the smallest yields_at, forward, of sites whose keys are above it.

    Where sites need not yield at once, those that no clock has to look at again are not found by a
    search.
    """
    lowest = np.inf
    for i in range(engine.ahead.shape[1]):
        for j in range(engine.ahead.shape[2]):
            if engine.ahead[0, i, j] < 0.0:
                known(engine, fields, i, j, row_map)
                lowest = min(lowest, fields.yields_at[i, j])
    return lowest
