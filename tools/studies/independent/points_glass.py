"""The glass of `points`: what is asked of it, its thresholds and stress, and what an event does.

Written from the contract alone; it shares no line, table or random number code with hpcepm.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import quad

from .strips import SQRT, THERMAL, UNIFORM, Key, Law, philox, uniform

Floats = NDArray[np.float64]
Distribution = tuple[float, float] | Callable[[float], float]
"""Weibull (shape, scale), or a quantile function."""

NEVER: Final = 2.0**62


@dataclass(frozen=True)
class PointsCase:
    """A glass, a clock and a loading.

    Parameters
    ----------
    shape : tuple of int
        Sites (nx, ny).
    kernel : {"continuum", "finite_difference", "uniform", "none"}
        Stress redistribution, in simple shear.
    mu, bulk : float
        Shear modulus and two-dimensional bulk modulus.
    initial, renewal : tuple of float or callable
        Thresholds at the start and after an event: Weibull (shape, scale), or a quantile function.
    c0, c1 : float
        The mean slip is ``c0 + c1 sigma_c**2``; slips are exponential.
    seed, realization : int
        The key of all random numbers.
    sides : {"one", "two"}
        Whether sites also slip backward.
    landscape : {"renewed", "quenched"}
        Whether thresholds are forgotten or belong to wells.
    clock : {"thermal", "rate"}
        Rates exp(−x^α/T), or those of `law` for x ≤ 0.
    temperature, exponent : float
        T and α of the thermal clock.
    unit : float
        `attempt_time` of the thermal clock, `time` of the rate clock.
    law : {"uniform", "sqrt"}
        Of the rate clock: 1, or √(|x|/`scale`).
    scale : float
        Of the law `sqrt`.
    unstable : {"rate", "instant"}
        Whether sites with x ≤ 0 fire with the rate 1, or all at once. (thermal)
    control : {"stress", "strain"}
        What is prescribed.
    target : float
        Where the load goes, from 0.
    rate : float or None
        How fast, per unit of outside time, until `target`, where all ends. None: the load is there
        at once, and is held.
    events : int
        How many to return at the most.
    until : float
        When to end, in units of `unit`.
    """

    shape: tuple[int, int]
    kernel: Literal["continuum", "finite_difference", "uniform", "none"] = "continuum"
    mu: float = 14.7
    bulk: float = 52.0
    initial: Distribution = (2.5579, 1.2841)
    renewal: Distribution = (2.4561, 1.1275)
    c0: float = 0.0276
    c1: float = 0.0206
    seed: int = 1
    realization: int = 0
    sides: Literal["one", "two"] = "one"
    landscape: Literal["renewed", "quenched"] = "renewed"
    clock: Literal["thermal", "rate"] = "thermal"
    temperature: float = 0.1
    exponent: float = 1.5
    unit: float = 1.0
    law: Literal["uniform", "sqrt"] = "uniform"
    scale: float = 1.0
    unstable: Literal["rate", "instant"] = "rate"
    control: Literal["stress", "strain"] = "stress"
    target: float = 0.3
    rate: float | None = None
    events: int = 500
    until: float = NEVER

    def __post_init__(self) -> None:
        if self.landscape == "quenched" and self.sides == "one":
            raise ValueError("a quenched landscape needs two sides")
        if self.unstable == "instant" and self.clock == "rate":
            raise ValueError("with the clock rate, unstable sites have a rate")
        if self.rate is not None and not self.rate > 0.0:
            raise ValueError(f"rate = {self.rate}: write one above 0; the target has the sign")

    @property
    def mu_star(self) -> float:
        """Stress drop inside a circular inclusion per unit of eigenstrain."""
        return self.mu / (1.0 + self.mu / self.bulk)

    @property
    def key(self) -> Key:
        """Seed and realization, of all random numbers."""
        return np.uint64(self.seed), np.uint64(self.realization)

    @property
    def rates(self) -> Law:
        """λ(x) of the clock."""
        if self.clock == "thermal":
            return Law(THERMAL, self.temperature, self.exponent)
        return Law(UNIFORM if self.law == "uniform" else SQRT, self.scale)


def response(case: PointsCase) -> Floats:
    """Return G, the stress at (i, j) after a slip of 1 at (0, 0), less the mean stress."""
    qx, qy = (2.0 * np.pi * np.fft.fftfreq(n) for n in case.shape)
    if case.kernel == "none":
        return np.zeros(case.shape)
    if case.kernel == "uniform":
        hat = np.full(case.shape, -2.0 * case.mu_star)
    else:
        continuum = case.kernel == "continuum"
        a, b = (q * q if continuum else 2.0 - 2.0 * np.cos(q) for q in (qx, qy))
        sum_of_both = a[:, None] + b[None, :]
        sum_of_both[0, 0] = 1.0
        hat = -2.0 * case.mu_star * 4.0 * a[:, None] * b[None, :] / sum_of_both**2
    hat[0, 0] = 0.0
    return np.fft.ifft2(hat).real


def quantile(distribution: Distribution, u: float) -> float:
    """Return what a uniform number stands for."""
    if callable(distribution):
        return distribution(u)
    shape, scale = distribution
    return scale * (-math.log1p(-u)) ** (1.0 / shape)


def grid_of(case: PointsCase) -> float:
    """Return q, of which the slips of a quenched landscape are multiples."""
    square = quad(lambda u: quantile(case.renewal, u) ** 2, 0.0, 1.0)[0]
    return 2.0 ** (math.ceil(math.log2(case.c0 + case.c1 * square)) - 36)


class Glass:
    """Thresholds and stress of all sites, and what an event does to them."""

    def __init__(self, case: PointsCase) -> None:
        self.case = case
        self.response = response(case)
        self.grid = grid_of(case) if case.landscape == "quenched" else 0.0
        sites = case.shape[0] * case.shape[1]
        self.n_events = [0] * sites
        self.well = [0] * sites
        self.total = 0.0
        """S, the sum of all slips."""
        self.own = np.zeros(sites)
        """s: the stress of each site less the macroscopic one."""
        self.ways = np.array([[1.0], [-1.0]])[: 2 if case.sides == "two" else 1]
        self.thresholds = np.empty((len(self.ways), sites))
        for site in range(sites):
            self.set_thresholds(site)

    def set_thresholds(self, site: int) -> None:
        """Give a site the thresholds of its well, or of its number of events."""
        if self.case.landscape == "quenched":
            forward, _, backward = self.of_well(site, self.well[site])
        else:
            n = self.n_events[site]
            forward, _, backward = self.draw(site, n, 0, first=n == 0)
        self.thresholds[:, site] = (forward, backward)[: len(self.ways)]

    def draw(self, site: int, n: int, purpose: int, first: bool) -> tuple[float, float, float]:
        """Return a threshold forward, the uniform number of a slip, and a threshold backward."""
        counter = (np.uint64(part) for part in (site, n, purpose, 0))
        u = [uniform(np.uint64(word)) for word in philox(*counter, self.case.key)]
        distribution = self.case.initial if first else self.case.renewal
        return quantile(distribution, u[0]), u[1], quantile(distribution, u[2])

    def of_well(self, site: int, m: int) -> tuple[float, float, float]:
        """Return the same of a well."""
        return self.draw(site, 2 * m if m >= 0 else -2 * m - 1, 2, first=m == 0)

    def slip_for(self, threshold: float, u: float) -> float:
        """Return a slip by the slip law."""
        return -(self.case.c0 + self.case.c1 * threshold**2) * math.log1p(-u)

    def width(self, site: int, m: int) -> float:
        """Return a(m), by which wells m and m + 1 lie apart."""
        forward, u, _ = self.of_well(site, m)
        _, _, backward = self.of_well(site, m + 1)
        slip = min(self.slip_for(forward, u), 1.5 * min(forward, backward) / self.case.mu_star)
        return self.grid * max(math.floor(slip / self.grid), 1)

    def slip(self, site: int, side: int) -> float:
        """Let a site slip, and return by how much; the stress does not follow yet."""
        self.n_events[site] += 1
        way = -1 if side else 1
        if self.case.landscape == "quenched":
            amount = self.width(site, self.well[site] - side)
            self.well[site] += way
        else:
            u = self.draw(site, self.n_events[site], 0, first=False)[1]
            amount = self.slip_for(self.thresholds[side, site], u)
        self.set_thresholds(site)
        return way * amount

    def yields_at(self) -> Floats:
        """Return σ⁺ − s, and with two sides σ⁻ + s: (sides, sites)."""
        return self.thresholds - self.ways * self.own

    def fire(self, which: list[tuple[int, int]]) -> list[float]:
        """Let these (site, side) slip at once; return the slips."""
        slips = [self.slip(site, side) for site, side in which]
        for (site, _), slip in zip(which, slips, strict=True):
            place = divmod(site, self.case.shape[1])
            self.own += slip * np.roll(self.response, place, axis=(0, 1)).ravel()
            self.total += slip
        return slips
