"""Which site of a rank yields first, while nothing changes but the load."""

from typing import Any, Final

import numpy as np

from hpcepm.model.engines.base import (
    begin_look,
    go_on_looking,
    least_yields_at,
    make_known,
    margin_of,
    set_ahead,
)
from hpcepm.model.loading import stress_of
from hpcepm.model.state import Fields
from hpcepm.parallel.compiled import compiled, inlined

from .law import rate_at
from .points import LOWEST
from .table import ALWAYS, earliest_site, find_next, level_for, set_next
from .times import between, earlier

LONG: Final = 8.0
"""So many times the mean time between events is it that it must have grown."""


@inlined
def load_when(clock: Any, macro: Any, whole: int, fraction: float) -> float:
    """Return the load at a time of this segment."""
    rate, time = clock.motion[0].rate, clock.time[0]
    if rate == 0.0:
        return macro.load
    passed = between(time.begun_whole, time.begun_fraction, whole, fraction)
    return time.begun_load + rate * passed


@inlined
def stress_when(
    clock: Any, loading: Any, macro: Any, whole: int, fraction: float, n_sites: int
) -> float:
    """Return the macroscopic stress at a time of this segment, nothing yielding until then."""
    now = macro.load
    macro.load = load_when(clock, macro, whole, fraction)
    stress = stress_of(loading, macro, n_sites)
    macro.load = now
    return stress


@inlined
def signed(side: int, stress: float) -> float:
    """Return the stress as a side counts it."""
    return stress if side == 0 else -stress


@inlined
def number_of_site(clock: Any, parameters: Any, side: int, i: int, j: int) -> int:
    """Return the number of a site and side that is the same on all ranks, as rules have it."""
    site = parameters.row_map.global_row[i] * parameters.ny + j
    return 2 * site + side if clock.when.shape[0] > 1 else site


@compiled
def first_to_yield(
    clock: Any,
    engine: Any,
    loading: Any,
    fields: Fields,
    macro: Any,
    parameters: Any,
    stop_whole: int,
    stop_fraction: float,
    remember: bool,
) -> tuple[int, float, int, float]:
    """Return the first point before a stop at which a site of this rank yields.

    Its time, the number of the site, and its strength; number −1 with the stop if there is none
    before that, or with an earlier one if too much would have to be remembered.

    Points are looked at in the order of their times, once all sites have a level that holds until
    then. Those at which no site yields are passed over; if an event on another rank comes before
    one of them, it counts again: they are put into ``clock.rejected`` to `remember` them.

    (Each function that it calls has one place: all are compiled into it.)
    """
    ny, row, time = parameters.ny, parameters.row_map.global_row, clock.time[0]
    n_sites = parameters.nx * ny
    now = stress_of(loading, macro, n_sites)
    looked_forward = looked_backward = -np.inf
    begin, end, looked_at, two_sides = 0, 0, 0, clock.when.shape[0] > 1
    clock.n_rejected[0] = 0
    while True:
        whole, fraction, side, chosen = time.whole, time.fraction, looked_at, True
        if begin < end:  # sites whose rate may be above that of their level
            toward = looked_forward if side == 0 else looked_backward
            n, begin = go_on_looking(
                engine, side, fields, toward, begin, end, clock.found, parameters.row_map
            )
            clock.counts[0] += n
        else:
            then, there, looked_at = now, False, -1
            # At first, levels are for now: what comes later may come after many other events.
            if looked_forward > -np.inf and not (two_sides and looked_backward == -np.inf):
                side, i, j = earliest_site(clock, row)
                whole, fraction, there = _time_of(clock, side, i, j, stop_whole, stop_fraction)
                then = stress_when(clock, loading, macro, whole, fraction, n_sites)
            if max(now, then) > looked_forward:
                looked_at, looked_forward = 0, max(now, then)
            elif two_sides and max(-now, -then) > looked_backward:
                looked_at, looked_backward = 1, max(-now, -then)
            if looked_at >= 0:
                toward = looked_forward if looked_at == 0 else looked_backward
                begin, end = 0, begin_look(engine, looked_at, fields, toward)
                continue
            if not there or clock.n_rejected[0] == clock.rejected.size:
                return whole, fraction, -1, 0.0
            yields, chosen, strength = _try(
                clock, engine, side, fields, i, j, signed(side, then), parameters
            )
            if yields:
                return whole, fraction, number_of_site(clock, parameters, side, i, j), strength
            if remember:
                _remember(clock, side, i, j)
            n, clock.found[0] = 1, i * ny + j
            toward = looked_forward if side == 0 else looked_backward
        margin = margin_of(engine, side, toward)
        for k in range(n):
            i, j = clock.found[k] // ny, clock.found[k] % ny
            site = row[i] * ny + j
            if chosen:
                _choose_level(clock, engine, side, fields, i, j, toward, margin)
            inclusive = looked_at >= 0 and site > time.site
            find_next(clock, side, i, j, site, (whole, fraction, inclusive), parameters)


@inlined
def _time_of(
    clock: Any, side: int, i: int, j: int, stop_whole: int, stop_fraction: float
) -> tuple[int, float, bool]:
    """Return the time of the next point of a site, and True; or the stop if that comes first."""
    if side >= 0:
        its = clock.next[side, i, j]
        if earlier(its.whole, its.fraction, stop_whole, stop_fraction):
            return its.whole, its.fraction, True
    return stop_whole, stop_fraction, False


@inlined
def _try(
    clock: Any,
    engine: Any,
    side: int,
    fields: Fields,
    i: int,
    j: int,
    toward: float,
    parameters: Any,
) -> tuple[bool, bool, float]:
    """Return whether a site yields at its next point, if not whether to choose its level anew.

    And its strength then. ``toward`` is Σ, or −Σ backward. Where a bound tells that it does not
    yield, the stress there need not be known; but after a long time a higher level may cost less.
    """
    its, time = clock.next[side, i, j], clock.time[0]
    waited = between(time.whole, time.fraction, its.whole, its.fraction)
    if waited > LONG * clock.pace[0]:
        clock.pace[0] = 0.25 * waited
    least = least_yields_at(engine, side, fields, i, j) - toward
    may_yield = its.height < rate_at(clock.kind, clock.numbers, least)
    clock.counts[1] += 1
    clock.counts[2] += not may_yield
    if not (may_yield or waited > clock.pace[0]):
        return False, False, 0.0
    make_known(engine, fields, i, j, parameters.row_map)
    strength = _yields_at(fields, side, i, j) - toward
    yields = may_yield and its.height < rate_at(clock.kind, clock.numbers, strength)
    return yields, True, strength


@inlined
def _choose_level(
    clock: Any,
    engine: Any,
    side: int,
    fields: Fields,
    i: int,
    j: int,
    toward: float,
    margin: float,
) -> None:
    """Choose the level of a site whose yields_at is known."""
    level = level_for(clock, _yields_at(fields, side, i, j) - toward, margin)
    clock.next[side, i, j].level = level
    # Instant avalanches are found by searches for unstable sites, which must find them.
    least_ahead = 0.0 if clock.instant else -ALWAYS
    set_ahead(engine, side, fields, i, j, max(clock.reach[level - LOWEST], least_ahead))


@inlined
def _yields_at(fields: Fields, side: int, i: int, j: int) -> float:
    return fields.yields_at[i, j] if side == 0 else fields.yields_backward_at[i, j]


@inlined
def _remember(clock: Any, side: int, i: int, j: int) -> None:
    """Remember the next point of a site, which is passed over."""
    n = clock.n_rejected[0]
    clock.rejected[n].side, clock.rejected[n].i, clock.rejected[n].j = side, i, j
    its = clock.next[side, i, j]
    clock.rejected[n].whole = its.whole
    clock.rejected[n].fraction = its.fraction
    clock.rejected[n].height = its.height
    clock.n_rejected[0] = n + 1


@inlined
def restore(clock: Any, whole: int, fraction: float) -> None:
    """Bring points back that were passed over, and lie behind a time."""
    for k in range(clock.n_rejected[0] - 1, -1, -1):
        one = clock.rejected[k]
        if earlier(whole, fraction, one.whole, one.fraction):
            set_next(clock, one.side, one.i, one.j, (one.whole, one.fraction, one.height))


@inlined
def note_pace(clock: Any, whole: int, fraction: float) -> None:
    """Note how long it is from one event to the next."""
    time = clock.time[0]
    passed = between(time.whole, time.fraction, whole, fraction)
    clock.pace[0] = 0.99 * clock.pace[0] + 0.01 * passed
