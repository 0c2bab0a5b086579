"""Slip laws: how far a site slips (docs/model.md, section 2).

One is a class here: its keys in the input, its mean, and its line in `slip_at`.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from hpcepm.parallel.compiled import compiled

from .distributions import Distribution, normal_deviate, quantile
from .plugins import FIRST_ADDRESS, OfPlugin, call, expectation, numbers_of, tried
from .registry import NotNegative, Number, Registry
from .thresholds import preset

EXPONENTIAL, CONSTANT, TO_STRESS = range(3)


@compiled
def slip_at(
    kind: int, p: NDArray[np.float64], sigma_c: float, u: float, sigma: float, softening: float
) -> float:
    """Return how far a site slips.

    Parameters
    ----------
    kind, p
        `SlipLaw.kind` and `SlipLaw.parameters`.
    sigma_c, sigma
        The threshold that was overcome, and the stress before the slip, in its direction.
    u
        A uniform deviate.
    softening
        By how much a slip of 1 lowers the stress of its own site: −G(0) + K/N².
    """
    if kind >= FIRST_ADDRESS:
        return call(kind, p, sigma_c, u, 0.0)
    if kind == TO_STRESS:
        slip = (sigma - p[0] - p[1] * normal_deviate(u)) / softening
        return slip if slip > 0.0 else np.nan
    mean = p[0] + p[1] * sigma_c * sigma_c
    if kind == EXPONENTIAL:
        return -mean * np.log1p(-u)
    return mean if kind == CONSTANT else np.nan  # a run ends at once


class SlipLaw:
    """How far a site slips, σ_c being the threshold just overcome.

    Attributes
    ----------
    kind
        What `slip_at` wants to know: a number of one that is built in, or an address.
    """

    kind: Any

    @property
    def parameters(self) -> NDArray[np.float64]:
        """The numbers that `slip_at` wants."""
        return numbers_of(self)

    def mean(self, thresholds: Distribution) -> float:
        """Return ε̄₀, the mean slip when thresholds come from a distribution."""
        raise NotImplementedError


class _OfPlugin(OfPlugin, SlipLaw):
    """What a class of a plug-in with a method ``slip(self, sigma_c, u)`` need not have itself."""

    def mean(self, thresholds: Distribution) -> float:
        """Return the mean slip, by quadrature."""
        at, p = self.slip, thresholds.parameters  # type: ignore[attr-defined]

        def mean_at(v: float) -> float:
            sigma_c = quantile(thresholds.kind, p, v)
            return expectation(lambda u: at(sigma_c, u))

        return expectation(mean_at)


def _try_out(section: Any) -> None:
    """See that slips of a plug-in are numbers, and that sites slip forward on the whole."""
    at = [(sigma_c, u) for sigma_c in (0.1, 1.0, 3.0) for u in (0.01, 0.25, 0.5, 0.75, 0.99)]
    mean = sum(tried("slip", section.slip, *one) for one in at) / len(at)
    if not mean > 0:
        said = f"slips of the plug-in are {mean:.3g} on average, where they were tried"
        raise ValueError(f"{said}: sites must slip forward, or avalanches never end")
    if type(section).mean is not _OfPlugin.mean:
        tried("mean", lambda: section.mean(preset("ESL")))


slip: Final = Registry(
    "distribution",
    "exponential",
    SlipLaw,
    _OfPlugin,
    {"slip": 2},
    _try_out,
    doc="""Add a slip law: decorate a frozen dataclass.

    Its fields are keys of the input. Its method ``slip(self, sigma_c, u)`` returns how far a site
    slips, a strain, whose threshold was ``sigma_c``, at a uniform number u; ``mean(self,
    thresholds)`` the mean, if it is known (docs/extending.md).

    Raises
    ------
    TypeError, ValueError
        It is no frozen dataclass, lacks the method, or its name is taken.
    """,
)
"""The slip laws, by name; ``@slip`` adds one."""


@dataclass(frozen=True)
class _WithMean(SlipLaw):
    """A slip of mean ε₀(σ_c) = c0 + c1 σ_c², σ_c being the threshold just overcome.

    Attributes
    ----------
    c0 : strain
        The part of the mean slip ε₀(σ_c) = c0 + c1 σ_c² that is the same for all sites.
    c1 : 1/stress²
        How much further strong sites slip: ε₀(σ_c) = c0 + c1 σ_c².
    """

    c0: NotNegative = 0.0276
    c1: NotNegative = 0.0206

    def __post_init__(self) -> None:
        if self.c0 + self.c1 == 0:
            raise ValueError(
                "c0 and c1 are both 0: a site that yields would not slip, "
                "and an avalanche would never end"
            )

    def mean(self, thresholds: Distribution) -> float:
        """Return ε̄₀ = c0 + c1 ⟨σ_c²⟩."""
        return self.c0 + self.c1 * thresholds.second_moment


@slip
@dataclass(frozen=True)
class Exponential(_WithMean):
    """Exponentially distributed slips."""

    kind = EXPONENTIAL


@slip
@dataclass(frozen=True)
class Constant(_WithMean):
    """Slips that are exactly the mean."""

    kind = CONSTANT


@slip(name="to_stress")
@dataclass(frozen=True)
class ToStress(SlipLaw):
    """Slips to the stress v + w ξ, ξ standard normal: a = (σ − v − w ξ)/(−G(0) + K/N²).

    The rule of mean-field theory and of GooseEPM.

    Attributes
    ----------
    value : stress
        v, the stress that a site slips to on average.
    noise : stress
        w, the standard deviation of that stress.
    """

    kind = TO_STRESS
    value: Number = 0.0
    noise: NotNegative = 0.0
    data: ClassVar[float] = 1.0  # of the instance: μ*, about −G(0), see `registry.with_data`

    def mean(self, thresholds: Distribution) -> float:
        """Return about the mean slip, (⟨σ_c⟩ − v)/μ*."""
        return (thresholds.moments()[0] - self.value) / self.data
