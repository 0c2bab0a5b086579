"""Thermal activation: sites cross the barrier x^α at a temperature."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from hpcepm.model.registry import Positive

from .base import THERMAL, Clock, clock


@clock
@dataclass(frozen=True)
class Thermal(Clock):
    """A stable site yields at the rate exp(−x^α/T)/τ_0, x = σ_c − σ.

    Attributes
    ----------
    temperature : stress^α
        T, in units of x^α: k_B is 1, and a barrier is x^α.
    exponent : 1
        α: 3/2 where two extrema of a smooth landscape merge, 2 where parabolas meet in a cusp, 1
        for a barrier that falls linearly with the stress.
    attempt_time : time
        τ_0, the inverse of the attempt rate.
    unstable
        What a site does with x ≤ 0. ``"rate"``: it yields at the rate 1/τ_0. ``"instant"``: it
        yields at once, and so do all that it makes unstable: an avalanche that takes no time.
    """

    temperature: Positive
    exponent: Annotated[float, Field(ge=0.1, le=10)] = 1.5
    attempt_time: Positive = 1.0
    unstable: Literal["rate", "instant"] = "rate"

    kind = THERMAL

    @property
    def instant(self) -> bool:  # type: ignore[override]
        """Whether unstable sites yield at once."""
        return self.unstable == "instant"

    @property
    def unit(self) -> float:
        """τ_0."""
        return self.attempt_time

    @property
    def numbers(self) -> NDArray[np.float64]:
        """T and α."""
        return np.array([self.temperature, self.exponent])

    def strength_of(self, rate: float) -> float:
        """Return (T ln 1/λ)^(1/α); −inf for λ ≥ 1."""
        if rate >= 1 or rate == 0:
            return -np.inf if rate else np.inf
        return float((self.temperature * -np.log(rate)) ** (1 / self.exponent))
