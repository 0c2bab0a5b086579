"""Processes that want the same compiled code: one compiles, and nobody waits for ever."""

import errno
import time
from pathlib import Path

import pytest

from hpcepm.parallel import cache
from tests.conftest import end, start
from tests.parallel.test_cache import loaded

HOLD = """
import fcntl, sys, time
file = open(sys.argv[1], "w")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""


@pytest.mark.parametrize("seconds", [0.5, 60.0])
def test_who_waits_in_vain_compiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """Another process seems to compile, and dies, or never comes to an end."""
    monkeypatch.setattr(cache, "LONGEST_WAIT", 2.0)
    directory = tmp_path / "kept"
    directory.mkdir(mode=0o700)
    (tmp_path / "hold.py").write_text(HOLD)
    lock = directory.with_suffix(".lock")
    holder = start(["hold.py", str(lock), str(seconds)], None, tmp_path)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        began = time.monotonic()
        assert not loaded(directory)
        assert 0.3 < time.monotonic() - began < 30
        assert loaded(directory)
    finally:
        end(holder)


def test_where_there_are_no_locks_nobody_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.lockf", none)
    assert [loaded(tmp_path), loaded(tmp_path)] == [False, True]
