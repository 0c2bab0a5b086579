"""The comparison with the paper: its statistics and verdicts, on curves that are known."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

from hpcepm.analysis.statistics import Estimate
from hpcepm.input.read import read_input
from tools.studies.ensemble import Ensemble, peak_of
from tools.studies.paper import statistics as st
from tools.studies.paper.sets import INPUTS, NAMES, SCANNED, SUSPECT, runs_in, scanned
from tools.studies.paper.statements import Check, Statement, Verdict, plateau_of

STRAIN = np.linspace(0, 1, 201)


def ensemble(
    plateau: float, bump: float = 0.0, realizations: int = 300, noise: float = 0.02
) -> Ensemble:
    """Return an ensemble whose stress rises to a plateau, after a bump at strain 0.06."""
    rng = np.random.default_rng(5)
    stress = plateau * np.minimum(1, STRAIN / 0.04) + bump * np.exp(
        -(((STRAIN - 0.06) / 0.02) ** 2)
    )
    offsets = noise * rng.standard_normal((realizations, 1))
    return Ensemble(
        STRAIN, {"stress": stress + offsets, "threshold_mean": 1 + 0.1 * STRAIN + offsets}
    )


def test_errors_are_those_of_the_mean() -> None:
    found = ensemble(0.5).estimate(st.plateau)
    assert found.error == pytest.approx(0.02 / np.sqrt(300), rel=0.15)
    assert abs(found.value - 0.5) < 4 * found.error


def test_peak() -> None:
    sheared = ensemble(0.5, bump=0.2, noise=1e-6)
    height, at = peak_of(sheared.curves)
    assert at == pytest.approx(0.06, abs=1e-3) and height == pytest.approx(0.7, abs=1e-3)
    assert sheared.estimate(st.overshoot).value == pytest.approx(0.4, abs=3e-3)
    assert ensemble(0.5, noise=1e-6).estimate(st.overshoot).value == pytest.approx(0, abs=0.02)


def test_sharpness() -> None:
    wanted = 0.2 / (0.02 * np.sqrt(np.log(2)))  # of a Gaussian bump: half of 0.4, by its half width
    assert ensemble(0.5, bump=0.2, noise=1e-6).estimate(st.sharpness).value == pytest.approx(
        wanted, rel=0.05
    )


def test_hardening() -> None:
    assert ensemble(0.5, noise=1e-6).estimate(st.hardening).value == pytest.approx(0.075, abs=1e-3)


def test_crossing_and_its_error() -> None:
    rng, found = np.random.default_rng(1), []
    for _ in range(400):
        y = [
            Estimate(2 - 10 * x + e * rng.standard_normal(), e)
            for x, e in ((0.0, 0.01), (0.1, 0.03), (0.2, 0.02))
        ]
        found.append(
            st.crossing([0.0, 0.1, 0.2], y, Estimate(1 + 0.02 * rng.standard_normal(), 0.02))[0]
        )
    values, errors = np.array(found).T
    assert values.mean() == pytest.approx(0.1, abs=5e-4)
    assert values.std() == pytest.approx(errors.mean(), rel=0.15)


@pytest.mark.parametrize(
    ("value", "error", "verdict"),
    [
        (0.5, 0.1, Verdict.HOLDS),
        (0.1, 0.1, Verdict.OPEN),
        (-0.1, 0.1, Verdict.OPEN),
        (-0.5, 0.1, Verdict.FAILS),
        (3, 1, Verdict.OPEN),
    ],
)
def test_verdict_of_a_check(value: float, error: float, verdict: Verdict) -> None:
    assert Check("x", Estimate(value, error), low=0, high=4).verdict is verdict


def test_verdict_of_a_statement_is_the_worst() -> None:
    good, unclear, bad = (Check("x", Estimate(value, 0.1), low=0) for value in (1, 0, -1))
    assert Statement("1", "", "", [good, good]).verdict is Verdict.HOLDS
    assert Statement("1", "", "", [good, unclear]).verdict is Verdict.OPEN
    assert Statement("1", "", "", [unclear, bad, good]).verdict is Verdict.FAILS


@pytest.mark.parametrize("odd", ["esl_plain", SUSPECT])
def test_the_outlier_is_found_not_known(odd: str) -> None:
    of = {name: ensemble(0.9 if name == odd else 0.5) for name in NAMES}
    of |= {scanned(c0): ensemble(0.5 - 10 * (c0 - 0.042)) for c0 in SCANNED}
    found = plateau_of(of)
    assert found.outlier == odd
    assert found.common.value == pytest.approx(0.5, abs=0.01)
    assert found.c0.value == pytest.approx(0.042, abs=5e-4)


def test_inputs(tmp_path: Path) -> None:
    for name in NAMES:
        settings = read_input(str(INPUTS / f"{name}.yaml"), []).settings
        assert tuple(settings.lattice.shape) == (16, 16)
        assert settings.realizations == 500 and settings.loading.target == 1
    runs = runs_in(tmp_path, 7)
    assert len({run.settings["seed"] for run in runs}) == len({run.name for run in runs}) == 11
    assert all(run.realizations == 7 and run.size == 16 for run in runs)


def test_what_is_not_there_is_not_done(tmp_path: Path) -> None:
    run = next(run for run in runs_in(tmp_path, 5) if run.name == SUSPECT)
    assert not run.is_done()
    run.path.mkdir()
    run.file.write_bytes(b"no HDF5")
    assert not run.is_done()


@pytest.mark.parametrize(
    ("finished", "changes", "done"),
    [
        (True, {}, True),
        (True, {"realizations": 9}, True),
        (True, {"realizations": 4}, False),
        (True, {"seed": 77}, False),
        (False, {}, False),
    ],
)
def test_what_is_done(tmp_path: Path, finished: bool, changes: dict[str, int], done: bool) -> None:
    run = next(run for run in runs_in(tmp_path, 5) if run.name == SUSPECT)
    run.path.mkdir()
    with h5py.File(run.file, "w") as file:
        file.attrs["finished"] = finished
        file.attrs["input"] = yaml.safe_dump({**run.settings, **changes})
    assert run.is_done() == done
