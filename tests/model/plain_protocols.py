"""The protocols of docs/model.md, section 8, as a careful student would write them down.

Numpy, an FFT for every step, a list of sites, and the text of the contract; nothing of hpcepm.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.stats

from tests.model.plain_model import kernel_hat

Array = np.ndarray[Any, Any]


def words(seed: int, site: int, n: int, purpose: int) -> list[float]:
    """Three uniforms from numpy's Philox, which increments its counter before the first block."""
    counter = (int(site) + (int(n) << 64) + (purpose << 128) - 1) % (1 << 256)
    raw = np.random.Philox(counter=counter, key=seed).random_raw(3)
    return [float(u) for u in ((raw >> np.uint64(11)) + 0.5) * 2.0**-53]


@dataclass
class PlainProtocol:
    """A glass with one or two sides, renewed or quenched, under any loading."""

    shape: tuple[int, int]
    initial: tuple[float, float] = (2.5579, 1.2841)  # Weibull shape, scale
    renewal: tuple[float, float] = (2.4561, 1.1275)
    c0: float = 0.0276
    c1: float = 0.0206
    mu: float = 14.7
    bulk: float = 52.0
    kind: str = "continuum"
    seed: int = 1
    two: bool = False
    quenched: bool = False
    weakest: bool = False
    stress_std: float = 0.0
    swapped: bool = False  # σ⁺ from word 2 and σ⁻ from word 0
    rows: list[tuple[Any, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.mu_star = self.mu / (1 + self.mu / self.bulk)
        if self.kind == "none":
            self.kernel = np.zeros(self.shape)
        elif self.kind == "uniform":
            self.kernel = np.full(self.shape, -2 * self.mu_star)
            self.kernel[0, 0] = 0
        else:
            self.kernel = kernel_hat(self.shape, self.kind, "simple", self.mu_star)
        self.n = self.shape[0] * self.shape[1]
        self.events, self.well = np.zeros(self.n, int), np.zeros(self.n, int)
        self.slip = np.zeros(self.n)
        self.own = np.zeros(self.n)  # s = σ − Σ
        self.plus, self.minus = np.zeros(self.n), np.zeros(self.n)
        for site in range(self.n):
            self.plus[site], _, self.minus[site] = self.draw(
                site, 0, 2 if self.quenched else 0, True
            )
        second = scipy.stats.weibull_min.moment(2, self.renewal[0], scale=self.renewal[1])
        self.grid = 2.0 ** (np.ceil(np.log2(self.c0 + self.c1 * second)) - 36)
        self.load = 0.0

    def draw(self, site: int, n: int, purpose: int, first: bool) -> tuple[float, float, float]:
        u = words(self.seed, site, n, purpose)
        shape, scale = self.initial if first else self.renewal
        plus, minus = (
            float(scipy.stats.weibull_min.ppf(u[k], shape, scale=scale))
            for k in ((2, 0) if self.swapped else (0, 2))
        )
        return plus, u[1], minus

    def length(self, threshold: float, u: float) -> float:
        return float(scipy.stats.expon.ppf(u, scale=self.c0 + self.c1 * threshold**2))

    def well_of(self, site: int, m: int) -> tuple[float, float, float]:
        return self.draw(site, 2 * m if m >= 0 else -2 * m - 1, 2, m == 0)

    def hop(self, site: int, way: int) -> float:
        """Let a site slip one way; return how far."""
        self.events[site] += 1
        if not self.quenched:
            plus, u, minus = self.draw(site, int(self.events[site]), 0, False)
            overcome = self.plus[site] if way > 0 else self.minus[site]
            self.plus[site], self.minus[site] = plus, minus
            return way * self.length(overcome, u)
        lower = int(self.well[site]) if way > 0 else int(self.well[site]) - 1
        plus, u, _ = self.well_of(site, lower)
        _, _, minus = self.well_of(site, lower + 1)
        slip = min(self.length(plus, u), 1.5 * min(plus, minus) / self.mu_star)
        self.well[site] += way
        self.plus[site], _, self.minus[site] = self.well_of(site, int(self.well[site]))
        return float(way * self.grid * max(np.floor(slip / self.grid), 1.0))

    def redistributed(self, slips: Array) -> Array:
        """The stress that the slips of a step cause."""
        hat = self.kernel * np.fft.fft2(slips.reshape(self.shape))
        return np.fft.ifft2(hat).real.ravel()

    def stress(self, control: str, stiffness: float) -> float:
        if control in ("stress", "extremal"):
            return self.load
        return stiffness * (self.load - float(self.slip.sum()) / self.n)

    def excess(self, stress: float) -> tuple[Array, Array]:
        """How far beyond its thresholds each site is: forward, backward."""
        forward = stress + self.own - self.plus
        backward = -stress - self.own - self.minus if self.two else np.full(self.n, -np.inf)
        return forward, backward

    def drive(self, control: str, target: float, stiffness: float, most: int) -> None:
        """One segment, until its target or so many events in all."""
        d = 1 if control == "extremal" or target >= self.load else -1
        while self.events.sum() < most:
            stress = self.stress(control, stiffness)
            forward, backward = self.excess(stress)
            toward = forward if d > 0 else backward
            site = int(np.argmax(toward))
            if control == "extremal":
                self.load -= toward[site]
            elif max(forward.max(), backward.max()) < 0:
                rise = -toward[site] / (1.0 if control == "stress" else stiffness)
                if not d * (self.load + d * rise) < d * target:
                    self.load = target
                    return
                self.load += d * rise
            stress = self.stress(control, stiffness)
            first, step, slipped = stress, 0, 0.0
            which: list[tuple[int, int]] = [(site, d)]
            total = 0
            while which and self.events.sum() < most:
                slips = np.zeros(self.n)
                for k, way in sorted(which):
                    slips[k] = self.hop(k, way)
                self.slip += slips
                slipped += slips.sum()
                self.own += self.redistributed(slips)
                step, total = step + 1, total + len(which)
                if control == "extremal":
                    break
                forward, backward = self.excess(self.stress(control, stiffness))
                which = [(int(k), 1) for k in np.flatnonzero(forward >= 0)]
                which += [(int(k), -1) for k in np.flatnonzero(backward >= 0)]
                if self.weakest and which:
                    best = max(which, key=lambda one: (forward if one[1] > 0 else backward)[one[0]])
                    which = [best]
            self.rows.append((site, total, step, first, slipped))
