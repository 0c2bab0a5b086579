"""The direct engine: each event adds its kernel to every site. Best for small lattices."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.model.kernel import Kernel
from hpcepm.model.state import Fields, State
from hpcepm.parallel.compiled import bind, compiled
from hpcepm.parallel.rows import Lattice, RowMap

from .base import (
    Engine,
    find_row_minima,
    redistribute,
    smallest,
    unstable_by_rows,
    unstable_sites,
    weakest_by_rows,
    weakest_site,
)


class DirectArrays(NamedTuple):
    """Arrays of the direct engine."""

    # (nx//2 + 1, 2 ny): −G(|Δi|, Δj), two periods in j, so that any shift is contiguous
    minus_kernel: NDArray[np.float64]
    row_minimum: NDArray[np.float64]  # (rows,) smallest yields_at


class DirectEngine(Engine):
    """Redistribution by direct summation in real space. Every rank holds the table of G."""

    name = "direct"

    def __init__(self, lattice: Lattice, kernel: Kernel, scale: float) -> None:
        super().__init__(lattice, kernel, scale)
        ny = lattice.ny
        quarter = kernel.quarter_table(lattice.shape)
        column = np.arange(2 * ny) % ny
        table = np.ascontiguousarray(-quarter[:, np.minimum(column, ny - column)])
        self.arrays: DirectArrays = DirectArrays(table, np.zeros(lattice.rows))

    def load(self, state: State) -> None:
        """Make the row minima fit a state. Collective."""
        super().load(state)
        find_row_minima(state.fields.yields_at, self.arrays.row_minimum)


@bind(redistribute, DirectArrays)
@compiled
def _redistribute(
    engine: Any, fields: Fields, macro: Any, row_map: RowMap, events: NDArray[Any], n: int
) -> bool:
    # Row by row, so that a row stays in the L1 cache while all events add to it. At each site the
    # order is that of the events; two at a time round exactly as one after the other.
    table = engine.minus_kernel
    rows, ny = fields.yields_at.shape
    for i in range(rows):
        row = fields.yields_at[i]
        for k in range(0, n - 1, 2):
            slip_1, kernel_1 = _as_seen_from(
                table, events[k], row_map.global_row[i], row_map.nx, ny
            )
            slip_2, kernel_2 = _as_seen_from(
                table, events[k + 1], row_map.global_row[i], row_map.nx, ny
            )
            for j in range(ny):
                row[j] = (row[j] + slip_1 * kernel_1[j]) + slip_2 * kernel_2[j]
        if n % 2 == 1:
            slip_1, kernel_1 = _as_seen_from(
                table, events[n - 1], row_map.global_row[i], row_map.nx, ny
            )
            for j in range(ny):
                row[j] += slip_1 * kernel_1[j]
        engine.row_minimum[i] = smallest(row)
    return False


@compiled
def _as_seen_from(table: Any, event: Any, i: int, nx: int, ny: int) -> tuple[float, Any]:
    """Return the slip of an event and −G from it to each site of row i."""
    event_i, event_j = event.site // ny, event.site % ny
    distance = abs(i - event_i)
    shift = ny - event_j
    return event.slip, table[min(distance, nx - distance), shift : shift + ny]


bind(unstable_sites, DirectArrays)(unstable_by_rows)
bind(weakest_site, DirectArrays)(weakest_by_rows)
