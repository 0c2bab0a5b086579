"""A testing machine of finite stiffness K: Σ = K(ℓ − S/N²), and its displacement ℓ is what moves.

From K → 2μ, which is strain control, to K → 0, which is stress control.
"""

from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from hpcepm.model.registry import Positive
from hpcepm.parallel.compiled import bind, compiled

from .base import Loading, loading, strain_of, stress_of, trigger


class _ForLoop(NamedTuple):
    stiffness: float
    direction: float
    one_by_one: bool
    two_mu: float


@loading
@dataclass(frozen=True)
class Machine(Loading):
    """To the displacement ``target``, which has the unit of a strain."""

    target: Annotated[float, Field(ge=-1e6, le=1e6)]
    stiffness: Positive

    def stress(self, load: float, plastic_strain: float, two_mu: float) -> float:
        """Return Σ."""
        return self.stiffness * (load - plastic_strain)

    def load(self, stress: float, plastic_strain: float, two_mu: float) -> float:
        """Return ℓ."""
        return stress / self.stiffness + plastic_strain

    def for_loop(self, two_mu: float, direction: float = 1.0) -> Any:
        """Return K and 2μ."""
        if not self.stiffness < two_mu:
            raise ValueError(f"stiffness must be less than 2 shear_modulus, which is {two_mu:g}")
        return _ForLoop(self.stiffness, direction, False, two_mu)


@bind(stress_of, _ForLoop)
@compiled
def _stress_of(loading: Any, macro: Any, n_sites: int) -> float:
    return loading.stiffness * (macro.load - macro.total_slip / n_sites)


@bind(strain_of, _ForLoop)
@compiled
def _strain_of(loading: Any, macro: Any, stress: float, n_sites: int) -> float:
    return stress / loading.two_mu + macro.total_slip / n_sites


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
