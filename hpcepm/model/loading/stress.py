"""Stress control: Σ is what moves, whatever slips. Above the flow stress avalanches never end."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from hpcepm.model.registry import Positive, Time

from .base import Loading, Numbers, loading


@loading
@dataclass(frozen=True)
class Stress(Loading):
    """To the macroscopic stress ``target``.

    Attributes
    ----------
    target : stress
        The macroscopic stress Σ to reach, of either sign.
    rate : stress/time
        How fast the load moves; with a ``clock`` only. Without it the load moves faster than time.
    hold : time
        For how long the load then stays; with a ``clock`` only.
    """

    target: Annotated[float, Field(ge=-1e6, le=1e6)]
    rate: Positive | None = None
    hold: Time = 0.0

    def stress(self, load: float, plastic_strain: float, two_mu: float) -> float:
        """Return Σ: it is the load."""
        return load

    def load(self, stress: float, plastic_strain: float, two_mu: float) -> float:
        """Return Σ."""
        return stress

    def for_loop(self, two_mu: float, direction: float = 1.0) -> Any:
        """Return K = 0."""
        return Numbers(0.0, direction, False, True, False, two_mu)
