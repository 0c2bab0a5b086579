"""A loading: a weight that hangs on the sample, and a spring that is pulled besides.

Σ = K(ℓ − ⟨ε_p⟩) + F, F being the weight and ℓ the displacement of the end of the spring, whose
stiffness K is less than 2μ, that of the sample with the rigid machine of strain control. The weight
is there from the beginning: what cannot bear it yields at once.
"""

from dataclasses import dataclass

import hpcepm
from hpcepm import Number, Positive


@hpcepm.loading
@dataclass(frozen=True)
class Weight:
    """From displacement 0 to ``target``."""

    target: Positive
    stiffness: Positive
    weight: Number = 0.0

    def stress(self, load, plastic_strain, two_mu):
        """Return Σ at a displacement."""
        return min(self.stiffness, two_mu) * (load - plastic_strain) + self.weight

    def load(self, stress, plastic_strain, two_mu):
        """Return the displacement at which Σ is ``stress``."""
        return plastic_strain + (stress - self.weight) / min(self.stiffness, two_mu)
