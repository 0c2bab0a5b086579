"""The step loop, compiled: the same machine code on one rank and on a thousand.

It is that of docs/model.md, section 2:

    while the load is below the next stop:
        find the weakest site, and move the load until it yields
        while sites are unstable:
            all of them slip at once, by amounts drawn for each, and their thresholds are renewed
            the slips redistribute stress

How the load moves is the loading's answer (`hpcepm.model.loading`), and who yields, to what, that
of the rule (`hpcepm.model.yielding`).

Written as a state machine, for it must be able to leave after any step and come back.
"""

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.parallel.compiled import compiled, inlined
from hpcepm.parallel.exchange import (
    EVENT,
    EventExchange,
    exchange_events,
    exchange_minimum,
    sort_by_site,
)
from hpcepm.parallel.rows import RowMap

from .engines.base import redistribute
from .loading import strain_of, stress_of, trigger
from .state import Fields
from .yielding.base import (
    Drawn,
    draw_events,
    find_unstable,
    most_unstable,
    number_of,
    put_alone,
    site_of,
    slip_sites,
    weakest,
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


class Buffers(NamedTuple):
    """Scratch space of a step; all of one capacity."""

    drawn: Drawn  # for the sites of this rank that yield
    events: NDArray[Any]  # the events of all ranks
    search_stress: NDArray[np.float64]  # (1,): how far above Σ the weakest site is sought first

    @classmethod
    def of_capacity(cls, capacity: int) -> "Buffers":
        """Return buffers for so many events in a step."""
        events = np.zeros(capacity, EVENT)
        drawn = Drawn(np.zeros(capacity, np.int64), np.zeros(capacity), np.zeros(capacity), events)
        return cls(drawn, events.copy(), np.full(1, np.inf))

    def larger(self) -> "Buffers":
        """Return buffers for four times as many events."""
        return Buffers.of_capacity(4 * self.events.size)._replace(search_stress=self.search_stress)

    @property
    def nbytes(self) -> int:
        """Memory, in bytes."""
        return sum(a.nbytes for a in (*self.drawn, self.events, self.search_stress))


class LoopExit(IntEnum):
    """Why the compiled loop returned."""

    REACHED = 0  # the load to stop at, on the elastic branch
    PAUSED = 1  # the number of steps to pause at
    SYNCHRONIZE = 2  # the engine needs Python
    TABLE_FULL = 3  # of finished avalanches
    GROW = 4  # more events in a step than the buffers hold
    NOT_FINITE = 5  # a NaN came up in the search for the weakest site
    BAD_SLIP = 6  # a slip is NaN


# numba takes plain integers for constants.
_REACHED, _PAUSED, _SYNCHRONIZE, _TABLE_FULL, _GROW, _NOT_FINITE, _BAD_SLIP = (
    int(why) for why in LoopExit
)


@compiled
def advance(
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
    until: float,
    pause_at: int,
) -> int:
    """Load until a load, a number of steps, or something that needs Python. Collective.

    ``macro`` and ``avalanche`` are records; ``finished[0]`` counts the rows of ``table`` in use.
    Returns a `LoopExit`. Calling again goes on exactly where this left off: all that matters is in
    the fields and the two records.
    """
    ny, n_sites, drawn = parameters.ny, parameters.nx * parameters.ny, buffers.drawn
    while macro.steps < pause_at:
        stress = stress_of(loading, macro, n_sites)
        if macro.in_avalanche:
            if loading.one_by_one:
                n_own = 0
            else:
                n_own = _next(engine, rule, fields, stress, drawn, parameters, exchange)
        else:
            if finished[0] == table.size:
                return _TABLE_FULL
            lowest, number = _weakest(
                engine, rule, fields, stress, loading.direction, buffers, parameters, exchange
            )
            if lowest == -np.inf:
                return _NOT_FINITE
            toward = loading.direction * stress
            if not trigger(loading, macro, toward, lowest, until, n_sites):
                return _REACHED
            stress = stress_of(loading, macro, n_sites)
            strain = strain_of(loading, macro, stress, n_sites)
            site = site_of(rule, number)
            open_avalanche(macro, avalanche, parameters.realization, strain, stress, site, ny)
            n_own = put_alone(rule, number, drawn.found, parameters)
        n_drawn = min(n_own, drawn.found.size)
        draw_events(rule, fields, stress, drawn, n_drawn, parameters, macro.avalanches)
        n = exchange_events(exchange, drawn.own, n_own, buffers.events)
        if n > buffers.events.size:
            return _GROW
        if n == 0:
            avalanche.stress_drop = loading.stiffness * avalanche.slip / n_sites
            table[finished[0]] = avalanche
            finished[0] += 1
            macro.in_avalanche = 0
            continue
        sort_by_site(buffers.events, n)
        slip_sites(rule, fields, drawn, n_own, parameters, macro.avalanches)
        _count(macro, avalanche, buffers.events, n)
        if macro.total_slip != macro.total_slip:
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
def _weakest(
    engine: Any,
    rule: Any,
    fields: Fields,
    stress: float,
    direction: float,
    buffers: Buffers,
    parameters: LoopParameters,
    exchange: EventExchange,
) -> tuple[float, int]:
    """Return the smallest d Σ at which a site yields, and its number. Collective.

    All ranks look up to the same limit, raised until one finds a site: none searches its rows for
    what another has lower.
    """
    search_stress, toward = buffers.search_stress, direction * stress
    if direction < 0.0 and rule.sides == 1:  # no site yields when it is unloaded
        return np.inf, -1
    while True:
        limit = toward + search_stress[0]
        lowest, code = weakest(rule, engine, fields, stress, limit, parameters.row_map, direction)
        lowest, number = exchange_minimum(exchange, lowest, number_of(rule, code, parameters))
        if lowest < np.inf or limit == np.inf:
            break
        search_stress[0] *= 2.0
    search_stress[0] = 2.0 * max(lowest - toward, abs(stress) * 2.0**-30 + 2.0**-100)
    return lowest, number


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
def _count(macro: Any, avalanche: Any, events: NDArray[Any], n: int) -> None:
    """Count a synchronous step; every rank adds the slips of all in the same order."""
    macro.steps += 1
    macro.events += n
    avalanche.duration += 1
    avalanche.events += n
    for k in range(n):
        macro.total_slip += events[k].slip
        avalanche.slip += events[k].slip
        avalanche.sites += events[k].first
