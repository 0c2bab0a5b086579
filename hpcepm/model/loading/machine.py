"""A testing machine of finite stiffness K: Σ = K(ℓ − S/N²), and its displacement ℓ is what moves.

From K → 2μ, which is strain control, to K → 0, which is stress control.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from hpcepm.model.registry import Positive

from .base import Loading, Numbers


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
        """Return K, which must be less than 2μ."""
        if not self.stiffness < two_mu:
            raise ValueError(f"stiffness must be less than 2 shear_modulus, which is {two_mu:g}")
        return Numbers(self.stiffness, direction, False, False, False, two_mu)
