"""Strain control: the strain ε is what moves, and Σ = 2μ(ε − ⟨ε_p⟩) follows.

The athermal quasi-static shear of the paper (docs/model.md, section 2).
"""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from hpcepm.model.registry import Positive, Time

from .base import Loading, Numbers, loading


@loading
@dataclass(frozen=True)
class Strain(Loading):
    """To the strain ``target``.

    Attributes
    ----------
    target : strain
        The strain ε to reach; γ = 2ε. In a list also behind the present one, and below 0.
    rate : strain/time
        How fast the load moves; with a ``clock`` only. Without it the load moves faster than time.
    hold : time
        For how long the load then stays; with a ``clock`` only.
    """

    target: Annotated[float, Field(gt=0, le=1e6)]
    rate: Positive | None = None
    hold: Time = 0.0

    def stress(self, load: float, plastic_strain: float, two_mu: float) -> float:
        """Return Σ."""
        return two_mu * (load - plastic_strain)

    def load(self, stress: float, plastic_strain: float, two_mu: float) -> float:
        """Return ε."""
        return stress / two_mu + plastic_strain

    def strain(self, load: float, plastic_strain: float, two_mu: float) -> float:
        """Return ε: it is the load."""
        return load

    @property
    def is_strain(self) -> bool:
        """Whether the load is the strain: it is."""
        return True

    def for_loop(self, two_mu: float, direction: float = 1.0) -> Any:
        """Return K = 2μ."""
        return Numbers(two_mu, direction, False, False, True, two_mu)
