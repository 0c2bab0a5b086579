"""One side, renewed: a site yields when σ ≥ σ_c, and each event draws a new threshold.

The rule of the paper (docs/model.md, section 2).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.model.distributions import quantile
from hpcepm.model.engines.base import unstable_sites, weakest_site
from hpcepm.model.rng import YIELDING, draw
from hpcepm.model.slip import slip_at
from hpcepm.model.state import Fields
from hpcepm.parallel.compiled import bind
from hpcepm.parallel.exchange import exchange_minimum
from hpcepm.parallel.rows import RowMap

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


class OneSide(NamedTuple):
    """The numbers of the rule."""

    sides: int
    weakest_first: bool
    memory: float
    damage: float
    floor: float
    softening: float  # −G(0) + K/N²


@bind(find_unstable, OneSide)
def _find_unstable(
    rule: Any,
    engine: Any,
    fields: Fields,
    stress: float,
    found: NDArray[np.int64],
    row_map: RowMap,
    exchange: Any,
) -> int:
    return unstable_sites(engine, 0, fields, stress, found, row_map)


@bind(weakest, OneSide)
def _weakest(
    rule: Any, engine: Any, fields: Fields, stress: float, limit: float, row_map: RowMap, d: float
) -> tuple[float, int]:
    return weakest_site(engine, 0, fields, limit, row_map)


@bind(most_unstable, OneSide)
def _most_unstable(
    rule: Any, engine: Any, fields: Fields, stress: float, parameters: Any, exchange: Any
) -> tuple[float, int]:
    lowest, local = weakest_site(engine, 0, fields, stress, parameters.row_map)
    if lowest > stress:
        lowest, local = np.inf, -1
    lowest, site = exchange_minimum(exchange, lowest, global_site(parameters, local))
    return lowest - stress, site


@bind(number_of, OneSide)
def _number_of(rule: Any, code: int, parameters: Any) -> int:
    return global_site(parameters, code)


@bind(site_of, OneSide)
def _site_of(rule: Any, number: int) -> int:
    return number


@bind(put_alone, OneSide)
def _put_alone(rule: Any, number: int, found: NDArray[np.int64], parameters: Any) -> int:
    found[0] = local_site(parameters, number)
    return int(found[0] >= 0)


@bind(draw_events, OneSide)
def _draw_events(
    rule: Any, fields: Fields, stress: float, drawn: Drawn, n: int, parameters: Any, avalanche: int
) -> None:
    for k in range(n):
        local = drawn.found[k]
        i, j = local // parameters.ny, local % parameters.ny
        site, n_events = global_site(parameters, local), fields.n_events[i, j] + 1
        u_threshold, u_slip = draw(
            site, n_events, YIELDING, parameters.seed, parameters.realization
        )
        drawn.renewed[k] = changed_threshold(
            rule,
            quantile(parameters.renewal_kind, parameters.renewal, u_threshold),
            fields.sigma_c[i, j],
            n_events,
        )
        drawn.own[k].site = site
        drawn.own[k].slip = slip_at(
            parameters.slip_kind,
            parameters.slip,
            fields.sigma_c[i, j],
            u_slip,
            fields.sigma_c[i, j] - fields.yields_at[i, j] + stress,
            rule.softening,
        )
        drawn.own[k].first = abs(fields.last_avalanche[i, j]) != mark(avalanche)


@bind(slip_sites, OneSide)
def _slip_sites(
    rule: Any, fields: Fields, drawn: Drawn, n: int, parameters: Any, avalanche: int
) -> None:
    for k in range(n):
        i, j = drawn.found[k] // parameters.ny, drawn.found[k] % parameters.ny
        fields.epsilon_p[i, j] += drawn.own[k].slip
        fields.n_events[i, j] += 1
        fields.last_avalanche[i, j] = mark(avalanche)
        fields.yields_at[i, j] += drawn.renewed[k] - fields.sigma_c[i, j]
        fields.sigma_c[i, j] = drawn.renewed[k]
