"""Runs with a clock: what they keep, and that they go on with the same bits."""

import shutil
import time
import warnings
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
import pytest
import yaml

import hpcepm
from hpcepm.cli import main
from hpcepm.faults import STOPPED
from hpcepm.layout import TIMED
from hpcepm.storage.checkpoint import read_header
from tests.conftest import assert_same_bits, datasets, run_python
from tests.faults.forge import forged

CREEP: Final[dict[str, Any]] = {
    "lattice": {"shape": [16, 14]},
    "clock": {"thermal": {"temperature": 0.03}},
    "loading": [
        {"target": 0, "hold": 20},
        {"control": "stress", "target": 0.3},
        {"hold": 5000},
    ],
    "output": {
        "observables": {"of": "time", "per_decade": 4},
        "fields": {"of": "time", "every": 1000},
        "avalanches": True,
    },
}
SHEAR: Final[dict[str, Any]] = {
    **CREEP,
    "loading": {"target": 0.05, "rate": 1e-4},
    "output": {"observables": {"every": 0.005}},
}


def made(folder: Path, settings: dict[str, Any], *options: str) -> Path:
    """Run an input; return its directory."""
    folder.mkdir(exist_ok=True)
    (folder / "in.yaml").write_text(yaml.safe_dump(settings))
    assert (
        main([str(folder / "in.yaml"), "--quiet", "--output", str(folder / "out"), *options]) == 0
    )
    return folder / "out"


@pytest.fixture(scope="module")
def creep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("creep"), CREEP)


def test_records_are_taken_at_their_times(creep: Path) -> None:
    data = datasets(creep / "run.h5")
    time = data["observables/time"][0]
    first = [10 ** (k / 4) for k in range(6)]  # 1 … 17.8, of the first segment
    marks = [10 ** (k / 4) for k in range(15)]
    assert time[0] == 0.0 and time[1:7].tolist() == first
    # The load then moves at once; each segment has a record at its end.
    assert time[7:9].tolist() == [20.0, 20.0]
    assert (time[9:-1] - 20.0).tolist() == pytest.approx(marks, rel=1e-13)
    assert time[-1] == 5020.0
    assert data["fields/time"][0].tolist()[-6:] == [1000.0, 2000.0, 3000.0, 4000.0, 5000.0, 5020.0]
    assert (data["profiles/time"] == data["observables/time"]).all()
    persistence, n_sites = data["observables/persistence"][0], 16 * 14
    assert persistence[0] == 1.0 and (persistence >= 0).all()
    assert (np.diff(persistence[:8]) <= 0).all() and (np.diff(persistence[9:]) <= 0).all()
    assert persistence * n_sites == pytest.approx(np.round(persistence * n_sites))
    assert data["observables/strain"][0, -1] > data["observables/strain"][0, 9]  # it creeps


def test_the_table_of_avalanches_has_times(creep: Path) -> None:
    data = datasets(creep / "run.h5")
    time, fraction = data["avalanches/time"], data["avalanches/fraction"]
    assert time.size == data["observables/events"][0, -1] > 50
    assert (data["avalanches/events"] == 1).all()
    assert (np.diff(time) >= 0).all() and time[-1] <= 5020
    assert fraction == pytest.approx(time % 1.0, abs=1e-11)
    assert set(TIMED.names or ()) <= {name.partition("/")[2] for name in data}
    assert (data["avalanches/strength"] > 0).any()


def test_all_that_reads_a_run_reads_one_with_a_clock(
    creep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(creep)
    for command in ("verify", "plot", "summarize", "report", "status"):
        assert main([command, run]) == 0
    out = capsys.readouterr().out
    assert "verdict" in out and "is sound" in out
    assert (creep / "summary.csv").read_text().startswith("realization,strain,time,stress,")
    packed = tmp_path / "packed.h5"
    assert main(["pack", run, "--out", str(packed)]) == 0
    assert main(["verify", str(packed)]) == 0
    for kind in ("netcdf", "zarr", "csv", "vtk"):
        assert main(["export", run, f"--{kind}", str(tmp_path / kind)]) == 0
    for path in (run, packed):
        tree = hpcepm.open(path)
        assert tree["observables"].time.attrs["units"] == "Lennard-Jones time"
        assert {"strain", "time"} <= set(tree["observables"].coords)
        assert {"strain", "time"} <= set(tree["fields"].coords)
        assert tree["observables"].persistence.dims == tree["observables"].stress.dims


def test_a_run_with_a_clock_is_selected_by_time(tmp_path: Path) -> None:
    """Its strain is one all along, and its times rise."""
    held = {"target": 0.02, "hold": 1000}
    tree = hpcepm.simulate({**CREEP, "loading": held, "output": {"observables": {"of": "time"}}})
    assert tree is not None
    directory = made(tmp_path, {**CREEP, "loading": [held], "output": {}})
    assert main(["verify", str(directory)]) == 0
    records = hpcepm.open(directory)["observables"]
    assert (records.time.values[2:] > 0).all()
    assert "avalanches" not in hpcepm.open(directory).children


@pytest.mark.parametrize("settings", [CREEP, {**SHEAR, "realizations": 3}], ids=["one", "three"])
def test_it_goes_on_with_the_same_bits(tmp_path: Path, settings: dict[str, Any]) -> None:
    whole = made(tmp_path / "whole", settings)
    (tmp_path / "in.yaml").write_text(yaml.safe_dump(settings))
    command = ["-m", "hpcepm", "in.yaml", "--output", "out", "--quiet", "--continue"]
    stopped = run_python([*command, "--max-walltime", "0.001"], None, tmp_path)
    assert stopped.returncode == 75, stopped.stderr
    where = (
        "stopped after 0 of 3 realizations" if "realizations" in settings else "stopped at time "
    )
    assert where in stopped.stderr
    done = run_python(command, None, tmp_path)
    assert done.returncode == 0, done.stderr
    assert_same_bits(whole, tmp_path / "out")


def test_a_mark_at_the_end_of_a_segment_is_one_record(tmp_path: Path) -> None:
    """Where it begins at a time of many digits, so that the two differ by rounding."""
    loading = [{"control": "stress", "target": 0.1, "rate": 0.003}, {"hold": 1000}]
    output = {"observables": {"of": "time", "per_decade": 1}}
    data = datasets(made(tmp_path, {**CREEP, "loading": loading, "output": output}) / "run.h5")
    time, begun = data["observables/time"][0], 0.1 / 0.003
    assert time == pytest.approx([0, 1, 10, begun, *(begun + t for t in (1, 10, 100, 1000))])


def test_a_stress_that_relaxes_is_no_function_of_strain(tmp_path: Path) -> None:
    settings = {
        "lattice": {"shape": [24, 20]},
        "clock": {"thermal": {"temperature": 0.03, "unstable": "instant"}},
        "loading": {"target": 0.05, "rate": 1e-3, "hold": 100},
        "realizations": 3,
    }
    run = made(tmp_path, settings)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        for command in ("summarize", "plot", "report"):
            assert main([command, str(run)]) == 0


def test_it_is_made_anew_from_pieces(creep: Path, tmp_path: Path) -> None:
    shutil.copytree(creep, tmp_path / "out")
    (tmp_path / "out" / "run.h5").unlink()
    shutil.rmtree(tmp_path / "out" / "checkpoints")
    assert main(["verify", str(tmp_path / "out"), "--repair"]) == 0
    assert_same_bits(creep, tmp_path / "out")


def test_what_check_knows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    elastic = {"target": 0.001, "hold": 10}
    for loading, said in ((CREEP["loading"], ", counted: the run w"), (elastic, " 0, counted: ")):
        clock = {"thermal": {"temperature": 0.03 if loading is not elastic else 0.001}}
        settings = {**CREEP, "clock": clock, "loading": loading}
        (tmp_path / "in.yaml").write_text(yaml.safe_dump(settings))
        assert main(["check", str(tmp_path / "in.yaml"), "--seconds", "2"]) == 0
        assert said in capsys.readouterr().out


def test_a_time_that_goes_back_is_found(creep: Path, tmp_path: Path) -> None:
    shutil.copytree(creep, tmp_path / "out")
    path = tmp_path / "out" / "run.h5"

    def change(file: h5py.File) -> None:
        file["observables/time"][0, 3] = 9.0

    image = forged(path.read_bytes(), change)
    assert image is not None
    path.write_bytes(image)
    assert main(["verify", str(tmp_path / "out")]) == 1


def test_a_checkpoint_of_format_7_is_read(tmp_path: Path) -> None:
    """It had no clock, and there was none."""
    settings = {"lattice": {"shape": [16, 14]}, "loading": {"target": 0.1}}
    (tmp_path / "in.yaml").write_text(yaml.safe_dump(settings))
    command = ["-m", "hpcepm", "in.yaml", "--output", "out", "--quiet", "--continue"]
    assert run_python([*command, "--max-walltime", "0.001"], None, tmp_path).returncode == 75
    path = max((tmp_path / "out" / "checkpoints").glob("*.h5"))

    def change(file: h5py.File) -> None:
        file.attrs["format_version"] = 7
        for realization in file["realizations"].values():
            del realization["clock"]

    image = forged(path.read_bytes(), change)
    assert image is not None
    path.write_bytes(image)
    assert read_header(path).begun
    done = run_python(command, None, tmp_path)
    assert done.returncode == 0, done.stderr
    assert_same_bits(made(tmp_path / "whole", settings), tmp_path / "out")


def test_a_load_that_begins_to_move_does_not_look_back() -> None:
    """Long after the last event, and where a time is too large to be told to the last digit."""
    loading = [{"target": 0, "hold": 1.0e6}, {"target": 0.002, "rate": 1.0e-5}]
    settings = {
        "lattice": {"shape": [8, 8]},
        "yielding": {"sides": "two"},
        "clock": {"thermal": {"temperature": 0.05}},
        "loading": loading,
        "output": {"observables": {"of": "time", "per_decade": 2}, "avalanches": True},
    }
    tree = hpcepm.simulate(settings)
    assert tree is not None
    time = tree["observables"]["time"].values.ravel()
    assert time[-1] == 1.0e6 + 200 and (np.diff(time) >= 0).all()
    assert (np.diff(tree["avalanches"]["time"].values) >= 0).all()


def test_late_in_time_marks_that_are_one_number_do_not_hold_a_run_up(tmp_path: Path) -> None:
    """At 4e14 the marks 1.26 and 1.58 of a new segment lie between two numbers of 8 bytes."""
    loading = [{"target": 0.1}, {"hold": 4e14}, {"hold": 4e14}]
    settings = {
        "lattice": {"shape": [8, 8]},
        "clock": {"thermal": {"temperature": 0.004}},
        "loading": loading,
        "output": {"observables": {"of": "time", "per_decade": 10}, "fields": None},
    }
    time = datasets(made(tmp_path, settings) / "run.h5")["observables/time"][0]
    assert time[-1] == 8e14 and (time == 4e14).any()
    late = time[time > 4e14] - 4e14
    assert (np.diff(late) > 0).all()
    marks = 10 ** (np.arange(147) / 10)
    assert 140 < late.size <= 148 and late[-1] == 4e14
    assert (np.abs(late[:-1, None] - marks).min(axis=1) <= 0.5).all()


RULED: Final[dict[str, Any]] = {
    "met by an event, then at a rate": (
        [
            {"control": "stress", "target": 0.5, "hold": 5000, "until": {"strain": 0.1}},
            {"target": 0.05, "rate": 1e-2},
        ],
        45.32251543517105,  # by a program that looks at all points of all sites
    ),
    "holds where the segment begins": (
        [
            {"target": 0.02, "hold": 10},
            {"hold": 50, "until": {"strain": 0.01}},
            {"target": 0.03, "hold": 1},
        ],
        11.0,
    ),
    "ends the move, and so the hold": (
        [
            {"target": 0.02, "rate": 1e-2, "hold": 50, "until": {"strain": 0.01}},
            {"target": 0.015, "hold": 1},
        ],
        2.0,
    ),
    "is at a time that has passed": (
        [
            {"target": 0.02, "rate": 1e-3, "hold": 10},
            {"target": 0.05, "rate": 1e-3, "until": {"time": 20}},
            {"target": 0.05, "hold": 7, "until": {"time": 30}},
            {"target": 0.05, "hold": 2},
        ],
        32.0,
    ),
}


@pytest.mark.parametrize("name", RULED)
@pytest.mark.parametrize("engine", ["direct", "lazy"])
def test_a_rule_ends_a_segment_when_it_is_met_whatever_is_kept(name: str, engine: str) -> None:
    loading, end = RULED[name]
    cadences = [{"of": "time", "every": t} for t in (1, 7, 1000)] + [{"of": "strain", "every": 0.5}]
    found = set()
    for cadence in cadences:
        tree = hpcepm.simulate(
            {"lattice": {"shape": [8, 8]}, "loading": loading, "seed": 2, "engine": engine},
            clock={"thermal": {"temperature": 0.05}},
            output={"observables": cadence},
        )
        assert tree is not None
        assert (np.diff(tree["observables"].time.values.ravel()) >= 0).all(), "time went back"
        last = [tree["observables"][one].values.ravel()[-1] for one in ("time", "events", "stress")]
        found.add(tuple(map(float, last)))
    assert len(found) == 1 and next(iter(found))[0] == pytest.approx(end, abs=1e-12)


def test_each_of_repeated_items_has_a_rule_of_its_own() -> None:
    """Also of a list of one; but a move and its hold are one item."""
    once = {"control": "stress", "target": 0.4, "hold": 1e3, "until": {"events_per_site": 0.25}}
    ended = []
    for n in (1, 2, 3):
        tree = hpcepm.simulate(
            {"lattice": {"shape": [8, 8]}, "loading": [{"repeat": n, "segments": [once]}]},
            clock={"thermal": {"temperature": 0.05}},
        )
        assert tree is not None
        ended.append(int(tree["observables"]["events"].values.ravel()[-1]))
    assert ended == [16, 32, 48]


def test_a_rule_met_by_an_event_through_restarts(tmp_path: Path) -> None:
    settings = {
        "lattice": {"shape": [24, 24]},
        "clock": {"thermal": {"temperature": 0.1}},
        "seed": 2,
        "loading": [
            {"control": "stress", "target": 0.6, "hold": 1e6, "until": {"events_per_site": 4}},
            {"target": 0, "rate": 1e-2},
        ],
        "output": {"observables": {"of": "time", "per_decade": 1}},
    }
    whole = made(tmp_path / "whole", settings)
    path, codes = str(tmp_path / "whole" / "in.yaml"), []
    command = [path, "--quiet", "--output", str(tmp_path / "parts"), "--continue"]
    while (code := main([*command, "--max-walltime", "0.001"])) == STOPPED:
        codes.append(code)
    assert code == 0 and len(codes) > 3
    assert_same_bits(whole, tmp_path / "parts")


def test_the_second_realization_does_not_begin_at_the_pace_of_the_end_of_the_first() -> None:
    """A quiet end has levels as low as can be, and a busy beginning crawls with these."""
    settings = {
        "lattice": {"shape": [8, 8]},
        "yielding": {"sides": "two"},
        "engine": "direct",
        "clock": {"thermal": {"temperature": 0.00121, "exponent": 1, "attempt_time": 7.3}},
        "loading": {"target": 0.0353, "hold": 1e9},
    }
    glass, seconds = [], []
    for n in (1, 2):
        began = time.monotonic()
        tree = hpcepm.simulate(settings, realizations=n)
        seconds.append(time.monotonic() - began)
        assert tree is not None
        glass.append(tree["observables"]["events"].values.reshape(n, -1)[0, -1])
    assert glass[0] == glass[1] and seconds[1] < 20  # it was minutes


def test_the_event_that_meets_a_rule_lowers_the_stress_by_its_own_segment() -> None:
    rule = {"events_per_site": 0.25}
    loading = [
        {"target": 0.2, "rate": 1e-2, "until": rule},
        {"control": "stress", "target": 0.5, "hold": 1e3, "until": rule},
    ]
    settings = {
        "lattice": {"shape": [8, 8]},
        "elasticity": {"shear_modulus": 10},
        "loading": loading,
        "output": {"avalanches": True},
    }
    tree = hpcepm.simulate(settings, clock={"thermal": {"temperature": 0.05}})
    assert tree is not None
    rows = tree["avalanches"]
    stiffness = np.repeat([20.0, 0.0], 16)[: rows["slip"].size]  # 2 μ; the stress is held
    assert rows["slip"].size == 31  # the last is ended by what comes after
    assert rows["stress_drop"].values == pytest.approx(stiffness * rows["slip"].values / 64)
