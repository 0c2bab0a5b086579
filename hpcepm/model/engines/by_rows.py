"""What engines share that know ``yields_at`` at every site after every step.

They find the answers from the smallest value of each row, ``engine.row_minimum``, shape (2, rows):
forward and backward.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcepm.model.state import Fields, State
from hpcepm.parallel.compiled import bind, compiled
from hpcepm.parallel.rows import LocalField, RowMap

from .base import (
    Engine,
    begin_look,
    go_on_looking,
    least_yields_at,
    make_known,
    margin_of,
    set_ahead,
    smallest,
    unstable_sites,
    weakest_site,
)


class EngineByRows(Engine):
    """An engine whose arrays have a ``row_minimum``."""

    def load(self, state: State) -> None:
        """Make the row minima fit a state. Collective.

        Raises
        ------
        ValueError
            The state has pending events, which only the lazy engine can have.
        """
        if state.pending.size > 0:
            raise ValueError(
                f"{self.name} cannot have pending events, and this state has {state.pending.size}"
            )
        find_all_row_minima(state.fields, self.arrays)

    def synchronize(self, state: State) -> None:
        """Set ``yields_at`` from the plastic strain. Collective."""
        self.find_yields_at(state)
        find_all_row_minima(state.fields, self.arrays)


def unstable_by_rows(
    engine: Any, side: int, fields: Fields, stress: float, found: NDArray[np.int64], row_map: RowMap
) -> int:
    """Answer `unstable_sites` from the smallest value of each row."""
    yields_at = fields.yields_at if side == 0 else fields.yields_backward_at
    row_minimum = engine.row_minimum[side]
    rows, ny = yields_at.shape
    n = 0
    for i in range(rows):
        if row_minimum[i] <= stress:
            for j in range(ny):
                if yields_at[i, j] <= stress:
                    if n < found.size:
                        found[n] = i * ny + j
                    n += 1
    return n


def weakest_by_rows(
    engine: Any, side: int, fields: Fields, limit: float, row_map: RowMap
) -> tuple[float, int]:
    """Answer `weakest_site` from the smallest value of each row."""
    yields_at = fields.yields_at if side == 0 else fields.yields_backward_at
    row_minimum = engine.row_minimum[side]
    rows, ny = yields_at.shape
    lowest = np.inf
    i = -1
    for k in range(rows):
        if row_minimum[k] < lowest:
            lowest = row_minimum[k]
            i = k
    if i < 0:
        return np.inf, -1
    for j in range(ny):
        if yields_at[i, j] == lowest:
            return lowest, i * ny + j
    return np.nan, i * ny  # a row whose minimum is not in it holds a NaN


def begin_look_by_rows(engine: Any, side: int, fields: Fields, stress: float) -> int:
    """Answer `begin_look`: row by row."""
    return fields.yields_at.shape[0]


def look_at_rows(
    engine: Any,
    side: int,
    fields: Fields,
    stress: float,
    begin: int,
    end: int,
    found: NDArray[np.int64],
    row_map: RowMap,
) -> tuple[int, int]:
    """Answer `go_on_looking`: row by row."""
    yields_at = fields.yields_at if side == 0 else fields.yields_backward_at
    ahead, (_, ny), n, i = engine.ahead[side], yields_at.shape, 0, begin
    while i < end and n + ny <= found.size:
        for j in range(ny):
            if yields_at[i, j] - ahead[i, j] <= stress:
                found[n] = i * ny + j
                n += 1
        i += 1
    return n, i


def set_ahead_of_row(engine: Any, side: int, fields: Fields, i: int, j: int, ahead: float) -> None:
    """Answer `set_ahead`."""
    engine.ahead[side, i, j] = ahead


def margin_by_rows(engine: Any, side: int, stress: float) -> float:
    """Answer `margin_of`: ``ahead`` is in single precision."""
    return 1e-6 * (1.0 + abs(stress))


def yields_at_by_rows(engine: Any, side: int, fields: Fields, i: int, j: int) -> float:
    """Answer `least_yields_at`: all are known."""
    return fields.yields_at[i, j] if side == 0 else fields.yields_backward_at[i, j]


def known_by_rows(engine: Any, fields: Fields, i: int, j: int, row_map: RowMap) -> None:
    """Answer `make_known`: all are."""


def bind_by_rows(kind: type) -> None:
    """Let an engine answer by rows."""
    bind(unstable_sites, kind)(unstable_by_rows)
    bind(weakest_site, kind)(weakest_by_rows)
    bind(begin_look, kind)(begin_look_by_rows)
    bind(go_on_looking, kind)(look_at_rows)
    bind(set_ahead, kind)(set_ahead_of_row)
    bind(margin_of, kind)(margin_by_rows)
    bind(least_yields_at, kind)(yields_at_by_rows)
    bind(make_known, kind)(known_by_rows)


def find_all_row_minima(fields: Fields, arrays: Any) -> None:
    """Set the smallest value of each row, of both sides."""
    find_row_minima(fields.yields_at, arrays.row_minimum[0])
    find_row_minima(fields.yields_backward_at, arrays.row_minimum[1])


@compiled
def find_row_minima(yields_at: LocalField, row_minimum: NDArray[np.float64]) -> None:
    """Set the smallest value of each row."""
    for i in range(yields_at.shape[0]):
        row_minimum[i] = smallest(yields_at[i])
