"""The estimators of ``tools/studies/physics`` find known exponents, within their errors."""

import numpy as np
import pytest
from numpy.typing import NDArray

from hpcepm.analysis.statistics import Estimate
from tools.studies.physics.estimators import fit_cut_off, fit_power_of_size, fit_rising_power

TRIALS = 200
Array = NDArray[np.float64]


def cut_off_sample(
    rng: np.random.Generator, n: int, tau: float, cut_off: float, at_least: float, sharpness: float
) -> Array:
    """Draw by rejection: a pure power law, kept with probability exp(−(s/s_c)^b)."""
    s = at_least * rng.random(n) ** (-1 / (tau - 1))
    return s[rng.random(n) < np.exp(-((s / cut_off) ** sharpness))]


def rising_sample(rng: np.random.Generator, n: int, theta: float) -> Array:
    return rng.random(n) ** (1 / (theta + 1))


def pulls(found: list[Estimate], truth: float) -> Array:
    """Return errors in units of the stated one."""
    return np.array([(m.value - truth) / m.error for m in found])


def assert_standard_normal(pull: Array) -> None:
    n = len(pull)
    assert abs(pull.mean()) < 4 / np.sqrt(n)
    assert pull.std() == pytest.approx(1, abs=4 / np.sqrt(2 * n))
    assert np.mean(abs(pull) < 1) == pytest.approx(0.683, abs=4 * np.sqrt(0.22 / n))


@pytest.mark.parametrize(("tau", "sharpness"), [(1.25, 1.0), (1.36, 1.0), (1.36, 2.0), (1.5, 1.0)])
def test_a_common_tau_and_cut_offs_are_found_within_their_errors(
    tau: float, sharpness: float
) -> None:
    rng = np.random.default_rng(1)
    cuts = np.array([20.0, 80.0])
    fits = [
        fit_cut_off(
            [cut_off_sample(rng, 3000, tau, c, 0.3, sharpness) for c in cuts], 0.3, sharpness
        )
        for _ in range(TRIALS)
    ]
    assert_standard_normal(pulls([fit.tau for fit in fits], tau))
    for k in range(2):
        logs = [Estimate(np.log(fit.cut_offs[k]), np.sqrt(fit.covariance[k, k])) for fit in fits]
        assert_standard_normal(pulls(logs, np.log(cuts[k])))


def test_what_lies_below_the_bound_does_not_count() -> None:
    rng = np.random.default_rng(2)
    s = cut_off_sample(rng, 5000, 1.3, 50.0, 0.3, 1.0)
    fit, same = (
        fit_cut_off([sample], 0.3) for sample in (s, np.concatenate([s, rng.random(1000) * 0.3]))
    )
    assert fit.tau == same.tau


@pytest.mark.parametrize("theta", [0.0, 0.5, 1.0])
def test_a_rising_power_is_found_within_its_error(theta: float) -> None:
    rng = np.random.default_rng(3)
    fits = [fit_rising_power(rising_sample(rng, 4000, theta), 0.05, 0.6) for _ in range(TRIALS)]
    assert_standard_normal(pulls(fits, theta))


def test_a_power_of_size_is_found_within_its_error() -> None:
    rng = np.random.default_rng(4)
    sizes = np.array([16.0, 32, 64, 128, 256])
    errors = np.array([0.01, 0.02, 0.02, 0.04, 0.05])
    mix = np.eye(5) + 0.5
    covariance = mix @ np.diag(errors**2) @ mix.T
    fits = []
    for _ in range(TRIALS):
        values = 3 * sizes**1.1 * np.exp(mix @ (errors * rng.standard_normal(5)))
        fit, chi2 = fit_power_of_size(sizes, values, covariance)
        fits.append(Estimate(fit.value, fit.error / np.sqrt(max(1, chi2))))
    assert_standard_normal(pulls(fits, 1.1))


def test_a_bad_fit_has_a_larger_error() -> None:
    sizes = np.array([16.0, 32, 64])
    fit, chi2 = fit_power_of_size(sizes, np.array([1.0, 3.0, 4.0]), np.full(3, 1e-4))
    assert chi2 > 100
    assert fit.error > 0.1
