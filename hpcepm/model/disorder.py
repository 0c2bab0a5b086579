"""The disorder of a glass: where thresholds come from, and how far a site slips (SPEC 2, 4.

The paper's Eqs 3, 6).

A distribution is its quantile function: a threshold is the quantile at a uniform deviate, so draws
are one-to-one with the random streams. To add a distribution: a line in `quantile`, and a
constructor that says its parameters and moments.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

import numpy as np
import scipy.special
from numba import types
from numba.extending import get_cython_function_address
from numpy.typing import NDArray

from hpcepm.parallel.compiled import compiled, external

from .rng import YIELDING, draw

WEIBULL: Final = 0
NORMAL: Final = 1
LOGNORMAL: Final = 2
GAMMA: Final = 3
UNIFORM: Final = 4
EXPONENTIAL: Final = 5
CONSTANT: Final = 6
SAMPLES: Final = 7


def _of_scipy(name: str, n_arguments: int) -> Any:
    """Return a special function of scipy for compiled loops; its last argument must be 0."""
    module = "scipy.special.cython_special"
    signature = types.float64(*n_arguments * [types.float64], types.intc)
    in_python = getattr(import_module(module), name)
    address = get_cython_function_address(module, name)
    return external(f"hpcepm_{name}", signature, lambda *x: in_python(*x[:-1]), address)


_ndtri = _of_scipy("ndtri", 1)
_gammaincinv = _of_scipy("gammaincinv", 2)


@compiled
def quantile(kind: int, p: NDArray[np.float64], u: float) -> float:
    """Return the value below which a fraction u of a distribution lies.

    ``p`` holds its parameters.
    """
    if kind == WEIBULL:
        return p[0] * (-np.log1p(-u)) ** p[1]
    if kind == NORMAL:
        below = p[2] + u * (1.0 - p[2])
        if below <= 0.5:
            return p[0] + p[1] * _ndtri(below, 0)
        return p[0] - p[1] * _ndtri((1.0 - u) * p[3], 0)
    if kind == LOGNORMAL:
        return p[0] * np.exp(p[1] * _ndtri(u, 0))
    if kind == GAMMA:
        return p[0] * _gammaincinv(p[1], u, 0)
    if kind == UNIFORM:
        return p[0] + (p[1] - p[0]) * u
    if kind == EXPONENTIAL:
        return -p[0] * np.log1p(-u)
    if kind == CONSTANT:
        return p[0]
    return p[int(np.ceil(u * p.size)) - 1]  # SAMPLES, ascending


@compiled
def normal_deviate(u: float) -> float:
    """Return the quantile of the standard normal distribution at u."""
    return _ndtri(u, 0)


@dataclass(frozen=True, eq=False)
class Distribution:
    """A distribution of thresholds.

    Attributes
    ----------
    kind, parameters
        What `quantile` wants.
    mean, std
        In units of stress.
    label
        How it is named to the user.
    """

    kind: int
    parameters: NDArray[np.float64]
    mean: float
    std: float
    label: str

    @property
    def second_moment(self) -> float:
        """⟨σ_c²⟩, in units of stress squared."""
        return self.mean**2 + self.std**2


def _distribution(
    kind: int, parameters: tuple[float, ...], mean: float, std: float, label: str
) -> Distribution:
    return Distribution(kind, np.array(parameters, np.float64), float(mean), float(std), label)


def weibull(shape: float, scale: float) -> Distribution:
    """Return the Weibull distribution with density ∝ x^(k−1) exp(−(x/λ)^k)."""
    first, second = scipy.special.gamma(1 + 1 / shape), scipy.special.gamma(1 + 2 / shape)
    std = scale * np.sqrt(second - first**2)
    return _distribution(
        WEIBULL,
        (scale, 1 / shape),
        scale * first,
        std,
        f"weibull(shape {shape:g}, scale {scale:g})",
    )


def weibull_from_moments(mean: float, std: float) -> Distribution:
    """Return the Weibull distribution of given mean and standard deviation."""
    from scipy.optimize import brentq

    target = np.log1p((std / mean) ** 2)

    def excess(log_k: float) -> float:
        k = np.exp(log_k)
        return float(
            scipy.special.gammaln(1 + 2 / k) - 2 * scipy.special.gammaln(1 + 1 / k) - target
        )

    shape = float(np.exp(brentq(excess, np.log(0.05), np.log(1e4), xtol=1e-14)))
    return weibull(shape, mean / float(scipy.special.gamma(1 + 1 / shape)))


def normal(mean: float, std: float, allow_negative: bool = False) -> Distribution:
    """Return the normal distribution.

    Without ``allow_negative`` its part above 0 (mean, std are those before the cut).
    """
    label = f"normal(mean {mean:g}, std {std:g})"
    if allow_negative:
        return _distribution(NORMAL, (mean, std, 0.0, 1.0), mean, std, label)
    cut = -mean / std
    above = float(scipy.special.ndtr(-cut))
    hazard = np.exp(-(cut**2) / 2 - scipy.special.log_ndtr(-cut)) / np.sqrt(2 * np.pi)
    mean_above, std_above = mean + std * hazard, std * np.sqrt(1 + cut * hazard - hazard**2)
    return _distribution(
        NORMAL,
        (mean, std, scipy.special.ndtr(cut), above),
        mean_above,
        std_above,
        label + " above 0",
    )


def lognormal(shape: float, scale: float) -> Distribution:
    """Return the distribution of scale·exp(shape·ξ), ξ standard normal."""
    mean = scale * np.exp(shape**2 / 2)
    label = f"lognormal(shape {shape:g}, scale {scale:g})"
    return _distribution(LOGNORMAL, (scale, shape), mean, mean * np.sqrt(np.expm1(shape**2)), label)


def lognormal_from_moments(mean: float, std: float) -> Distribution:
    """Return the lognormal distribution of given mean and standard deviation."""
    spread = np.log1p((std / mean) ** 2)
    return lognormal(float(np.sqrt(spread)), mean * float(np.exp(-spread / 2)))


def gamma(shape: float, scale: float) -> Distribution:
    """Return the gamma distribution with density ∝ x^(k−1) exp(−x/λ)."""
    label = f"gamma(shape {shape:g}, scale {scale:g})"
    return _distribution(GAMMA, (scale, shape), shape * scale, np.sqrt(shape) * scale, label)


def gamma_from_moments(mean: float, std: float) -> Distribution:
    """Return the gamma distribution of given mean and standard deviation."""
    return gamma((mean / std) ** 2, std**2 / mean)


def uniform(low: float, high: float) -> Distribution:
    """Return the uniform distribution on [low, high]."""
    std = (high - low) / np.sqrt(12)
    return _distribution(
        UNIFORM, (low, high), (low + high) / 2, std, f"uniform({low:g} to {high:g})"
    )


def exponential(mean: float) -> Distribution:
    """Return the exponential distribution."""
    return _distribution(EXPONENTIAL, (mean,), mean, mean, f"exponential(mean {mean:g})")


def constant(value: float) -> Distribution:
    """Return the distribution of one value."""
    return _distribution(CONSTANT, (value,), value, 0.0, f"constant({value:g})")


def samples(values: NDArray[np.float64], label: str) -> Distribution:
    """Return the empirical distribution of a sample.

    Quantiles are the inverse of its step-wise distribution function.
    """
    ascending = np.sort(np.asarray(values, np.float64))
    return Distribution(SAMPLES, ascending, float(ascending.mean()), float(ascending.std()), label)


# Weibull shape and scale of the model glass of the paper's three states. The paper prints no
# distribution: these follow from its numbers alone, the ages r_ESL = 0.14 and r_GQ = 0.65 and the
# ⟨σ_c²⟩ = (ε̄₀ − c0)/c1 that its fits imply (1.189 for MCT, 1.528 for ESL, 2.98 for GQ), with ⟨σ_c⟩
# = 1 for MCT as the one free number.
PRESETS: dict[str, tuple[float, float]] = {
    "MCT": (2.4561, 1.1275),
    "ESL": (2.5579, 1.2841),
    "GQ": (3.6129, 1.8307),
}


def preset(name: str) -> Distribution:
    """Return the thresholds of one of the paper's glasses, a key of `PRESETS`."""
    shape, scale = PRESETS[name]
    found = weibull(shape, scale)
    return Distribution(
        found.kind, found.parameters, found.mean, found.std, f"{name}, {found.label}"
    )


EXPONENTIAL_SLIP: Final = 0
CONSTANT_SLIP: Final = 1


@dataclass(frozen=True)
class SlipLaw:
    """How far a site slips: with mean ε₀(σ_c) = c0 + c1 σ_c², σ_c being the threshold just overcome."""

    kind: int
    c0: float
    c1: float

    def mean(self, thresholds: Distribution) -> float:
        """Return ε̄₀, the mean slip when thresholds come from a distribution."""
        return self.c0 + self.c1 * thresholds.second_moment


@compiled
def slip_at(kind: int, c0: float, c1: float, sigma_c: float, u: float) -> float:
    """Return the slip of a site whose threshold was ``sigma_c``."""
    mean = c0 + c1 * sigma_c * sigma_c
    if kind == EXPONENTIAL_SLIP:
        return -mean * np.log1p(-u)
    return mean


def disorder_strength(renewal: Distribution, slip: SlipLaw, mu_star: float) -> float:
    """Return s = std(p_r)/(μ* ε̄₀), the paper's Eq 3."""
    return _ratio(renewal.std, mu_star * slip.mean(renewal))


def age(mean_initial: float, renewal: Distribution) -> float:
    """Return r = (⟨σ_c⟩_i − ⟨σ_c⟩_r)/⟨σ_c⟩_r, the paper's Eq 6."""
    return _ratio(mean_initial - renewal.mean, renewal.mean)


def _ratio(over: float, under: float) -> float:
    """Return a quotient; NaN or infinity where there is none."""
    with np.errstate(all="ignore"):
        return float(np.divide(over, under))


@compiled
def fill_initial_thresholds(
    sigma_c: NDArray[np.float64],
    row: NDArray[np.int32],
    kind: int,
    p: NDArray[np.float64],
    seed: int,
    realization: int,
) -> None:
    """Draw the threshold of each site of a slab, shape (rows, ny), whose rows in the lattice are ``row``, shape (rows,)."""
    rows, ny = sigma_c.shape
    for i in range(rows):
        for j in range(ny):
            u, _ = draw(row[i] * ny + j, 0, YIELDING, seed, realization)
            sigma_c[i, j] = quantile(kind, p, u)
