"""The direct engine: each event adds its kernel to every site. Best for small lattices."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.model.kernel import Kernel
from hpcepm.model.state import Fields
from hpcepm.parallel.compiled import bind, compiled
from hpcepm.parallel.rows import Lattice, RowMap

from .base import ONE_WAY, Ways, redistribute, smallest
from .by_rows import EngineByRows, bind_by_rows
from .shuffled import ShuffledArrays, shuffled_arrays


class DirectArrays(NamedTuple):
    """Arrays of the direct engine."""

    # (nx//2 + 1, 2 ny): −G(|Δi|, Δj), two periods in j, so that any shift is contiguous
    minus_kernel: NDArray[np.float64]
    row_minimum: NDArray[np.float64]  # (2, rows): smallest yields_at, forward and backward
    ahead: NDArray[np.float32]  # of a clock


class DirectEngine(EngineByRows):
    """Redistribution by direct summation in real space. Every rank holds the table of G.

    A kernel that is shuffled has arrays, and so an answer, of its own.
    """

    name = "direct"

    def __init__(
        self, lattice: Lattice, kernel: Kernel, scale: float, ways: Ways = ONE_WAY
    ) -> None:
        super().__init__(lattice, kernel, scale, ways)
        self.arrays: DirectArrays | ShuffledArrays
        if kernel.shuffled:
            self.arrays = shuffled_arrays(lattice, kernel, self.random_key, self.ahead)
            return
        ny = lattice.ny
        quarter = kernel.quarter_table(lattice.shape)
        column = np.arange(2 * ny) % ny
        table = np.ascontiguousarray(-quarter[:, np.minimum(column, ny - column)])
        self.arrays = DirectArrays(table, np.zeros((2, lattice.rows)), self.ahead)


@bind(redistribute, DirectArrays)
def _redistribute(
    engine: Any, fields: Fields, macro: Any, row_map: RowMap, events: NDArray[Any], n: int
) -> bool:
    for i in range(fields.yields_at.shape[0]):
        _add(engine.minus_kernel, fields.yields_at[i], 1.0, events, n, row_map, i)
        engine.row_minimum[0, i] = smallest(fields.yields_at[i])
    for i in range(fields.yields_backward_at.shape[0]):
        _add(engine.minus_kernel, fields.yields_backward_at[i], -1.0, events, n, row_map, i)
        engine.row_minimum[1, i] = smallest(fields.yields_backward_at[i])
    return False


@compiled
def _add(
    table: Any,
    row: NDArray[np.float64],
    way: float,
    events: NDArray[Any],
    n: int,
    row_map: RowMap,
    i: int,
) -> None:
    """Add all events to a row, which stays in the L1 cache.

    At each site the order is that of the events; two at a time round exactly as one after the
    other.
    """
    here, nx, ny = row_map.global_row[i], row_map.nx, row.size
    for k in range(0, n - 1, 2):
        slip_1, kernel_1 = _as_seen_from(table, events[k], here, nx, ny)
        slip_2, kernel_2 = _as_seen_from(table, events[k + 1], here, nx, ny)
        slip_1, slip_2 = way * slip_1, way * slip_2
        for j in range(ny):
            row[j] = (row[j] + slip_1 * kernel_1[j]) + slip_2 * kernel_2[j]
    if n % 2 == 1:
        slip_1, kernel_1 = _as_seen_from(table, events[n - 1], here, nx, ny)
        slip_1 = way * slip_1
        for j in range(ny):
            row[j] += slip_1 * kernel_1[j]


@compiled
def _as_seen_from(table: Any, event: Any, i: int, nx: int, ny: int) -> tuple[float, Any]:
    """Return the slip of an event and −G from it to each site of row i."""
    event_i, event_j = event.site // ny, event.site % ny
    distance = abs(i - event_i)
    shift = ny - event_j
    return event.slip, table[min(distance, nx - distance), shift : shift + ny]


bind_by_rows(DirectArrays)
