"""Strain control: the strain ε is what moves, and Σ = 2μ(ε − ⟨ε_p⟩) follows.

The athermal quasi-static shear of the paper (docs/model.md, section 2).
"""

from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from hpcepm.parallel.compiled import bind, compiled

from .base import Loading, loading, strain_of, stress_of, trigger


class _ForLoop(NamedTuple):
    stiffness: float  # 2μ
    direction: float
    one_by_one: bool


@loading
@dataclass(frozen=True)
class Strain(Loading):
    """To the strain ``target``."""

    target: Annotated[float, Field(ge=-1e6, le=1e6)]

    def stress(self, load: float, plastic_strain: float, two_mu: float) -> float:
        """Return Σ."""
        return two_mu * (load - plastic_strain)

    def load(self, stress: float, plastic_strain: float, two_mu: float) -> float:
        """Return ε."""
        return stress / two_mu + plastic_strain

    def strain(self, load: float, plastic_strain: float, two_mu: float) -> float:
        """Return ε: it is the load."""
        return load

    def for_loop(self, two_mu: float, direction: float = 1.0) -> Any:
        """Return 2μ."""
        return _ForLoop(two_mu, direction, False)


@bind(stress_of, _ForLoop)
@compiled
def _stress_of(loading: Any, macro: Any, n_sites: int) -> float:
    return loading.stiffness * (macro.load - macro.total_slip / n_sites)


@bind(strain_of, _ForLoop)
@compiled
def _strain_of(loading: Any, macro: Any, stress: float, n_sites: int) -> float:
    return macro.load


@bind(trigger, _ForLoop)
@compiled
def _trigger(
    loading: Any, macro: Any, stress: float, lowest: float, until: float, n_sites: int
) -> bool:
    load = macro.load + loading.direction * ((lowest - stress) / loading.stiffness)
    if not loading.direction * load < loading.direction * until:
        return False
    macro.load = load
    return True
