"""The step loop, compiled: the same machine code on one rank and on a thousand.

It is that of docs/model.md, section 2:

    while the load is below the next stop:
        find the weakest site, and move the load until it yields
        while sites are unstable:
            all of them slip at once, by amounts drawn for each, and their thresholds are renewed
            the slips redistribute stress

How the load moves is the loading's answer (`hpcepm.model.loading`), who yields, to what, that of
the rule (`hpcepm.model.yielding`), and when an avalanche begins that of the clock
(`hpcepm.model.clock`).

Written as a state machine, for it must be able to leave after any step and come back.
"""

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.layout import EVENT_ROW
from hpcepm.parallel.compiled import compiled, inlined
from hpcepm.parallel.exchange import (
    EVENT,
    EventExchange,
    exchange_events,
    sort_by_site,
)
from hpcepm.parallel.rows import RowMap

from .clock.trigger import NAN_FOUND, OPENED, next_avalanche, note_end, note_events
from .engines.base import redistribute
from .loading import drop_of, strain_of, stress_of
from .state import Fields
from .watch import passed
from .yielding.base import (
    Drawn,
    draw_events,
    find_unstable,
    most_unstable,
    put_alone,
    site_of,
    slip_sites,
)


class LoopParameters(NamedTuple):
    """The glass as the compiled loop wants it."""

    seed: Any  # uint64
    realization: Any  # uint64
    nx: int
    ny: int
    row_map: RowMap
    renewal_kind: int
    renewal: NDArray[np.float64]
    slip_kind: int
    slip: NDArray[np.float64]
    most_at_load: float = np.inf  # more avalanches one after the other at a load never end


class EventTable(NamedTuple):
    """The events of all ranks, one by one, if they are wanted."""

    rows: NDArray[Any]  # EVENT_ROW; none if they are not wanted
    used: NDArray[np.int64]  # (1,): how many are in use

    @classmethod
    def of_capacity(cls, capacity: int) -> "EventTable":
        """Return an empty one."""
        return cls(np.zeros(capacity, EVENT_ROW), np.zeros(1, np.int64))

    def larger(self, capacity: int) -> "EventTable":
        """Return one with as many rows at the least, and the same events."""
        if not 0 < self.rows.size < capacity:
            return self
        table = EventTable.of_capacity(capacity)
        table.rows[: self.rows.size] = self.rows
        table.used[0] = self.used[0]
        return table


class Buffers(NamedTuple):
    """Scratch space of a step; all of one capacity."""

    drawn: Drawn  # for the sites of this rank that yield
    events: NDArray[Any]  # the events of all ranks
    kept: EventTable
    search_stress: NDArray[np.float64]  # (1,): how far above Σ the weakest site is sought first
    stays: NDArray[np.float64]  # (2,): the load of the last avalanche, how many before it had it

    @classmethod
    def of_capacity(cls, capacity: int) -> "Buffers":
        """Return buffers for so many events in a step."""
        events = np.zeros(capacity, EVENT)
        drawn = Drawn(np.zeros(capacity, np.int64), np.zeros(capacity), np.zeros(capacity), events)
        kept = EventTable.of_capacity(0)
        return cls(drawn, events.copy(), kept, np.full(1, np.inf), np.zeros(2))

    def larger(self) -> "Buffers":
        """Return buffers for four times as many events."""
        larger = Buffers.of_capacity(4 * self.events.size)
        return larger._replace(
            kept=self.kept.larger(larger.events.size),
            search_stress=self.search_stress,
            stays=self.stays,
        )

    @property
    def nbytes(self) -> int:
        """Memory, in bytes."""
        return sum(a.nbytes for a in (*self.drawn, self.events, *self.kept, self.search_stress))


class LoopExit(IntEnum):
    """Why the compiled loop returned."""

    REACHED = 0  # the load to stop at, on the elastic branch
    PAUSED = 1  # the number of steps to pause at
    SYNCHRONIZE = 2  # the engine needs Python
    TABLE_FULL = 3  # of finished avalanches, or of events
    GROW = 4  # more events in a step than the buffers hold
    NOT_FINITE = 5  # a NaN came up in the search for the weakest site
    BAD_SLIP = 6  # a slip is NaN
    PASSED = 7  # a bound that is watched, inside an avalanche
    ENDLESS = 8  # avalanches that leave the load where it is


# numba takes plain integers for constants.
_REACHED, _PAUSED, _SYNCHRONIZE, _TABLE_FULL, _GROW, _NOT_FINITE, _BAD_SLIP, _PASSED, _ENDLESS = (
    int(why) for why in LoopExit
)


_STAYS = -1  # an avalanche is to begin, and none of many has moved the load


@inlined
def _exit_of(why: int) -> int:
    """Return the `LoopExit` where no avalanche begins."""
    if why == _STAYS:
        return _ENDLESS
    return _NOT_FINITE if why == NAN_FOUND else _REACHED


@compiled
def advance(
    clock: Any,
    engine: Any,
    loading: Any,
    rule: Any,
    fields: Fields,
    macro: Any,
    avalanche: Any,
    table: NDArray[Any],
    finished: NDArray[np.int64],
    buffers: Buffers,
    parameters: LoopParameters,
    exchange: EventExchange,
    watch: Any,
) -> int:
    """Load until a load, a number of steps, or something that needs Python. Collective.

    The load is ``watch.until``. ``macro``, ``avalanche`` and ``watch`` are records; ``finished[0]``
    counts the rows of ``table`` in use. Returns a `LoopExit`. Calling again goes on exactly where
    this left off: all that matters is in the fields and the records.
    """
    n_sites, drawn = parameters.nx * parameters.ny, buffers.drawn
    while macro.steps < watch.pause_at:
        stress = stress_of(loading, macro, n_sites)
        if macro.in_avalanche:
            if watch.active and passed(watch, loading, macro, stress, n_sites):
                return _PASSED
            if loading.one_by_one or not clock.instant:  # each event is an avalanche
                close(clock, loading, macro, avalanche, table, finished, n_sites)
                continue
            n_own = _next(engine, rule, fields, stress, drawn, parameters, exchange)
        else:
            if finished[0] == table.size or not has_room(buffers.kept, 1):
                return _TABLE_FULL
            why, stress, n_own = _open_next(
                clock,
                engine,
                loading,
                rule,
                fields,
                macro,
                avalanche,
                buffers,
                parameters,
                exchange,
                watch,
            )
            if why != OPENED:
                return _exit_of(why)
        n_drawn = min(n_own, drawn.found.size)
        draw_events(rule, fields, stress, drawn, n_drawn, parameters, macro.avalanches)
        n = exchange_events(exchange, drawn.own, n_own, buffers.events)
        if n > buffers.events.size or not has_room(buffers.kept, n):
            return _GROW if n > buffers.events.size else _TABLE_FULL
        if n == 0:
            close(clock, loading, macro, avalanche, table, finished, n_sites)
            continue
        sort_by_site(buffers.events, n)
        slip_sites(rule, fields, drawn, n_own, parameters, macro.avalanches)
        note_events(clock, engine, fields, buffers.events, n, parameters)
        if not _count(macro, avalanche, buffers, n, parameters):
            return _BAD_SLIP
        if redistribute(engine, fields, macro, parameters.row_map, buffers.events, n):
            return _SYNCHRONIZE
    return _PAUSED


@inlined
def _next(
    engine: Any,
    rule: Any,
    fields: Fields,
    stress: float,
    drawn: Drawn,
    parameters: LoopParameters,
    exchange: EventExchange,
) -> int:
    """Find who slips next at this stress; return how many of this rank. Collective."""
    if not rule.weakest_first:
        return find_unstable(
            rule, engine, fields, stress, drawn.found, parameters.row_map, exchange
        )
    excess, number = most_unstable(rule, engine, fields, stress, parameters, exchange)
    return put_alone(rule, number, drawn.found, parameters) if excess <= 0.0 else 0


@inlined
def _open_next(
    clock: Any,
    engine: Any,
    loading: Any,
    rule: Any,
    fields: Fields,
    macro: Any,
    avalanche: Any,
    buffers: Buffers,
    parameters: LoopParameters,
    exchange: EventExchange,
    watch: Any,
) -> tuple[int, float, int]:
    """Go to the next avalanche, and begin it. Collective.

    Returns what `next_avalanche` does, or `_STAYS`, the macroscopic stress, and how many sites slip
    here.
    """
    n_sites, ny = parameters.nx * parameters.ny, parameters.ny
    why, number = next_avalanche(
        clock,
        engine,
        loading,
        rule,
        fields,
        macro,
        buffers.search_stress,
        parameters,
        exchange,
        watch,
    )
    stress = stress_of(loading, macro, n_sites)
    if why == OPENED and _stays(buffers.stays, macro.load) > parameters.most_at_load:
        why = _STAYS
    if why != OPENED:
        return why, stress, 0
    strain = strain_of(loading, macro, stress, n_sites)
    site = site_of(rule, number)
    open_avalanche(macro, avalanche, parameters.realization, strain, stress, site, ny)
    return why, stress, put_alone(rule, number, buffers.drawn.found, parameters)


@inlined
def _stays(stays: NDArray[np.float64], load: float) -> float:
    """Note at which load an avalanche begins; return how many did there before it."""
    stays[1] = stays[1] + 1.0 if load == stays[0] else 0.0
    stays[0] = load
    return float(stays[1])


@inlined
def close(
    clock: Any,
    loading: Any,
    macro: Any,
    avalanche: Any,
    table: NDArray[Any],
    finished: NDArray[np.int64],
    n_sites: int,
) -> None:
    """End the avalanche, and put it into the table."""
    note_end(clock, finished[0])
    avalanche.stress_drop = drop_of(loading, macro, avalanche.slip, n_sites)
    table[finished[0]] = avalanche
    finished[0] += 1
    macro.in_avalanche = 0


@inlined
def open_avalanche(
    macro: Any, avalanche: Any, realization: Any, strain: float, stress: float, site: int, ny: int
) -> None:
    """Begin an avalanche at a site."""
    macro.in_avalanche = 1
    macro.avalanches += 1
    avalanche.realization = realization
    avalanche.strain = strain
    avalanche.stress = stress
    avalanche.slip = 0.0
    avalanche.events = 0
    avalanche.sites = 0
    avalanche.duration = 0
    avalanche.x = site // ny
    avalanche.y = site % ny


@inlined
def has_room(kept: EventTable, n: int) -> bool:
    """Whether so many events more can be kept; always, if none are."""
    return bool(kept.rows.size == 0 or kept.used[0] + n <= kept.rows.size)


@inlined
def keep_events(
    kept: EventTable,
    macro: Any,
    avalanche: Any,
    events: NDArray[Any],
    n: int,
    parameters: LoopParameters,
) -> None:
    """Put the events of a step into the table, if they are wanted."""
    if kept.rows.size == 0:
        return
    for k in range(n):
        row, site = kept.rows[kept.used[0] + k], events[k].site
        row.realization = avalanche.realization
        row.strain = avalanche.strain
        row.avalanche = macro.avalanches - 1
        row.step = avalanche.duration
        row.x = site // parameters.ny
        row.y = site % parameters.ny
        row.slip = events[k].slip
    kept.used[0] += n


@inlined
def _count(
    macro: Any, avalanche: Any, buffers: Buffers, n: int, parameters: LoopParameters
) -> bool:
    """Count a synchronous step; every rank adds the slips of all in the same order.

    Returns whether their sum is a number.
    """
    events = buffers.events
    keep_events(buffers.kept, macro, avalanche, events, n, parameters)
    macro.steps += 1
    macro.events += n
    avalanche.duration += 1
    avalanche.events += n
    for k in range(n):
        macro.total_slip += events[k].slip
        avalanche.slip += events[k].slip
        avalanche.sites += events[k].first
    return bool(macro.total_slip == macro.total_slip)
