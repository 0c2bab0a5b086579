"""Two sides: a site yields forward when σ ≥ σ⁺, and backward when σ ≤ −σ⁻.

docs/model.md, section 8. With s = σ − Σ, a site yields forward when Σ ≥ y⁺ = σ⁺ − s and backward
when −Σ ≥ y⁻ = σ⁻ + s. All is symmetric: the mirrored glass, driven the other way, makes the
mirrored run, to the last bit.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.model.distributions import quantile
from hpcepm.model.engines.base import unstable_sites, weakest_site
from hpcepm.model.rng import WELL, YIELDING, draw3, zigzag
from hpcepm.model.slip import slip_at
from hpcepm.model.state import Fields
from hpcepm.parallel.compiled import bind, inlined
from hpcepm.parallel.exchange import exchange_minimum
from hpcepm.parallel.rows import LocalField, RowMap

from .base import (
    Drawn,
    changed_threshold,
    draw_events,
    find_unstable,
    global_site,
    local_site,
    mark,
    most_unstable,
    number_of,
    put_alone,
    site_of,
    slip_sites,
    weakest,
)


class TwoSides(NamedTuple):
    """The numbers of the rule."""

    sides: int
    weakest_first: bool
    memory: float
    damage: float
    floor: float
    softening: float  # −G(0) + K/N²
    most_events: int  # of one site in one avalanche
    quenched: bool
    mu_star: float
    grid: float  # slips of a quenched landscape are multiples of it
    initial_kind: int  # of the thresholds of well 0
    initial: NDArray[np.float64]
    # (rows, ny), or without rows: thresholds of well 0 that were not drawn
    initial_field: LocalField
    initial_backward: LocalField


@bind(find_unstable, TwoSides)
def _find_unstable(
    rule: Any,
    engine: Any,
    fields: Fields,
    stress: float,
    found: NDArray[np.int64],
    row_map: RowMap,
    exchange: Any,
) -> int:
    n_all = 0
    for side in range(2):
        if side == 1:
            exchange_minimum(exchange, 0.0, 0)  # nobody begins a search while others are at one
        first = min(n_all, found.size)
        signed = stress if side == 0 else -stress
        n = unstable_sites(engine, side, fields, signed, found[first:], row_map)
        if side == 1:
            for k in range(first, min(first + n, found.size)):
                found[k] = -1 - found[k]
        n_all += n
    return n_all


@bind(weakest, TwoSides)
def _weakest(
    rule: Any, engine: Any, fields: Fields, stress: float, limit: float, row_map: RowMap, d: float
) -> tuple[float, int]:
    side = 0 if d > 0.0 else 1
    lowest, local = weakest_site(engine, side, fields, limit, row_map)
    return lowest, local if side == 0 else -1 - local


@bind(most_unstable, TwoSides)
def _most_unstable(
    rule: Any, engine: Any, fields: Fields, stress: float, parameters: Any, exchange: Any
) -> tuple[float, int]:
    least, best = np.inf, -1
    for side in range(2):
        signed = stress if side == 0 else -stress
        lowest, local = weakest_site(engine, side, fields, signed, parameters.row_map)
        number = 2 * global_site(parameters, local) + side
        excess = lowest - signed if lowest <= signed else np.inf
        excess, number = exchange_minimum(exchange, excess, number)
        if excess < least or (excess == least < np.inf and number < best):
            least, best = excess, number
    return least, best


@bind(number_of, TwoSides)
def _number_of(rule: Any, code: int, parameters: Any) -> int:
    if code >= 0:
        return 2 * global_site(parameters, code)
    return 2 * global_site(parameters, -1 - code) + 1


@bind(site_of, TwoSides)
def _site_of(rule: Any, number: int) -> int:
    return number // 2


@bind(put_alone, TwoSides)
def _put_alone(rule: Any, number: int, found: NDArray[np.int64], parameters: Any) -> int:
    local = local_site(parameters, number // 2)
    found[0] = local if number % 2 == 0 else -1 - local
    return int(local >= 0)


@bind(draw_events, TwoSides)
def _draw_events(
    rule: Any, fields: Fields, stress: float, drawn: Drawn, n: int, parameters: Any, avalanche: int
) -> None:
    for k in range(n):
        way = 1.0 if drawn.found[k] >= 0 else -1.0
        local = drawn.found[k] if way > 0.0 else -1 - drawn.found[k]
        i, j = local // parameters.ny, local % parameters.ny
        drawn.own[k].site = global_site(parameters, local)
        drawn.own[k].first = abs(fields.last_avalanche[i, j]) != mark(avalanche)
        if rule.quenched:
            _hop(rule, fields, drawn, k, i, j, way, parameters)
        else:
            _renew(rule, fields, stress, drawn, k, i, j, way, parameters)
        in_avalanche = fields.n_events[i, j] - fields.events_before[i, j]
        if not drawn.own[k].first and in_avalanche >= rule.most_events:
            drawn.own[k].slip = np.nan


@inlined
def _renew(
    rule: Any,
    fields: Fields,
    stress: float,
    drawn: Drawn,
    k: int,
    i: int,
    j: int,
    way: float,
    parameters: Any,
) -> None:
    """Draw both thresholds anew."""
    n_events = fields.n_events[i, j] + 1
    u_forward, u_slip, u_backward = draw3(
        drawn.own[k].site, n_events, YIELDING, parameters.seed, parameters.realization
    )
    kind, p = parameters.renewal_kind, parameters.renewal
    forward, backward = fields.sigma_c[i, j], fields.sigma_c_backward[i, j]
    drawn.renewed[k] = changed_threshold(rule, quantile(kind, p, u_forward), forward, n_events)
    drawn.renewed_backward[k] = changed_threshold(
        rule, quantile(kind, p, u_backward), backward, n_events
    )
    if way > 0.0:
        overcome, sigma = forward, forward - fields.yields_at[i, j] + stress
    else:
        overcome, sigma = backward, backward - fields.yields_backward_at[i, j] - stress
    drawn.own[k].slip = way * slip_at(
        parameters.slip_kind, parameters.slip, overcome, u_slip, sigma, rule.softening
    )


@inlined
def _hop(
    rule: Any, fields: Fields, drawn: Drawn, k: int, i: int, j: int, way: float, parameters: Any
) -> None:
    """Find the well that a site comes to, and how far it slips on the way there.

    The slip between two wells is that drawn for the lower one. It is short enough that the site is
    stable where it comes to, and a multiple of the grid, so that ε_p comes back exactly.
    """
    site, here = drawn.own[k].site, fields.well[i, j]
    there = here + int(way)
    forward, u_slip, backward = well_at(rule, site, there, i, j, parameters)
    drawn.renewed[k], drawn.renewed_backward[k] = forward, backward
    if way > 0.0:
        _, u_slip, _ = draw3(site, zigzag(here), WELL, parameters.seed, parameters.realization)
        forward = fields.sigma_c[i, j]
    else:
        backward = fields.sigma_c_backward[i, j]
    slip = slip_at(parameters.slip_kind, parameters.slip, forward, u_slip, 0.0, 1.0)
    longest = 1.5 * min(forward, backward) / rule.mu_star
    drawn.own[k].slip = way * rule.grid * max(np.floor(min(slip, longest) / rule.grid), 1.0)


@inlined
def well_at(
    rule: Any, site: int, well: int, i: int, j: int, parameters: Any
) -> tuple[float, float, float]:
    """Return σ⁺ of a well, the uniform deviate of the slip from there to the next, and σ⁻."""
    u_forward, u_slip, u_backward = draw3(
        site, zigzag(well), WELL, parameters.seed, parameters.realization
    )
    if well == 0 and rule.initial_field.shape[0] > 0:
        return rule.initial_field[i, j], u_slip, rule.initial_backward[i, j]
    kind, p = parameters.renewal_kind, parameters.renewal
    if well == 0:
        kind, p = rule.initial_kind, rule.initial
    return quantile(kind, p, u_forward), u_slip, quantile(kind, p, u_backward)


@bind(slip_sites, TwoSides)
def _slip_sites(
    rule: Any, fields: Fields, drawn: Drawn, n: int, parameters: Any, avalanche: int
) -> None:
    for k in range(n):
        way = 1 if drawn.found[k] >= 0 else -1
        local = drawn.found[k] if way > 0 else -1 - drawn.found[k]
        i, j = local // parameters.ny, local % parameters.ny
        fields.epsilon_p[i, j] += drawn.own[k].slip
        if drawn.own[k].first:
            fields.events_before[i, j] = fields.n_events[i, j]
        fields.n_events[i, j] += 1
        fields.last_avalanche[i, j] = mark(avalanche)
        fields.yields_at[i, j] += drawn.renewed[k] - fields.sigma_c[i, j]
        fields.sigma_c[i, j] = drawn.renewed[k]
        fields.yields_backward_at[i, j] += drawn.renewed_backward[k] - fields.sigma_c_backward[i, j]
        fields.sigma_c_backward[i, j] = drawn.renewed_backward[k]
        if rule.quenched:
            fields.well[i, j] += way
