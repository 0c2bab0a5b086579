"""Strain control: the strain ε is what moves, and Σ = 2μ(ε − ⟨ε_p⟩) follows.

The athermal quasi-static shear of the paper (docs/model.md, section 2).
"""

from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from hpcepm.parallel.compiled import bind, compiled

from .base import Loading, loading, stress_of, trigger


class _ForLoop(NamedTuple):
    stiffness: float  # 2μ


@loading
@dataclass(frozen=True)
class Strain(Loading):
    """From strain 0 to ``target``."""

    target: Annotated[float, Field(gt=0, le=1e6)]

    def stress(self, load: float, plastic_strain: float, two_mu: float) -> float:
        """Return Σ."""
        return two_mu * (load - plastic_strain)

    def for_loop(self, two_mu: float) -> NamedTuple:
        """Return 2μ."""
        return _ForLoop(two_mu)


@bind(stress_of, _ForLoop)
@compiled
def _stress_of(loading: Any, macro: Any, n_sites: int) -> float:
    return loading.stiffness * (macro.strain - macro.total_slip / n_sites)


@bind(trigger, _ForLoop)
@compiled
def _trigger(
    loading: Any, macro: Any, stress: float, lowest: float, until: float, n_sites: int
) -> bool:
    strain = macro.strain + (lowest - stress) / loading.stiffness
    if not strain < until:
        return False
    macro.strain = strain
    return True
