"""The step loop, compiled: the same machine code on one rank and on a thousand.

It is that of docs/model.md, section 2:

    while the load is below the next stop:
        find the weakest site, and move the load until it yields
        while sites are unstable:
            all of them slip at once, by amounts drawn for each, and their thresholds are renewed
            the slips redistribute stress

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

from .distributions import quantile
from .engines.base import redistribute, unstable_sites, weakest_site
from .loading import stress_of, trigger
from .rng import YIELDING, draw
from .slip import slip_at
from .state import Fields


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

    found: NDArray[np.int64]  # local indices of this rank's unstable sites
    renewed: NDArray[np.float64]  # their new thresholds
    own: NDArray[Any]  # their events
    events: NDArray[Any]  # the events of all ranks
    search_stress: NDArray[np.float64]  # (1,): how far above Σ the weakest site is sought first

    @classmethod
    def of_capacity(cls, capacity: int) -> "Buffers":
        """Return buffers for so many events in a step."""
        events = np.zeros(capacity, EVENT)
        return cls(
            np.zeros(capacity, np.int64),
            np.zeros(capacity),
            events,
            events.copy(),
            np.full(1, np.inf),
        )

    def larger(self) -> "Buffers":
        """Return buffers for four times as many events."""
        return Buffers.of_capacity(4 * self.found.size)._replace(search_stress=self.search_stress)


class LoopExit(IntEnum):
    """Why the compiled loop returned."""

    REACHED = 0  # the load to stop at, on the elastic branch
    PAUSED = 1  # the number of steps to pause at
    SYNCHRONIZE = 2  # the engine needs Python
    TABLE_FULL = 3  # of finished avalanches
    GROW = 4  # more events in a step than the buffers hold
    NOT_FINITE = 5  # a NaN came up in the search for the weakest site


# numba takes plain integers for constants.
_REACHED, _PAUSED, _SYNCHRONIZE, _TABLE_FULL, _GROW, _NOT_FINITE = (int(why) for why in LoopExit)


@compiled
def advance(
    engine: Any,
    loading: Any,
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
    n_sites = parameters.nx * parameters.ny
    while macro.steps < pause_at:
        stress = stress_of(loading, macro, n_sites)
        if macro.in_avalanche:
            n_own = unstable_sites(engine, fields, stress, buffers.found, parameters.row_map)
        else:
            if finished[0] == table.size:
                return _TABLE_FULL
            lowest, site = _weakest(
                engine, fields, stress, buffers.search_stress, parameters, exchange
            )
            if lowest == -np.inf:
                return _NOT_FINITE
            if lowest > stress:
                if not trigger(loading, macro, stress, lowest, until, n_sites):
                    return _REACHED
                stress = stress_of(loading, macro, n_sites)
                n_own = _alone(site, parameters, buffers.found)
            else:  # only at the start: a preparation may leave sites unstable
                n_own = unstable_sites(engine, fields, stress, buffers.found, parameters.row_map)
            _open_avalanche(macro, avalanche, stress, site, parameters)
        _draw_events(fields, buffers, min(n_own, buffers.found.size), parameters, macro.avalanches)
        n = exchange_events(exchange, buffers.own, n_own, buffers.events)
        if n > buffers.events.size:
            return _GROW
        if n == 0:
            avalanche.stress_drop = loading.stiffness * avalanche.slip / n_sites
            table[finished[0]] = avalanche
            finished[0] += 1
            macro.in_avalanche = 0
            continue
        sort_by_site(buffers.events, n)
        _slip(fields, buffers, n_own, macro.avalanches)
        _count(macro, avalanche, buffers.events, n)
        if redistribute(engine, fields, macro, parameters.row_map, buffers.events, n):
            return _SYNCHRONIZE
    return _PAUSED


@inlined
def _weakest(
    engine: Any,
    fields: Fields,
    stress: float,
    search_stress: NDArray[np.float64],
    parameters: LoopParameters,
    exchange: EventExchange,
) -> tuple[float, int]:
    """Return the smallest ``yields_at`` of the lattice and its site. Collective.

    All ranks look up to the same limit, raised until one finds a site: none searches its rows for
    what another has lower.
    """
    while True:
        limit = stress + search_stress[0]
        lowest, local = weakest_site(engine, fields, limit, parameters.row_map)
        lowest, site = exchange_minimum(exchange, lowest, _site(parameters, local))
        if lowest < np.inf or limit == np.inf:
            break
        search_stress[0] *= 2.0
    search_stress[0] = 2.0 * max(lowest - stress, abs(stress) * 2.0**-30 + 2.0**-100)
    return lowest, site


@inlined
def _alone(site: int, parameters: LoopParameters, found: NDArray[np.int64]) -> int:
    """Put a global site into ``found`` if it is on this rank; return how many were put."""
    here = parameters.row_map.local_row[site // parameters.ny]
    found[0] = here * parameters.ny + site % parameters.ny
    return int(here >= 0)


@inlined
def _site(parameters: LoopParameters, local: int) -> int:
    """Return the global index of a site of this rank; −1 for −1."""
    return (
        -1
        if local < 0
        else parameters.row_map.global_row[local // parameters.ny] * parameters.ny
        + local % parameters.ny
    )


@inlined
def _open_avalanche(
    macro: Any, avalanche: Any, stress: float, site: int, parameters: LoopParameters
) -> None:
    macro.in_avalanche = 1
    macro.avalanches += 1
    avalanche.realization = parameters.realization
    avalanche.strain = macro.strain
    avalanche.stress = stress
    avalanche.slip = 0.0
    avalanche.events = 0
    avalanche.sites = 0
    avalanche.duration = 0
    avalanche.x = site // parameters.ny
    avalanche.y = site % parameters.ny


@inlined
def _draw_events(
    fields: Fields, buffers: Buffers, n: int, parameters: LoopParameters, avalanche: int
) -> None:
    """Draw slip and new threshold for the sites found on this rank; changes no field."""
    for k in range(n):
        local = buffers.found[k]
        i, j = local // parameters.ny, local % parameters.ny
        site = _site(parameters, local)
        u_threshold, u_slip = draw(
            site, fields.n_events[i, j] + 1, YIELDING, parameters.seed, parameters.realization
        )
        buffers.renewed[k] = quantile(parameters.renewal_kind, parameters.renewal, u_threshold)
        buffers.own[k].site = site
        buffers.own[k].slip = slip_at(
            parameters.slip_kind, parameters.slip, fields.sigma_c[i, j], u_slip
        )
        buffers.own[k].first = fields.last_avalanche[i, j] != np.int32(avalanche)


@inlined
def _slip(fields: Fields, buffers: Buffers, n: int, avalanche: int) -> None:
    """Let the sites of this rank slip by what was drawn, and renew their thresholds."""
    ny = fields.sigma_c.shape[1]
    for k in range(n):
        i, j = buffers.found[k] // ny, buffers.found[k] % ny
        fields.epsilon_p[i, j] += buffers.own[k].slip
        fields.n_events[i, j] += 1
        fields.last_avalanche[i, j] = np.int32(avalanche)
        fields.yields_at[i, j] += buffers.renewed[k] - fields.sigma_c[i, j]
        fields.sigma_c[i, j] = buffers.renewed[k]


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
