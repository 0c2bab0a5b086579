"""The step loop, compiled: the same machine code on one rank and on a thousand (SPEC 2).

    while the strain is below the next stop:
        find the weakest site; raise the strain until it yields           leaves at least one site unstable
        while sites are unstable:
            all of them slip at once, by amounts drawn for each, and their thresholds are renewed
            the slips redistribute stress
                                                                           leaves none unstable

Written as a state machine, for it must be able to leave after any step and come back.
"""

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .compiled import compiled, inlined
from .disorder import quantile, slip_at
from .engines.base import redistribute, unstable_sites, weakest_site
from .lattice import Share
from .parallel import EVENT, Link, exchange_events, exchange_minimum, sort_by_site
from .rng import YIELDING, draw
from .state import Fields


class Rules(NamedTuple):
    """The glass as the compiled loop wants it."""

    seed: Any  # uint64
    realization: Any  # uint64
    two_mu: float
    nx: int
    ny: int
    share: Share
    renewal_kind: int
    renewal: NDArray[np.float64]
    slip_kind: int
    c0: float
    c1: float


class Buffers(NamedTuple):
    """Scratch space of a step; all of one capacity."""

    found: NDArray[np.int64]  # local indices of this rank's unstable sites
    renewed: NDArray[np.float64]  # their new thresholds
    own: NDArray[Any]  # their events
    events: NDArray[Any]  # the events of all ranks
    reach: NDArray[np.float64]  # (1,): how far above Σ the weakest site is sought first

    @classmethod
    def of_capacity(cls, capacity: int) -> "Buffers":
        """Return buffers for so many events in a step."""
        events = np.zeros(capacity, EVENT)
        return cls(np.zeros(capacity, np.int64), np.zeros(capacity), events, events.copy(), np.full(1, np.inf))


class Why(IntEnum):
    """Why the compiled loop returned."""

    REACHED = 0  # the strain to stop at, on the elastic branch
    PAUSED = 1  # the number of steps to pause at
    SYNCHRONIZE = 2  # the engine needs Python
    TABLE_FULL = 3  # of finished avalanches
    GROW = 4  # more events in a step than the buffers hold
    NOT_FINITE = 5  # a NaN came up in the search for the weakest site


# numba takes plain integers for constants.
_REACHED, _PAUSED, _SYNCHRONIZE, _TABLE_FULL, _GROW, _NOT_FINITE = (int(why) for why in Why)


@compiled
def advance(
    engine: Any,
    fields: Fields,
    now: Any,
    avalanche: Any,
    table: NDArray[Any],
    finished: NDArray[np.int64],
    buffers: Buffers,
    rules: Rules,
    link: Link,
    stop_strain: float,
    pause_at: int,
) -> int:
    """Shear until a stop strain, a number of steps, or something that needs Python. Collective.

    ``now`` and ``avalanche`` are records; ``finished[0]`` counts the rows of ``table`` in use. Returns a `Why`. Calling again
    goes on exactly where this left off: all that matters is in the fields and the two records.
    """
    n_sites = rules.nx * rules.ny
    while now.steps < pause_at:
        stress = rules.two_mu * (now.strain - now.total_slip / n_sites)
        if now.in_avalanche:
            n_own = unstable_sites(engine, fields, stress, buffers.found, rules.share)
        else:
            if finished[0] == table.size:
                return _TABLE_FULL
            lowest, site = _weakest(engine, fields, stress, buffers.reach, rules, link)
            if lowest == -np.inf:
                return _NOT_FINITE
            if lowest > stress:
                strain = now.strain + (lowest - stress) / rules.two_mu
                if not strain < stop_strain:
                    return _REACHED
                now.strain = strain
                stress = rules.two_mu * (now.strain - now.total_slip / n_sites)
                n_own = _alone(site, rules, buffers.found)
            else:  # only at strain 0: a preparation may leave sites unstable
                n_own = unstable_sites(engine, fields, stress, buffers.found, rules.share)
            _open_avalanche(now, avalanche, stress, site, rules)
        _draw_events(fields, buffers, min(n_own, buffers.found.size), rules, now.avalanches)
        n = exchange_events(link, buffers.own, n_own, buffers.events)
        if n > buffers.events.size:
            return _GROW
        if n == 0:
            avalanche.stress_drop = rules.two_mu * avalanche.slip / n_sites
            table[finished[0]] = avalanche
            finished[0] += 1
            now.in_avalanche = 0
            continue
        sort_by_site(buffers.events, n)
        _slip(fields, buffers, n_own, now.avalanches)
        _count(now, avalanche, buffers.events, n)
        if redistribute(engine, fields, now, rules.share, buffers.events, n):
            return _SYNCHRONIZE
    return _PAUSED


@inlined
def _weakest(
    engine: Any, fields: Fields, stress: float, reach: NDArray[np.float64], rules: Rules, link: Link
) -> tuple[float, int]:
    """Return the smallest ``yields_at`` of the lattice and its site. Collective.

    All ranks look up to the same limit, raised until one finds a site: none searches its slab for what another has lower.
    """
    while True:
        limit = stress + reach[0]
        lowest, local = weakest_site(engine, fields, limit, rules.share)
        lowest, site = exchange_minimum(link, lowest, _site(rules, local))
        if lowest < np.inf or limit == np.inf:
            break
        reach[0] *= 2.0
    reach[0] = 2.0 * max(lowest - stress, abs(stress) * 2.0**-30 + 2.0**-100)
    return lowest, site


@inlined
def _alone(site: int, rules: Rules, found: NDArray[np.int64]) -> int:
    """Put a global site into ``found`` if it is on this slab; return how many were put."""
    here = rules.share.here[site // rules.ny]
    found[0] = here * rules.ny + site % rules.ny
    return int(here >= 0)


@inlined
def _site(rules: Rules, local: int) -> int:
    """Return the global index of a site of this slab; −1 for −1."""
    return -1 if local < 0 else rules.share.row[local // rules.ny] * rules.ny + local % rules.ny


@inlined
def _open_avalanche(now: Any, avalanche: Any, stress: float, site: int, rules: Rules) -> None:
    now.in_avalanche = 1
    now.avalanches += 1
    avalanche.realization = rules.realization
    avalanche.strain = now.strain
    avalanche.stress = stress
    avalanche.slip = 0.0
    avalanche.events = 0
    avalanche.sites = 0
    avalanche.duration = 0
    avalanche.x = site // rules.ny
    avalanche.y = site % rules.ny


@inlined
def _draw_events(fields: Fields, buffers: Buffers, n: int, rules: Rules, avalanche: int) -> None:
    """Draw slip and new threshold for the sites found on this slab; changes no field."""
    for k in range(n):
        local = buffers.found[k]
        i, j = local // rules.ny, local % rules.ny
        site = _site(rules, local)
        u_threshold, u_slip = draw(site, fields.n_events[i, j] + 1, YIELDING, rules.seed, rules.realization)
        buffers.renewed[k] = quantile(rules.renewal_kind, rules.renewal, u_threshold)
        buffers.own[k].site = site
        buffers.own[k].slip = slip_at(rules.slip_kind, rules.c0, rules.c1, fields.sigma_c[i, j], u_slip)
        buffers.own[k].first = fields.last_avalanche[i, j] != np.int32(avalanche)


@inlined
def _slip(fields: Fields, buffers: Buffers, n: int, avalanche: int) -> None:
    """Let the sites of this slab slip by what was drawn, and renew their thresholds."""
    ny = fields.sigma_c.shape[1]
    for k in range(n):
        i, j = buffers.found[k] // ny, buffers.found[k] % ny
        fields.epsilon_p[i, j] += buffers.own[k].slip
        fields.n_events[i, j] += 1
        fields.last_avalanche[i, j] = np.int32(avalanche)
        fields.yields_at[i, j] += buffers.renewed[k] - fields.sigma_c[i, j]
        fields.sigma_c[i, j] = buffers.renewed[k]


@inlined
def _count(now: Any, avalanche: Any, events: NDArray[Any], n: int) -> None:
    """Count a synchronous step; every rank adds the slips of all in the same order."""
    now.steps += 1
    now.events += n
    avalanche.duration += 1
    avalanche.events += n
    for k in range(n):
        now.total_slip += events[k].slip
        avalanche.slip += events[k].slip
        avalanche.sites += events[k].first
