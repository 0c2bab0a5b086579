"""What a run leaves of its words: ``run.log`` and ``progress.json`` in its directory. On rank 0.

Both are for people and their tools: no run reads them, and none ends because of them. The log is
appended to, a part of a run after the other. What is written is written by the holder of the
directory alone, follows no link, and replaces no file of another program.
"""

import errno
import json
import math
import os
import re
import socket
import stat
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from hpcepm.files import Check, create, open_regular, partial_of, told, write_bytes
from hpcepm.text import duration, utc, visible, warn

from .standing import Standing, fitted, took

LOG: Final = "run.log"
PROGRESS: Final = "progress.json"

SECONDS_A_LINE: Final = 60.0
SECONDS_A_NOTE: Final = 2.0
SECONDS_TO_THE_FIRST: Final = 0.5

FORMAT: Final = "hpcepm progress 1"
"""What a ``progress.json`` of ours says first."""

RUNNING, FINISHED, STOPPED, FAILED = STATES = "running", "finished", "stopped", "failed"


BEGINS: Final = re.compile(rb"\d{4}-\d\d-\d\d [\d:]{8} UTC  (?:begins|goes on) on \d")
"""How ``run.log`` begins: what a link of that name makes of another file is not copied."""


class Journal:
    """Keeps the log and the progress of a run. Until `begin` nothing is written.

    Parameters
    ----------
    directory
        Of the run.
    check
        Raises `OSError` if the directory is not this run's any more.
    """

    def __init__(self, directory: Path, check: Check) -> None:
        self._log, self._progress, self._check = directory / LOG, directory / PROGRESS, check
        self._waiting = ""
        self._begun = False
        self._told: set[Path] = set()
        self._next_line = self._next_note = 0.0
        self._content: dict[str, Any] = {"format": FORMAT}

    def begin(self, ranks: int) -> None:
        """Open the log, and say that the run is at work."""
        self._begun = True
        now, host = utc(), socket.gethostname()
        self._content |= {"state": RUNNING, "fraction": None, "ranks": ranks, "host": host}
        job = os.environ.get("SLURM_JOB_ID") or os.environ.get("PBS_JOBID")
        self._content |= {"job": job, "pid": os.getpid(), "started": now}
        goes_on = os.path.lexists(self._log)
        said = f"{'goes on' if goes_on else 'begins'} on {ranks} rank{'s'[: ranks > 1]}"
        before, self._waiting = self._waiting, ""
        gap = "\n" if goes_on else ""
        self.add(f"{gap}{now}  {said} of {host}, process {os.getpid()}\n{before}")
        self._note()
        self._next_note = time.monotonic() + SECONDS_TO_THE_FIRST
        self._next_line = time.monotonic() + SECONDS_A_LINE

    def say(self, lines: Iterable[str]) -> None:
        """Add lines."""
        self.add("".join(f"{line}\n" for line in lines))

    def warn(self, lines: Iterable[str]) -> None:
        """Add warnings."""
        self.add("".join(f"{utc()}  warning: {line}\n" for line in lines))

    def show(self, standing: Standing) -> None:
        """Note where the run is, if it is time to."""
        now = time.monotonic()
        if now >= self._next_note:
            self._update(standing)
            self._note()
        if now >= self._next_line:
            self._next_line = now + SECONDS_A_LINE
            self.add(f"{utc()}  {fitted(standing.words)}\n")

    @property
    def due(self) -> bool:
        """Whether it is time to `show` something."""
        return time.monotonic() >= min(self._next_note, self._next_line)

    def end(
        self, state: str, said: str, seconds: float, compiling: float, last: Standing | None
    ) -> None:
        """Note how this part of the run ended, after so many seconds."""
        more = f" and {duration(compiling)} of compiling" if compiling > 1 else ""
        why = f": {said}" if said else ""
        self.add(f"{utc()}  {state} after {took(seconds)} of work{more}{why}\n")
        if last is not None:
            self._update(last)
        self._content |= {"state": state, "seconds_left": None, "message": said or None}
        if state == FINISHED:
            done = self._content.get("realizations", 1)
            self._content |= {"fraction": 1.0, "done": done, "realizations": done}
        self._note()

    def break_off(self, lines: Sequence[str]) -> None:
        """Note why this process ends at once: a headline, and more."""
        self.add(f"{utc()}  " + "".join(f"{line}\n" for line in lines))
        self._content |= {"state": FAILED, "seconds_left": None, "message": lines[0]}
        self._note()

    def _update(self, standing: Standing) -> None:
        numbers = standing._asdict()
        for name in ("target", "steps", "unit", "at_work"):
            del numbers[name]
        if standing.time is None:
            del numbers["time"]
        rate = numbers.pop("rate")
        of_events = standing.strain is not None
        numbers["events_per_second"] = rate if of_events else None
        numbers["realizations_per_second"] = None if of_events else rate
        finite = {k: v if v is None or math.isfinite(v) else None for k, v in numbers.items()}
        self._content |= finite

    def _note(self) -> None:
        """Write ``progress.json``, in one instant. It is not synced: a disk may take its time."""
        self._next_note = time.monotonic() + SECONDS_A_NOTE
        self._content["updated"] = utc()
        partial = partial_of(self._progress)
        try:
            if not self._is_ours():
                raise OSError(errno.EEXIST, "is of another program")
            with create(partial) as out:
                out.write(json.dumps(self._content, indent=1).encode() + b"\n")
            self._check()
            os.replace(partial, self._progress)
        except OSError as error:
            with suppress(OSError):
                partial.unlink()
            self._tell(self._progress, error)

    def _is_ours(self) -> bool:
        """Return whether ``progress.json`` may be replaced: it is of a run, or nothing is in it.

        It is not synced, so a node that crashes can leave it empty, or full of zeros.
        """
        try:
            with open_regular(self._progress) as file:
                begins = file.read(100)
                return not begins.strip(b"\0") or FORMAT.encode() in begins
        except FileNotFoundError:
            return True

    def add(self, text: str) -> None:
        """Add text to the log."""
        if not self._begun:
            self._waiting += text
        elif text:
            try:
                self._append(visible(text).encode(errors="replace"))
            except OSError as error:
                self._tell(self._log, error)

    def _append(self, content: bytes) -> None:
        self._check()
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            descriptor = os.open(self._log, flags | os.O_CLOEXEC, 0o666)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise OSError(errno.ELOOP, "is a link") from None
            raise
        try:
            status = os.fstat(descriptor)
            shared = status.st_nlink != 1  # by another directory, as after cp -al
            is_log = stat.S_ISREG(status.st_mode) and (
                not shared or BEGINS.match(os.pread(descriptor, 100, 0))
            )
            if not is_log:
                raise OSError(errno.EINVAL, "is no file of its own")  # a hard link is a link
            if shared:
                before = os.pread(descriptor, status.st_size, 0)
                return write_bytes(self._log, before + content, self._check)
            while content:
                content = content[os.write(descriptor, content) :]
        finally:
            os.close(descriptor)

    def _tell(self, path: Path, error: OSError) -> None:
        """Say once of a file that it cannot be written. If the directory is lost, others will."""
        if path not in self._told and error.errno != errno.ESTALE:
            self._told.add(path)
            warn([f"{told(path, error)}; the run goes on without it"])
