"""Calibration: the emulator, the stated errors, whole calibrations, and targets that are wrong."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from hpcepm.calibration.emulator import Box, fit_emulator, monomials
from hpcepm.calibration.search import search
from hpcepm.calibration.statistics import Goal, Statistics
from hpcepm.calibration.target import read_target
from tests.conftest import end, run_python, start

Floats = NDArray[np.float64]
EXAMPLES = Path(__file__).parents[2] / "inputs" / "calibrate"


@pytest.mark.parametrize(("p", "degree"), [(1, 2), (2, 2), (2, 3), (3, 2)])
def test_a_polynomial_is_emulated_exactly(p: int, degree: int) -> None:
    rng = np.random.default_rng(p + 10 * degree)
    box = Box(np.full(p, 0.01), np.full(p, 0.05) * np.arange(1, p + 1))
    points = rng.uniform(box.low, box.high, (4 * len(monomials(p, degree)), p))
    true = rng.normal(size=(2, len(monomials(p, degree))))

    def model(at: Floats) -> Floats:
        terms = np.prod(box.scaled(at)[..., None, :] ** monomials(p, degree), axis=-1)
        return np.asarray(terms @ true.T)

    noise = rng.normal(size=(1, 10, 2))  # common random numbers: the same at each point
    noise -= noise.mean(axis=1, keepdims=True)
    emulator = fit_emulator(box, points, model(points)[:, None] + noise)
    elsewhere = rng.uniform(box.low, box.high, (20, p))
    assert emulator.degree == degree
    np.testing.assert_allclose(emulator.at(elsewhere), model(elsewhere), atol=1e-9)
    np.testing.assert_allclose(
        emulator.variance(elsewhere[0]), noise[0].var(axis=0, ddof=1) / 10, rtol=1e-6
    )
    step = 1e-7 * np.eye(p)
    numerical = np.stack(
        [(emulator.at(elsewhere[0] + s) - emulator.at(elsewhere[0] - s)) / 2e-7 for s in step],
        axis=-1,
    )
    np.testing.assert_allclose(emulator.gradient(elsewhere[0]), numerical, rtol=1e-4, atol=1e-5)


def test_what_is_no_polynomial_is_said_so() -> None:
    box = Box(np.array([-1.0]), np.array([1.0]))
    x = np.linspace(-1, 1, 40)[:, None]
    kinked = np.abs(x)[:, None, :] + np.zeros((1, 10, 1))
    emulator = fit_emulator(box, x, kinked)
    off = np.abs(emulator.at(x) - np.abs(x)).max()
    assert 0.2 * off < np.sqrt(emulator.variance(np.zeros(1))[0]) < 2 * off


def smooth(at: Floats) -> Floats:
    """Return two observables of two keys, much like plateau and peak."""
    a, b = at[..., 0], at[..., 1]
    return np.stack(
        [1.3 - 13 * a - 20 * b + 60 * a * a, 1.2 * np.exp(-8 * a) - 5 * b + 40 * a * b], axis=-1
    )


def test_stated_errors_hold_as_often_as_they_say() -> None:
    trials, held = 150, np.zeros(3)
    bounds = Box(np.array([0.01, 0.0]), np.array([0.08, 0.05]))
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        truth = rng.uniform([0.02, 0.01], [0.05, 0.03])
        errors = np.array([0.002, 0.005])
        goal = Goal(
            ["plateau", "peak"],
            smooth(truth) + errors * rng.normal(size=2),
            errors,
            np.zeros(2, bool),
        )
        common = rng.normal(size=(40, 2)) * [0.02, 0.06]

        def observe(points: Floats, _: int, rng: Any = rng, common: Floats = common) -> Floats:
            noise = common * (1 + 5 * points[:, None, :1]) + 0.02 * rng.normal(
                size=(len(points), 40, 2)
            )
            return smooth(points)[:, None] + noise

        fit = search(bounds.centre, bounds, goal, 0.95, observe).fit
        held += [
            fit.distance(truth) <= fit.region(0.95),
            *(np.abs(fit.best - truth) <= fit.half_widths(0.95)),
        ]
    # Binomial: 95 % of 150 is 142.5 ± 2.7; within four standard deviations of it.
    assert np.all(held >= 132)
    assert held.mean() < trials, "intervals that never fail are too wide"


def test_stated_errors_of_whole_curves_hold_as_often_as_they_say() -> None:
    """Sixty points with much noise each: compared one by one, 21 of 40 truths lie in the region."""
    trials, held, strains = 40, np.zeros(3), np.linspace(0.01, 1, 60)
    root = np.linalg.cholesky(np.exp(-abs(strains[:, None] - strains) / 0.01))
    bounds = Box(np.array([0.01, 0.0]), np.array([0.08, 0.05]))

    def curve(at: Floats) -> Floats:
        overshoot = 3 * np.exp(-20 * strains) * (np.exp(-8 * at[..., :1]) - at[..., 1:])
        return np.minimum(20 * strains, 1) * (smooth(at)[..., :1] + overshoot)

    for trial in range(trials):
        rng = np.random.default_rng(trial)
        truth, errors = rng.uniform([0.02, 0.01], [0.05, 0.03]), np.full(60, 0.005)
        seen = curve(truth) + errors * (root @ rng.normal(size=60))
        goal = Goal(["stress"] * 60, seen, errors, np.ones(60, bool), np.ones(60, np.int64))
        common = 0.05 * rng.normal(size=(40, 60)) @ root.T

        def observe(points: Floats, _: int, rng: Any = rng, common: Floats = common) -> Floats:
            noise = 0.2 * rng.normal(size=(len(points), 40, 60)) @ root.T
            return curve(points)[:, None] + common * (1 + 5 * points[:, None, :1]) + noise

        fit = search(bounds.centre, bounds, goal, 0.95, observe).fit
        held += [
            fit.distance(truth) <= fit.region(0.95),
            *(np.abs(fit.best - truth) <= fit.half_widths(0.95)),
        ]
    # Binomial: 95 % of 40 is 38 ± 1.4; within four standard deviations of it.
    assert np.all(held >= 33)


def test_correlated_errors_of_a_curve_count_for_more() -> None:
    rng = np.random.default_rng(1)
    common = rng.normal(size=(1, 40, 1)) * 0.05 * np.ones(30)  # all points go up and down together

    def width(correlated: bool) -> float:
        goal = Goal(["stress"] * 30, np.full(30, 0.5), np.full(30, 0.02), np.full(30, correlated))
        bounds = Box(np.array([0.0]), np.array([1.0]))
        found = search(
            np.array([0.2]), bounds, goal, 0.95, lambda at, _: at[:, None, :] * np.ones(30) + common
        )
        return float(found.fit.half_widths(0.95)[0])

    assert width(True) == pytest.approx(
        2.02 * np.hypot(0.02, common[0, :, 0].std(ddof=1) / np.sqrt(40)), rel=0.02
    )
    assert width(False) < 0.8 * width(True)


def test_numbers_of_known_curves() -> None:
    strains = np.sort(np.concatenate([np.linspace(0, 1, 101), [0.333]]))
    stress = np.stack([1 - (strains - 0.237) ** 2, 2 * strains])
    curves = np.stack([stress, 0 * stress + strains], axis=1)
    more = {"x_min": np.array([0.5]), "stress": np.array([0.333])}
    statistics = Statistics(strains, (0.5, 1.0), ("plateau", "peak", "peak_strain"), more)
    assert statistics.observables == ("stress", "x_min")
    assert statistics.has_peak(curves).tolist() == [True, False]
    numbers = statistics.of(curves)
    np.testing.assert_allclose(numbers[0, 1:], [1, 0.237, 0.5, 1 - 0.096**2])
    np.testing.assert_allclose(numbers[1], [1.5, 2, 1, 0.5, 0.666])


def test_pseudo_values_of_a_mean_are_the_values() -> None:
    strains = np.linspace(0, 1, 11)
    curves = np.random.default_rng(0).normal(size=(8, 1, 11))
    statistics = Statistics(strains, (0.5, 1.0), ("plateau",), {"stress": strains[[3]]})
    np.testing.assert_allclose(statistics.pseudo_values(curves), statistics.of(curves))


def test_the_error_of_a_peak_is_its_scatter() -> None:
    strains = np.linspace(0, 1, 101)
    rng = np.random.default_rng(0)
    statistics = Statistics(strains, (0.5, 1.0), ("peak", "peak_strain"), {})
    smooth_noise = rng.normal(size=(300, 40, 6)) @ np.cos(np.arange(6)[:, None] * 3 * strains)
    curves = 1 - 4 * (strains - 0.3) ** 2 + 0.1 * smooth_noise
    seen = statistics.pseudo_values(curves[:, :, None])  # of 300 ensembles of 40 groups
    stated = np.sqrt((seen.var(axis=1, ddof=1) / 40).mean(axis=0))
    np.testing.assert_allclose(seen.mean(axis=1).std(axis=0), stated, rtol=0.15)


GLASS: dict[str, Any] = {
    "lattice": {"shape": [6, 6]},
    "thresholds": {"initial": "GQ", "renewal": {"distribution": "samples", "file": "mine.csv"}},
    "loading": {"target": 0.4},
    "output": {"observables": {"every": 0.02}},
}
TARGET: dict[str, Any] = {
    "input": "glass.yaml",
    "fit": {"slip.c0": {"start": 0.03, "from": 0.01, "to": 0.06}},
    "target": {"plateau": {"value": 0.5, "error": 0.02, "window": [0.2, 0.4]}},
    "realizations": 20,
    "output": "out",
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the target with one key changed; None removes it."""
    target: dict[str, Any] = json.loads(json.dumps(TARGET))
    inside = target
    *sections, last = path.split("/")
    for section in sections:
        inside = inside[section]
    inside[last] = value
    if value is None:
        del inside[last]
    return target


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return filled(tmp_path)


def filled(tmp_path: Path) -> Path:
    """Return a folder with a good target and all it names."""
    (tmp_path / "glass.yaml").write_text(yaml.safe_dump(GLASS))
    (tmp_path / "mine.csv").write_text(
        "threshold\n" + "\n".join(str(0.2 + 0.02 * k) for k in range(80))
    )
    (tmp_path / "stress.csv").write_text("strain,stress,error\n0.1,0.5,0.05\n0.3,0.5,0.05\n")
    return tmp_path


def calibrate(
    folder: Path, target: dict[str, Any] | str, *options: str, ranks: int | None = None
) -> Any:
    """Run a calibration."""
    (folder / "target.yaml").write_text(
        target if isinstance(target, str) else yaml.safe_dump(target, sort_keys=False)
    )
    return run_python(["-m", "hpcepm", "calibrate", "target.yaml", *options], ranks, folder)


def test_a_calibration_and_the_same_on_two_ranks(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(folder / "before.npy", np.zeros((6, 6)))
    band = {"shape": "band", "centre": 3, "size": 2, "along": "y"}
    draw = {"draw": {"distribution": "samples", "file": "../$FOLDER/mine.csv:threshold"}}
    files = {"initial_plastic_strain": "before.npy", "regions": [{**band, "thresholds": draw}]}
    (folder / "glass.yaml").write_text(yaml.safe_dump({**GLASS, **files}))
    monkeypatch.setenv("FOLDER", folder.name)
    done = calibrate(folder, TARGET)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert "slip.c0" in done.stdout and (folder / "out" / "calibration.png").exists()
    found = json.loads((folder / "out" / "calibration.json").read_text())
    key = found["keys"]["slip.c0"]
    assert 0.01 <= key["best"] <= 0.06 and 0 < key["half_width"] < 0.05
    assert found["runs"] == 20 * (len(found["points"]) + 1)

    ready = run_python(
        ["-m", "hpcepm", "out/calibrated.yaml", "--output", "run", "--quiet"], None, folder
    )
    assert ready.returncode == 0, ready.stderr
    calibrated = yaml.safe_load((folder / "out" / "calibrated.yaml").read_text())
    assert calibrated["slip"]["c0"] == pytest.approx(key["best"], rel=1e-5)

    assert calibrate(folder, TARGET, "--output", "two", "--quiet", ranks=2).returncode == 0
    again = json.loads((folder / "two" / "calibration.json").read_text())
    for name in ("keys", "covariance", "points", "curves", "targets"):
        assert again[name] == found[name]

    taken = calibrate(folder, TARGET)
    assert taken.returncode == 3 and "holds results already" in taken.stderr


def test_two_keys_to_curves_of_two_observables(folder: Path) -> None:
    (folder / "events.csv").write_text("strain,events,error\n0.2,150,20\n")
    fit = {**TARGET["fit"], "slip.c1": {"start": 0.02, "from": 0.01, "to": 0.03}}
    target = {"curves": {"events": {"file": "events.csv"}, "stress": {"file": "stress.csv"}}}
    done = calibrate(folder, {**TARGET, "fit": fit, "target": target})
    assert done.returncode == 0, done.stderr
    assert "curves (events: 1 points, stress: 2 points)" in done.stdout
    found = json.loads((folder / "out" / "calibration.json").read_text())
    assert [one["name"] for one in found["targets"]] == [
        "events at 0.2",
        "stress at 0.1",
        "stress at 0.3",
    ]
    at = np.argmin(abs(np.array(found["curves"]["strain"]) - 0.2))
    mean = found["curves"]["events"]["mean"][at]
    assert found["targets"][0]["simulated"] == pytest.approx(mean) and at > 0


def test_a_peak_asked_of_a_glass_that_has_none(folder: Path) -> None:
    young = {**GLASS, "thresholds": {"initial": "MCT", "renewal": "GQ"}}
    (folder / "glass.yaml").write_text(yaml.safe_dump(young))
    done = calibrate(folder, changed("target/peak", {"value": 0.9, "error": 0.1}), ranks=2)
    assert done.returncode == 2 and "the stress has no peak before its plateau" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_output_that_cannot_be(folder: Path) -> None:
    done = calibrate(folder, TARGET, "--output", "target.yaml/sub")
    assert done.returncode == 2 and "target.yaml/sub: cannot be used for output" in done.stderr


def test_a_signal_ends_it_cleanly(folder: Path) -> None:
    (folder / "target.yaml").write_text(yaml.safe_dump({**TARGET, "realizations": 100_000}))
    process = start(["-m", "hpcepm", "calibrate", "target.yaml"], None, folder)
    try:
        assert process.stdout is not None
        while "round 1" not in process.stdout.readline():
            pass
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=240)
    finally:
        end(process)
    assert process.returncode == 75 and "stopped on request" in err and "Traceback" not in err
    assert not (folder / "out").exists()


def test_the_examples_are_valid() -> None:
    for name in ("target.yaml", "own_thresholds_target.yaml"):
        target = read_target(str(EXAMPLES / name), [], None)
        assert target.keys == ("slip.c0", "slip.c1")
