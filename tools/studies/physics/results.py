"""All exponents of one kernel."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from hpcepm.analysis.statistics import Estimate, Floats

from .bands import Bands
from .estimators import CutOff, fit_cut_off, fit_power_of_size, fit_rising_power
from .flow import Flow

AT_LEAST: Final = 0.4
"""S_min, some eight slips. Smaller avalanches show the distribution of single slips."""

SCALING_FROM: Final = 64
"""Smallest N whose avalanches follow a power law for a while before their cut-off."""

EVEN_UP_TO: Final = 128
"""Largest N whose plastic strain stays about even to the end; larger lattices localize."""

EXPONENTIAL: Final = 1.0
GAUSSIAN: Final = 2.0
"""Sharpness of the cut-off."""

BETWEEN: Final = (0.02, 0.2)
"""Bounds on x where P(x) ~ x^θ is fitted: above its plateau, below its shoulder."""


@dataclass(frozen=True)
class Results:
    """Steady flow on lattices of several sizes, ascending, and shear bands."""

    kernel: str
    flows: list[Flow]
    bands: Bands

    @property
    def large(self) -> list[Flow]:
        """Lattices that are large enough for avalanches to scale."""
        return [flow for flow in self.flows if flow.size >= SCALING_FROM]

    def fit(self, sharpness: float, at_least: float = AT_LEAST) -> CutOff:
        """Return τ and the cut-offs of the avalanches of `large` lattices."""
        return fit_cut_off([flow.slips for flow in self.large], at_least, sharpness)

    @cached_property
    def avalanches(self) -> CutOff:
        """The fit of the figure: with the cut-off that is the likelier of the two."""
        return self.fit(GAUSSIAN)

    def fractal_dimension(self, fit: CutOff) -> Estimate:
        """Return d_f of S_c ~ N^d_f."""
        return fit_power_of_size(_sizes(self.large), fit.cut_offs, fit.covariance)[0]

    def theta(self, low: float = BETWEEN[0], high: float = BETWEEN[1]) -> Estimate:
        """Return θ of P(x) ~ x^θ on the largest lattice."""
        return fit_rising_power(self.flows[-1].x, low, high)

    def power_of_size(self, of: Callable[[Flow], Estimate], up_to: float = np.inf) -> Estimate:
        """Return the power of N by which something grows, on lattices up to an N."""
        flows = [flow for flow in self.flows if flow.size <= up_to]
        values, errors = np.array([of(flow) for flow in flows]).T
        return fit_power_of_size(_sizes(flows), values, (errors / values) ** 2)[0]

    @property
    def loading(self) -> Estimate:
        """The power of N in ⟨x_min⟩."""
        return self.power_of_size(lambda flow: flow.x_min)

    @property
    def theta_of_loading(self) -> Estimate:
        """θ, if ⟨x_min⟩ ~ N^(−2/(1 + θ))."""
        power, error = self.loading
        return Estimate(-2 / power - 1, 2 / power**2 * error)


def _sizes(flows: Sequence[Flow]) -> Floats:
    return np.array([float(flow.size) for flow in flows])
