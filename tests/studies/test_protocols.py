"""Protocols: estimators on what is known, and the whole study on small lattices."""

from pathlib import Path

import numpy as np
import pytest

from hpcepm.analysis.statistics import Estimate
from tools.studies.harness import make
from tools.studies.protocols import __main__ as study
from tools.studies.protocols.cycles import Cycling, Sample, median
from tools.studies.protocols.flow import (
    Signal,
    avalanches_at,
    common_limit,
    extrapolate,
    fit_divergence,
)
from tools.studies.protocols.reversal import at_offset, branches
from tools.studies.protocols.runs import QUICK, all_runs


def test_the_median_lies_between_its_bounds_as_often_as_they_say() -> None:
    rng, inside = np.random.default_rng(1), []
    for _ in range(2000):
        values = rng.exponential(size=30)
        values[values > 2] = np.inf  # what was not waited for
        middle, low, high = median(values)
        assert low <= middle <= high
        inside.append(low <= np.log(2) <= high)
    assert np.mean(inside) == pytest.approx(0.68, abs=0.06)
    assert median(np.array([3.0, np.inf, np.inf]))[0] == np.inf


def test_the_limit_is_the_mean_of_the_limits_of_glasses() -> None:
    rng = np.random.default_rng(2)
    limits = 0.04 + 0.004 * rng.standard_normal(500)
    amplitudes = (0.02, 0.03, 0.035, 0.04, 0.045, 0.05, 0.06)

    def sample(amplitude: float) -> Sample:
        back = np.where(limits > amplitude, 10.0, np.inf)
        return Sample(amplitude, back, (limits > amplitude).astype(float), back + 2)

    cycling = Cycling((16, 16), "weakest", [sample(a) for a in amplitudes])
    found, sure = cycling.limit(12)
    assert sure and abs(found.value - 0.04) < 4 * found.error < 0.001
    assert cycling.limit(11) == (Estimate(0.02, 0.0), False)
    assert not Cycling((16, 16), "weakest", [sample(0.02), sample(0.04)]).limit(12)[1]


def test_avalanches_of_a_signal() -> None:
    """An avalanche ends where the signal exceeds the stress; the last may go on."""
    stress, slip = np.array([1, 5, 2, 3, 6, 7, 1, 9, 2.0]), np.arange(9.0)
    signal = Signal(stress, slip, slip)
    assert avalanches_at(signal, 4.0).tolist() == [1 + 2 + 3, 4, 5 + 6]
    assert avalanches_at(signal, 8.0).size == avalanches_at(signal, 9.0).size == 0


def test_a_divergence_and_a_limit_are_found() -> None:
    levels = np.linspace(0.4, 0.6, 12)
    assert fit_divergence(levels, 3 * (0.65 - levels) ** -1.2) == pytest.approx(
        (0.65, 1.2), abs=1e-3
    )
    sizes, rng, pulls = np.array([16.0, 32, 64, 128, 256]), np.random.default_rng(3), []
    for _ in range(200):
        values = 0.6 + 2 * sizes**-0.8 + 0.002 * rng.standard_normal(5)
        found, _, chi2 = extrapolate(sizes, [Estimate(v, 0.002) for v in values])
        pulls.append((found.value - 0.6) / (found.error / np.sqrt(max(1, chi2))))
    assert np.median(np.abs(pulls)) == pytest.approx(0.674, abs=0.15)


def test_a_common_limit_is_found_and_its_absence_too() -> None:
    sizes, rng, pulls = np.array([16.0, 32, 64, 128, 256]), np.random.default_rng(4), []

    def rows(*limits: float) -> list[list[Estimate]]:
        laws = [x + a * sizes**-b for x, a, b in zip(limits, (2, -0.3), (0.8, 1.0), strict=True)]
        noise = 0.001 * rng.standard_normal((2, 5))
        return [[Estimate(v, 0.001) for v in row] for row in laws + noise]

    for _ in range(100):
        found, chi2 = common_limit(sizes, rows(0.6, 0.6))
        pulls.append((found.value - 0.6) / (found.error / np.sqrt(max(1, chi2))))
    assert np.std(pulls) == pytest.approx(1, abs=0.25)
    assert common_limit(sizes, rows(0.6, 0.55))[1] > 3


def test_branches_of_a_glass_that_was_unloaded() -> None:
    """Elastic, perfectly plastic at 1 and back at −0.5, 2μ = 10."""
    strain = np.array([0, 0.1, 0.2, 0.15, 0.1, 0.05, 0.0, -0.1])
    plastic = np.array([0, 0, 0.1, 0.1, 0.1, 0.1, 0.05, -0.05])
    found = branches(strain, 10 * (strain - plastic), plastic, 0.2)
    assert found.first[1].tolist() == pytest.approx([0, 1, 1])
    assert found.unloaded == pytest.approx((0.1, 0, 0.1))
    assert found.then[0] == pytest.approx([0, 0.05, 0.1, 0.2])
    assert found.then[1] == pytest.approx([0, 0.5, 0.5, 0.5])
    assert at_offset(found.then, 0.02) == pytest.approx(0.5)
    assert np.isnan(at_offset(found.then, 1.0))


def test_the_whole_study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = study.STUDY.main(["--quick", "--runs", str(tmp_path)])
    said = capsys.readouterr().out
    folder = tmp_path / "quick"
    assert (folder / study.STUDY.page).read_text() in said
    assert (folder / "protocols_physics.png").stat().st_size > 50_000
    for flow in results.flows:  # one extremal run has the avalanches of stress control
        assert flow.alike == flow.samples == QUICK.flowing[flow.size]
        sizes = [e.value for e in flow.avalanche]
        assert sizes == sorted(sizes)
    for cycling in results.cyclings:
        low, _, high = cycling.samples
        assert low.came_back.all() and not high.came_back.any()
    weakest, synchronous = results.alone
    assert (weakest.transient, weakest.period) == (2, 1)
    assert (synchronous.transient, synchronous.period) == (4, 1)
    (reversal,) = results.reversals
    for fresh, on, back in zip(reversal.fresh, reversal.on, reversal.back, strict=True):
        assert back.value < fresh.value < on.value
    make(all_runs(folder, QUICK), here=True)
    assert "0 of 25 runs made" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        study.STUDY.main(["--quick", "--docs"])
