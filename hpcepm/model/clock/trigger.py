"""What begins an avalanche: the load that reaches the weakest site, or a point in time."""

from functools import singledispatch
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.model.engines.base import set_ahead
from hpcepm.model.loading import stress_of, trigger
from hpcepm.model.state import Fields
from hpcepm.model.watch import nearest_stop
from hpcepm.model.yielding.base import local_site, number_of, site_of, weakest
from hpcepm.parallel.compiled import bind, inlined
from hpcepm.parallel.exchange import EventExchange, exchange_minimum

from .search import first_to_yield, load_when, note_pace, restore
from .table import ALWAYS, Poisson
from .times import LONGEST, as_number, earlier, later

OPENED, ARRIVED, NAN_FOUND = range(3)
"""An avalanche begins; a stop comes first; a NaN came up in the search."""

ALONE: Final = 4.0
"""So many times as far as several ranks does one look ahead: it waits for no other."""

FARTHEST: Final = LONGEST / 2
"""Units of time that ranks look ahead at the most: a double has them all."""


class Still(NamedTuple):
    """No clock: time stands still, and the load waits for avalanches."""

    instant: bool = True


@singledispatch
def next_avalanche(
    clock: Any,
    engine: Any,
    loading: Any,
    rule: Any,
    fields: Fields,
    macro: Any,
    search_stress: NDArray[np.float64],
    parameters: Any,
    exchange: EventExchange,
    watch: Any,
) -> tuple[int, int]:
    """Move load and time to the next avalanche. Collective.

    If the load ``watch.until``, or what is watched, comes first, nothing is changed but
    ``watch.reached``. Returns `OPENED`, `ARRIVED` or `NAN_FOUND`, and the number of the site
    (`hpcepm.model.yielding.base`).
    """
    raise NotImplementedError


@singledispatch
def note_events(
    clock: Any, engine: Any, fields: Fields, events: NDArray[Any], n: int, parameters: Any
) -> None:
    """Note who yielded."""
    raise NotImplementedError


@singledispatch
def note_end(clock: Any, row: int) -> None:
    """Note when an avalanche was triggered, in a row of its table."""
    raise NotImplementedError


@bind(next_avalanche, Still)
def _when_load_reaches(
    clock: Any,
    engine: Any,
    loading: Any,
    rule: Any,
    fields: Fields,
    macro: Any,
    search_stress: NDArray[np.float64],
    parameters: Any,
    exchange: EventExchange,
    watch: Any,
) -> tuple[int, int]:
    n_sites = parameters.nx * parameters.ny
    stress = stress_of(loading, macro, n_sites)
    lowest, number = find_weakest(
        engine, loading, rule, fields, stress, search_stress, parameters, exchange
    )
    if lowest == -np.inf:
        return NAN_FOUND, number
    toward = loading.direction * stress
    watch.reached = nearest_stop(watch, loading, macro, watch.until, n_sites)
    if not trigger(loading, macro, toward, lowest, watch.reached, n_sites):
        return ARRIVED, number
    return OPENED, number


@bind(note_events, Still)
def _note_no_events(
    clock: Any, engine: Any, fields: Fields, events: NDArray[Any], n: int, parameters: Any
) -> None:
    pass


@bind(note_end, Still)
def _note_no_end(clock: Any, row: int) -> None:
    pass


@inlined
def find_weakest(
    engine: Any,
    loading: Any,
    rule: Any,
    fields: Fields,
    stress: float,
    search_stress: NDArray[np.float64],
    parameters: Any,
    exchange: EventExchange,
) -> tuple[float, int]:
    """Return the smallest d Σ at which a site yields, and its number. Collective.

    All ranks look up to the same limit, raised until one finds a site: none searches its rows for
    what another has lower. Where the load moves at each event the weakest may be far below Σ, and
    each rank looks for its own.
    """
    direction = loading.direction
    toward = direction * stress
    if direction < 0.0 and rule.sides == 1:  # no site yields when it is unloaded
        return np.inf, -1
    while True:
        limit = np.inf if loading.one_by_one else toward + search_stress[0]
        lowest, code = weakest(rule, engine, fields, stress, limit, parameters.row_map, direction)
        lowest, number = exchange_minimum(exchange, lowest, number_of(rule, code, parameters))
        if lowest < np.inf or limit == np.inf:
            break
        search_stress[0] *= 2.0
    if not loading.one_by_one:
        search_stress[0] = 2.0 * max(lowest - toward, abs(stress) * 2.0**-30 + 2.0**-100)
    return lowest, number


@bind(next_avalanche, Poisson)
def _when_a_point_comes(
    clock: Any,
    engine: Any,
    loading: Any,
    rule: Any,
    fields: Fields,
    macro: Any,
    search_stress: NDArray[np.float64],
    parameters: Any,
    exchange: EventExchange,
    watch: Any,
) -> tuple[int, int]:
    motion, time, n_sites = clock.motion[0], clock.time[0], parameters.nx * parameters.ny
    whole, fraction, load = motion.stop_whole, motion.stop_fraction, macro.load
    moves, by_load, lowest, weakest_number = motion.at_once or motion.rate != 0.0, False, 0.0, -1
    if moves:
        load = nearest_stop(watch, loading, macro, watch.until, n_sites)
        if clock.instant:
            stress = stress_of(loading, macro, n_sites)
            lowest, weakest_number = find_weakest(
                engine, loading, rule, fields, stress, search_stress, parameters, exchange
            )
            if lowest == -np.inf:
                return NAN_FOUND, -1
            before, toward = macro.load, loading.direction * stress
            if trigger(loading, macro, toward, lowest, load, n_sites):
                load, macro.load = macro.load, before
            else:
                weakest_number = -1
    if motion.at_once:
        whole, fraction = time.whole, time.fraction
        if earlier(whole, fraction, time.begun_whole, time.begun_fraction):  # nothing has yielded
            whole, fraction = time.begun_whole, time.begun_fraction
        if weakest_number >= 0:
            macro.load, time.strength = load, 0.0
            time.whole, time.fraction = whole, fraction
            return OPENED, weakest_number
        return _reach(clock, watch, whole, fraction, load)
    if moves:
        passed = (load - time.begun_load) / motion.rate
        load_whole, load_fraction = later(time.begun_whole, time.begun_fraction, max(passed, 0.0))
        by_load = earlier(load_whole, load_fraction, whole, fraction)
        if by_load:
            whole, fraction = load_whole, load_fraction
    at, at_fraction, number, strength = _first_of_all(
        clock, engine, loading, fields, macro, parameters, exchange, whole, fraction
    )
    if number < 0 and not (by_load and weakest_number >= 0):
        reached = load if by_load else load_when(clock, macro, whole, fraction)
        return _reach(clock, watch, whole, fraction, reached)
    if number < 0:
        at, at_fraction, number, strength = whole, fraction, weakest_number, 0.0
        macro.load = load
    else:
        macro.load = load_when(clock, macro, at, at_fraction)
    note_pace(clock, at, at_fraction)
    time.whole, time.fraction, time.site = at, at_fraction, site_of(rule, number)
    time.strength = strength
    return OPENED, number


@inlined
def _reach(clock: Any, watch: Any, whole: int, fraction: float, load: float) -> tuple[int, int]:
    """Stop at a time and a load."""
    clock.motion[0].reached_whole, clock.motion[0].reached_fraction = whole, fraction
    watch.reached = load
    return ARRIVED, -1


@inlined
def _first_of_all(
    clock: Any,
    engine: Any,
    loading: Any,
    fields: Fields,
    macro: Any,
    parameters: Any,
    exchange: EventExchange,
    stop_whole: int,
    stop_fraction: float,
) -> tuple[int, float, int, float]:
    """Return the first point of all ranks as `first_to_yield` does. Collective.

    They look some way ahead at a time: no rank tries points long after what another has, and no
    site has a rate that holds until a load that is far away. One rank, whose load stays, looks as
    far as there is.
    """
    several = exchange.size > 1
    far = not several and clock.motion[0].rate == 0.0
    begun, begun_fraction = clock.time[0].whole, clock.time[0].fraction
    window = clock.pace[0] if several else ALONE * clock.pace[0]
    while True:
        whole, fraction = later(begun, begun_fraction, min(2.0 * window, FARTHEST))
        if far or not earlier(whole, fraction, stop_whole, stop_fraction):
            whole, fraction = stop_whole, stop_fraction
        whole, fraction, number, strength = first_to_yield(
            clock, engine, loading, fields, macro, parameters, whole, fraction, several
        )
        if several:
            whole, fraction, number, strength = _least_of_ranks(
                exchange, begun, whole, fraction, number, strength
            )
            restore(clock, whole, fraction)
        if number >= 0 or not earlier(whole, fraction, stop_whole, stop_fraction):
            return whole, fraction, number, strength
        begun, begun_fraction, window = whole, fraction, 2.0 * window


@inlined
def _least_of_ranks(
    exchange: EventExchange, begun: int, whole: int, fraction: float, number: int, strength: float
) -> tuple[int, float, int, float]:
    """Return the first point of all ranks, which looked ahead from ``begun`` on. Collective."""
    passed, _ = exchange_minimum(exchange, float(whole - begun), 0)
    first = begun + int(passed)
    least, its = exchange_minimum(exchange, fraction if whole == first else np.inf, number)
    is_mine = whole == first and fraction == least and number == its
    strength, _ = exchange_minimum(exchange, strength if is_mine else ALWAYS, 0)
    return first, least, its, strength


@bind(note_events, Poisson)
def _forget_levels(
    clock: Any, engine: Any, fields: Fields, events: NDArray[Any], n: int, parameters: Any
) -> None:
    ny = parameters.ny
    for k in range(n):
        local = local_site(parameters, events[k].site)
        if local >= 0:
            for side in range(clock.when.shape[0]):
                set_ahead(engine, side, fields, local // ny, local % ny, ALWAYS)


@bind(note_end, Poisson)
def _note_time(clock: Any, row: int) -> None:
    time = clock.time[0]
    clock.rows[row].time = as_number(time.whole, time.fraction) * clock.unit
    clock.rows[row].fraction = time.fraction
    clock.rows[row].strength = time.strength
