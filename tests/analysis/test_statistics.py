"""Plateau, peak and errors: of curves that are known, and of many ensembles whose scatter is."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hpcepm.analysis import statistics as st
from hpcepm.analysis.statistics import Estimate

Floats = NDArray[np.float64]
STRAIN = np.linspace(0, 1, 101)


def test_a_plateau_is_the_area_by_the_width() -> None:
    curves = np.stack([np.ones(101), 2 * STRAIN])
    np.testing.assert_allclose(st.plateau(STRAIN, curves), [1, 1.5])
    np.testing.assert_allclose(st.plateau(STRAIN, curves, (0.333, 0.444)), [1, 0.777])
    uneven = np.array([0, 0.5, 0.51, 0.52, 1.0])
    np.testing.assert_allclose(st.plateau(uneven, 3 * uneven), 2.25)


def test_the_plateau_of_a_shorter_run_is_its_second_half() -> None:
    assert st.plateau_window(2.0) == st.plateau_window(1 - 1e-12) == (0.5, 1.0)
    assert st.plateau_window(0.3) == (0.15, 0.3)
    np.testing.assert_allclose(st.plateau(0.3 * STRAIN, STRAIN), 0.75)


def noisy(curve: Floats, realizations: int, size: float = 0.02) -> Floats:
    """Return curves that fluctuate as a stress does: by drops, over a strain of 0.03 or so."""
    rng = np.random.default_rng(6)
    noise = rng.normal(size=(realizations, curve.size + 3)) * size
    return curve + (noise[:, 3:] + noise[:, 2:-1] + noise[:, 1:-2]) / 3**0.5


RISEN = 0.6 * (1 - np.exp(-STRAIN / 0.02))


@pytest.mark.parametrize("realizations", [1, 4, 16])
@pytest.mark.parametrize(
    ("curve", "window", "said"),
    [
        (RISEN, None, ""),
        (RISEN + 0.3 * np.exp(-((STRAIN - 0.05) ** 2) / 0.001), None, ""),
        (RISEN + 0.3 * np.exp(-STRAIN / 0.8), None, "still falls by"),
        (RISEN * (1 + 0.3 * STRAIN), None, "still rises by|still rises to it at strain 0.5"),
        (RISEN, (0.01, 0.05), "still rises to it at strain 0.01"),
        (0.6 - 40 * (STRAIN - 0.3) ** 2, (0.25, 0.35), "still rises to it at strain 0.25"),
    ],
)
def test_a_plateau_is_only_where_the_stress_rests(
    curve: Floats, window: tuple[float, float] | None, said: str, realizations: int
) -> None:
    quiet = 0.002 if window and curve is not RISEN else 0.02
    found = st.find_plateau(STRAIN, noisy(curve, realizations, quiet / realizations**0.5), window)
    assert found.is_stationary == (not said) == (not found.why_not)
    assert re.search(said, found.why_not)
    if not said:
        assert abs(found.value.value - curve[50:].mean()) < 4 * found.value.error


def test_errors_of_a_single_realization_are_its_scatter() -> None:
    curves = noisy(RISEN, 400)
    found = [st.find_plateau(STRAIN, one[None]) for one in curves]
    for estimates in ([one.value for one in found], [one.change for one in found]):
        values, errors = np.array(estimates).T
        assert values.std() == pytest.approx(np.sqrt((errors**2).mean()), rel=0.2)
    assert np.mean([one.is_stationary for one in found]) > 0.93


def test_agreement_is_the_t_test_of_two_and_of_more() -> None:
    rng = np.random.default_rng(3)
    for groups in (2, 3, 6):
        drawn = rng.normal(size=(2000, groups, 5))
        found = [st.agreement([st.mean(one) for one in some], [4] * groups) for some in drawn]
        assert np.mean([one is not None and one < 0.05 for one in found]) == pytest.approx(
            0.05, abs=0.015
        )
    assert st.agreement([Estimate(1, 0.1), Estimate(2, 0.1)], [9, 9]) == pytest.approx(1e-6, rel=1)
    assert st.agreement([Estimate(1, 0.1), Estimate(2, np.nan)], [9, 0]) is None


def test_a_peak_is_the_vertex_of_a_parabola() -> None:
    strain = np.sort(np.append(STRAIN, 0.333))
    height, where = st.peak(strain, np.stack([1 - (strain - 0.237) ** 2, 2 * strain, -strain]))
    np.testing.assert_allclose(height, [1, 2, 0], atol=1e-12)
    np.testing.assert_allclose(where, [0.237, 1, 0], atol=1e-12)


def test_whether_there_is_a_peak() -> None:
    curves = np.stack([-((STRAIN - 0.2) ** 2), -((STRAIN - 0.7) ** 2), STRAIN, -STRAIN])
    assert st.has_peak(STRAIN, curves, 0.5).tolist() == [True, False, False, False]
    assert st.has_peak(STRAIN, curves).tolist() == [True, True, False, False]
    assert st.estimate_peak(STRAIN, curves[2:3]) is None
    held = np.minimum(STRAIN, 0.3)[None]  # as where a stress is raised, then held
    assert not st.has_peak(STRAIN, held).any() and st.estimate_peak(STRAIN, held) is None


def test_a_peak_is_not_known_better_than_the_curve_there() -> None:
    """Two realizations whose peaks happen to be of one height, at other strains."""
    curves = np.stack([1 - (STRAIN - 0.25) ** 2, 1 - (STRAIN - 0.75) ** 2])
    found = st.estimate_peak(STRAIN, curves + 0.1 * np.exp(-1000 * (STRAIN - 0.5) ** 2))
    assert found is not None
    at = int(curves.mean(axis=0).argmax())
    assert found[0].error >= st.mean(curves[:, at]).error


@pytest.mark.parametrize("bend", [0.0, 30.0])
def test_the_strain_of_a_peak_is_known_as_well_as_it_comes_back(bend: float) -> None:
    """Of many ensembles: on a flat curve a peak is anywhere, on a bent one at its top."""
    rng = np.random.default_rng(5)
    noise = rng.standard_normal((60, 8, STRAIN.size))
    for k in range(1, STRAIN.size):  # a drop of the stress is felt for some records
        noise[..., k] = 0.9 * noise[..., k - 1] + np.sqrt(1 - 0.9**2) * noise[..., k]
    curves = np.tanh(20 * STRAIN) - bend * (STRAIN - 0.4) ** 2 + 0.1 * noise
    found = [top[1] for ensemble in curves if (top := st.estimate_peak(STRAIN, ensemble))]
    scatter = np.std([one.value for one in found], ddof=1)
    said = np.sqrt(np.mean([one.error**2 for one in found]))
    assert len(found) > 50 and 0.7 < said / scatter < 1.5, (said, scatter)


def height_of_peak(values: Floats) -> Estimate:
    found = st.estimate_peak(STRAIN, values)
    assert found is not None
    return found[0]


def strain_of_peak(values: Floats) -> Estimate:
    found = st.estimate_peak(STRAIN, values)
    assert found is not None
    return found[1]


def ratio_of_two(values: Floats) -> Estimate:
    return st.ratio(values[:, 50] + 3, values[:, 0] + 5)


def mean_of_one(values: Floats) -> Estimate:
    return st.mean(values[:, 50])


@pytest.mark.parametrize("estimate", [height_of_peak, strain_of_peak, ratio_of_two, mean_of_one])
def test_a_stated_error_is_the_scatter(estimate: Callable[[Floats], Estimate]) -> None:
    rng = np.random.default_rng(0)
    smooth_noise = rng.normal(size=(300, 40, 6)) @ np.cos(np.arange(6)[:, None] * 3 * STRAIN)
    found = [estimate(v) for v in 1 - 4 * (STRAIN - 0.3) ** 2 + 0.1 * smooth_noise]
    values, errors = np.array(found).T
    assert values.std() == pytest.approx(np.sqrt((errors**2).mean()), rel=0.15)


def test_pseudo_values_of_a_mean_are_the_values() -> None:
    values = np.random.default_rng(0).normal(size=(8, 3))
    np.testing.assert_allclose(st.pseudo_values(values, lambda means: 2 * means), 2 * values)


def test_a_bootstrap_scatters_as_the_mean_does() -> None:
    values = np.random.default_rng(1).normal(size=(300, 2)) * [1, 7]
    drawn = st.bootstrap(values)
    assert drawn.shape == (st.RESAMPLES, 2)
    np.testing.assert_allclose(drawn.std(axis=0), st.standard_error(values), rtol=0.15)
    np.testing.assert_allclose(drawn[:, :1], st.bootstrap(values[:, :1]), atol=1e-14)


def test_one_realization_tells_no_error() -> None:
    assert np.isnan(st.standard_error(np.ones((1, 3)))).all()
    assert str(st.mean(np.array([0.25]))) == "0.25"


def test_digits_follow_the_error() -> None:
    assert str(Estimate(23018.0, np.nan)) == "23018" and str(Estimate(23018.4, 0.0)) == "2.302e+04"
    assert str(Estimate(1.23456, 0.0123)) == "1.235 ± 0.012"
    assert str(Estimate(0.0426, 0.000071)) == "0.042600 ± 0.000071"
    assert str(Estimate(123.4, 56)) == "123 ± 56"
    assert str(Estimate(0.5, 0.0)) == "0.5"


def test_the_vertex_of_an_almost_straight_curve_lies_between_its_neighbours() -> None:
    """A mean without one realization may be almost straight where that of all is highest."""
    strain, top = np.linspace(0, 1, 11), np.array([5])
    straight = 0.3 + strain * (1 + 1e-16)
    straight[5] += 1e-16
    bent = straight - 1e-9 * (strain - 0.5) ** 2
    for curve in (straight, bent):
        height, at = st.peak(strain, curve[None], top)
        assert 0.4 - 1e-9 <= at[0] <= 0.6 + 1e-9 and curve[4] - 1e-9 <= height[0] <= curve[6] + 1e-9
    bump = 0.8 + 0.3 * np.exp(-1000 * (strain - 0.5) ** 2)
    curves = np.stack([0.3 + strain, 1.3 - strain + 1e-12 * strain**3, bump])
    found = st.estimate_peak(strain, curves)
    assert found is not None and found[0].error < 1
    assert type(found[1].error) is float


@pytest.mark.parametrize(
    "values",
    [
        np.array([1, 1, 1, 2, 2, 3, 5, 8, 100, 1000]),
        np.array([7, 7]),
        np.array([0.5, 0.7, 3.0, 900.0]),
        np.array([0.3]),
        np.full(3, 0.3),
        0.3 * (1 + 1e-15 * np.arange(4)),
        np.array([1, 1 + 1.2e-7], np.float32),
    ],
)
def test_densities_come_to_one(values: NDArray[Any]) -> None:
    centres, density, counts = st.log_density(values)
    assert counts.sum() == values.size and (np.diff(centres) > 0).all()
    assert (density > 0).all() and values.min() <= centres[0] * 1.01
    assert density.max() < 20 / values.min(), "a bin is not as narrow as a rounding"
    widths = counts / values.size / density
    if values.dtype.kind == "i":
        np.testing.assert_allclose(widths, widths.round())
        assert centres[0] == values.min() and density[0] == (values == values.min()).mean()
    assert (density * widths).sum() == pytest.approx(1)


def test_no_value_is_lost_at_the_ends_of_a_density() -> None:
    """Logarithms and their powers round: an edge may come to lie above the lowest value."""
    rng = np.random.default_rng(3)
    for n in (1, 2, 50):
        for _ in range(300):
            values = rng.exponential(size=n)
            assert st.log_density(values)[2].sum() == n


@pytest.mark.parametrize(
    ("estimate", "said"),
    [
        ((0.5, 0.0996), "0.50 ± 0.10"),
        ((0.5, 0.00994), "0.5000 ± 0.0099"),
        ((1e300, 1e290), "(1.00000000000 ± 0.00000000010)e300"),
        ((-1.5e16, 2e14), "(-1.500 ± 0.020)e16"),
    ],
)
def test_an_error_has_two_digits(estimate: tuple[float, float], said: str) -> None:
    assert str(Estimate(*estimate)) == said
