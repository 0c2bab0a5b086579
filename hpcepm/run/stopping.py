"""Stopping a run from outside without losing anything.

Signals, an end of time, and files left in its directory.

A signal is noted at once on the rank that it reaches. All else is rank 0's to see: its clock and
its eyes decide for all. What was asked for is done when the run pauses, on all ranks alike.
"""

import os
import re
import signal
import subprocess
import time
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any, Final

from hpcepm.text import duration, shorten, warn

SIGNALS: Final = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGXCPU,
)
TOOL: Final = "HPCEPM_COMMAND"
"""The variable in which a script that starts runs, as tools/run, says how it was called itself.

It passes all requests on as SIGUSR1.
"""

ONE_REQUEST: Final = 0.5
"""Seconds within which signals are one.

A launcher may pass on what the rank was also sent itself.
"""

SCHEDULER_NEEDS: Final = 20.0
"""Seconds at the end of a job for what comes after this program.

Other ranks, the rest of the job script.
"""


class Stopped(Exception):
    """A run was asked to stop before its target."""


class StopRequest:
    """Notes that this process was asked to stop, by one of `SIGNALS`.

    The first request stops the run with a checkpoint, a second at once and without; a third ends
    the process. (Of SIGXCPU only the first counts: the kernel repeats it every second.)

    Attributes
    ----------
    name
        The signal that came, if one did.
    urgency
        How many requests came.
    """

    def __init__(self) -> None:
        self.name: str | None = None
        self.urgency = 0
        self._last = -ONE_REQUEST

    def listen(self) -> "StopRequest":
        """Note signals from now on, for the rest of the process.

        What whoever started it has it ignore, as ``nohup`` does SIGHUP, stays ignored.
        """
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self.note)
        return self

    def note(self, number: int, _: FrameType | None) -> None:
        """Note a signal."""
        now = time.monotonic()
        repeated = number == signal.SIGXCPU and self.urgency > 0
        if repeated or now - self._last < ONE_REQUEST:
            return
        self._last = now
        name = signal.Signals(number).name
        passed_on = number == signal.SIGUSR1 and TOOL in os.environ
        self.name = f"request ({name})" if passed_on else name
        self.urgency += 1
        if self.urgency > 2:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


def ignore_requests() -> None:
    """Ignore requests to stop: Python restores deadly defaults before MPI has ended."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


class Deadline:
    """When a run must have ended, by its own ``--max-walltime`` and by the scheduler's. On rank 0.

    Parameters
    ----------
    max_walltime
        Seconds from the start of this process; None for no limit.

    Attributes
    ----------
    warnings
        What a user should know of it, in lines.
    limits
        What was understood, in words.
    """

    def __init__(self, max_walltime: float | None) -> None:
        now, clock = time.time(), time.monotonic()
        self.warnings: list[str] = []
        self.limits: list[str] = []
        self._ends: dict[str, float] = {}
        if max_walltime is not None:
            self.limits.append(f"within {duration(max_walltime)} (--max-walltime)")
            self._ends["--max-walltime"] = clock - age_of_process() + max_walltime
        end_of_job = job_ends_at()
        if end_of_job is not None and end_of_job <= now:
            self.warnings.append(
                f"the job's time ended {duration(now - end_of_job)} ago, says SLURM "
                "(SLURM_JOB_END_TIME or squeue): that is of another job, and is ignored"
            )
        elif end_of_job is not None:
            left = end_of_job - now
            self.limits.append(f"before its job does, in {duration(left)} (SLURM)")
            self._ends["the end of the job's time"] = clock + left - SCHEDULER_NEEDS

    def __getstate__(self) -> dict[str, Any]:
        """Return what other ranks are told: how long it is to each end, for their clocks differ.

        Warnings are told once, by rank 0.
        """
        now = time.monotonic()
        left = {name: end - now for name, end in self._ends.items()}
        return {"warnings": [], "limits": self.limits, "left": left}

    def __setstate__(self, state: dict[str, Any]) -> None:
        now = time.monotonic()
        self.warnings, self.limits = state["warnings"], state["limits"]
        self._ends = {name: now + left for name, left in state["left"].items()}

    def reached(self, seconds_to_stop: float) -> str | None:
        """Return which limit is so near that stopping must begin, if it takes so long.

        None if there is time.
        """
        now = time.monotonic()
        return next(
            (name for name, end in self._ends.items() if now + seconds_to_stop >= end), None
        )


def job_ends_at() -> float | None:
    """Return when SLURM will end the job that this process is part of, in seconds since the epoch.

    None if it is in none.
    """
    if re.fullmatch("[0-9]{1,12}", told := os.environ.get("SLURM_JOB_END_TIME", "")):
        return float(told)
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        return None
    try:
        command = ["squeue", "--noheader", "--jobs", job, "--format", "%e"]
        said = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        ).stdout.split()
        return datetime.fromisoformat(said[0]).timestamp()
    except (OSError, subprocess.SubprocessError, ValueError, IndexError, OverflowError):
        return None


def age_of_process() -> float:
    """Return how many seconds ago this process began.

    Interpreter and libraries take their time too.
    """
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return time.process_time()


_OF_SLURM: Final = (
    r"(?P<minutes>\d{1,9}(?:\.\d{1,9})?)",
    r"(?P<minutes>\d{1,7}):(?P<seconds>\d{1,7})",
    r"(?P<hours>\d{1,6}):(?P<minutes>\d{1,6}):(?P<seconds>\d{1,6})",
    r"(?P<days>\d{1,4})-(?P<hours>\d{1,5})(?::(?P<minutes>\d{1,5})(?::(?P<seconds>\d{1,5}))?)?",
    r"(?P<seconds>\d{1,9}(?:\.\d{1,9})?)\s*s",
    r"(?P<minutes>\d{1,9}(?:\.\d{1,9})?)\s*min",
    r"(?P<hours>\d{1,9}(?:\.\d{1,9})?)\s*h",
    r"(?P<days>\d{1,9}(?:\.\d{1,9})?)\s*d",
)
"""The times of ``sbatch --time``, and below them those of an input."""

_SECONDS: Final = {"days": 86400.0, "hours": 3600.0, "minutes": 60.0, "seconds": 1.0}


def seconds_of_walltime(text: str) -> float:
    """Return the seconds of a time as SLURM writes it, or an input.

    ``30`` (minutes), ``50:00`` (minutes and seconds), ``23:50:00``, ``2-0`` (days and hours),
    ``2-0:30``, ``1-12:00:00``; or ``90 s``, ``30 min``, ``2 h``, ``1 d``.

    Raises
    ------
    ValueError
        It is no such time.
    """
    for form in _OF_SLURM:
        if found := re.fullmatch(form, text.strip(), re.ASCII):
            parts = {unit: float(value or 0) for unit, value in found.groupdict().items()}
            return sum(_SECONDS[unit] * value for unit, value in parts.items())
    raise ValueError(
        f"--max-walltime {shorten(text)}: is no time; write 23:50:00, 50:00 (minutes:seconds), "
        "30 (minutes), 2-0 (days-hours), 1-12:00:00, or 90s, 30min, 2h, 1d"
    )


class Files:
    """Files by which a user speaks to a run: ``STOP`` and ``CHECKPOINT`` in its directory.

    On rank 0. Whatever has the name is a request: a file, a directory, a pipe or a link. ``STOP``
    stays, so that a chain of jobs can see that it was meant to end, until the run is gone on with.
    """

    def __init__(self, directory: Path) -> None:
        self.stop, self.checkpoint = directory / "STOP", directory / "CHECKPOINT"
        self._answered: dict[Path, object] = {}
        self._left_over = _identity(self.stop)

    def begin(self) -> None:
        """Take a request to stop away that was meant for a run that is over.

        One made since this object was, while the run was being prepared, is meant for this run.
        """
        if self._left_over is not None and _identity(self.stop) == self._left_over:
            self.take(self.stop)

    def asked(self, file: Path) -> bool:
        """Return whether a request is there, and none that `take` could not remove."""
        there = _identity(file)
        return there is not None and there != self._answered.get(file)

    def take(self, file: Path) -> bool:
        """Return whether a request is there, and remove it.

        One that cannot be removed is told of, and is no request any more unless it is touched.
        """
        if not self.asked(file):
            return False
        try:
            file.rmdir() if file.is_dir() and not file.is_symlink() else file.unlink()
        except OSError as error:
            self._answered[file] = _identity(file)
            warn([f"{file}: cannot be removed, and is ignored from now on: {error.strerror}"])
        return True


def _identity(file: Path) -> tuple[int, int] | None:
    """Return what tells a file from one made, or touched, later; None if there is none."""
    try:
        about = file.lstat()
    except OSError:
        return None
    return about.st_ino, about.st_mtime_ns
