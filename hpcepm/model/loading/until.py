"""Rules that end a loading, or one of its segments, before its target: ``until`` in the input.

They are looked at after each synchronous step, inside avalanches too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hpcepm.layout import ENDINGS
from hpcepm.model.registry import Positive, PositiveTime


@dataclass(frozen=True)
class Until:
    """Whichever holds first. In a list each segment has its own, and they end it alone.

    Attributes
    ----------
    strain : strain
        |ε| reaches it.
    plastic_strain : strain
        |⟨ε_p⟩| reaches it.
    events_per_site : 1
        The events since this loading, or segment, began, divided by the number of sites, reach it.
    time : time
        The time since the run began reaches it. With a ``clock`` only.
    recurrence
        Of cycles: all sites are at the end of a cycle in the wells in which they were at the end of
        an earlier one, and one period more has shown that they come back again.
    """

    strain: Positive | None = None
    plastic_strain: Positive | None = None
    events_per_site: Positive | None = None
    time: PositiveTime | None = None
    recurrence: bool = False

    @property
    def any(self) -> bool:
        """Whether there is a rule."""
        return self != NO_RULE

    def that_holds(self, now: Mapping[str, float]) -> int:
        """Return the number, in `ENDINGS`, of the first rule that holds now; 0 if none does.

        ``now`` has the sizes of the variables that rules are about, by name.
        """
        for name, value in now.items():
            most = getattr(self, name, None)
            if most is not None and value >= most * (1 - ROUNDING):
                return next(number for number, why in ENDINGS.items() if why == f"until.{name}")
        return 0


NO_RULE: Final = Until()

ROUNDING: Final = 1e-12
"""A load is moved to where a rule holds exactly, but for rounding."""
