"""What the step loop asks of the rule by which sites yield.

A site that yields has a code: its local index or, if it yields backward, −1 minus that. Each rule
binds its answers to the type of its numbers.
"""

from functools import singledispatch
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.model.state import Fields, mark_of
from hpcepm.parallel.compiled import compiled, inlined
from hpcepm.parallel.rows import RowMap

mark: Any = inlined(mark_of)


class Drawn(NamedTuple):
    """What was drawn for the sites of this rank that yield: one of each for each code."""

    found: NDArray[np.int64]  # codes
    renewed: NDArray[np.float64]  # new thresholds
    renewed_backward: NDArray[np.float64]  # backward, of two sides
    own: NDArray[Any]  # the events


@singledispatch
def find_unstable(
    rule: Any,
    engine: Any,
    fields: Fields,
    stress: float,
    found: NDArray[np.int64],
    row_map: RowMap,
    exchange: Any,
) -> int:
    """Put the codes of all unstable sites of this rank into ``found``; return how many there are.

    If these are more than it can hold, only the first are put. Collective.
    """
    raise NotImplementedError


@singledispatch
def weakest(
    rule: Any, engine: Any, fields: Fields, stress: float, limit: float, row_map: RowMap, d: float
) -> tuple[float, int]:
    """Return the d Σ at which the weakest site of this rank yields, and its code.

    ``d`` is the direction, +1 or −1, and counts in ``limit``, too: (inf, ·) if no site yields up to
    it.
    """
    raise NotImplementedError


@singledispatch
def most_unstable(
    rule: Any,
    engine: Any,
    fields: Fields,
    stress: float,
    parameters: Any,
    exchange: Any,
) -> tuple[float, int]:
    """Return how far the most unstable site is from its threshold, < 0 beyond, and its number.

    See `number_of`; (inf, −1) if none is unstable. Collective.
    """
    raise NotImplementedError


@singledispatch
def number_of(rule: Any, code: int, parameters: Any) -> int:
    """Return the number of a code of this rank that is the same on all ranks; −1 for none.

    Numbers are in the order of sites.
    """
    raise NotImplementedError


@singledispatch
def site_of(rule: Any, number: int) -> int:
    """Return the global index of the site of a number."""
    raise NotImplementedError


@singledispatch
def put_alone(rule: Any, number: int, found: NDArray[np.int64], parameters: Any) -> int:
    """Put the code of a number into ``found`` if it is on this rank; return how many were put."""
    raise NotImplementedError


@singledispatch
def draw_events(
    rule: Any, fields: Fields, stress: float, drawn: Drawn, n: int, parameters: Any, avalanche: int
) -> None:
    """Draw slip and new thresholds for the first ``n`` codes; changes no field.

    A slip that must not be is NaN.
    """
    raise NotImplementedError


@singledispatch
def slip_sites(
    rule: Any, fields: Fields, drawn: Drawn, n: int, parameters: Any, avalanche: int
) -> None:
    """Let the sites slip by what was drawn, and renew their thresholds."""
    raise NotImplementedError


@inlined
def global_site(parameters: Any, local: int) -> int:
    """Return the global index of a site of this rank; −1 for −1."""
    return (
        -1
        if local < 0
        else parameters.row_map.global_row[local // parameters.ny] * parameters.ny
        + local % parameters.ny
    )


@inlined
def local_site(parameters: Any, site: int) -> int:
    """Return the local index of a site; −1 if it is on another rank."""
    here = parameters.row_map.local_row[site // parameters.ny]
    return here * parameters.ny + site % parameters.ny if here >= 0 else -1


@compiled
def changed_threshold(rule: Any, drawn: float, sigma_c: float, n_events: int) -> float:
    """Return a new threshold from what was drawn: memory and damage.

    ``sigma_c`` was the threshold before, ``n_events`` counts the events of the site, this one
    included.
    """
    if rule.damage > 0.0:
        drawn *= max(rule.floor, (1.0 - rule.damage) ** n_events)
    if rule.memory > 0.0:
        drawn = rule.memory * sigma_c + (1.0 - rule.memory) * drawn
    return drawn
