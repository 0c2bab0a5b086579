"""Many realizations in one run.

The same bits on any number of ranks, through any number of stops, and as each has alone.
"""

import json
import signal
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
import yaml

from hpcepm.layout import LISTS
from tests.conftest import assert_same_bits, datasets, end, run_python, settings_for, start

SETTINGS: dict[str, Any] = settings_for((9, 8), loading={"target": 0.1}, realizations=7)
COMMAND = ["-m", "hpcepm", "input.yaml", "--output"]


ROOT = str(Path(__file__).parents[2])


def write_input(folder: Path, settings: dict[str, Any]) -> None:
    (folder / "input.yaml").write_text(yaml.safe_dump(settings))


@pytest.mark.parametrize(
    ("ranks", "per_realization"), [(2, "auto"), (3, "auto"), (3, 2), (4, 2), (2, 2)]
)
def test_same_bits_on_any_ranks(tmp_path: Path, ranks: int, per_realization: int | str) -> None:
    write_input(tmp_path, {**SETTINGS, "ranks_per_realization": per_realization})
    for name, n in {"one": None, "many": ranks}.items():
        done = run_python([*COMMAND, name], n, tmp_path)
        assert done.returncode == 0, done.stderr
        assert "sheared 7 realizations" in done.stdout
    assert_same_bits(tmp_path / "one", tmp_path / "many")
    assert run_python(["-m", "hpcepm", "verify", "many"], None, tmp_path).returncode == 0


def test_realization_0_is_what_a_single_run_gives(tmp_path: Path) -> None:
    for name, realizations in {"single": 1, "ensemble": 3}.items():
        write_input(tmp_path, {**SETTINGS, "realizations": realizations})
        assert run_python([*COMMAND, name], None, tmp_path).returncode == 0
    single, ensemble = (
        datasets(tmp_path / "single" / "run.h5"),
        datasets(tmp_path / "ensemble" / "run.h5"),
    )
    assert single.keys() == ensemble.keys()
    for name, values in single.items():
        group, _, column = name.partition("/")
        other = ensemble[name]
        if column in ("realization", *LISTS.values()) and group not in LISTS:
            continue
        if group in LISTS and column != LISTS[group]:
            other = other[ensemble[f"{group}/realization"] == 0]
        elif values.shape[:1] == (1,) and other.shape[:1] == (3,):
            other = other[:1]
        assert column == LISTS.get(group) or other.tobytes() == values.tobytes(), name


def test_stopped_and_gone_on_with(tmp_path: Path) -> None:
    output = {name: value for name, value in SETTINGS["output"].items() if name != "fields"}
    settings = {**SETTINGS, "output": output, "loading": {"target": 0.5}, "realizations": 500}
    write_input(tmp_path, settings)
    assert run_python([*COMMAND, "whole"], 2, tmp_path).returncode == 0
    parts = 0
    for ranks in (3, 2, None):
        process = start([*COMMAND, "parts", "--continue"], ranks, tmp_path)
        try:
            assert process.stdout is not None and "hpcepm" in process.stdout.readline()
            time.sleep(0.3)
            process.send_signal(signal.SIGUSR1)
            _, err = process.communicate(timeout=30)
        finally:
            end(process)
        assert process.returncode in (0, 75), err
        parts += (
            process.returncode == 75
            and "of 500 realizations by SIGUSR1; a checkpoint was written" in err
        )
    assert parts, "nothing was interrupted"
    done = run_python([*COMMAND, "parts", "--continue"], 2, tmp_path)
    assert done.returncode in (0, 3), done.stderr
    assert_same_bits(tmp_path / "whole", tmp_path / "parts")


def test_more_realizations_later(tmp_path: Path) -> None:
    write_input(tmp_path, SETTINGS)
    for name, asked in {"whole": (7,), "parts": (3, 7)}.items():
        for n in asked:
            done = run_python(
                [*COMMAND, name, "--continue", "--set", f"realizations={n}"], None, tmp_path
            )
            assert done.returncode == 0, done.stderr
    assert_same_bits(tmp_path / "whole", tmp_path / "parts")
    for options, said in (
        ((), "holds a finished run (strain 0.1 was reached by 7 realizations)"),
        (("--set", "realizations=1"), "has 7 realizations already"),
        (("--set", "loading.target=0.2"), "loading.target: was 0.1, is now 0.2; of several"),
        (("--set", "seed=4", "--set", "realizations=9"), "seed: was 3, is now 4"),
    ):
        done = run_python([*COMMAND, "parts", "--continue", *options], 2, tmp_path)
        assert done.returncode == 3 and said in done.stderr and "Traceback" not in done.stderr


def test_shapes_and_names(tmp_path: Path) -> None:
    write_input(tmp_path, SETTINGS)
    assert run_python([*COMMAND, "run"], 2, tmp_path).returncode == 0
    run = tmp_path / "run" / "run.h5"
    with xr.open_dataset(run, group="observables", engine="h5netcdf") as curves:
        assert curves["stress"].dims == ("realization", "record") and curves["stress"].shape == (
            7,
            11,
        )
        assert np.unique(curves["stress"][:, -1]).size == 7
    with xr.open_dataset(run, group="fields", engine="h5netcdf") as maps:
        assert maps["sigma"].shape == (7, 3, 9, 8)
    with h5py.File(run, "r") as file:
        events = file["observables/events"][:, -1]
        table = file["avalanches/realization"][()]
        assert (np.diff(table) >= 0).all()
        for r in range(7):
            assert file["avalanches/events"][()][table == r].sum() == events[r]
        assert (file["fields/n_events"][:, -1].sum(axis=(1, 2)) == events).all()


LARGE: dict[str, Any] = {
    **settings_for((70, 48), loading={"target": 0.1}, engine="lazy", realizations=3),
    "ranks_per_realization": 1,
}


def test_a_chain_stops_inside_realizations_and_advances(tmp_path: Path) -> None:
    """Parts of almost no time, on other ranks each: what is under way is kept, none begins anew."""
    write_input(tmp_path, LARGE)
    assert run_python([*COMMAND, "whole"], None, tmp_path).returncode == 0
    parts, command = 0, [*COMMAND, "parts", "--continue", "--max-walltime", "0.001"]
    for ranks in (2, 3, None, 2):
        done = run_python(command, ranks, tmp_path)
        assert done.returncode == 75 and "of 3 realizations by --max-walltime" in done.stderr
        parts += 1
    with h5py.File(tmp_path / "parts" / "checkpoints" / f"{parts:08d}.h5") as file:
        waiting = json.loads(file.attrs["waiting"])
        there = [*file["realizations"], *waiting, *file["finished"]]
        assert sorted(there) == ["0", "1", "2"], "one that was begun, or finished, is lost"
        assert all(one["macro"][0]["load"] > 0 for one in file["realizations"].values())
    done = run_python([*COMMAND, "parts", "--continue"], 3, tmp_path)
    assert done.returncode == 0 and "goes on from strain" in done.stdout, done.stderr
    assert_same_bits(tmp_path / "whole", tmp_path / "parts")


def test_killed_ensembles_go_on_from_their_checkpoint(tmp_path: Path) -> None:
    longer = {"loading": {"target": 0.4}, "realizations": 4, "checkpoint": {"every": "0.1 s"}}
    write_input(tmp_path, {**LARGE, **longer})
    assert run_python([*COMMAND, "whole"], None, tmp_path).returncode == 0
    process = start([*COMMAND, "parts", "--continue"], 2, tmp_path)
    try:
        give_up = time.monotonic() + 240
        while not (tmp_path / "parts" / "checkpoints" / "00000001.h5").exists():
            assert process.poll() is None and time.monotonic() < give_up
            time.sleep(0.005)
    finally:
        end(process)
    done = run_python([*COMMAND, "parts", "--continue"], 3, tmp_path)
    assert done.returncode == 0, done.stderr
    assert_same_bits(tmp_path / "whole", tmp_path / "parts")


def test_checkpoints_all_the_time_and_rows_of_many_records(tmp_path: Path) -> None:
    """Rows so large that a message of them waits for rank 0, which calls all ranks meanwhile."""
    output = {"observables": {"every": 0.0004}}
    settings = settings_for((16, 16), output=output, realizations=12)
    write_input(tmp_path, {**settings, "checkpoint": {"every": "0.01 s"}})
    assert run_python([*COMMAND, "one"], None, tmp_path).returncode == 0
    for k in range(2):
        done = run_python([*COMMAND, f"two {k}"], 2, tmp_path, timeout=240)
        assert done.returncode == 0, done.stderr
        assert_same_bits(tmp_path / "one", tmp_path / f"two {k}")


def test_large_snapshots_are_written_by_their_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of their own, also of a realization that waits for one before it."""
    write_input(tmp_path, LARGE)
    assert run_python([*COMMAND, "small"], None, tmp_path).returncode == 0
    program = ["-m", "tests.ranks.large_snapshots", "input.yaml", "--output", "large", "--continue"]
    stop = ["--max-walltime", "0.001"]
    for options in (stop, stop, []):
        done = run_python([*program, *options], 2, tmp_path, PYTHONPATH=ROOT)
        assert done.returncode == (75 if options else 0), done.stderr
    assert len(list((tmp_path / "large" / "pieces").glob("fields-*.h5"))) == 9
    assert_same_bits(tmp_path / "small", tmp_path / "large")


def test_a_single_realization_is_the_first_of_more(tmp_path: Path) -> None:
    write_input(tmp_path, SETTINGS)
    for n in (1, 7):
        options = ["--continue", "--set", f"realizations={n}"]
        assert run_python([*COMMAND, "parts", *options], None, tmp_path).returncode == 0
    assert run_python([*COMMAND, "whole"], None, tmp_path).returncode == 0
    assert_same_bits(tmp_path / "whole", tmp_path / "parts")


def test_a_bad_number_in_one_realization_stops_all(tmp_path: Path) -> None:
    write_input(tmp_path, SETTINGS)
    for ranks in (None, 3):
        command = [
            "-m",
            "tests.ranks.poisoned_realization",
            "input.yaml",
            "--output",
            f"on {ranks}",
        ]
        done = run_python(command, ranks, tmp_path, timeout=240, PYTHONPATH=ROOT)
        assert done.returncode == 1 and "Traceback" not in done.stderr
        assert "hpcepm: stopped: realization 4: sigma_c is nan at site (1, 2)" in done.stderr, (
            done.stderr
        )
