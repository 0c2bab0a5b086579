"""Distributions: quantiles and moments against scipy, presets and the numbers the paper prints."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.special
import scipy.stats

from hpcepm.model import slip
from hpcepm.model.distributions import (
    LAST,
    Constant,
    Distribution,
    Exponential,
    Gamma,
    Lognormal,
    Normal,
    Samples,
    TwoWays,
    Uniform,
    Weibull,
    quantile,
)
from hpcepm.model.glass import age, disorder_strength
from hpcepm.model.registry import with_data
from hpcepm.model.slip import slip_at
from hpcepm.model.thresholds import preset
from tests.conftest import run_python
from tests.model.test_dynamics import glass

AT = np.array([2.0**-54, 1e-9, 1e-3, 0.2, 0.5, 0.7, 0.999, 1 - 1e-9, 1 - 2.0**-53])


def quantiles(distribution: Distribution, at: np.ndarray = AT) -> np.ndarray:
    return np.array([quantile(distribution.kind, distribution.parameters, u) for u in at])


@pytest.mark.parametrize(
    ("ours", "scipys"),
    [
        (Weibull(2.4561, 1.1275), scipy.stats.weibull_min(2.4561, scale=1.1275)),
        (Normal(1.2, 0.4, allow_negative=True), scipy.stats.norm(1.2, 0.4)),
        (Lognormal(0.4, 1.3), scipy.stats.lognorm(0.4, scale=1.3)),
        (Gamma(2.3, 0.7), scipy.stats.gamma(2.3, scale=0.7)),
        (Uniform(0.5, 1.5), scipy.stats.uniform(0.5, 1.0)),
        (Exponential(1.7), scipy.stats.expon(scale=1.7)),
    ],
    ids=lambda value: repr(value) if isinstance(value, Distribution) else "scipy",
)
def test_quantiles_and_moments_are_scipys(ours: Distribution, scipys: Any) -> None:
    assert quantiles(ours) == pytest.approx(scipys.ppf(AT), rel=1e-12)
    assert ours.moments() == pytest.approx((scipys.mean(), scipys.std()), rel=1e-12)
    assert ours.second_moment == pytest.approx(scipys.moment(2), rel=1e-12)


@pytest.mark.parametrize("mean", [1.0, 0.1, -0.8])
def test_normal_cut_at_zero(mean: float) -> None:
    ours, exact = Normal(mean, 0.5), scipy.stats.truncnorm(-mean / 0.5, np.inf, mean, 0.5)
    # scipy's own quantiles lose digits in the upper tail, so ask which fraction lies above ours.
    above = scipy.stats.norm.sf(quantiles(ours), mean, 0.5) / scipy.stats.norm.sf(0, mean, 0.5)
    assert above == pytest.approx(1 - AT, rel=1e-11)
    assert quantiles(ours)[:6] == pytest.approx(exact.ppf(AT[:6]), rel=1e-10, abs=1e-15)
    assert ours.moments() == pytest.approx((exact.mean(), exact.std()), rel=1e-9)
    assert quantiles(ours).min() >= 0


@pytest.mark.parametrize("kind", [Weibull, Lognormal, Gamma])
@pytest.mark.parametrize("std", [0.01, 0.4, 3.0])
def test_given_moments_are_the_moments(kind: type[TwoWays], std: float) -> None:
    assert kind(mean=1.3, std=std).moments() == pytest.approx((1.3, std), rel=1e-9)


def test_samples_have_the_quantiles_of_numpy() -> None:
    values = np.random.default_rng(1).random(37)
    made = with_data(Samples("s"), np.sort(values))
    assert (quantiles(made) == np.quantile(values, AT, method="inverted_cdf")).all()
    assert made.moments()[1] == pytest.approx(values.std(), rel=1e-14)


def test_constant() -> None:
    made = Constant(1.5)
    assert (quantiles(made) == 1.5).all() and made.moments() == (1.5, 0)


@pytest.mark.parametrize(
    ("name", "mean", "std", "second"),
    [("MCT", 1.0, 0.435, 1.189), ("ESL", 1.14, 0.478, 1.528), ("GQ", 1.65, 0.507, 2.98)],
)
def test_presets_have_the_moments_the_paper_implies(
    name: str, mean: float, std: float, second: float
) -> None:
    thresholds = preset(name)
    assert thresholds.moments() == pytest.approx((mean, std), abs=6e-4)
    assert thresholds.second_moment == pytest.approx(second, abs=2e-3)


def test_ages_of_the_paper() -> None:
    assert age(preset("ESL").moments()[0], preset("MCT")) == pytest.approx(0.14, abs=1e-3)
    assert age(preset("GQ").moments()[0], preset("MCT")) == pytest.approx(0.65, abs=1e-3)


def test_disorder_strength_and_the_papers_mean_slip() -> None:
    law = slip.Exponential(0.0235, 0.0163)
    assert law.mean(preset("MCT")) == pytest.approx(0.0429, abs=1e-4)
    of_paper = glass(slip=law, renewal=preset("MCT"))
    mu_star = of_paper.kernel.mu_star
    assert disorder_strength(of_paper) == pytest.approx(0.4347 / (mu_star * 0.04288), rel=1e-3)


def test_slips() -> None:
    u = np.linspace(0.01, 0.99, 5)
    law = slip.Exponential(0.02, 0.01)
    drawn = [slip_at(law.kind, law.parameters, 1.5, x, 0.0, 1.0) for x in u]
    assert drawn == pytest.approx(scipy.stats.expon.ppf(u, scale=0.02 + 0.01 * 1.5**2), rel=1e-13)
    assert (
        slip_at(slip.Constant.kind, law.parameters, 1.5, 0.3, 0.0, 1.0) == 0.02 + 0.01 * 1.5 * 1.5
    )


def test_a_kind_that_compiled_code_does_not_know_gives_no_glass() -> None:
    """A line in `quantile` or `slip_at` was forgotten: the run must not go on with another."""
    assert np.isnan(quantile(77, np.array([2.0]), 0.3))
    assert np.isnan(slip_at(77, np.array([0.02, 0.01]), 1.5, 0.3, 0.0, 1.0))


def test_special_functions_are_looked_up_when_they_are_called(tmp_path: Path) -> None:
    """They take long to load. Most runs call none."""
    program = """
import sys
from hpcepm.model.distributions import Gamma, normal_deviate
from hpcepm.model.thresholds import preset
preset("GQ").moments()
print("scipy.special" in sys.modules)
gamma = Gamma(shape=2.5, scale=0.7)
for _ in range(2):
    print(normal_deviate(0.3).hex(), gamma.limits[0].hex())
"""
    expected = scipy.special.ndtri(0.3).hex(), (0.7 * scipy.special.gammaincinv(2.5, LAST)).hex()
    for in_python in ("0", "1"):
        done = run_python(["-c", program], None, tmp_path, NUMBA_DISABLE_JIT=in_python)
        loaded, *twice = done.stdout.splitlines()
        assert loaded == "False", done.stderr
        assert twice == 2 * [" ".join(expected)]
