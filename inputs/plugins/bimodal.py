"""A distribution: weak sites and strong sites."""

from dataclasses import dataclass

import hpcepm
from hpcepm import Fraction, Positive


@hpcepm.distribution
@dataclass(frozen=True)
class Bimodal:
    """Weak sites with probability ``fraction``, strong sites otherwise."""

    weak: Positive
    strong: Positive
    fraction: Fraction = 0.5

    def quantile(self, u: float) -> float:
        """Return the threshold below which a fraction u of the sites lies."""
        return self.weak if u < self.fraction else self.strong
