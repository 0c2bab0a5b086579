"""hpcepm sweep: on one machine, in one MPI job and as an array; stopped, and gone on with."""

import csv
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from hpcepm.run.status import status_of
from tests.conftest import QUICK_START, ROOT, assert_same_bits, end, run_python, settings_for, start
from tests.faults.harness import wait_until

SMALL = settings_for((8, 8), loading={"target": 0.1}, output={"observables": {"every": 0.01}})
SWEEP = ["-m", "hpcepm", "sweep", "input.yaml"]
GRID = ["seed=1..2", "slip.c0=0.02,0.03", "--output", "sw"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(SMALL))
    return tmp_path


def rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "sw" / "sweep.csv").read_text().splitlines()))


def test_every_point_is_the_run_that_it_is_alone(folder: Path) -> None:
    done = run_python([*SWEEP, *GRID, "-j", "2"], None, folder)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (folder / "sw").iterdir()) == [
        "seed=1_c0=0.02",
        "seed=1_c0=0.03",
        "seed=2_c0=0.02",
        "seed=2_c0=0.03",
        "sweep.csv",
        "sweep.png",
    ]
    assert [(row["slip.c0"], row["realizations"]) for row in rows(folder)] == [
        ("0.02", "2"),
        ("0.03", "2"),
    ]
    assert all(float(row["final_stress_error"]) > 0 for row in rows(folder))
    for row in rows(folder):
        assert [float(value) for value in row.values() if value], row
    alone = ["-m", "hpcepm", "input.yaml", "--output", "alone", "--set", "seed=2"]
    assert run_python([*alone, "--set", "slip.c0=0.03"], None, folder).returncode == 0
    assert_same_bits(folder / "alone", folder / "sw" / "seed=2_c0=0.03")
    changed = [p.stat().st_mtime_ns for p in (folder / "sw").glob("*/*")]
    wider = [word.replace("1..2", "1..3") for word in GRID]
    done = run_python(["-m", "mpi4py", *SWEEP, *wider], 2, folder)
    assert done.returncode == 0, done.stderr
    assert [p.stat().st_mtime_ns for p in (folder / "sw").glob("seed=[12]*/*")] == changed
    assert [row["realizations"] for row in rows(folder)] == ["3", "3"]
    done = run_python([*SWEEP, *GRID, "--set", "slip.c1=0.03"], None, folder)
    assert done.returncode == 3 and "slip.c1: was 0.0206, is now 0.03" in done.stderr


def test_all_that_is_wrong_is_told_before_anything_starts(folder: Path) -> None:
    words = ["seed=1,a,b", "slip.co=1..9", "lattice.shape=[8, 8],[0, 8]", "stall=1..x"]
    done = run_python([*SWEEP, *words], None, folder)
    assert done.returncode == 2 and [path.name for path in folder.iterdir()] == ["input.yaml"]
    for what in (
        "not 'a'",
        "not 'b'",
        "slip.co: unknown key",
        "lattice.shape",
        "stall=1..x: is no",
    ):
        assert done.stderr.count(what) >= 1, done.stderr
    assert done.stderr.count("slip.co: unknown") == 1
    for more, says in (
        ([], "name an input and what varies"),
        (["seed=1..2", "--point", "3"], "the points are 1 to 2"),
        (["seed=1..2", "-j", "0"], "-j wants a number"),
        (["seed=1..2", "--set", "seed=3"], "--set seed=3: seed varies in this sweep; drop --set"),
        (["lattice.shape.0=8,9", "--set", "lattice.shape[0]=7"], "lattice.shape.0 varies in this"),
        (["slip={c0: 1},{c0: 2}", "--set", "slip.c0=3"], "--set slip.c0=3: slip varies in this"),
    ):
        done = run_python([*SWEEP, *more], None, folder)
        assert done.returncode == 2 and says in done.stderr and "Traceback" not in done.stderr


def test_points_that_fail_do_not_stop_the_others(folder: Path) -> None:
    (folder / "sw" / "seed=2").mkdir(parents=True)
    (folder / "sw" / "seed=1").touch()
    (folder / "sw" / "seed=2" / "run.h5").write_text("damaged")
    command = [*SWEEP, "seed=1..3", "--output", "sw"]
    for ranks in (None, 2):
        done = run_python(command, ranks, folder)
        assert done.returncode == 1 and "1 of 3 points are finished" in done.stderr, done.stderr
        assert "failed: seed=1, seed=2." in done.stderr and "Traceback" not in done.stderr
        assert "run.h5: is no output of hpcepm, or damaged" in done.stderr
        assert [row["points"] for row in rows(folder)] == ["1"]


def test_a_request_stops_all_points_and_the_same_command_goes_on(folder: Path) -> None:
    command = [*SWEEP, "seed=1..3", "--output", "sw", "-j", "2", "--set", "loading.target=5"]
    process = start([*command, "--set", "lattice.shape=[64, 64]"], None, folder)
    runs = [folder / "sw" / f"seed={k}" for k in (1, 2)]
    try:
        wait_until(lambda: all((run / "progress.json").exists() for run in runs), process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=240)
    finally:
        end(process)
    assert process.returncode == 75, err
    again = "-m hpcepm sweep input.yaml seed=1..3 --output sw -j 2 --set loading.target=5 --set "
    assert "stopped by SIGINT; 0 of 3 points are finished, go on with: " in err and again in err
    assert [status_of(run).state for run in runs] == ["stopped", "stopped"]
    assert not (folder / "sw" / "seed=3").exists()
    command += ["--set", "lattice.shape=[64, 64]"]
    done = run_python([*command, "--max-walltime", "1s"], None, folder)
    assert done.returncode == 75 and "stopped by --max-walltime; 0 of 3" in done.stderr, done.stderr
    done = run_python(command, None, folder)
    assert done.returncode == 0 and rows(folder)[0]["realizations"] == "3", done.stderr
    assert all("goes on on 1 rank" in (run / "run.log").read_text() for run in runs)


def test_an_array_runs_each_point_and_leaves_what_is_finished(folder: Path) -> None:
    (folder / "bin").mkdir()
    (folder / "bin" / "srun").write_text('#!/bin/bash\nshift; exec "$@"\n')
    (folder / "bin" / "srun").chmod(0o755)
    script = run_python([*SWEEP, *GRID, "--array"], None, folder).stdout
    assert "#SBATCH --array=1-4 " in script and not (folder / "sw").exists()
    (folder / "array.sh").write_text(script)
    environment: dict[str, Any] = {**QUICK_START, **os.environ, "SLURM_ARRAY_TASK_ID": "3"}
    environment |= {"SLURM_JOB_ID": "7"}
    environment |= {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    for said in ("reached strain 0.1", "is finished already"):
        done = subprocess.run(
            ["bash", "array.sh"], cwd=folder, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0 and said in done.stdout, done
    assert [path.name for path in (folder / "sw").iterdir()] == ["seed=2_c0=0.02"]


def test_runs_that_are_no_points_are_told(folder: Path) -> None:
    """Their rows would be missing in the table and the figure that take the place of others."""
    grown = [*SWEEP, "seed=1..2", "--output", "sw"]
    assert run_python(grown, None, folder).returncode == 0
    table = (folder / "sw" / "sweep.csv").read_bytes()
    done = run_python([*SWEEP, "slip.c0=0.02", "--output", "sw"], None, folder)
    assert done.returncode == 3 and "sw/seed=1: is no point of this sweep" in done.stderr
    assert (folder / "sw" / "sweep.csv").read_bytes() == table
