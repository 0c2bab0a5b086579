"""When sites yield, and what they remember. To add a rule, add a file and bind its answers."""

from typing import Any

import numpy as np

from hpcepm.model.distributions import Distribution
from hpcepm.parallel.rows import LocalField

from .one_side import OneSide
from .rule import Damage, Yielding, grid_of_slips
from .two_sides import TwoSides

__all__ = ["Damage", "OneSide", "TwoSides", "Yielding", "numbers_of"]


def numbers_of(
    asked: Yielding,
    softening: float,
    mu_star: float,
    mean_slip: float,
    first: Distribution | tuple[LocalField, LocalField],
) -> OneSide | TwoSides:
    """Return the numbers of a rule, whose type selects the compiled functions.

    Parameters
    ----------
    asked
        The rule.
    softening
        By how much a slip of 1 lowers the stress of its own site.
    mu_star, mean_slip
        μ* and ε̄₀ of the glass.
    first
        The thresholds of well 0 of a quenched landscape: how they were drawn, or forward and
        backward if that does not say it.
    """
    damage = asked.damage or Damage()
    first_weakest = asked.order == "weakest"
    numbers = (first_weakest, asked.memory, damage.per_event, damage.floor, softening)
    if not asked.two_sides:
        return OneSide(1, *numbers)
    kind: Any = 0
    p, fields = np.zeros(1), (np.zeros((0, 1)), np.zeros((0, 1)))
    if isinstance(first, Distribution):
        kind, p = first.kind, first.parameters
    else:
        fields = first
    grid = grid_of_slips(mean_slip)
    return TwoSides(
        2, *numbers, asked.most_events_per_site, asked.quenched, mu_star, grid, kind, p, *fields
    )
