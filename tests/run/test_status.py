"""hpcepm status: runs at work, finished, stopped, killed; sweeps; and what strangers write."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from hpcepm.faults import NoRun
from hpcepm.run.status import last_word, runs_below, status_of, statuses, table
from hpcepm.storage.lock import Lock, holder_of
from tests.conftest import Run, end, run_python, settings_for, start
from tests.faults.harness import COMMAND, wait_until, write_input

SMALL = settings_for((8, 8), loading={"target": 0.02})


def told(directory: Path, content: Any) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    (directory / "progress.json").write_bytes(text)
    return directory


def ours(**more: Any) -> dict[str, Any]:
    return {"format": "hpcepm progress 1", "state": "running", **more}


def test_a_run_at_work_then_killed(tmp_path: Path) -> None:
    write_input(tmp_path, {**SMALL, "loading": {"target": 90.0}})
    process = start(COMMAND, 2, tmp_path)
    try:
        wait_until(lambda: (status_of(tmp_path / "run").fraction or 0) > 0, process)
        found = status_of(tmp_path / "run")
        copy = tmp_path / "copy"
        shutil.copytree(tmp_path / "run", copy)
        os.utime(copy / "run.lock", (1, 1))  # a copy is not touched
    finally:
        end(process)
    assert (found.state, found.ranks) == ("running", 2) and found.seconds_left is not None
    assert status_of(copy).state == "killed", "its lock is that of another directory"
    assert table([status_of(tmp_path / "run")])[-1].endswith(": killed: go on with --continue")


def test_a_folder_of_runs_and_json(hpcepm: Run, tmp_path: Path) -> None:
    for k in (10, 2):
        told(tmp_path / "sweep" / f"seed={k}", ours(state="stopped", fraction=0.5, message="why"))
    assert hpcepm(SMALL, "--output", "sweep/one").returncode == 0
    (tmp_path / "sweep" / "loop").symlink_to("..")
    done = run_python(["-m", "hpcepm", "status", "sweep", "--json"], None, tmp_path)
    found = json.loads(done.stdout)
    names = [one["path"] for one in found]
    assert names == ["sweep/one", "sweep/seed=2", "sweep/seed=10"]
    assert [one["state"] for one in found] == ["finished", "stopped", "stopped"]
    assert found[0]["bytes"] > 10_000 and found[1]["message"] == "why"
    done = run_python(["-m", "hpcepm", "status", "nowhere"], None, tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (
        2,
        1,
    ) and "no such directory" in done.stderr
    done = run_python(["-m", "hpcepm", "status", "sweep/one/run.h5"], None, tmp_path)
    assert done.returncode == 2 and "run.h5: is a file, at which nobody works" in done.stderr


def test_a_run_without_a_progress_is_known_by_its_file(hpcepm: Run, tmp_path: Path) -> None:
    assert hpcepm(SMALL).returncode == 0
    (tmp_path / "run" / "progress.json").unlink()
    assert status_of(tmp_path / "run").state == "finished"
    told(tmp_path / "run", ours())
    assert status_of(tmp_path / "run").state == "finished", (
        "its end was not noted: the disk was full"
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"format": "hpcepm progress 1"' + b" " * 100_000 + b"}",
        b'{"format": "hpcepm progress 1", "fraction": NaN}',
        b'{"format": "hpcepm progress 1", "fraction": 1' + b"0" * 5000 + b"}",
        {"format": "another"},
        [1],
    ],
)
def test_what_is_none_of_ours_is_no_run(tmp_path: Path, content: Any) -> None:
    told(tmp_path / "run", content)
    with pytest.raises(NoRun, match="there is no run in it"):
        statuses([str(tmp_path / "run")])


def test_a_strangers_words_reach_no_terminal(tmp_path: Path) -> None:
    evil = "\x1b[2J\r\u202e" * 100
    wrong = {"fraction": evil, "strain": True, "events": [1], "realizations": 1e301, "ranks": {}}
    words = dict.fromkeys(("host", "job", "message", "updated", "started"), evil)
    run = told(tmp_path / "run", {**ours(state="stopped"), **wrong, **words})
    (run / "run.lock").write_text(json.dumps({"host": evil, "pid": evil, "boot": evil}))
    os.utime(run / "run.lock", (1, 1))
    for options in ([], ["--json"]):
        done = run_python(["-m", "hpcepm", "status", "run", *options], None, tmp_path)
        assert done.returncode == 0 and not set("\x1b\r\u202e") & set(done.stdout), done.stdout
        assert len(done.stdout) < 3000 and not done.stderr
    assert status_of(run).fraction is None and status_of(run).state == "stopped"


def test_absurd_numbers_are_not_shown(tmp_path: Path) -> None:
    names = ("strain", "stress", "fraction", "seconds_left", "done", "events_per_second")
    run = told(tmp_path / "run", {**ours(), **dict.fromkeys(names, 1e299), "realizations": 2})
    lock = Lock(run / "run.lock")
    try:
        (one,) = statuses([str(run)])
    finally:
        lock.release()
    assert one.state == "running" and one.seconds_left is None and one.realizations == 2
    assert max(map(len, table([one]))) < 200


def test_pipes_and_links_are_not_followed(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    os.mkfifo(run / "progress.json")
    os.mkfifo(run / "run.lock")
    (run / "again").symlink_to(run)
    assert [path.name for path in runs_below(tmp_path)] == ["run"]
    assert status_of(run).state == "stopped"


def test_a_holder_of_another_machine_lives_as_long_as_it_touches(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    lock = Lock(path)
    try:
        held = holder_of(path)
        assert held is not None and held.alive
        said = json.loads(path.read_text())
    finally:
        lock.release()
    assert holder_of(path) is None
    path.write_text(json.dumps({**said, "host": "elsewhere", "boot": "another"}))
    alive = holder_of(path)
    os.utime(path, (time.time() - 300,) * 2)
    silent = holder_of(path)
    assert alive is not None and alive.alive and silent is not None and not silent.alive
    os.utime(path, (time.time() + 7200,) * 2)  # by a clock that is wrong
    ahead = holder_of(path)
    assert ahead is not None and not ahead.alive


@pytest.mark.parametrize("command", ["status --help", "status ."])
def test_it_starts_without_mpi_and_numba(tmp_path: Path, command: str) -> None:
    told(tmp_path / "run", ours())
    program = (
        "import sys\nfrom hpcepm.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "sys.exit([m for m in ('mpi4py', 'numba') if m in sys.modules].__repr__()[1:-1] or 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *command.split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_the_last_word_of_a_process_is_its_state_while_it_still_ends(tmp_path: Path) -> None:
    """A run that the watchdog ends holds its lock a moment longer than it speaks."""
    lock = Lock(tmp_path / "run.lock")
    here = {"host": socket.gethostname(), "pid": os.getpid()}
    try:
        for said, state in (
            (ours(**here), "running"),
            (ours(**here | {"state": "failed"}), "failed"),
            (ours(**here | {"state": "failed", "pid": 1}), "running"),  # of the run before it
            (ours(state="stopped"), "running"),
        ):
            assert status_of(told(tmp_path, said)).state == state
        before = told(tmp_path, ours(state="stopped", message="goes on from strain 0.5"))
        assert "goes on from" not in "\n".join(table([status_of(before)]))
    finally:
        lock.release()


def test_one_end_of_a_run_is_told_from_others_without_a_clock(tmp_path: Path) -> None:
    ahead = ours(state="stopped", updated="2999-01-01 00:00:00 UTC", pid=7)
    first = last_word(told(tmp_path, ahead))
    assert first is not None and first == last_word(told(tmp_path, {**ahead, "strain": 0.5}))
    for later in (
        {**ahead, "updated": "1999-01-01 00:00:00 UTC"},
        {**ahead, "pid": 8},
        {**ahead, "host": "another"},
        {**ahead, "started": "2026-01-01 00:00:00 UTC"},
    ):
        assert last_word(told(tmp_path, later)) not in (first, None)
    assert last_word(told(tmp_path, {**ahead, "state": "running"})) is None
