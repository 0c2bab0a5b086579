"""The model as a careful student would write it down.

Numpy, an FFT for every step, no engine, no bound, no rank.

Shares nothing with hpcepm but the text of the contract; slow and obvious. The random streams come
from numpy's own Philox.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.stats

Array = np.ndarray[Any, Any]


def words(seed: int, site: int, n: int, purpose: int) -> Array:
    """Two uniforms from numpy's Philox, which increments its counter before the first block."""
    counter = int(site) + (n << 64) + (purpose << 128) - 1
    if counter < 0:
        counter += 1 << 256
    raw = np.random.Philox(counter=counter, key=seed).random_raw(2)
    return ((raw >> np.uint64(11)) + 0.5) * 2.0**-53


def kernel_hat(shape: tuple[int, int], kind: str, orientation: str, mu_star: float) -> Array:
    qx = 2 * np.pi * np.fft.fftfreq(shape[0])[:, None]
    qy = 2 * np.pi * np.fft.fftfreq(shape[1])[None, :]
    if kind == "cell_average":
        angular = np.zeros(shape)
        for m in range(-40, 41):
            for n in range(-40, 41):
                a, b = qx + 2 * np.pi * m, qy + 2 * np.pi * n
                weight = np.sinc(a / 2 / np.pi) ** 2 * np.sinc(b / 2 / np.pi) ** 2
                with np.errstate(invalid="ignore"):
                    angular += np.nan_to_num(weight * 4 * a**2 * b**2 / (a**2 + b**2) ** 2)
    else:
        a, b = (qx**2, qy**2) if kind == "continuum" else (2 - 2 * np.cos(qx), 2 - 2 * np.cos(qy))
        with np.errstate(invalid="ignore"):
            angular = 4 * a * b / (a + b) ** 2
    if orientation == "pure":
        angular = 1 - angular
    angular[0, 0] = 0
    return -2 * mu_star * angular


@dataclass
class PlainModel:
    shape: tuple[int, int]
    initial: tuple[float, float]  # Weibull shape, scale
    renewal: tuple[float, float]
    c0: float
    c1: float
    mu: float = 14.7
    bulk: float = 52.0
    kind: str = "continuum"
    orientation: str = "simple"
    stress_std: float = 0.0
    seed: int = 1
    avalanches: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.kernel = kernel_hat(
            self.shape, self.kind, self.orientation, self.mu / (1 + self.mu / self.bulk)
        )
        sites = range(self.shape[0] * self.shape[1])
        u = np.array([words(self.seed, s, 0, 0)[0] for s in sites]).reshape(self.shape)
        self.sigma_c = scipy.stats.weibull_min.ppf(u, self.initial[0], scale=self.initial[1])
        self.sigma = np.zeros(self.shape)
        if self.stress_std > 0:
            u = np.array([words(self.seed, s, 0, 1)[0] for s in sites]).reshape(self.shape)
            noise = np.fft.fft2(scipy.stats.norm.ppf(u))
            stress = np.fft.ifft2(np.sqrt(-self.kernel) * noise).real
            self.sigma = (stress - stress.mean()) * self.stress_std / stress.std()
        self.epsilon_p = np.zeros(self.shape)
        self.n_events = np.zeros(self.shape, int)
        self.strain = 0.0

    def yield_together(self, which: Array) -> float:
        slips = np.zeros(self.shape)
        for i, j in np.argwhere(which):
            self.n_events[i, j] += 1
            u = words(self.seed, i * self.shape[1] + j, int(self.n_events[i, j]), 0)
            slips[i, j] = scipy.stats.expon.ppf(
                u[1], scale=self.c0 + self.c1 * self.sigma_c[i, j] ** 2
            )
            self.sigma_c[i, j] = scipy.stats.weibull_min.ppf(
                u[0], self.renewal[0], scale=self.renewal[1]
            )
        self.epsilon_p += slips
        self.sigma += (
            np.fft.ifft2(self.kernel * np.fft.fft2(slips)).real - 2 * self.mu * slips.mean()
        )
        return float(slips.sum())

    def shear(self, target: float) -> None:
        unstable = self.sigma >= self.sigma_c
        while True:
            x = self.sigma_c - self.sigma
            weakest = np.unravel_index(np.argmin(x), self.shape)
            if not unstable.any():
                rise = x[weakest]
                if self.strain + rise / (2 * self.mu) >= target:
                    self.sigma += 2 * self.mu * (target - self.strain)
                    self.strain = target
                    return
                self.strain += rise / (2 * self.mu)
                self.sigma += rise
                unstable[weakest] = True
            avalanche = {
                "strain": self.strain,
                "stress": self.sigma.mean(),
                "x": weakest[0],
                "y": weakest[1],
            }
            slip = events = duration = 0.0
            before = self.n_events.copy()
            while unstable.any():
                events += unstable.sum()
                duration += 1
                slip += self.yield_together(unstable)
                unstable = self.sigma >= self.sigma_c
            sites = int((self.n_events > before).sum())
            drop = 2 * self.mu * slip / self.sigma.size
            self.avalanches.append(
                {
                    **avalanche,
                    "slip": slip,
                    "events": events,
                    "duration": duration,
                    "sites": sites,
                    "stress_drop": drop,
                }
            )
