"""Finite rates: a site that is unstable takes its time to yield; a stable one never does."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hpcepm.model.registry import Positive

from .base import SQUARE_ROOT, UNIFORM, Clock, clock


@clock
@dataclass(frozen=True)
class Rate(Clock):
    """An unstable site, x = σ_c − σ ≤ 0, yields at a rate λ(x)/τ.

    Attributes
    ----------
    time : time
        τ, the time in which a site of rate 1 yields once.
    law
        ``"uniform"``: λ = 1. ``"sqrt"``: λ = √(|x|/σ_0).
    scale : stress
        σ_0, of the law ``sqrt``.
    """

    time: Positive = 1.0
    law: Literal["uniform", "sqrt"] = "uniform"
    scale: Positive = 1.0

    @property
    def kind(self) -> int:  # type: ignore[override]
        """The number of the law."""
        return UNIFORM if self.law == "uniform" else SQUARE_ROOT

    @property
    def unit(self) -> float:
        """τ."""
        return self.time

    @property
    def numbers(self) -> NDArray[np.float64]:
        """σ_0."""
        return np.array([self.scale])

    def strength_of(self, rate: float) -> float:
        """Return 0 or, of the law ``sqrt``, −σ_0 λ²; −inf where the rate is never above λ."""
        if self.law == "uniform":
            return 0.0 if rate < 1 else -np.inf
        return -self.scale * rate**2
