"""Stress control: Σ is what moves, whatever slips. Above the flow stress avalanches never end."""

from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from hpcepm.parallel.compiled import bind, compiled

from .base import Loading, loading, strain_of, stress_of, trigger


class ForLoop(NamedTuple):
    """Numbers of a loading whose load is Σ."""

    stiffness: float  # 0
    direction: float
    one_by_one: bool
    two_mu: float


@loading
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
        """Return 2μ."""
        return ForLoop(0.0, direction, False, two_mu)


@bind(stress_of, ForLoop)
@compiled
def _stress_of(loading: Any, macro: Any, n_sites: int) -> float:
    return macro.load


@bind(strain_of, ForLoop)
@compiled
def _strain_of(loading: Any, macro: Any, stress: float, n_sites: int) -> float:
    return stress / loading.two_mu + macro.total_slip / n_sites


@bind(trigger, ForLoop)
@compiled
def _trigger(
    loading: Any, macro: Any, stress: float, lowest: float, until: float, n_sites: int
) -> bool:
    if not loading.one_by_one and not lowest < loading.direction * until:
        return False
    macro.load = loading.direction * lowest
    return True
