"""Exponents from samples, with errors, by maximum likelihood and the observed information.

A density exp(−Σ θ_k t_k(s) − ln Z) needs no more of a sample than the means of its t_k, and its
observed information is their covariance under the density, a derivative of ln Z. So a fit costs the
same for a thousand avalanches as for a million.

References
----------
Clauset, Shalizi and Newman, SIAM Review 51, 661 (2009), section 3 and appendix B.
Lehmann and Casella, Theory of Point Estimation, chapter 6.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from scipy.optimize import brentq, minimize

from hpcepm.analysis.statistics import Estimate, Floats

NODES, WEIGHTS = np.polynomial.legendre.leggauss(200)
FAR: Final = 60.0
"""Where exp(−(s/s_c)^b) is taken to be 0: (s/s_c)^b beyond this."""


class CutOff(NamedTuple):
    """One τ for all samples, and a cut-off for each."""

    tau: Estimate
    cut_offs: Floats
    covariance: Floats  # of ln s_c
    densities: list["Density"]
    log_likelihood: float  # mean of a draw


class Density(NamedTuple):
    """P(s) = s^−τ exp(−(s/s_c)^b)/Z on s ≥ at_least."""

    tau: float
    cut_off: float
    at_least: float
    sharpness: float

    def __call__(self, s: Floats) -> Floats:
        """Return P(s) for s ≥ at_least."""
        ln_z = _moments(self)[0]
        return s**-self.tau * np.exp(-((s / self.cut_off) ** self.sharpness) - ln_z)


def _moments(density: Density) -> tuple[float, Floats, Floats]:
    """Return ln Z, and means and covariance of (ln s, (s/s_c)^b)."""
    tau, cut_off, at_least, sharpness = density
    low, high = np.log(at_least), np.log(cut_off) + np.log(FAR) / sharpness
    high = max(high, low + 1.0)
    u = low + (high - low) * (NODES + 1) / 2
    t = np.stack([u, np.exp(sharpness * (u - np.log(cut_off)))])
    exponent = (1 - tau) * u - t[1]
    top = exponent.max()
    mass = WEIGHTS * np.exp(exponent - top)
    ln_z = float(np.log(mass.sum() * (high - low) / 2) + top)
    return ln_z, np.average(t, axis=1, weights=mass), np.cov(t, aweights=mass, ddof=0)


def fit_cut_off(samples: Sequence[Floats], at_least: float, sharpness: float = 1.0) -> CutOff:
    """Fit P(s) ~ s^−τ exp(−(s/s_c)^b) to the s ≥ ``at_least`` of several samples.

    One τ, a cut-off s_c for each.

    Parameters
    ----------
    samples
        One for each lattice size, say.
    at_least
        The lower bound; below it the distribution may be anything.
    sharpness
        b. It is not fitted.
    """
    kept = [s[s >= at_least] for s in samples]
    counts = np.array([len(s) for s in kept])
    logs = np.array([np.log(s).mean() for s in kept])

    def loss_and_slope(p: Floats) -> tuple[float, Floats]:
        tau, loss, slope = p[0], 0.0, np.zeros_like(p)
        for k, s in enumerate(kept):
            ln_z, mean, _ = _moments(density(p, k))
            power = powers(s, p[k + 1])
            loss += counts[k] * (tau * logs[k] + power + ln_z)
            slope[0] += counts[k] * (logs[k] - mean[0])
            slope[k + 1] = counts[k] * sharpness * (mean[1] - power)
        return loss / counts.sum(), slope / counts.sum()

    def density(p: Floats, k: int) -> Density:
        return Density(float(p[0]), float(np.exp(p[k + 1])), at_least, sharpness)

    def powers(s: Floats, ln_cut_off: float) -> float:
        return float(np.mean(s**sharpness) * np.exp(-sharpness * ln_cut_off))

    start = [1.3, *(np.log(2 * np.mean(s**2) / np.mean(s)) for s in kept)]
    found = minimize(loss_and_slope, start, jac=True, method="BFGS", options={"gtol": 1e-9})
    information = np.zeros((len(start), len(start)))
    for k, n in enumerate(counts):
        _, _, cov = _moments(density(found.x, k))
        information[0, 0] += n * cov[0, 0]
        information[0, k + 1] = information[k + 1, 0] = -n * sharpness * cov[0, 1]
        information[k + 1, k + 1] = n * sharpness**2 * cov[1, 1]
    covariance: Floats = np.linalg.inv(information).astype(float)
    tau = Estimate(float(found.x[0]), float(np.sqrt(covariance[0, 0])))
    densities = [density(found.x, k) for k in range(len(kept))]
    cut_offs = np.array([d.cut_off for d in densities])
    return CutOff(tau, cut_offs, covariance[1:, 1:], densities, -float(found.fun))


def fit_rising_power(x: Floats, low: float, high: float) -> Estimate:
    """Return θ of P(x) ~ x^θ between two bounds, by maximum likelihood.

    With y = ln(high/x) in (0, L), L = ln(high/low), the density of y is that of an exponential of
    rate 1 + θ, truncated at L.
    """
    y = np.log(high / x[(x > low) & (x < high)])
    length, mean = np.log(high / low), y.mean()

    def excess(rate: float) -> float:
        return 1 / rate - length / np.expm1(rate * length) - mean

    rate = brentq(excess, 1e-6, 50.0)
    information = 1 / rate**2 - (length / (2 * np.sinh(rate * length / 2))) ** 2
    return Estimate(rate - 1, 1 / np.sqrt(len(y) * information))


def fit_power_of_size(sizes: Floats, values: Floats, covariance: Floats) -> tuple[Estimate, float]:
    """Fit values = A N^p by generalized least squares of the logarithms.

    Parameters
    ----------
    sizes, values
        N and what was measured.
    covariance
        Of ln values: (n, n), or (n,) for its diagonal.

    Returns
    -------
    tuple
        p, and χ² per degree of freedom. Where this exceeds 1 the error is enlarged by its root
        (Particle Data Group, Review of Particle Physics, "Introduction", scale factors), for a
        power law that holds but approximately.
    """
    weight = np.linalg.inv(np.diag(covariance) if covariance.ndim == 1 else covariance)
    design = np.stack([np.ones(len(sizes)), np.log(sizes)], axis=1)
    of_fit = np.linalg.inv(design.T @ weight @ design)
    best = of_fit @ design.T @ weight @ np.log(values)
    left = np.log(values) - design @ best
    chi2 = float(left @ weight @ left) / max(1, len(sizes) - 2)
    return Estimate(float(best[1]), float(np.sqrt(of_fit[1, 1] * max(1.0, chi2)))), chi2
