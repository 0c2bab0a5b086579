"""Stress control: Σ is what moves, whatever slips. Above the flow stress avalanches never end."""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from .base import Loading, Numbers


@dataclass(frozen=True)
class Stress(Loading):
    """To the macroscopic stress ``target``."""

    target: Annotated[float, Field(ge=-1e6, le=1e6)]

    def stress(self, load: float, plastic_strain: float, two_mu: float) -> float:
        """Return Σ: it is the load."""
        return load

    def load(self, stress: float, plastic_strain: float, two_mu: float) -> float:
        """Return Σ."""
        return stress

    def for_loop(self, two_mu: float, direction: float = 1.0) -> Any:
        """Return K = 0."""
        return Numbers(0.0, direction, False, True, False, two_mu)
