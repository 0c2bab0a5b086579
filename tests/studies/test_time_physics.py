"""Physics of clocks: fits on what is known, the closed form, and the whole study, small."""

from pathlib import Path

import numpy as np
import pytest

from hpcepm.analysis.statistics import Estimate
from tools.studies.ensemble import difference
from tools.studies.time_physics import __main__ as study
from tools.studies.time_physics.fits import (
    fit_power,
    fit_rounding,
    inverse,
    jackknife,
    reset_stress,
    slopes,
)
from tools.studies.time_physics.results import FIRST, SECOND, Creep, Heat


def test_a_power_is_found_with_its_start_and_without() -> None:
    x = np.geomspace(1e-5, 1e-2, 7)
    y = 0.55 + 3 * x**0.6
    assert fit_power(x, y) == pytest.approx((0.55, 3, 0.6), rel=1e-4)
    assert fit_power(x, y, 0.55) == pytest.approx((0.55, 3, 0.6), rel=1e-4)
    assert fit_power(x, y, 0.53).power < 0.55


def test_the_error_of_a_power_is_what_it_scatters_by() -> None:
    rng, x = np.random.default_rng(1), np.geomspace(1e-4, 1e-2, 5)
    pulls = []
    for _ in range(60):
        values = 0.5 + 2 * x**0.5 + 0.003 * rng.standard_normal((10, 5))
        found = jackknife(values, lambda y: fit_power(x, y))[2]
        pulls.append((found.value - 0.5) / found.error)
    assert np.median(np.abs(pulls)) == pytest.approx(0.7, abs=0.25)


def test_rounding_by_heat_is_found() -> None:
    heat, rate = np.meshgrid([0.003, 0.01, 0.03], [1e-7, 1e-5, 1e-3], indexing="ij")
    for power in (2 / 3, 1.0):
        lowered = 0.7 * (heat * (-3 - np.log(rate))) ** power
        found = fit_rounding(heat.ravel(), rate.ravel(), lowered.ravel())
        assert found == pytest.approx((0.7, -3, power), rel=1e-3)
        stress = 0.55 - np.array([lowered, 1.01 * lowered])
        measured = Heat(1 / power, heat[:, 0], rate[0], stress, Estimate(0.55, 0.001))
        assert measured.law()[2].value == pytest.approx(power, rel=1e-3)
        assert measured.power(0, 1.0).value == pytest.approx(power, rel=1e-3)
        assert measured.shift(0, 1.0) > 0


def test_creep_of_a_logarithm() -> None:
    time = 10 ** np.arange(0, 6.01, 0.2)
    plastic = np.outer([1.0, 1.2], 0.003 * np.log10(time)) + 0.01
    creep = Creep(0.01, time, plastic)
    assert creep.slope(1e2, 1e6) == pytest.approx((0.0033, 0.0003))
    assert creep.falls(1e2, 1e6).value == pytest.approx(1)
    assert [gain.value for gain in creep.decades] == pytest.approx([0.0033] * 6)
    assert slopes(np.log10(time), np.log10(time), 1, 3) == pytest.approx(1)


def test_estimates_are_combined() -> None:
    assert inverse(Estimate(0.5, 0.05)) == pytest.approx((2, 0.2))
    assert difference(Estimate(2, 0.3), Estimate(1.5, 0.4)) == pytest.approx((0.5, 0.5))


@pytest.mark.parametrize(("law", "power"), [("uniform", 1.0), ("sqrt", 2 / 3)])
def test_the_closed_form_is_that_of_one_site(law: str, power: float) -> None:
    """Thresholds drawn at random, times beyond them by their survival; and its power."""
    rng, speed = np.random.default_rng(2), 0.3
    threshold = 1.1275 * rng.weibull(2.4561, 200_000)
    wait = rng.exponential(size=threshold.size)
    if law == "sqrt":  # ⅔ √speed t^(3/2) is an exponential deviate
        wait = (1.5 * wait / np.sqrt(speed)) ** (2 / 3)
    top = threshold + speed * wait
    expected = np.mean(top**2) / (2 * np.mean(top))
    assert reset_stress(np.array(speed), law, FIRST, SECOND) == pytest.approx(expected, rel=0.01)
    low = np.array([1e-8, 1e-7])
    above = reset_stress(low, law, FIRST, SECOND) - SECOND / (2 * FIRST)
    assert np.log10(above[1] / above[0]) == pytest.approx(power, abs=0.01)


def test_the_whole_study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = study.STUDY.main(["--quick", "--runs", str(tmp_path)])
    said = capsys.readouterr().out
    folder = tmp_path / "quick"
    assert (folder / study.STUDY.page).read_text() in said
    assert (folder / "time_physics.png").stat().st_size > 50_000
    for law in ("uniform", "sqrt"):
        flow = results.flow("uniform", law)
        assert [v.value for v in flow.values] == pytest.approx(flow.closed, rel=0.02)
    for heat in results.heats:
        assert heat.stress.mean(axis=0)[-1, 0] < heat.critical.value - 0.05
    cold, warm = results.creeps
    assert cold.plastic[:, -1].mean() < warm.plastic[:, -1].mean()
    with pytest.raises(SystemExit):
        study.STUDY.main(["--quick", "--docs"])
