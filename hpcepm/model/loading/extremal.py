"""Extremal dynamics: Σ is that at which the weakest site yields, up or down, at each event.

One site slips at a time. The avalanches of every other loading are in one such run: those of stress
control at Σ are the events between two at which the load is above Σ.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .base import Loading, Numbers, loading
from .stress import Stress


@loading
@dataclass(frozen=True)
class Extremal(Loading):
    """Until a rule stops it: the load has no target."""

    target: ClassVar[float] = np.inf  # type: ignore[misc]
    stress = Stress.stress
    load = Stress.load

    def for_loop(self, two_mu: float, direction: float = 1.0) -> Any:
        """Return K = 0."""
        return Numbers(0.0, 1.0, True, True, False, two_mu)
