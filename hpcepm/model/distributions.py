"""Distributions of thresholds (docs/model.md, sections 2 and 4).

A distribution is its quantile function: a threshold is the quantile at a uniform deviate, so draws
are one-to-one with the random streams. One is a class here: its keys in the input, its moments, and
the numbers that its line in `quantile` wants.
"""

from dataclasses import dataclass
from functools import cached_property
from math import gamma
from typing import Annotated, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from hpcepm.parallel.compiled import compiled
from hpcepm.parallel.late import of_scipy

from .plugins import FIRST_ADDRESS, OfPlugin, call, expectation, tried
from .registry import FileName, Number, Positive, Registry

LAST: Final = 2.0**-53
"""Uniform deviates lie between this and 1 minus this."""

WEIBULL, NORMAL, LOGNORMAL, GAMMA, UNIFORM, EXPONENTIAL, CONSTANT, SAMPLES = range(8)


_ndtri = of_scipy("ndtri", 1)
_gammaincinv = of_scipy("gammaincinv", 2)


@compiled
def quantile(kind: int, p: NDArray[np.float64], u: float) -> float:
    """Return the value below which a fraction u of a distribution lies.

    ``kind`` and ``p`` are the `Distribution.kind` and `Distribution.parameters`.
    """
    if kind == WEIBULL:
        return p[0] * (-np.log1p(-u)) ** p[1]
    if kind == NORMAL:
        below = p[2] + u * (1.0 - p[2])
        if below <= 0.5:
            return p[0] + p[1] * _ndtri(below)
        return p[0] - p[1] * _ndtri((1.0 - u) * p[3])
    if kind == LOGNORMAL:
        return p[0] * np.exp(p[1] * _ndtri(u))
    if kind == GAMMA:
        return p[0] * _gammaincinv(p[1], u)
    if kind == UNIFORM:
        return p[0] + (p[1] - p[0]) * u
    if kind == EXPONENTIAL:
        return -p[0] * np.log1p(-u)
    if kind == CONSTANT:
        return p[0]
    if kind >= FIRST_ADDRESS:
        return call(kind, p, u, 0.0, 0.0)
    if kind == SAMPLES:  # ascending
        return p[int(np.ceil(u * p.size)) - 1]
    return np.nan  # a run ends at once


@compiled
def normal_deviate(u: float) -> float:
    """Return the quantile of the standard normal distribution at u."""
    return _ndtri(u)


class Distribution:
    """A distribution of thresholds.

    Attributes
    ----------
    kind
        What `quantile` wants to know: a number of one that is built in, or an address.
    """

    kind: Any

    def resolved(self) -> tuple[Any, float, float]:
        """Return the numbers that `quantile` wants, mean, and standard deviation."""
        raise NotImplementedError

    @cached_property
    def parameters(self) -> NDArray[np.float64]:
        """The numbers that `quantile` wants, as compiled loops take them."""
        return np.array(self.resolved()[0], np.float64)

    def moments(self) -> tuple[float, float]:
        """Return mean and standard deviation, in units of stress."""
        _, mean, std = self.resolved()
        return float(mean), float(std)

    @property
    def limits(self) -> tuple[float, float]:
        """The lowest and the highest threshold that can be drawn, in units of stress."""
        lowest, highest = (quantile(self.kind, self.parameters, u) for u in (LAST, 1 - LAST))
        return lowest, highest

    @property
    def second_moment(self) -> float:
        """⟨σ_c²⟩, in units of stress squared."""
        mean, std = self.moments()
        return mean**2 + std**2


class _OfPlugin(OfPlugin, Distribution):
    """What a class of a plug-in that has a method ``quantile(self, u)`` need not have itself."""

    def moments(self) -> tuple[float, float]:
        """Return mean and standard deviation, by quadrature."""
        at = self.quantile  # type: ignore[attr-defined]
        mean = expectation(at)
        return mean, expectation(lambda u: (at(u) - mean) ** 2) ** 0.5


def _try_out(section: Any) -> None:
    """See that quantiles of a plug-in are numbers that rise, and its moments can be."""
    at = [LAST, 0.01, 0.25, 0.5, 0.75, 0.99, 1 - LAST]
    quantiles = [tried("quantile", section.quantile, u) for u in at]
    if quantiles != sorted(quantiles):
        told = ", ".join(f"{q:.3g}" for q in quantiles)
        raise ValueError(f"quantile of the plug-in must rise with u; it goes {told}")
    mean, std = (tried("moments", lambda k=k: section.moments()[k]) for k in range(2))
    if std < 0:
        raise ValueError(f"moments() of the plug-in, {mean:g} and {std:g}: the second is negative")


distribution: Final = Registry(
    "distribution",
    None,
    Distribution,
    _OfPlugin,
    {"quantile": 1},
    _try_out,
    doc="""Add a distribution of thresholds: decorate a frozen dataclass.

    Its fields are keys of the input. Its method ``quantile(self, u)`` returns the threshold, in
    units of stress, below which a fraction u of the sites lies; ``moments(self)``, mean and
    standard deviation, if they are known. ``@distribution(name="two_kinds")`` gives it another
    name than that of the class (docs/extending.md).

    Raises
    ------
    TypeError, ValueError
        It is no frozen dataclass, lacks the method, or its name is taken.
    """,
)
"""The distributions, by name; ``@distribution`` adds one."""


@dataclass(frozen=True)
class TwoWays(Distribution):
    """A distribution given by shape and scale, or by mean and standard deviation.

    Its method ``of`` returns what is `resolved` for a shape and scale, and ``from_moments`` shape
    and scale for a mean and standard deviation.

    Attributes
    ----------
    shape : 1
        Shape k; of a lognormal distribution the standard deviation of the logarithm.
    scale : stress
        Scale λ; of a lognormal distribution the median.
    mean : stress
        Mean ⟨σ_c⟩, with ``std`` instead of ``shape`` and ``scale``.
    std : stress
        Standard deviation, between mean/1000 and 10 mean.
    """

    shape: Annotated[float, Field(ge=0.05, le=1e4)] | None = None
    scale: Positive | None = None
    mean: Positive | None = None
    std: Positive | None = None
    largest_shape: ClassVar[float] = 1e4
    of: ClassVar[Any]
    from_moments: ClassVar[Any]

    def __post_init__(self) -> None:
        by_shape, by_mean = (self.shape, self.scale), (self.mean, self.std)
        if (None in by_shape) == (None in by_mean) or (any(by_shape) and any(by_mean)):
            raise ValueError("give shape and scale, or mean and std")
        if self.shape is not None and self.shape > self.largest_shape:
            raise ValueError(f"shape must be at most {self.largest_shape:g}")
        if self.mean and self.std and not 1e-3 <= self.std / self.mean <= 10:
            raise ValueError("std must lie between mean/1000 and 10·mean")

    def resolved(self) -> tuple[Any, float, float]:  # noqa: D102
        given: Any = (self.shape, self.scale)
        return self.of(*(given if self.shape else self.from_moments(self.mean, self.std)))


@distribution
@dataclass(frozen=True)
class Weibull(TwoWays):
    """Density ∝ x^(shape−1) exp(−(x/scale)^shape)."""

    kind = WEIBULL

    def of(self, shape: float, scale: float) -> tuple[Any, float, float]:  # noqa: D102
        # Not scipy's, for scipy.special takes a quarter of a second to load.
        first, second = gamma(1 + 1 / shape), gamma(1 + 2 / shape)
        return (scale, 1 / shape), scale * first, scale * np.sqrt(second - first**2)

    def from_moments(self, mean: float, std: float) -> tuple[float, float]:  # noqa: D102
        from scipy import special
        from scipy.optimize import brentq

        target, log_gamma = np.log1p((std / mean) ** 2), special.gammaln

        def excess(log_k: float) -> float:
            k = np.exp(log_k)
            return float(log_gamma(1 + 2 / k) - 2 * log_gamma(1 + 1 / k) - target)

        shape = float(np.exp(brentq(excess, np.log(0.05), np.log(1e4), xtol=1e-14)))
        return shape, mean / float(special.gamma(1 + 1 / shape))


@distribution
@dataclass(frozen=True)
class Normal(Distribution):
    """Normal, cut off at 0 unless ``allow_negative``.

    Attributes
    ----------
    mean : stress
        Mean before the cut.
    std : stress
        Standard deviation before the cut.
    allow_negative
        Whether thresholds below 0 are kept.
    """

    kind = NORMAL
    mean: Number
    std: Positive
    allow_negative: bool = False

    def __post_init__(self) -> None:
        if not self.allow_negative and self.mean < -5 * self.std:
            raise ValueError(
                "next to nothing of this distribution lies above 0; "
                "raise mean, or set allow_negative: true"
            )

    def resolved(self) -> tuple[Any, float, float]:  # noqa: D102
        from scipy.special import log_ndtr, ndtr

        mean, std, cut = self.mean, self.std, -self.mean / self.std
        if self.allow_negative:
            return (mean, std, 0.0, 1.0), mean, std
        numbers = mean, std, ndtr(cut), ndtr(-cut)
        hazard = np.exp(-(cut**2) / 2 - log_ndtr(-cut)) / np.sqrt(2 * np.pi)
        return numbers, mean + std * hazard, std * np.sqrt(1 + cut * hazard - hazard**2)


@distribution
@dataclass(frozen=True)
class Lognormal(TwoWays):
    """scale·exp(shape·ξ), ξ standard normal."""

    kind = LOGNORMAL
    largest_shape = 5.0

    def of(self, shape: float, scale: float) -> tuple[Any, float, float]:  # noqa: D102
        mean = scale * np.exp(shape**2 / 2)
        return (scale, shape), mean, mean * np.sqrt(np.expm1(shape**2))

    def from_moments(self, mean: float, std: float) -> tuple[float, float]:  # noqa: D102
        spread = np.log1p((std / mean) ** 2)
        return float(np.sqrt(spread)), mean * float(np.exp(-spread / 2))


@distribution
@dataclass(frozen=True)
class Gamma(TwoWays):
    """Density ∝ x^(shape−1) exp(−x/scale)."""

    kind = GAMMA

    def of(self, shape: float, scale: float) -> tuple[Any, float, float]:  # noqa: D102
        return (scale, shape), shape * scale, np.sqrt(shape) * scale

    def from_moments(self, mean: float, std: float) -> tuple[float, float]:  # noqa: D102
        return (mean / std) ** 2, std**2 / mean


@distribution
@dataclass(frozen=True)
class Uniform(Distribution):
    """Uniform between low and high.

    Attributes
    ----------
    low : stress
        The lowest threshold.
    high : stress
        The highest threshold.
    """

    kind = UNIFORM
    low: Number
    high: Number

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError("low must be less than high")

    def resolved(self) -> tuple[Any, float, float]:  # noqa: D102
        low, high = self.low, self.high
        return (low, high), (low + high) / 2, (high - low) / np.sqrt(12)


@distribution
@dataclass(frozen=True)
class Exponential(Distribution):
    """Density ∝ exp(−x/mean).

    Attributes
    ----------
    mean : stress
        Mean, and standard deviation.
    """

    kind = EXPONENTIAL
    mean: Positive

    def resolved(self) -> tuple[Any, float, float]:  # noqa: D102
        return (self.mean,), self.mean, self.mean


@distribution
@dataclass(frozen=True)
class Constant(Distribution):
    """One value for all sites.

    Attributes
    ----------
    value : stress
        The threshold of all sites.
    """

    kind = CONSTANT
    value: Positive

    def resolved(self) -> tuple[Any, float, float]:  # noqa: D102
        return (self.value,), self.value, 0.0


@distribution
@dataclass(frozen=True)
class Samples(Distribution):
    """The values of a file: ``f.csv``, or ``f.h5:/path``.

    Quantiles are the inverse of their step-wise distribution function.

    Attributes
    ----------
    file
        A CSV file of one column, or a dataset ``f.h5:/path`` of any shape, in units of stress.
    """

    kind = SAMPLES
    file: FileName
    data: ClassVar[NDArray[np.float64]]  # of the instance, see `registry.with_data`

    def read_files(self, files: Any) -> NDArray[np.float64]:
        """Return the values of the file, in ascending order."""
        return np.sort(files.numbers(self.file))

    def resolved(self) -> tuple[Any, float, float]:  # noqa: D102
        return self.data, float(self.data.mean()), float(self.data.std())
