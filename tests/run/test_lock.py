"""The lock of a run's directory: whose it is, and how it ends."""

import json
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hpcepm.storage.lock import Lock
from tests.conftest import end

from .test_directory import COMMAND, contents, hpcepm, long_run, wait_for, write


def test_a_lock_that_was_lost_is_left_to_its_new_holder(tmp_path: Path) -> None:
    lock, path = Lock(tmp_path / "run.lock"), tmp_path / "run.lock"
    path.write_text(json.dumps({**json.loads(path.read_text()), "token": "0" * 32}))
    lock.release()
    assert path.exists()


def test_a_lock_is_released_without_a_descriptor(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "run.lock")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        lock.release()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert not (tmp_path / "run.lock").exists()


def test_who_slept_through_a_take_over_ends(tmp_path: Path) -> None:
    """Its lock file names another holder now, as on a file system whose locks end at a machine."""
    first = long_run(tmp_path)
    try:
        wait_for(tmp_path / "run" / "checkpoints" / "newest", first)
        os.kill(first.pid, 19)  # SIGSTOP
        lock = tmp_path / "run" / "run.lock"
        holder = json.loads(lock.read_text())
        lock.write_text(json.dumps({**holder, "host": "another", "token": "0" * 32}))
        before = contents(tmp_path / "run")
        os.kill(first.pid, 18)  # SIGCONT
        _, said = first.communicate(timeout=30)
    finally:
        end(first)
    assert first.returncode == 1 and "on another" in said and "Traceback" not in said
    assert contents(tmp_path / "run") == before, "it wrote, or removed another's lock"


@pytest.mark.parametrize("content", [b"[" * 4096, b"{}", b"\xff\xfe", b'{"pid": [[]]}', b"null"])
def test_a_lock_file_that_says_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "run.lock"
    path.write_bytes(content)
    lock = Lock(path, patience=0.3)
    lock.claim.check()
    lock.release()
    assert not path.exists()


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_a_lock_that_is_no_file(tmp_path: Path, make: Callable[[Path], None]) -> None:
    write(tmp_path)
    (tmp_path / "run").mkdir()
    make(tmp_path / "run" / "run.lock")
    done = hpcepm(tmp_path, *COMMAND)
    assert done.returncode == 2 and "cannot be used for output: run.lock is" in done.stderr


@pytest.mark.parametrize("name", ["run", "run/pieces"])
def test_a_file_in_place_of_a_directory_is_named(tmp_path: Path, name: str) -> None:
    write(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    done = hpcepm(tmp_path, *COMMAND)
    assert done.returncode in (2, 3) and f"{name}" in done.stderr
    assert (tmp_path / name).read_text() == "mine"
    assert name != "run" or "run is no directory; name another with --output DIR" in done.stderr


def test_a_holder_on_another_machine_lives_by_its_heartbeat_alone(tmp_path: Path) -> None:
    """Not by a clock: that of the other machine may be hours away, and a process id used twice."""
    path = tmp_path / "run.lock"
    holder = {"host": "elsewhere", "boot": "another", "pid": os.getpid(), "token": "x"}
    for hours in (-30, 30):
        path.write_text(json.dumps(holder))
        at = time.time() + 3600 * hours
        os.utime(path, (at, at))
        lock = Lock(path, patience=0.3)
        assert lock.taken_over is not None
        lock.release()
