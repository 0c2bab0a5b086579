"""The Python API: the same numbers and the same errors as the command line."""

import json
import pydoc
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from mpi4py import MPI

import hpcepm
from hpcepm.faults import NoRun
from hpcepm.input.plain import plain
from hpcepm.input.read import read_mapping
from hpcepm.storage.directory import DirectoryTaken
from tests.conftest import assert_on_ranks, datasets, run_python, settings_for

SETTINGS = settings_for((12, 10), loading={"target": 0.05})


def test_a_file_and_a_mapping_give_what_the_command_gives(tmp_path: Path) -> None:
    path = tmp_path / "input.yaml"
    path.write_text(yaml.safe_dump(SETTINGS))
    done = run_python(
        ["-m", "hpcepm", "input.yaml", "--set", "seed=5", "--output", "command"], None, tmp_path
    )
    assert done.returncode == 0, done.stderr
    expected = datasets(tmp_path / "command" / "run.h5")
    for source in (path, str(path), SETTINGS):
        tree = hpcepm.simulate(source, seed=5)
        assert tree is not None
        for name, values in expected.items():
            group, _, variable = name.partition("/")
            if variable not in ("record", "snapshot"):  # along these, strain is the index
                assert np.array_equal(tree[group][variable].values, values), name
    assert not (tmp_path / "run").exists(), "in memory nothing is written"


def test_changes_reach_into_sections_and_leave_the_rest(tmp_path: Path) -> None:
    tree = hpcepm.simulate(SETTINGS, slip={"c1": 0.03}, output={"avalanches": False})
    assert tree is not None and "avalanches" not in tree
    settings = json.loads(tree.attrs["input_resolved"])
    assert settings["slip"] == {"distribution": "exponential", "c0": 0.0276, "c1": 0.03}
    assert settings["output"]["observables"] == {"every": 0.01, "of": "strain"}
    assert SETTINGS["output"].get("avalanches") is None, "the caller's mapping is its own"


def test_a_directory_is_that_of_a_run(tmp_path: Path) -> None:
    tree = hpcepm.simulate(SETTINGS, directory=tmp_path / "kept", realizations=2)
    assert tree is not None and tree["observables"].stress.shape == (2, 6)
    again = hpcepm.open(tmp_path / "kept")
    assert again["observables"].equals(tree["observables"])
    with pytest.raises(DirectoryTaken, match=r"Pass resume=True .* directory="):
        hpcepm.simulate(SETTINGS, directory=tmp_path / "kept")
    more = hpcepm.simulate(SETTINGS, directory=tmp_path / "kept", resume=True, realizations=3)
    assert more is not None and more["observables"].stress.shape == (3, 6)
    with pytest.raises(NoRun, match="nowhere"):
        hpcepm.open(tmp_path / "nowhere")


def test_large_maps_are_kept_in_memory_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a directory they are files of their own; the steps of a run keep none."""
    settings = settings_for((16, 12), output={"fields": {"every": 0.05}}, realizations=2)
    in_a_table = hpcepm.simulate(settings, loading={"target": 0.1})
    monkeypatch.setattr("hpcepm.storage.plan.LARGE_SNAPSHOT", 1)
    in_files = hpcepm.simulate(settings, loading={"target": 0.1}, directory=tmp_path / "run")
    assert [*(tmp_path / "run" / "pieces").glob("fields-*")]
    in_memory = hpcepm.simulate(settings, loading={"target": 0.1})
    assert in_memory["fields"].sigma.shape == (2, 3, 16, 12)
    assert in_memory["fields"].equals(in_a_table["fields"])
    assert in_memory["fields"].equals(in_files["fields"])
    steps = hpcepm.steps(settings, loading={"target": 0.1}, realizations=1)
    assert [*steps][-1].sigma.shape == (16, 12)


def test_maps_that_memory_cannot_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    maps = {**SETTINGS, "output": {"fields": {"every": 0.01}}, "realizations": 100}
    monkeypatch.setattr("hpcepm.run.resources.bytes_of_this_machine", lambda: 2**20)
    with pytest.raises(hpcepm.InputError, match=r"output\.fields: .* snapshots of .*directory="):
        hpcepm.simulate(maps)
    monkeypatch.setattr("hpcepm.run.resources.bytes_of_this_machine", lambda: 2**40)
    with pytest.raises(hpcepm.InputError, match=r"a snapshot of 7 GiB is more .*directory="):
        hpcepm.simulate(maps, lattice={"shape": [16384, 16384]})


def test_what_the_tree_needs_is_missed_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "h5netcdf", None)
    with pytest.raises(NoRun, match="needs xarray and h5netcdf"):
        hpcepm.simulate(SETTINGS, directory=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_errors_carry_all_problems_with_their_places(tmp_path: Path) -> None:
    path = tmp_path / "input.yaml"
    path.write_text("lattice: {shape: [8, 2.5]}\nloading: {target: 1}\n")
    with pytest.raises(hpcepm.InputError) as told:
        hpcepm.simulate(path, sliip={"c1": 1}, seed="x")
    first, *others = told.value.problems
    assert len(others) == 2 and f"{path}:1:22: lattice.shape[1]: " in "\n".join(told.value.problems)
    assert any("sliip: unknown key (did you mean 'slip'?)" in line for line in told.value.problems)
    assert first
    with pytest.raises(hpcepm.InputError, match="lattice: is required"):
        hpcepm.simulate({"loading": {"target": 1}})
    with pytest.raises(hpcepm.InputError, match="no such file"):
        hpcepm.simulate(tmp_path / "nix.yaml")
    with pytest.raises(hpcepm.InputError, match="steps shears one"):
        hpcepm.steps(SETTINGS, realizations=2)
    with pytest.raises(hpcepm.InputError, match=r"seed: has no value; give one, or leave the key"):
        hpcepm.simulate(SETTINGS, seed=None)


def test_values_of_numpy_tuples_and_paths_are_those_of_yaml() -> None:
    changes = {
        "lattice": {"shape": np.array([16, 12])},
        "loading": {"target": np.array(0.25)},
        "slip": {"c1": np.float64(0.01)},
        "seed": np.int64(3),
        "thresholds": {"renewal": {"distribution": np.str_("samples"), "file": Path("x.csv")}},
        "output": {
            "fields": {"names": ("sigma",), "at": np.array([0.1, 0.2])},
            "avalanches": np.True_,
        },
    }
    expected = {
        "lattice": {"shape": [16, 12]},
        "loading": {"target": 0.25},
        "slip": {"c1": 0.01},
        "seed": 3,
        "thresholds": {"renewal": {"distribution": "samples", "file": "x.csv"}},
        "output": {"fields": {"names": ["sigma"], "at": [0.1, 0.2]}, "avalanches": True},
    }
    made = plain(changes, "input")
    assert yaml.safe_load(yaml.safe_dump(made)) == expected
    read = read_mapping(changes | {"thresholds": {}}, {"seed": np.int64(4)})
    assert read.settings.seed == 4 and read.settings.lattice.shape == [16, 12]


def test_what_no_input_can_hold_is_named_by_its_key() -> None:
    endless: list[Any] = []
    endless.append(endless)
    for key, value, said in [
        ("c1", 1j, "c1: no input can hold a value of type complex"),
        ("c1", np.datetime64("2020"), "c1: no input can hold a value of type datetime64"),
        ("c1", {1}, "c1: no input can hold a value of type set"),
        ("c1", [0, len], "c1[1]: no input can hold a value of type builtin"),
        ("c1", 10**5000, "c1: no input can hold a huge number"),
        ("c1", np.zeros((300, 300)), "c1: 90000 values are too many for an input; np.save them"),
        ("c1", endless, "c1[0]: nested more than 32 deep"),
        ("c1", np.float64("nan"), "c1: must be a finite number, not nan"),
        (3, 1, "a key must be text, not 3"),
    ]:
        for source, changes, place in [
            (SETTINGS, {"slip": {key: value}}, "slip=…: slip"),
            ({**SETTINGS, "slip": {key: value}}, {}, "input: slip"),
        ]:
            with pytest.raises(hpcepm.InputError) as told:
                read_mapping(source, changes)
            (line,) = told.value.problems
            assert line.startswith(place) and said in line, line


def test_steps_yield_the_glass_at_each_record() -> None:
    tree = hpcepm.simulate(SETTINGS)
    assert tree is not None
    seen = [
        (s.strain, s.stress, s.epsilon_p.mean(), (s.sigma < s.sigma_c).all(), s.n_events.sum())
        for s in hpcepm.steps(SETTINGS)
    ]
    curves = tree["observables"]
    assert [s[0] for s in seen] == curves.strain.values.tolist()
    assert [s[1] for s in seen] == curves.stress.values[0].tolist()
    assert np.allclose([s[2] for s in seen], curves.plastic_strain.values[0], rtol=1e-12)
    assert all(s[3] for s in seen)
    assert [s[4] for s in seen] == curves.events.values[0].tolist()


@pytest.mark.parametrize("engine", ["direct", "lazy", "spectral"])
def test_what_is_yielded_cannot_be_written_to(engine: str) -> None:
    names = ("sigma", "sigma_c", "epsilon_p", "n_events")
    last = 0.0
    for glass in hpcepm.steps(SETTINGS, engine=engine):
        for name in names:
            field = getattr(glass, name)
            with pytest.raises(ValueError, match="read-only"):
                field[...] = 0
            assert (field - field.mean()).shape == (12, 10)
        last = glass.stress
    tree = hpcepm.simulate(SETTINGS, engine=engine)
    assert tree is not None and tree["observables"]["stress"].values[0, -1] == last


@pytest.mark.parametrize("directory", ["", "a\0b", b""])
def test_what_is_no_name_of_a_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, directory: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(hpcepm.InputError, match="directory="):
        hpcepm.simulate(SETTINGS, directory=directory)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("directory", "there"), [("~/x", "home/x"), (b"by", "by")])
def test_names_of_directories_are_those_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, directory: Any, there: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    hpcepm.simulate(SETTINGS, directory=directory)
    assert (tmp_path / there / "run.h5").exists()


def test_a_loop_may_be_left_early() -> None:
    for snapshot in hpcepm.steps(SETTINGS):
        if snapshot.stress > 0.3:
            break
    assert 0.3 < snapshot.stress < 0.7


@pytest.mark.parametrize("ranks", [2, 3])
def test_under_mpiexec_rank_0_has_the_tree(tmp_path: Path, ranks: int) -> None:
    assert_on_ranks("api_on_ranks", ranks, tmp_path, str(tmp_path / "kept"))


def test_a_request_to_stop_is_an_error_of_its_own(tmp_path: Path) -> None:
    """A file STOP, made while it runs: a checkpoint is written, and ``resume`` goes on from it."""
    directory = tmp_path / "run"

    @hpcepm.observable(units="1", description="stops")
    def stopping(series: Any) -> Any:
        if series.numbers["strain"].max() > 0.5:
            (directory / "STOP").touch()
        return 0.0

    settings = {"lattice": {"shape": [64, 64]}, "loading": {"target": 50.0}}
    with pytest.raises(hpcepm.RunStopped, match="resume=True goes on from it") as told:
        hpcepm.simulate(settings, directory=directory)
    assert isinstance(told.value, hpcepm.RunFailed) and "--continue" not in str(told.value)
    assert len([*(directory / "checkpoints").glob("0*.h5")]) > 0


INTERRUPTED = """
import signal, sys, threading, time, hpcepm
settings = {"lattice": {"shape": [64, 64]}, "loading": {"target": 500.0}}
def interrupt():
    while not hpcepm_began():
        time.sleep(0.05)
    time.sleep(0.5)
    for _ in range(int(sys.argv[1])):
        signal.raise_signal(signal.SIGINT)
        time.sleep(0.6)
def hpcepm_began():
    from pathlib import Path
    return Path("run/run.h5").exists()
before = signal.getsignal(signal.SIGINT)
threading.Thread(target=interrupt, daemon=True).start()
try:
    hpcepm.simulate(settings, directory="run")
except KeyboardInterrupt as interrupted:
    print("interrupted", interrupted)
assert signal.getsignal(signal.SIGINT) is before
"""


def test_ctrl_c_leaves_a_checkpoint(tmp_path: Path) -> None:
    done = run_python(["-c", INTERRUPTED, "1"], None, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "a checkpoint was written, resume=True goes on from it" in done.stdout
    tree = hpcepm.open(tmp_path / "run")
    assert len([*(tmp_path / "run" / "checkpoints").glob("0*.h5")]) == 1
    assert tree["observables"].strain.size > 1


def test_steps_that_are_never_taken_leave_no_thread(tmp_path: Path) -> None:
    assert_on_ranks("steps_not_taken", 2, tmp_path)


def test_what_is_no_communicator() -> None:
    several: list[Any] = ["world", 2, MPI, MPI.COMM_NULL]
    for wrong in several:
        with pytest.raises(TypeError, match=r"comm: give a communicator, such as MPI\.COMM_WORLD"):
            hpcepm.simulate(SETTINGS, comm=wrong)


def test_names_are_written_out_wherever_they_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FOLDER", str(tmp_path))
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(SETTINGS))
    (tmp_path / "plugin.py").write_text("import hpcepm\n")
    tree = hpcepm.simulate("~/input.yaml", directory="$FOLDER/kept")
    assert tree is not None
    assert hpcepm.open("~/kept")["observables"].equals(tree["observables"])
    assert hpcepm.load_plugin("${FOLDER}/plugin.py").name == "plugin.py"
    (tmp_path / "kept").rename(tmp_path / "$FOLDER")
    monkeypatch.chdir(tmp_path)
    assert hpcepm.open("$FOLDER")["observables"].strain.size == tree["observables"].strain.size
    for bad in ("$NOTHING/x", "a\0b"):
        with pytest.raises(hpcepm.NoRun, match=r"is not set|null character"):
            hpcepm.open(bad)
        with pytest.raises(hpcepm.InputError, match=r"is not set|null character"):
            hpcepm.simulate(bad)
        with pytest.raises(hpcepm.InputError, match=r"is not set|null character"):
            hpcepm.load_plugin(bad)


def test_a_snapshot_does_not_outlive_its_moment() -> None:
    """Its fields are those of the run, so it would have numbers that no state had."""
    snapshots = list(hpcepm.steps(settings_for((8, 8))))
    for name in ("stress", "sigma", "epsilon_p", "strain"):
        with pytest.raises(RuntimeError, match="the run has gone on: a snapshot holds until"):
            getattr(snapshots[0], name)
        assert np.isfinite(getattr(snapshots[-1], name)).all()
    assert repr(snapshots[0]) == "Snapshot(of a run that has gone on)"
    assert repr(snapshots[-1]).startswith("Snapshot(strain 0.")


AS_TYPED: Any = hpcepm
"""Without types, as in a notebook."""


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: AS_TYPED.simulate(None), "the path of an input, or a mapping, not None"),
        (lambda: AS_TYPED.simulate([1]), "source: give the path of an input, or a mapping"),
        (lambda: AS_TYPED.open(5), "give the path of a file or directory, not 5"),
        (lambda: AS_TYPED.load_plugin(None), "give the path of a file or directory, not None"),
        (
            lambda: AS_TYPED.simulate("x.yaml", resume=True),
            "resume=True: say where the run is kept",
        ),
        (
            lambda: AS_TYPED.simulate("x.yaml", resume="yes"),
            "resume: must be True or False, not 'ye",
        ),
        (lambda: AS_TYPED.steps("x.yaml", directory="x"), "directory: steps keeps nothing"),
        (lambda: AS_TYPED.distribution(3), "3: decorate a class"),
        (lambda: AS_TYPED.kernel("x"), "'x': decorate a class"),
        (lambda: AS_TYPED.kernel(type("Odd", (), {})), "Odd: write @dataclass"),
    ],
)
def test_arguments_of_no_use_are_named(call: Callable[[], Any], said: str) -> None:
    with pytest.raises(TypeError, match=re.escape(said)):
        call()


def test_an_empty_name_is_none() -> None:
    with pytest.raises(hpcepm.InputError, match="'': is empty"):
        hpcepm.simulate("")
    with pytest.raises(hpcepm.NoRun, match="'': is empty"):
        hpcepm.open("")


@pytest.mark.parametrize("name", ["distribution", "slip", "kernel", "loading", "observable"])
def test_help_says_what_to_decorate(name: str) -> None:
    told = pydoc.plain(pydoc.render_doc(getattr(hpcepm, name)))
    assert "Raises" in told and len(told.splitlines()) < 45, told


@pytest.mark.parametrize("clock", [{}, {"clock": {"type": "thermal", "temperature": 0.02}}])
def test_the_last_snapshot_holds_on(clock: dict[str, Any]) -> None:
    loading = {"target": 0.05} | ({"rate": 1e-3} if clock else {})
    kept: list[tuple[float, float]] = []
    for snapshot in hpcepm.steps(settings_for((8, 8), loading=loading, **clock)):
        kept.append((snapshot.stress, float(snapshot.sigma.sum())))
    assert (snapshot.stress, float(snapshot.sigma.sum())) == kept[-1]
    assert snapshot.strain == pytest.approx(0.05)
