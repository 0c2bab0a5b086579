"""The job templates, as they are, on a real SLURM. Run by ``tools/test --slurm``."""

import contextlib
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import pytest
import yaml

from tests.cli.slurm.cluster import Cluster, cluster
from tests.conftest import assert_same_bits, run_python, settings_for

pytestmark = pytest.mark.slurm

SMALL = settings_for((48, 48), loading={"target": 0.3})
STEADY = {  # the same work in every stretch of strain
    "lattice": {"shape": [128, 128]},
    "thresholds": {"initial": "MCT", "renewal": "MCT"},
    "engine": "direct",
    "output": {"observables": {"every": 0.1}, "fields": {"every": 1.0}},
}


@pytest.fixture
def slurm() -> Iterator[Cluster]:
    with cluster() as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder to submit from, beside one with all that the templates use of hpcepm."""
    for name in ("hpcepm", "data"):
        (tmp_path / name).mkdir()
    (tmp_path / "hpcepm" / "jobs").symlink_to(Path(__file__).parents[2] / "jobs")
    (tmp_path / "hpcepm" / ".venv").symlink_to(sys.prefix)
    return tmp_path / "data"


def write_input(folder: Path, name: str, settings: dict[str, Any]) -> str:
    (folder / name).write_text(yaml.safe_dump(settings))
    return name


def submit(
    slurm: Cluster, folder: Path, template: str, sbatch_options: list[str], *arguments: str
) -> str:
    """Submit a template of ``jobs/``; return the number of the job. Its log is ``N.log``."""
    options = ["--parsable", "--ntasks=2", "--output=%A.log", *sbatch_options]
    return slurm.ask(
        "sbatch", *options, f"../hpcepm/jobs/{template}.sh", *arguments, cwd=folder
    ).strip()


def assert_completed(job: dict[str, str], folder: Path) -> None:
    log = (
        (folder / f"{job['JobId']}.log").read_text()
        if (folder / f"{job['JobId']}.log").exists()
        else ""
    )
    assert (job["JobState"], job["ExitCode"]) == ("COMPLETED", "0:0"), f"{job}\n{log}"


PATIENCE = 400.0
"""Seconds that a job may take: on a slow machine the first compiles for minutes."""


def wait_for(there: Any, seconds: float, problem: str) -> None:
    deadline = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < deadline, problem
        time.sleep(0.1)


def ranks_of(slurm: Cluster, name: str) -> list[int]:
    """Return the ranks that work on an input."""
    return [
        pid
        for pid in slurm.processes()
        if name in (words := command_of(pid)) and words[0].endswith("python")
    ]


def command_of(pid: int) -> list[str]:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return [""]


def is_told(pid: int) -> bool:
    """Return whether SIGUSR1 awaits a process that is held."""
    with contextlib.suppress(OSError):
        pending = re.search(r"ShdPnd:\s*(\w+)", Path(f"/proc/{pid}/status").read_text())
        return pending is not None and bool(int(pending[1], 16) >> (signal.SIGUSR1 - 1) & 1)
    return False


def send(ranks: list[int], number: signal.Signals) -> None:
    for pid in ranks:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def hold_back(slurm: Cluster, name: str) -> None:
    """Let the ranks work a twentieth of each second only, until SLURM has told them to stop."""
    deadline = time.monotonic() + 100
    while ranks := ranks_of(slurm, name):
        assert time.monotonic() < deadline, "SLURM does not tell the ranks to stop"
        send(ranks, signal.SIGSTOP)
        time.sleep(0.9)
        told = any(is_told(pid) for pid in ranks)
        send(ranks, signal.SIGCONT)
        if told:
            return
        time.sleep(0.05)


def test_a_chain_of_parts_ends_with_the_same_bits(slurm: Cluster, folder: Path) -> None:
    """Each part is ended by its time limit: a real one, so this takes a while.

    Two parts are slowed down until SLURM tells them to stop. So there are three on any machine.
    """
    name = write_input(folder, "long.yaml", {**STEADY, "loading": {"target": 9.0}})
    whole = run_python(["-m", "hpcepm", name, "--output", "whole"], 2, folder)
    assert whole.returncode == 0, whole.stderr

    # SLURM looks at time limits every half minute, and sends a signal up to half a minute early.
    number = submit(
        slurm, folder, "requeue", ["--time=2", "--signal=USR1@75"], name, "--output", "parts"
    )
    log = folder / f"{number}.log"
    for part in (1, 2):
        wait_for(
            lambda part=part: log.exists() and log.read_text().count("on 2 ranks") == part,
            PATIENCE,
            f"no part {part}",
        )
        hold_back(slurm, name)
    job = slurm.wait(number, PATIENCE)
    assert_completed(job, folder)
    restarts, told = int(job["Restarts"]), log.read_text()
    assert restarts >= 2, "the first two parts were held back"
    for said in ("by SIGUSR1; a checkpoint was written", "goes on from strain"):
        assert told.count(said) == restarts, told
    assert_same_bits(folder / "whole", folder / "parts")


def test_one_node_and_an_array_of_two_seeds(slurm: Cluster, folder: Path) -> None:
    name = write_input(folder, "small.yaml", SMALL)
    for seed in (1, 2):
        done = run_python(
            ["-m", "hpcepm", name, "--set", f"seed={seed}", "--output", f"whole{seed}"],
            None,
            folder,
        )
        assert done.returncode == 0, done.stderr

    one = submit(slurm, folder, "one-node", [], name, "--set", "seed=1", "--output", "one")
    array = submit(slurm, folder, "array", ["--array=1-2"], name)
    assert_completed(slurm.wait(one, PATIENCE), folder)
    assert "48 × 48 sites on 2 ranks" in (folder / f"{one}.log").read_text()
    assert_same_bits(folder / "whole1", folder / "one")
    for seed in (1, 2):
        assert_completed(slurm.wait(f"{array}_{seed}", PATIENCE), folder)
        with h5py.File(folder / "runs" / f"small-seed{seed}" / "run.h5", "r") as file:
            assert file.attrs["finished"] and file.attrs["seed"] == seed
        assert_same_bits(folder / f"whole{seed}", folder / "runs" / f"small-seed{seed}")


def test_mpiexec_is_told_to_stop_and_the_chain_goes_on(slurm: Cluster, folder: Path) -> None:
    name = write_input(folder, "steady.yaml", {**STEADY, "loading": {"target": 1.0}})
    number = submit(slurm, folder, "mpiexec", ["--oversubscribe"], name, "--output", "parts")
    wait_for((folder / "parts" / "run.h5").exists, PATIENCE, "the first part does not begin")
    slurm.ask("scancel", "--batch", "--signal=USR1", number)
    job = slurm.wait(number, PATIENCE)
    assert_completed(job, folder)
    assert job["Restarts"] == "1"
    done = run_python(["-m", "hpcepm", name, "--output", "whole"], 2, folder)
    assert done.returncode == 0, done.stderr
    assert_same_bits(folder / "whole", folder / "parts")


def test_a_chain_ends_where_it_is_cancelled_or_fails(slurm: Cluster, folder: Path) -> None:
    name = write_input(folder, "steady.yaml", {**STEADY, "loading": {"target": 1000.0}})
    number = submit(slurm, folder, "requeue", [], name, "--output", "parts")
    wrong = submit(slurm, folder, "requeue", [], name, "--set", "no.such.key=1")
    job = slurm.wait(wrong, 60)
    assert (job["JobState"], job["ExitCode"], job["Restarts"]) == ("FAILED", "2:0", "0")

    wait_for((folder / "parts" / "run.h5").exists, PATIENCE, "the part does not begin")
    slurm.ask("scancel", number)
    job = slurm.wait(number, 60)
    log = folder / f"{number}.log"
    wait_for(
        lambda: "a checkpoint was written, --continue goes on" in log.read_text(),
        20,
        "no checkpoint was written",
    )
    time.sleep(1)
    job = slurm.job(number)
    assert (job["JobState"], job["Restarts"]) == ("CANCELLED", "0")
