"""Maxwell sites: a site yields slowly, flows for a while, and heals. Time goes in steps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hpcepm.model.registry import Positive
from hpcepm.model.state import MAXWELL

from .base import Clock, clock

MOST_OF_TAU = 0.5
"""A step is no more of τ: beyond 1 slips would grow from step to step."""


@clock
@dataclass(frozen=True)
class Maxwell(Clock):
    """Sites flow: while a site is plastic, it slips at the rate σ/(2μτ).

    Attributes
    ----------
    tau : time
        τ, in which the stress of a plastic site relaxes.
    plastic : time
        A site with |σ| > σ_c turns plastic after this time, in the mean.
    elastic : time
        A plastic site turns elastic after this time, in the mean, and gets a new threshold.
    dt : time
        A step; half of τ at the most. Under a sine it is shortened so that a cycle is a whole
        number of steps.
    """

    tau: Positive = 1.0
    plastic: Positive = 1.0
    elastic: Positive = 1.0
    dt: Positive = 0.01

    def __post_init__(self) -> None:
        if self.dt > MOST_OF_TAU * self.tau:
            most = MOST_OF_TAU * self.tau
            raise ValueError(f"dt: {self.dt:g} is too long a step; give {most:g} or less, as tau/2")

    @property
    def unit(self) -> float:
        """A step."""
        return self.dt

    @property
    def more_fields(self) -> Sequence[str]:  # type: ignore[override]
        """Which sites are plastic, and stress a step ago."""
        return MAXWELL

    def strength_of(self, rate: float) -> float:
        """Return −∞: sites do not yield by chance."""
        return -np.inf
