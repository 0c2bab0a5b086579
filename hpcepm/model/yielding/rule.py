"""When a site yields, and what it remembers: the section ``yielding`` of the input.

docs/model.md, section 8.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from hpcepm.model.registry import Fraction
from hpcepm.model.state import ONE_SIDE, QUENCHED, TWO_SIDES


def grid_of_slips(mean_slip: float) -> float:
    """Return q, of which the slips of a quenched landscape are multiples."""
    return float(2.0 ** (np.ceil(np.log2(mean_slip)) - 36))


@dataclass(frozen=True)
class Damage:
    """A drawn threshold is multiplied by (1 − d)^n after n events of its site.

    Or by ``floor``, whichever is larger.

    Attributes
    ----------
    per_event : 1
        d: a drawn threshold is multiplied by (1 − d)ⁿ after n events of the site.
    floor : 1
        The least that it is multiplied by.
    """

    per_event: Fraction = 0.0
    floor: Fraction = 0.0


@dataclass(frozen=True)
class Yielding:
    """How sites yield.

    Attributes
    ----------
    sides
        ``"two"``: a site slips forward when σ ≥ σ⁺ and backward when σ ≤ −σ⁻.
    landscape
        ``"renewed"``: each event draws new thresholds. ``"quenched"``: thresholds and slips belong
        to the wells of a site, and it comes back to those that it left.
    order
        ``"synchronous"``: all unstable sites slip at once. ``"weakest"``: the one with the largest
        excess over its threshold, one a step.
    memory : 1
        r, below 1: a new threshold is r σ_c + (1 − r) ξ, ξ being drawn.
    damage
        What events do to the thresholds that are drawn after them.
    most_events_per_site : 1
        An avalanche with more events at one site is an error. Of two sides only.
    """

    sides: Literal["one", "two"] = "one"
    landscape: Literal["renewed", "quenched"] = "renewed"
    order: Literal["synchronous", "weakest"] = "synchronous"
    memory: Fraction = 0.0
    damage: Damage | None = None
    most_events_per_site: Annotated[int, Field(ge=1, le=2**31 - 1)] = 1000

    def __post_init__(self) -> None:
        if self.quenched and not self.two_sides:
            raise ValueError("a quenched landscape needs sides: two, to come back")
        if self.quenched and (self.memory or self.damage):
            raise ValueError("memory and damage change thresholds, a quenched landscape keeps them")
        if self.memory == 1:
            raise ValueError("memory: with 1 no threshold ever changes; give less")

    @property
    def two_sides(self) -> bool:
        """Whether sites yield backward, too."""
        return self.sides == "two"

    @property
    def quenched(self) -> bool:
        """Whether the landscape is quenched."""
        return self.landscape == "quenched"

    @property
    def fields(self) -> Sequence[str]:
        """Names of the fields that a state has."""
        return QUENCHED if self.quenched else TWO_SIDES if self.two_sides else ONE_SIDE
