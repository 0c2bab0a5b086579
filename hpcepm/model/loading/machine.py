"""A testing machine of finite stiffness K: Σ = K(ℓ − S/N²), and its displacement ℓ is what moves.

From K → 2μ, which is strain control, to K → 0, which is stress control.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from hpcepm.model.registry import Positive, Time

from .base import Loading, Numbers, loading


@loading
@dataclass(frozen=True)
class Machine(Loading):
    """To the displacement ``target`` of a machine: Σ = K (ℓ − ⟨ε_p⟩).

    Attributes
    ----------
    target : strain
        The displacement ℓ to reach.
    stiffness : stress
        K, more than 0 and less than 2μ: near 2μ it is strain control, near 0 stress control.
    rate : strain/time
        How fast the load moves; with a ``clock`` only. Without it the load moves faster than time.
    hold : time
        For how long the load then stays; with a ``clock`` only.
    """

    target: Annotated[float, Field(ge=-1e6, le=1e6)]
    stiffness: Positive
    rate: Positive | None = None
    hold: Time = 0.0

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
