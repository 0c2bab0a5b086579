"""How runs are doing, by what lies in their directories: ``hpcepm status``.

Nothing is written and nobody is asked: it works during a run, after it, and where it was killed.
What the files say is a stranger's word, and is shown as text and numbers alone.
"""

import math
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from hpcepm.faults import NoRun
from hpcepm.files import open_regular, reason
from hpcepm.reading import BadFile, open_hdf5, parse_json, truth
from hpcepm.storage.lock import Holder, holder_of
from hpcepm.text import TIME, count, duration, memory, shorten

from .journal import FINISHED, FORMAT, PROGRESS, RUNNING, STATES, STOPPED

KILLED: Final = "killed"
MOST_BYTES: Final = 2**16
LARGEST: Final = 1e15
"""Of a number that is believed, and shown: no run counts as far, or takes as long."""

DEEPEST: Final = 4
"""How many folders below a folder that is named runs are looked for."""


class Status(NamedTuple):
    """How a run is doing; None is what is not known."""

    path: str
    state: str  # running, finished, stopped, failed or killed
    fraction: float | None = None
    strain: float | None = None
    stress: float | None = None
    events: int | None = None
    realizations_done: int | None = None
    realizations: int | None = None
    events_per_second: float | None = None
    realizations_per_second: float | None = None
    seconds_left: float | None = None
    started: str | None = None
    updated: str | None = None
    seconds_since_update: float | None = None
    ranks: int | None = None
    host: str | None = None
    pid: int | None = None
    job: str | None = None
    holder: str | None = None  # who has the lock, if anyone
    message: str | None = None  # why it ended
    bytes: int = 0  # on disk


def runs_below(path: Path, deepest: int = DEEPEST) -> Iterator[Path]:
    """Yield the directories of runs: one itself, or those in a folder, in order of their names."""
    if is_run(path):
        yield path
    elif deepest:
        try:
            with os.scandir(path) as entries:
                inside = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        except (OSError, ValueError):  # ValueError: a name that no file can have
            return
        for name in sorted(inside, key=_in_order):
            yield from runs_below(path / name, deepest - 1)


def _in_order(name: str) -> list[tuple[float, str]]:
    """Return what sorts seed=2 before seed=10."""
    words = "".join(c if c.isdigit() or c == "." else " " + c + " " for c in name).split()
    return [(_float(word), word) for word in words]


def _float(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return math.inf


def is_run(path: Path) -> bool:
    """Return whether a directory is that of a run."""
    there = any(os.path.lexists(path / name) for name in ("run.h5", "run.lock"))
    return there or bool(_said(path / PROGRESS))


def status_of(path: Path) -> Status:
    """Return how a run is doing."""
    said, holder = _said(path / PROGRESS), holder_of(path / "run.lock")
    updated = _text(said, "updated")
    return Status(
        str(path),
        _state(path, said, holder),
        _number(said, "fraction"),
        _number(said, "strain"),
        _number(said, "stress"),
        _whole(said, "events"),
        _whole(said, "done"),
        _whole(said, "realizations"),
        _number(said, "events_per_second"),
        _number(said, "realizations_per_second"),
        _number(said, "seconds_left"),
        _text(said, "started"),
        updated,
        _age(updated),
        _whole(said, "ranks"),
        _text(said, "host"),
        _whole(said, "pid"),
        _text(said, "job"),
        shorten(holder.told, 200) if holder else None,
        _text(said, "message", 300),
        bytes_on_disk(path),
    )


def fraction_of(path: Path) -> float | None:
    """Return which part of the way a run has gone."""
    return _number(_said(path / PROGRESS), "fraction")


def last_word(path: Path) -> tuple[object, ...] | None:
    """Return what tells one end of a run, however it came, from others; None if it has none."""
    said = _said(path / PROGRESS)
    ended = said.get("state") in STATES and said["state"] != RUNNING
    return tuple(said.get(key) for key in ("host", "pid", "started", "updated")) if ended else None


def _state(path: Path, said: dict[str, Any], holder: Holder | None) -> str:
    state = said.get("state")
    ended = state in STATES and state != RUNNING
    if holder is not None and holder.alive:
        # A process that has said how it ended lives a moment longer.
        last_word = ended and (said.get("host"), said.get("pid")) == (holder.host, holder.pid)
        return str(state) if last_word else RUNNING
    if ended:
        return str(state)
    if is_finished(path / "run.h5"):
        return FINISHED
    return KILLED if state == RUNNING or holder is not None else STOPPED


def is_finished(run_file: Path) -> bool:
    """Return whether a ``run.h5`` is that of a run that reached its target."""
    try:
        with open_hdf5(run_file) as file:
            return truth(file, "finished")
    except (BadFile, OSError):
        return False


def _said(path: Path) -> dict[str, Any]:
    """Return what a ``progress.json`` says; nothing if it is none of ours."""
    try:
        with open_regular(path) as file:
            content = file.read(MOST_BYTES + 1)
        said = parse_json(content.decode()) if len(content) <= MOST_BYTES else None
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) and said.get("format") == FORMAT else {}


def _number(said: dict[str, Any], key: str) -> float | None:
    value = said.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < LARGEST:
        return None
    return float(value)


def _whole(said: dict[str, Any], key: str) -> int | None:
    value = _number(said, key)
    return None if value is None else int(value)


def _text(said: dict[str, Any], key: str, width: int = 100) -> str | None:
    value = said.get(key)
    return shorten(value, width) if isinstance(value, str) else None


def _age(updated: str | None) -> float | None:
    """Return how many seconds ago a time was."""
    try:
        then = datetime.strptime(updated or "", TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
    return max(0.0, time.time() - then.timestamp())


def bytes_on_disk(path: Path) -> int:
    """Return what a directory takes on the disk."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
            except OSError:  # a run at work replaces its files
                continue
    return total


def statuses(paths: list[str]) -> list[Status]:
    """Return how runs are doing, and all that are in folders.

    Raises
    ------
    NoRun
        There is none.
    """
    found: dict[Path, None] = {}
    for path in paths:
        below = list(runs_below(Path(path)))
        if not below:
            remedy = "name the directory of a run, or a folder of runs"
            raise NoRun(f"{path}: {_why_none(path)}; {remedy}")
        found |= dict.fromkeys(below)
    return [status_of(path) for path in found]


def _why_none(path: str) -> str:
    """Return why there is no run that could be shown."""
    try:
        os.listdir(path)
    except NotADirectoryError:
        return "is a file, at which nobody works (summarize says what is in it)"
    except FileNotFoundError:
        return "no such directory"
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        return reason(error)
    return "there is no run in it"


HEAD: Final = ("run", "state", "strain", "done", "rate", "left", "updated", "size")


def table(runs: list[Status]) -> list[str]:
    """Return lines for people: a row for each run, and what is to be done about some."""
    rows = [HEAD, *(_row(one) for one in runs)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(HEAD))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if k < 2 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    notes = [f"{shorten(one.path, 60)}: {note}" for one in runs if (note := _note(one))]
    return [*lines, *([""] if notes else []), *notes]


def _row(one: Status) -> tuple[str, ...]:
    several = (one.realizations or 1) > 1
    done = "" if one.fraction is None else f"{one.fraction:.0%}"
    if several:
        done = f"{one.realizations_done or 0}/{one.realizations}"
    strain = "" if one.strain is None else f"{one.strain:.4f}"
    at_work = one.state == RUNNING
    left = duration(one.seconds_left) if at_work and one.seconds_left is not None else ""
    ago = "" if one.seconds_since_update is None else f"{_briefly(one.seconds_since_update)} ago"
    return (
        shorten(one.path, 40),
        one.state,
        strain,
        done,
        _rate(one) if at_work else "",
        left,
        ago,
        memory(one.bytes),
    )


def _rate(one: Status) -> str:
    if one.events_per_second is not None:
        return f"{count(one.events_per_second)} events/s"
    if one.realizations_per_second is not None:
        return f"{one.realizations_per_second:.2g}/s"
    return ""


def _briefly(seconds: float) -> str:
    """Return a time in one unit."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _note(one: Status) -> str:
    if one.state == KILLED:
        return "killed: go on with --continue"
    return one.message or "" if one.state not in (FINISHED, RUNNING) else ""
