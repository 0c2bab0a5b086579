"""The watchdog: a run that hangs ends itself, and no other does."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from hpcepm.parallel.ranks import Ranks
from hpcepm.run.journal import Journal
from hpcepm.run.status import status_of
from hpcepm.run.watchdog import Silence, Watchdog
from tests.conftest import ROOT, assert_on_ranks, assert_same_bits, end, run_python, start
from tests.faults.harness import COMMAND, SETTINGS, ranks_of, wait_until, write_input

STALL = 3.0
CHANGES = {"stall": f"{STALL} s", "loading": {"target": 3.0}, "checkpoint": {"every": "0.3 s"}}


def test_silence_is_as_long_as_nobody_got_on() -> None:
    silence = Silence(100.0)
    assert silence.lasts(103.0) == 3.0
    silence.broken(1.0, 104.0)
    assert silence.lasts(104.0) == 1.0
    silence.broken(50.0, 105.0)  # older than what is known
    assert silence.lasts(105.0) == 2.0
    silence.broken(-7.0, 106.0)  # from the future
    assert silence.lasts(106.0) == 0.0


@pytest.mark.parametrize("what", ["one is at work", "all get on", "strangers speak"])
def test_no_false_alarm(tmp_path: Path, what: str) -> None:
    assert_on_ranks("watched", 2, tmp_path, what)


@pytest.mark.parametrize(
    "what",
    [
        "one waits for what is never sent",
        "one waits on the board",
        "one shares memory alone",
        "one splits alone",
        "one waits until a message is taken in",
    ],
)
def test_ranks_that_wait_for_ever_end(tmp_path: Path, what: str) -> None:
    command = ["-m", "mpi4py", "-m", "tests.ranks.watched", what]
    done = run_python(command, 2, tmp_path, 60, PYTHONPATH=str(ROOT))
    assert done.returncode == 1
    assert done.stderr.count("no rank made a step or was at work") == 1, done.stderr
    assert "rank 0 on " in done.stderr and "rank 1 on " in done.stderr
    assert "is tested" in done.stderr


@pytest.mark.alone
def test_a_log_whose_disk_hangs_keeps_no_run_from_ending(
    one_rank: Ranks, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ended, hangs = threading.Event(), threading.Event()
    monkeypatch.setattr("hpcepm.run.watchdog.end_launcher", lambda: None)
    monkeypatch.setattr("os._exit", lambda _: ended.set())
    watchdog = Watchdog(one_rank, 0.0)
    monkeypatch.setattr(watchdog, "_tell", lambda *_: None)  # nobody else is there
    watchdog.journal = Journal(tmp_path, lambda: None)
    watchdog.journal.begin(1)
    monkeypatch.setattr(watchdog.journal, "_append", lambda _: hangs.wait(60))
    began = time.monotonic()
    watchdog._end(9.0, began)
    assert ended.is_set() and 0.9 < time.monotonic() - began < 30
    hangs.set()


@pytest.mark.parametrize("stopped", [0, 1, 2])
def test_a_run_of_which_a_rank_is_stopped_ends_and_goes_on(tmp_path: Path, stopped: int) -> None:
    whole, run = tmp_path / "whole", tmp_path / "run"
    for folder in (whole, run):
        write_input(folder, SETTINGS | CHANGES)
    assert run_python(["-m", "hpcepm", "input.yaml"], None, whole).returncode == 0
    process = start(["-m", "hpcepm", "input.yaml"], 3, run)
    try:
        wait_until(lambda: len(list(run.glob("run/checkpoints/[0-9]*.h5"))) > 0, process)
        os.kill(sorted(ranks_of(process.pid))[stopped], signal.SIGSTOP)
        began = time.monotonic()
        _, err = process.communicate(timeout=STALL + 20)
        assert time.monotonic() - began < STALL + 10
        assert process.returncode == 1
        assert "no rank made a step" in err and "--continue goes on" in err
        spoke = [f"rank {rank} on " in err for rank in range(3) if rank != stopped]
        assert (
            all(spoke) if stopped else any(spoke)
        )  # without rank 0 the first that ends it tells of itself
        while ranks_of(process.pid):
            assert time.monotonic() - began < STALL + 10
            time.sleep(0.01)
        if stopped:  # else rank 0, which has the log, is not there to write
            said = (
                (run / "run" / "run.log").read_text().partition("stopped: no rank made a step")[2]
            )
            assert all(f"\n  rank {rank} on " in said for rank in range(3))
            status = status_of(run / "run")
            assert status.state == "failed" and "no rank made a step" in (status.message or "")
    finally:
        end(process)
    assert run_python(COMMAND, 2, run).returncode == 0
    assert_same_bits(whole / "run", run / "run")


def test_a_run_that_is_suspended_as_a_whole_is_not_ended(tmp_path: Path) -> None:
    write_input(tmp_path, SETTINGS | {"stall": "1 s", "loading": {"target": 0.3}})
    process = start(["-m", "hpcepm", "input.yaml"], 2, tmp_path)
    try:
        wait_until(lambda: len(list(tmp_path.glob("run/checkpoints/[0-9]*.h5"))) > 0, process)
        ranks = ranks_of(process.pid)
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for pid in ranks:
                os.kill(pid, number)
            time.sleep(4)
        _, err = process.communicate(timeout=240)
        assert process.returncode == 0, err
    finally:
        end(process)
