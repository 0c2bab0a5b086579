"""What a run leaves of its words: run.log and progress.json; and what a terminal shows of them."""

import errno
import json
import os
import re
import signal
import time
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

import hpcepm as api
from hpcepm.files import no_check
from hpcepm.run import journal as module
from hpcepm.run.journal import Journal
from hpcepm.run.pace import Pace
from hpcepm.run.standing import Standing
from hpcepm.run.terminal import Progress, live_line
from tests.conftest import Run, end, run_python, settings_for, start
from tests.faults.harness import COMMAND, wait_until, write_input

SMALL = settings_for((8, 8), loading={"target": 0.05})
HALFWAY = Standing(0.5, 1234.0, 75.0, 0.25, 0.5, 0.61, 1_234_567, 98_765)


def progress_of(directory: Path) -> dict[str, Any]:
    return json.loads((directory / "progress.json").read_text())


def test_each_part_is_appended_with_its_date(hpcepm: Run, tmp_path: Path) -> None:
    assert hpcepm(SMALL, "--quiet").returncode == 0
    first = (tmp_path / "run" / "run.log").read_text()
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC  begins on 1 rank of ", first)
    for part in ("hpcepm 0.", "  engine ", "reached strain 0.05 after ", "UTC  finished after "):
        assert first.count(part) == 1, part
    done = hpcepm(SMALL, "--continue", "--set", "loading.target=0.07")
    assert done.returncode == 0, done.stderr
    both = (tmp_path / "run" / "run.log").read_text()
    assert both.startswith(first) and "UTC  goes on on 1 rank" in both[len(first) :]
    said = progress_of(tmp_path / "run")
    assert (said["state"], said["fraction"], said["strain"]) == ("finished", 1.0, 0.07)
    assert said["events"] > 0 and said["pid"] > 0 and said["ranks"] == 1


def test_what_is_refused_leaves_the_log_alone(hpcepm: Run, tmp_path: Path) -> None:
    assert hpcepm(SMALL).returncode == 0
    files = [tmp_path / "run" / name for name in ("run.log", "progress.json")]
    before = [path.read_bytes() for path in files]
    assert hpcepm(SMALL).returncode == 3
    assert hpcepm(SMALL, "--continue").returncode == 3
    assert [path.read_bytes() for path in files] == before


def test_a_stop_and_a_warning_are_in_the_log(tmp_path: Path) -> None:
    write_input(tmp_path, {**SMALL, "loading": {"target": 90.0}})
    process = start([*COMMAND, "--quiet"], None, tmp_path, SLURM_JOB_END_TIME="7")
    try:
        wait_until(lambda: (tmp_path / "run" / "run.log").exists(), process)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=240)
    finally:
        end(process)
    log, said = (tmp_path / "run" / "run.log").read_text(), progress_of(tmp_path / "run")
    assert "warning: the job's time ended " in log and "by SIGTERM; a checkpoint was" in log
    assert said["state"] == "stopped" and "by SIGTERM" in said["message"]


def test_an_ensemble_ends_with_what_it_came_to(hpcepm: Run, tmp_path: Path) -> None:
    done = hpcepm({**SMALL, "realizations": 3, "loading": {"target": 0.2}}, ranks=2)
    assert re.search(
        r"  plateau   \d\.\d+ ± \d.*, mean stress over 0.1 < strain < 0.2", done.stdout
    )
    counted = {"control": "stress", "target": 0.3}
    done = hpcepm({**SMALL, "realizations": 3, "loading": counted}, "--output", "counted")
    assert re.search(r"  stress    0\.3.*where realizations end", done.stdout), done.stdout


def test_a_run_from_python_keeps_a_log_too(tmp_path: Path, capsys: Any) -> None:
    settings = {k: v for k, v in SMALL.items() if k != "output"}
    api.simulate(settings, directory=tmp_path / "run")
    assert "finished after" in (tmp_path / "run" / "run.log").read_text()
    assert capsys.readouterr() == ("", "")


# Whatever happens to the files, the run goes on


def begun(directory: Path, check: Callable[[], None] = no_check) -> Journal:
    journal = Journal(directory, check)
    journal.say(["a line"])
    journal.begin(2)
    return journal


class Shadow:
    """A module in which some names are others."""

    def __init__(self, of: Any, **others: Any) -> None:
        self._of = of
        self.__dict__.update(others)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._of, name)


def full(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def lost() -> None:
    raise OSError(errno.ESTALE, "taken over")


def test_a_full_disk_is_told_once_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    journal = begun(tmp_path)
    monkeypatch.setattr(module, "os", Shadow(os, write=full))
    monkeypatch.setattr(module, "create", full)
    for _ in range(3):
        journal._next_note = 0.0
        journal.show(HALFWAY)
        journal.say(["more"])
    monkeypatch.undo()
    told = capfd.readouterr().err
    assert told.count("No space left") == 2 and told.count("the run goes on without it") == 2
    journal.say(["there is room again"])
    assert (tmp_path / "run.log").read_text().endswith("there is room again\n")


def test_who_lost_the_directory_writes_nothing(tmp_path: Path, capfd: Any) -> None:
    begun(tmp_path, lost)
    assert os.listdir(tmp_path) == [] and capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["run.log", "progress.json"])
@pytest.mark.parametrize("kind", ["link", "hard link", "pipe", "directory", "of another"])
def test_no_link_is_followed_and_no_other_file_replaced(
    tmp_path: Path, name: str, kind: str, capfd: Any
) -> None:
    run, other = tmp_path / "run", tmp_path / "other"
    run.mkdir()
    other.write_text('{"mine": 1}')
    make: dict[str, Callable[[Path], None]] = {
        "link": lambda path: path.symlink_to(other),
        "hard link": lambda path: path.hardlink_to(other),
        "pipe": os.mkfifo,
        "directory": Path.mkdir,
        "of another": lambda path: None if name == "run.log" else path.hardlink_to(other),
    }
    make[kind](run / name)
    journal = begun(run)
    journal.end("finished", "", 1.0, 0.0, HALFWAY)
    assert other.read_text() == '{"mine": 1}'
    assert (name in capfd.readouterr().err) == (kind != "of another" or name == "progress.json")
    assert (run / name).lstat().st_nlink != 1 or kind != "hard link" or name != "run.log"


def test_a_log_that_a_copy_shares_is_ones_own_again(tmp_path: Path, capfd: Any) -> None:
    """As ``cp -al`` makes a copy, and backups do."""
    run, copy = tmp_path / "run", tmp_path / "copy"
    run.mkdir()
    copy.mkdir()
    begun(run)
    before = (run / "run.log").read_text()
    (copy / "run.log").hardlink_to(run / "run.log")
    begun(run).say(["more"])
    assert (copy / "run.log").read_text() == before
    assert (run / "run.log").read_text().startswith(before)
    assert (run / "run.log").read_text().endswith("more\n") and capfd.readouterr().err == ""


@pytest.mark.parametrize("content", [b"", bytes(300)], ids=["empty", "zeros"])
def test_what_a_crash_of_the_node_left_is_replaced(
    tmp_path: Path, content: bytes, capfd: Any
) -> None:
    (tmp_path / "progress.json").write_bytes(content)
    begun(tmp_path)
    assert json.loads((tmp_path / "progress.json").read_text())["state"] == "running"
    assert capfd.readouterr().err == ""


# On a terminal


@pytest.mark.parametrize("columns", [120, 80, 60, 40, 24])
def test_the_time_left_is_never_cut_off(columns: int) -> None:
    ensemble = Standing(0.5, 0.25, 4000.0, done=5, realizations=10)
    for standing in (HALFWAY, ensemble, HALFWAY._replace(target=None, seconds_left=1e9)):
        line = live_line(standing, columns - 1)
        assert len(line) < columns and line.endswith(" left"), line
        assert columns < 40 or line.startswith("[")


def test_a_log_has_no_codes_of_a_terminal(hpcepm: Run, tmp_path: Path) -> None:
    done = hpcepm(SMALL, ranks=2)
    for text in (done.stdout, (tmp_path / "run" / "run.log").read_text()):
        assert text.isprintable() or not set(text) & set("\x1b\r\b"), text


def test_a_warning_begins_a_line_of_its_own(capfd: Any) -> None:
    stream = StringIO()
    progress = Progress(0.5, quiet=False, stream=stream)
    progress.live, progress._shown = True, 0.0
    progress.show(HALFWAY)
    progress.warn(["something"])
    assert stream.getvalue().endswith("left\n")


def test_compiling_is_not_work() -> None:
    pace = Pace()
    pace.start()
    try:
        pace._miss("model.loop.advance")
        time.sleep(0.1)
        pace._miss("another")
        assert pace.seconds < 0.05
        pace.pause()
        assert 0.1 <= pace.compiling < 5 and pace.seconds < 0.05
    finally:
        pace.end()


def test_the_command_to_go_on_is_as_it_was_typed(tmp_path: Path) -> None:
    write_input(tmp_path, {**SMALL, "loading": {"target": 90.0}})
    options = ["input.yaml", "--set", "seed=4", "--output", "of mine", "--max-walltime", "0"]
    done = run_python(["-m", "hpcepm", *options], 2, tmp_path)
    assert done.returncode == 75
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("hpcepm: stopped")]
    assert "mpiexec" in said and said.endswith(
        "-m hpcepm input.yaml --set seed=4 --output 'of mine' --max-walltime 0 --continue"
    )
    done = run_python(["-m", "hpcepm", *options, "--continue"], None, tmp_path)
    assert done.returncode == 75 and done.stderr.count("--continue") == 2, done.stderr
