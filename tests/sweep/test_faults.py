"""What must not bring a sweep to a halt: others at work, faults, damaged runs, no launcher."""

import json
import pickle
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from hpcepm.cli import sweep
from hpcepm.cli.options import sweep_parser
from hpcepm.faults import FAILED, REACHED, STOPPED, WRONG_INPUT
from hpcepm.identity import Identity
from hpcepm.input.plugins import resolved
from hpcepm.run.stopping import Deadline, StopRequest, age_of_process
from hpcepm.storage.directory import RunDirectory
from hpcepm.sweep import plan
from tests.conftest import ROOT, run_python, settings_for

SMALL = settings_for((8, 8), loading={"target": 0.1}, output={"observables": {"every": 0.01}})
WORDS = ["input.yaml", "seed=1..2", "--output", "sw"]
PROGRAM = ["-m", "mpi4py", "-m", "tests.ranks.sweep_with_others"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(SMALL))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def on_two_ranks(what: str, *more: str) -> Any:
    words = [*PROGRAM, what, "sweep", *WORDS, *more]
    return run_python(words, 2, Path(), 100, PYTHONPATH=str(ROOT))


def alone(*more: str) -> int:
    return sweep.main([*WORDS, *more], StopRequest())


def test_rank_0_says_what_is_to_do_and_asks_for_the_time(folder: Path) -> None:
    done = on_two_ranks("ranks_see_different_disks", "-n", "2")
    assert done.returncode == REACHED, done.stderr
    assert all((folder / "sw" / f"seed={k}" / "run.h5").exists() for k in (1, 2))
    assert done.stdout.count("asked for the end of the job") == 1


def test_when_rank_0_is_out_of_time_no_rank_begins_a_point(folder: Path) -> None:
    done = on_two_ranks("ranks_see_different_disks", "--max-walltime", "0.1s")
    assert done.returncode == STOPPED, done.stderr
    assert "stopped by --max-walltime; 0 of 2" in done.stderr and not (folder / "sw").exists()


def test_time_left_is_told_to_machines_with_other_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    told = pickle.dumps(Deadline(1000.0 + age_of_process()))
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 1e6)
    there = pickle.loads(told)
    assert there.reached(900) is None and there.reached(1010) == "--max-walltime"


def test_a_point_in_use_is_waited_for(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """One that is damaged has failed: see test_points_that_fail_do_not_stop_the_others."""
    held = RunDirectory("sw/seed=1", go_on=False)
    try:
        assert alone("-j", "2") == STOPPED
    finally:
        held.release()
    said = capfd.readouterr().err
    assert "1 of 2 points are finished; others are at work on the rest" in said


def test_a_point_that_others_finish_meanwhile(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert alone() == REACHED
    capfd.readouterr()
    looks = iter([lambda points, _: list(points)])  # as it was before the others came
    monkeypatch.setattr(sweep, "to_do", lambda *asked: next(looks, plan.to_do)(*asked))
    assert alone() == REACHED
    said = capfd.readouterr()
    assert said.out.count("finished by others") == 2 and not said.err


@pytest.mark.parametrize("key", ["slip", "loading"])
def test_an_input_that_is_changed_meanwhile_makes_no_point(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], key: str
) -> None:
    ended = sweep.Job._ended

    def changes_the_input(job: sweep.Job, *told: Any) -> None:
        ended(job, *told)
        changed = {"slip": {"c0": 0.2}, "loading": {"target": 0.05}}[key]
        (folder / "input.yaml").write_text(yaml.safe_dump({**SMALL, key: changed}))

    monkeypatch.setattr(sweep.Job, "_ended", changes_the_input)
    assert alone("-j", "1") == FAILED
    said = capfd.readouterr().err
    assert "1 of 2 points are finished; failed: seed=2" in said
    assert {"slip": "slip.c0: was 0.2", "loading": "sw/seed=2: came to another end"}[key] in said
    assert "the input was changed meanwhile" in said
    table = (folder / "sw" / "sweep.csv").read_text().splitlines()
    names, values = table[0].split(","), table[1].split(",")
    assert len(table) == 2 and dict(zip(names, values, strict=True))["realizations"] == "1"


def test_a_fault_on_one_rank_ends_all(folder: Path) -> None:
    done = on_two_ranks("one_rank_has_a_fault", "-n", "2")
    assert done.returncode == FAILED
    assert "rank 1 of 2: an error that should not happen" in done.stderr
    assert "ValueError: on purpose" in done.stderr


def test_a_fault_is_no_wrong_input(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def faulty(*_: Any) -> None:
        raise ValueError("on purpose")

    monkeypatch.setattr(sweep, "to_do", faulty)
    assert alone() == FAILED
    said = capfd.readouterr().err
    assert "please report it" in said and "ValueError: on purpose" in said


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("MPIEXEC", "/none/mpiexec", "MPIEXEC=/none/mpiexec: No such file"),
        ("PATH", "", "no mpiexec"),
    ],
)
def test_without_a_launcher_no_point_is_started(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    variable: str,
    value: str,
    says: str,
) -> None:
    monkeypatch.delenv("MPIEXEC", raising=False)
    monkeypatch.setenv(variable, value)
    assert alone("-n", "2") == WRONG_INPUT
    assert f"-n 2: {says}" in capfd.readouterr().err and not (folder / "sw").exists()


def test_a_launcher_of_another_mpi_is_refused(folder: Path) -> None:
    words = ["-m", "hpcepm", "sweep", *WORDS]
    done = run_python(words, None, folder, SLURM_STEP_NUM_TASKS="2")
    assert done.returncode == WRONG_INPUT and not (folder / "sw").exists()
    assert "the launcher started 2 processes (SLURM_STEP_NUM_TASKS)" in done.stderr


@pytest.mark.parametrize(
    ("variables", "is_rank"),
    [
        ({}, False),
        ({"SLURM_STEP_NUM_TASKS": "1"}, False),
        ({"SLURM_STEP_NUM_TASKS": "1", "PMIX_RANK": "0"}, True),
        ({"SLURM_STEP_NUM_TASKS": "2"}, True),
        ({"OMPI_COMM_WORLD_SIZE": "1"}, True),
        ({"PMI_SIZE": "3"}, True),
    ],
)
def test_who_is_a_rank(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], is_rank: bool
) -> None:
    for name in ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS", "PMIX_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert sweep._is_rank() is is_rank


def test_a_sweep_of_an_older_version_is_gone_on_with(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its runs know nothing of a key that came later, and has its default."""
    options = sweep_parser().parse_args(["input.yaml", "seed=1", "--output", "sw"])
    asked, (read,) = sweep._look(options)
    assert asked.to_do == asked.points
    older = json.loads(resolved(read))
    del older["yielding"], older["loading"]["control"]
    identity = Identity.new()._replace(settings=older)
    monkeypatch.setattr(plan, "read_shown", lambda _: (identity, "", ""))
    monkeypatch.setattr(plan, "is_finished", lambda _: True)
    assert sweep._look(options)[0].to_do == []
