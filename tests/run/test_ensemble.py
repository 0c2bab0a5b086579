"""Many realizations in one run.

The same bits on any number of ranks, through any number of stops, and as each has alone.
"""

import signal
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
import yaml

from tests.conftest import assert_same_bits, datasets, end, run_python, settings_for, start

SETTINGS: dict[str, Any] = {**settings_for((9, 8), loading={"target": 0.1}), "realizations": 7}
COMMAND = ["-m", "hpcepm", "input.yaml", "--output"]


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
    first = ensemble["avalanches/realization"] == 0
    for name, values in single.items():
        group, _, column = name.partition("/")
        other = ensemble[name]
        if column in ("realization", "avalanche") and group != "avalanches":
            continue
        if group == "avalanches" and column != "avalanche":
            other = other[first]
        elif values.shape[:1] == (1,) and other.shape[:1] == (3,):
            other = other[:1]
        assert column == "avalanche" or other.tobytes() == values.tobytes(), name


def test_stopped_and_gone_on_with(tmp_path: Path) -> None:
    output = {name: value for name, value in SETTINGS["output"].items() if name != "fields"}
    settings = {**SETTINGS, "output": output, "loading": {"target": 0.5}, "realizations": 1200}
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
        parts += process.returncode == 75 and "realizations by SIGUSR1; they are saved" in err
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
        ((), "has 7 realizations already"),
        (("--set", "realizations=1"), "realizations: was 7, is now 1"),
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


def test_summary_of_realizations(tmp_path: Path) -> None:
    write_input(tmp_path, SETTINGS)
    assert run_python([*COMMAND, "run"], 2, tmp_path).returncode == 0
    done = run_python(["-m", "hpcepm", "summarize", "run"], None, tmp_path)
    assert done.returncode == 0 and "7 realizations, 11 records to strain 0.1" in done.stdout, (
        done.stderr
    )
    with h5py.File(tmp_path / "run" / "run.h5", "r") as file:
        stress, strain = file["observables/stress"][()], file["observables/strain"][()]
    late = stress[:, strain > 0.0499].mean(axis=1)
    assert f"{late.mean():.5f} ± {late.std(ddof=1) / 7**0.5:.5f}" in done.stdout
    table = np.genfromtxt(tmp_path / "run" / "summary.csv", delimiter=",", names=True)
    np.testing.assert_array_equal(table["strain"], strain)
    np.testing.assert_allclose(table["stress_mean"], stress.mean(axis=0), rtol=1e-15)
    np.testing.assert_allclose(
        table["stress_error"], stress.std(axis=0, ddof=1) / 7**0.5, rtol=1e-13
    )
    np.testing.assert_allclose(table["stress_q5"], np.quantile(stress, 0.05, axis=0), rtol=1e-15)
    assert run_python(["-m", "hpcepm", "plot", "run"], None, tmp_path).returncode == 0
    for what in ("summarize", "plot", "verify"):
        done = run_python(["-m", "hpcepm", what, "nowhere"], None, tmp_path)
        assert done.returncode == 2 and "nowhere" in done.stderr and "Traceback" not in done.stderr


def test_a_bad_number_in_one_realization_stops_all(tmp_path: Path) -> None:
    (tmp_path / "poisoned.py").write_text(
        "import sys\nimport hpcepm.parallel.ranks\nfrom hpcepm.cli import main\nfrom hpcepm.model.dynamics import Dynamics\n"
        "begin = Dynamics.begin\n"
        "def poisoned(self, glass, state=None):\n"
        "    begin(self, glass, state)\n"
        "    if glass.realization == 4:\n"
        "        self.state.fields.sigma_c[1, 2] = float('nan')\n"
        "Dynamics.begin = poisoned\nsys.exit(main(sys.argv[1:]))\n"
    )
    write_input(tmp_path, SETTINGS)
    for ranks in (None, 3):
        done = run_python(
            ["poisoned.py", "input.yaml", "--output", f"on {ranks}"], ranks, tmp_path, timeout=60
        )
        assert done.returncode == 1 and "Traceback" not in done.stderr
        assert "hpcepm: stopped: realization 4: sigma_c is nan at site (1, 2)" in done.stderr
