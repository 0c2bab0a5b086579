"""Signals to runs and to tools/run: a checkpoint, exit code 75, and nobody left."""

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from hpcepm.cli import main
from hpcepm.parallel.launch import WrongLauncher, refuse_lone_ranks
from hpcepm.parallel.mpiexec import mpiexec
from hpcepm.run.stopping import Deadline, Files, StopRequest, job_ends_at
from hpcepm.storage.store import FileStore
from tests.conftest import QUICK_START, ROOT, end, processes_of_session, run_python, start
from tests.faults.harness import COMMAND, SETTINGS, wait_until, write_input

ENDLESS = {**SETTINGS, "loading": {"target": 90.0}, "checkpoint": {"every": "1 h"}}
STOPPED = "a checkpoint was written, --continue goes on from it: "


@pytest.mark.parametrize("name", ["SIGHUP", "SIGUSR2", "SIGXCPU"])
def test_a_signal_is_a_checkpoint_and_75(tmp_path: Path, name: str) -> None:
    write_input(tmp_path, ENDLESS)
    process = start(COMMAND, None, tmp_path)
    try:
        wait_until(lambda: (tmp_path / "run" / "run.h5").exists(), process)
        process.send_signal(getattr(signal, name))
        _, err = process.communicate(timeout=240)
    finally:
        end(process)
    assert process.returncode == 75 and f"by {name}; {STOPPED}" in err, err


def test_what_is_ignored_stays_ignored(tmp_path: Path) -> None:
    write_input(tmp_path, ENDLESS)
    program = f"trap '' HUP; exec '{sys.executable}' {' '.join(COMMAND)}"
    process = subprocess.Popen(
        ["bash", "-c", program], cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        wait_until(lambda: (tmp_path / "run" / "run.h5").exists(), process)
        process.send_signal(signal.SIGHUP)
        time.sleep(1.0)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=240)
    finally:
        end(process)
    assert process.returncode == 75 and f"by SIGTERM; {STOPPED}" in err, err


def test_the_kernel_repeats_xcpu_and_means_it_once() -> None:
    request = StopRequest()
    for _ in range(4):
        request.note(signal.SIGXCPU, None)
        request._last -= 1.0
    assert (request.name, request.urgency) == ("SIGXCPU", 1)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a checkout that is set up, with a run that only ends if it is asked to."""
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "tools" / "setup").write_text("#!/bin/bash\nexit 0\n")
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(ENDLESS))
    return tmp_path


def tool(checkout: Path, **others: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["tools/run", "input.yaml", "-n", "2", "--quiet"],
        cwd=checkout,
        env={**QUICK_START, **os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
        text=True,
        **others,
    )


def states(processes: list[int]) -> list[str]:
    """Return what each process is, and what it waits for."""
    files = [Path(f"/proc/{one}/{name}") for one in processes for name in ("stat", "wchan")]
    return [path.read_text() for path in files if path.exists()]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_tools_run_passes_requests_on(checkout: Path, name: str) -> None:
    process = tool(checkout, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        wait_until(lambda: (checkout / "run" / "run.h5").exists(), process)
        process.send_signal(getattr(signal, name))
        out, err = process.communicate(timeout=240)
        left = processes_of_session(process.pid)
    finally:
        end(process)
    assert (process.returncode, out, left) == (75, "", [])
    again = "tools/run input.yaml -n 2 --quiet --continue\n"
    warned, err = err.split("\n", 1)
    assert "loading.target: a strain of 90 is 9000 %" in warned
    assert err.count("\n") == 1 and err.endswith(f"by request (SIGUSR1); {STOPPED}{again}")
    assert list((checkout / "run" / "checkpoints").glob("0*.h5"))


@pytest.mark.parametrize("once", [True, False])
def test_ctrl_c_at_a_terminal(checkout: Path, once: bool) -> None:
    """Once is a checkpoint; three times, and more if two count as one, end the run soon."""
    terminal, its_end = pty.openpty()
    program = "import os, sys, fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    program += "os.execv('tools/run', ['tools/run', 'input.yaml', '-n', '2', '--quiet'])"
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=checkout,
        env={**QUICK_START, **os.environ, "PYTHONPATH": str(ROOT)},
        stdin=its_end, stdout=its_end, stderr=its_end, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        wait_until(lambda: (checkout / "run" / "run.h5").exists(), process)
        deadline, pressed = time.monotonic() + 240, False
        while process.poll() is None:
            assert time.monotonic() < deadline, states(processes_of_session(process.pid))
            if not (once and pressed):
                os.write(terminal, b"\x03")
            pressed = True
            time.sleep(0.6)
        assert process.returncode in ((75,) if once else (75, 137))
        assert processes_of_session(process.pid) == []
        said = os.read(terminal, 10**6).decode() if select.select([terminal], [], [], 0)[0] else ""
    finally:
        end(process)
        os.close(terminal)
        os.close(its_end)
    assert STOPPED.strip() in said or not once
    assert "Traceback" not in said


LAUNCHER = """#!/bin/bash
[ "$1" != --version ] || exit 0
trap '' USR1
"${@:3}" &
mkfifo hold; exec 3<>hold
while :; do read -r -u 3; done
"""


def test_a_launcher_that_does_not_see_its_ranks_end_is_killed(checkout: Path) -> None:
    """The third request kills the ranks; what is left of the launcher must not hold a shell up."""
    (checkout / "launcher").write_text(LAUNCHER)
    (checkout / "launcher").chmod(0o755)
    how = {**QUICK_START, **os.environ, "PYTHONPATH": str(ROOT), "MPIEXEC": "./launcher"}
    process = subprocess.Popen(
        ["tools/run", "input.yaml", "-n", "2", "--quiet"],
        cwd=checkout, env=how, stderr=subprocess.DEVNULL, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        wait_until(lambda: (checkout / "run" / "run.h5").exists(), process)
        deadline = time.monotonic() + 60
        while process.poll() is None:  # who is impatient must not make it last longer
            assert time.monotonic() < deadline, states(processes_of_session(process.pid))
            process.send_signal(signal.SIGTERM)
            time.sleep(0.6)
        assert process.returncode == 137
        assert processes_of_session(process.pid) == []
    finally:
        end(process)


def test_a_request_before_the_ranks_listen(checkout: Path) -> None:
    for seconds in (0.1, 0.25, 0.4):
        process = tool(checkout, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            time.sleep(seconds)
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=240)
        finally:
            end(process)
        told = [line for line in err.splitlines() if "warning: loading.target" not in line]
        assert process.returncode == 75 and len(told) == 1, (seconds, err)
        shutil.rmtree(checkout / "run", ignore_errors=True)


def test_two_runs_at_once_do_not_share_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_JOB_ID", "PBS_JOBID"):
        monkeypatch.delenv(name, raising=False)
    assert "--bind-to none" in " ".join(mpiexec(2))
    monkeypatch.setenv("PBS_JOBID", "7")
    assert "--bind-to" not in mpiexec(2)


class Alone:
    size = 1


@pytest.mark.parametrize(
    ("variables", "refused"),
    [
        ({"OMPI_COMM_WORLD_SIZE": "1", "SLURM_STEP_NUM_TASKS": "4"}, False),
        ({"OMPI_COMM_WORLD_SIZE": "2", "SLURM_STEP_NUM_TASKS": "1"}, True),
        ({"PMI_SIZE": "1", "SLURM_STEP_NUM_TASKS": "4"}, False),
        ({"SLURM_STEP_NUM_TASKS": "4"}, True),
        ({"SLURM_STEP_NUM_TASKS": "²"}, False),
        ({"PMI_SIZE": "9" * 5000}, False),
        ({"PMI_SIZE": "many"}, False),
    ],
)
def test_the_nearer_launcher_counts(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], refused: bool
) -> None:
    for name in ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if not refused:
        refuse_lone_ranks(Alone())
        return
    with pytest.raises(WrongLauncher, match="processes"):
        refuse_lone_ranks(Alone())


def test_the_end_of_another_job_is_named_and_ignored(tmp_path: Path) -> None:
    write_input(tmp_path, {**SETTINGS, "loading": {"target": 0.02}})
    long_ago = str(int(time.time()) - 86400)
    done = run_python(COMMAND, 2, tmp_path, SLURM_JOB_END_TIME=long_ago)
    assert done.returncode == 0 and done.stderr.count("the job's time ended 24 h 00 min ago") == 1


@pytest.mark.parametrize("value", ["²", "9" * 400, "9" * 5000, "-1", "never", ""])
def test_an_end_that_is_no_time_is_none(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setenv("SLURM_JOB_END_TIME", value)
    assert job_ends_at() is None
    assert Deadline(None).reached(1e6) is None


@pytest.mark.parametrize("make", ["file", "directory", "pipe", "dangling", "link to directory"])
def test_whatever_has_the_name_is_a_request(tmp_path: Path, make: str) -> None:
    files = Files(tmp_path)
    assert not files.asked(files.stop) and not files.take(files.stop)
    match make:
        case "file":
            files.stop.touch()
        case "directory":
            files.stop.mkdir()
        case "pipe":
            os.mkfifo(files.stop)
        case "dangling":
            files.stop.symlink_to("nowhere")
        case _:
            files.stop.symlink_to(".")
    assert files.asked(files.stop) and files.take(files.stop)
    assert not os.path.lexists(files.stop)


def test_a_request_that_stays_is_named_and_answered_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    files = Files(tmp_path)
    (files.checkpoint / "full").mkdir(parents=True)
    assert [files.take(files.checkpoint) for _ in range(3)] == [True, False, False]
    said = capfd.readouterr().err
    assert said.count("\n") == 1 and f"{files.checkpoint}: cannot be removed" in said
    os.utime(files.checkpoint)
    assert files.take(files.checkpoint), "it was asked for anew"
    (files.checkpoint / "full").rmdir()
    files.checkpoint.rmdir()
    assert not files.asked(files.checkpoint)
    files.checkpoint.touch()
    assert files.take(files.checkpoint), "a new one counts"


@pytest.mark.parametrize("again", ["never", "touched", "made anew"])
def test_a_request_of_a_run_that_is_over_is_taken_away_and_a_new_one_stays(
    tmp_path: Path, again: str
) -> None:
    stop = Files(tmp_path).stop
    stop.touch()
    files = Files(tmp_path)
    if again == "made anew":
        stop.unlink()
    if again != "never":
        stop.touch()
    files.begin()
    assert stop.exists() == (again != "never")


def test_a_request_made_while_a_run_is_prepared_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It came between the first ``run.h5`` and the first look at requests, and was lost."""
    write_input(tmp_path, SETTINGS)
    monkeypatch.chdir(tmp_path)
    save = FileStore.save

    def save_and_ask(store: FileStore) -> None:
        save(store)
        (tmp_path / "run" / "STOP").touch()

    with monkeypatch.context() as patched:
        patched.setattr(FileStore, "save", save_and_ask)
        assert main(["input.yaml"]) == 75
    assert "by the file STOP" in capsys.readouterr().err
    assert main(["input.yaml", "--continue"]) == 0
    assert not (tmp_path / "run" / "STOP").exists()
