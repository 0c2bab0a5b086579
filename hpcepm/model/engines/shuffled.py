"""The direct engine of a kernel whose values come to random places at each event."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.model.kernel import Kernel
from hpcepm.model.shuffle import Keys, keys_of_event, shuffle
from hpcepm.model.state import Fields
from hpcepm.parallel.compiled import bind, inlined
from hpcepm.parallel.rows import Lattice, RowMap

from .base import redistribute
from .by_rows import bind_by_rows, find_row_minima


class ShuffledArrays(NamedTuple):
    """Arrays of the direct engine of a shuffled kernel."""

    minus_kernel: NDArray[np.float64]  # (nx ny,): −G(Δi, Δj) at Δi ny + Δj
    row_minimum: NDArray[np.float64]  # (2, rows): smallest yields_at, forward and backward
    ahead: NDArray[np.float32]  # of a clock
    key: NDArray[np.uint64]  # (2,): seed and realization
    numbers: NDArray[np.uint64]  # (ny,): of the sites of a row
    left: NDArray[np.int64]  # (ny,): see `shuffle`


def shuffled_arrays(
    lattice: Lattice, kernel: Kernel, key: NDArray[np.uint64], ahead: NDArray[np.float32]
) -> ShuffledArrays:
    """Return the arrays, which go on to see what ``key`` and ``ahead`` hold."""
    i, j = (np.minimum(np.arange(n), n - np.arange(n)) for n in lattice.shape)
    table = -kernel.quarter_table(lattice.shape)[np.ix_(i, j)].ravel()
    scratch = np.zeros(lattice.ny, np.uint64), np.zeros(lattice.ny, np.int64)
    return ShuffledArrays(table, np.zeros((2, lattice.rows)), ahead, key, *scratch)


@bind(redistribute, ShuffledArrays)
def _redistribute(
    engine: Any, fields: Fields, macro: Any, row_map: RowMap, events: NDArray[Any], n: int
) -> bool:
    before = macro.events - n  # they are counted already
    two_sides = fields.yields_backward_at.shape[0] > 0
    for k in range(n):
        keys = keys_of_event(before + k, engine.key[0], engine.key[1])
        for i in range(fields.yields_at.shape[0]):
            _find_places(engine, events[k], keys, row_map, i)
            _add(engine, fields.yields_at[i], events[k].slip)
            if two_sides:
                _add(engine, fields.yields_backward_at[i], -events[k].slip)
    find_row_minima(fields.yields_at, engine.row_minimum[0])
    find_row_minima(fields.yields_backward_at, engine.row_minimum[1])
    return False


@inlined
def _find_places(engine: Any, event: Any, keys: Keys, row_map: RowMap, i: int) -> None:
    """Let ``engine.numbers`` say for each site of a row which value it gets."""
    ny, numbers = engine.numbers.size, engine.numbers
    event_i, event_j = event.site // ny, event.site % ny
    away = (row_map.global_row[i] - event_i) % row_map.nx * ny
    for j in range(ny):
        away_j = j - event_j if j >= event_j else j - event_j + ny
        numbers[j] = max(away + away_j - 1, 0)
    shuffle(numbers, engine.minus_kernel.size - 1, keys, engine.left)
    for j in range(ny):
        numbers[j] += np.uint64(1)
    if away == 0:  # the event's own site is none of those that are shuffled
        numbers[event_j] = 0


@inlined
def _add(engine: Any, row: NDArray[np.float64], slip: float) -> None:
    for j in range(row.size):
        row[j] += slip * engine.minus_kernel[engine.numbers[j]]


bind_by_rows(ShuffledArrays)
