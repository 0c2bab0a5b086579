"""The figure and the table of a sweep over two keys."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from matplotlib.figure import Figure

import hpcepm
from hpcepm.analysis.ensembles import ensemble_of
from hpcepm.cli import main
from hpcepm.sweep import figure
from hpcepm.sweep.results import Row, lines

KEYS = ["slip.c0", "slip.c1", "seed"]


def row(c0: str, c1: str, rise: float) -> Row:
    """Return a row of three realizations whose stress rises by so much in the last half."""
    strain = np.linspace(0, 1, 101)
    shape = np.minimum(strain / 0.1, 1.0) + rise * np.clip(strain - 0.5, 0, None)
    stress = shape + 0.01 * np.random.default_rng(0).standard_normal((3, 101))
    paths = [(strain, one) for one in stress]
    values = {"slip.c0": c0, "slip.c1": c1}
    both = ensemble_of(paths), np.zeros((2, 0))
    return Row(strain, paths, *both, values=values, points=3, of=3)


def test_lone_points_can_be_told_apart_and_lines_break_where_a_number_is_missing() -> None:
    rows = [row(c0, c1, 1.0 if c0 == "2" else 0.0) for c0 in "123" for c1 in ("0.1", "0.2")]
    drawn = figure._drawn(rows, KEYS, "two keys")
    against = drawn.axes[1]
    plateaus = [line for line in against.lines if line.get_markerfacecolor() == "0.25"]
    shapes = [line for line in plateaus if line.get_linestyle() != "None"]
    assert [line.get_marker() for line in shapes] == ["o", "s"]
    assert all(np.isnan(np.array(line.get_ydata())[1]) for line in shapes)
    legend = drawn.axes[0].get_legend()
    assert legend is not None
    said = dict(zip([t.get_text() for t in legend.get_texts()], legend.get_lines(), strict=True))
    assert said["slip.c1 = 0.1"].get_marker() == "o"
    assert said["slip.c1 = 0.2"].get_marker() == "s"


def test_lines_go_from_number_to_number_in_any_order() -> None:
    rows = [row(c0, "0.1", 0.0) for c0 in ("4", "2", "3")]
    against = figure._drawn(rows, KEYS, "typed").axes[1]
    assert all([*np.asarray(line.get_xdata())] in ([2, 3, 4], []) for line in against.lines)


def test_a_load_is_no_plateau(tmp_path: Path) -> None:
    settings = {
        "lattice": {"shape": [8, 8]},
        "loading": {"control": "stress", "target": 0.9, "until": {"strain": 0.5}},
        "realizations": 3,
    }
    name = str(tmp_path / "in.yaml")
    Path(name).write_text(yaml.safe_dump(settings))
    assert main(["sweep", name, "seed=1,2", "--output", str(tmp_path / "runs"), "-j", "1"]) == 0
    (found,) = csv.DictReader((tmp_path / "runs" / "sweep.csv").open())
    assert found["plateau"] == found["peak"] == "nan"
    assert 0.3 < float(found["final_stress"]) <= 0.9


def test_realizations_that_end_at_times_of_their_own_are_drawn_whole() -> None:
    ends = ([0.0, 1.0, 10.0, 30.0], [0.0, 1.0, 10.0, 100.0, 1000.0])
    curves = [(np.array(x), np.sqrt(x)) for x in ends]
    one = replace(row("1", "0.1", 0.0), answers="strain", in_time=curves)
    drawn = figure._drawn([one], KEYS, "creep").axes[0]
    assert [np.asarray(line.get_xdata())[-1] for line in drawn.lines] == [30.0, 1000.0]
    begun = replace(one, in_time=[(np.zeros(1), np.zeros(1))])
    assert figure._drawn([begun], KEYS, "begun").axes[0].get_xscale() == "linear"


def test_a_reason_says_of_which_points_it_is() -> None:
    rows = [row("1", "0.1", 0.0), row("1", "0.2", 1.0)]
    *_, last = lines(rows, KEYS)
    assert last.startswith("  slip.c0 = 1, slip.c1 = 0.2: no plateau yet: the stress still rises")
    assert sum("no plateau" in line for line in lines(rows, KEYS)) == 1
    many = [row(str(k), "0.2", 1.0) for k in range(9)]
    assert lines(many, KEYS)[-1] == "  and 3 more"


def test_a_sweep_of_amplitudes_comes_to_moduli(tmp_path: Path) -> None:
    """Of all realizations of seeds together; a point whose cycle has not ended has none."""
    wave = {"waveform": "sine", "amplitude": 0.02, "frequency": 0.1, "cycles": 2}
    settings = {
        "lattice": {"shape": [8, 8]},
        "clock": {"type": "maxwell", "dt": 0.05},
        "loading": wave,
    }
    name = str(tmp_path / "in.yaml")
    Path(name).write_text(yaml.safe_dump(settings))
    keys = ["seed=1..3", "loading.amplitude=0.05,0.2"]
    assert main(["sweep", name, *keys, "--output", str(tmp_path / "runs"), "-j", "1"]) == 0
    found = list(csv.DictReader((tmp_path / "runs" / "sweep.csv").open()))
    assert [row["loading.amplitude"] for row in found] == ["0.05", "0.2"]
    for row in found:
        own = [
            hpcepm.open(path)["cycles"].ds
            for path in (tmp_path / "runs").glob(f"*amplitude={row['loading.amplitude']}")
        ]
        assert len(own) == int(row["points"]) == 3
        for modulus in ("storage_modulus", "loss_modulus"):
            last = np.array([cycles[modulus].values[0, -1] for cycles in own])
            error = last.std(ddof=1) / np.sqrt(3)
            assert float(row[modulus]) == pytest.approx(last.mean())
            assert float(row[f"{modulus}_error"]) == pytest.approx(error)
    assert float(found[0]["storage_modulus"]) > float(found[1]["storage_modulus"])


@pytest.mark.parametrize(
    ("loading", "answers"),
    [
        ({"control": "stress", "target": 0.3, "hold": 100.0}, "strain ε"),
        ({"target": 0.02, "hold": 100.0}, "stress Σ (LJ units)"),
        ([{"target": 0.01}, {"target": 0.02, "hold": 100.0}], "stress Σ (LJ units)"),
    ],
)
def test_a_load_that_is_held_is_drawn_in_time(tmp_path: Path, loading: Any, answers: str) -> None:
    settings = {
        "lattice": {"shape": [8, 8]},
        "clock": {"type": "thermal", "temperature": 0.05},
        "loading": loading,
        "realizations": 2,
        "output": {"observables": {"of": "time", "per_decade": 4}},
    }
    name, runs = str(tmp_path / "in.yaml"), str(tmp_path / "runs")
    Path(name).write_text(yaml.safe_dump(settings))
    drawn: list[Figure] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figure, "save", lambda one, path: drawn.append(one))
        keys = ["clock.temperature=0.02,0.05"]
        assert main(["sweep", name, *keys, "--output", runs, "-j", "1"]) == 0
    curves, against = drawn[0].axes[:2]
    assert curves.get_xlabel() == "time t (LJ units)" and curves.get_xscale() == "log"
    assert curves.get_ylabel() == answers
    assert against.get_xlabel() == "clock.temperature ((Lennard-Jones stress)^α)"
    found = list(csv.DictReader((tmp_path / "runs" / "sweep.csv").open()))
    for row, line in zip(found, curves.lines, strict=True):
        name = "final_strain" if answers == "strain ε" else "final_stress"
        assert float(row[name]) == pytest.approx(float(np.asarray(line.get_ydata())[-1]))
