"""What a clock is, for the input: a law that says at which rate a site yields.

docs/model.md, section 11. x = σ_c − σ is the strength of a site; the rate at which it yields is
λ(x)/unit.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hpcepm.model.registry import Registry

THERMAL, UNIFORM, SQUARE_ROOT = range(3)
"""The laws, by number."""


class Clock:
    """At which rate sites yield.

    Attributes
    ----------
    kind
        The number of its law in `hpcepm.model.clock.law.rate_at`.
    unit
        The unit of time of λ, in time.
    instant
        Whether unstable sites yield at once, and time stands still meanwhile.
    more_fields
        That a state has for it.
    """

    kind: int
    instant = False
    more_fields: Sequence[str] = ()

    @property
    def unit(self) -> float:
        """The time in which a site of rate 1 yields once."""
        raise NotImplementedError

    @property
    def numbers(self) -> NDArray[np.float64]:
        """The numbers that the law wants."""
        raise NotImplementedError

    def strength_of(self, rate: float) -> float:
        """Return the x below which the rate is above λ = ``rate``.

        −inf if it never is. ``rate`` can be 0: +inf if all sites have a rate.
        """
        raise NotImplementedError


clock: Final[Any] = Registry("type", None, Clock, Clock)
"""The clocks, by name. None comes from a plug-in: their laws are compiled into `rate_at`."""
