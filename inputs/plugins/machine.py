"""A loading: a testing machine of finite stiffness.

The machine is a spring in series with the sample: Σ = K(ℓ − ⟨ε_p⟩), ℓ being the displacement of its
end and K less than 2μ, the stiffness of the sample with the rigid machine of strain control. When
the sample slips the spring gives way, stress falls less, and avalanches are larger.

In ``run.h5`` the column ``strain`` is ℓ; the strain of the sample is Σ/2μ + ⟨ε_p⟩.
"""

from dataclasses import dataclass

import hpcepm
from hpcepm import Positive


@hpcepm.loading
@dataclass(frozen=True)
class Machine:
    """From displacement 0 to ``target``."""

    target: Positive
    stiffness: Positive

    def stress(self, load, plastic_strain, two_mu):
        """Return Σ at a displacement."""
        return min(self.stiffness, two_mu) * (load - plastic_strain)

    def load(self, stress, plastic_strain, two_mu):
        """Return the displacement at which Σ is ``stress``."""
        return plastic_strain + stress / min(self.stiffness, two_mu)
