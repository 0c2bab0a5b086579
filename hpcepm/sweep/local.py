"""A sweep on this machine: some points at a time, each a process, or an ``mpiexec``, of its own."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, NamedTuple

from hpcepm.faults import STOPPED
from hpcepm.run.standing import Standing, seconds_left
from hpcepm.run.status import fraction_of
from hpcepm.run.stopping import TOOL
from hpcepm.run.terminal import Progress

from .grid import Point
from .plan import Sweep

SECONDS_BETWEEN_LOOKS: Final = 0.1
SECONDS_BETWEEN_READS: Final = 1.0

DIED_OF_USR1: Final = (-signal.SIGUSR1, 128 + signal.SIGUSR1)
"""What ends a run that did not listen yet; nothing was computed."""

Ended = Callable[[Point, int, str], None]
"""Is told of each point that ended: its exit code, and what it wrote on standard error."""


class AtWork(NamedTuple):
    """A run that was started."""

    point: Point
    process: subprocess.Popen[bytes]
    errors: IO[bytes]
    told: list[int]  # how many requests to stop were passed on

    @property
    def listens(self) -> bool:
        """Whether requests reach it: ``mpiexec`` hands them on only once it has ranks."""
        pid = self.process.pid
        with suppress(OSError):
            if not Path(f"/proc/{pid}/comm").read_text().startswith(("mpi", "orte", "prte")):
                return True
            return any(
                path.read_text().strip() for path in Path(f"/proc/{pid}/task").glob("*/children")
            )
        return True


def run_here(
    sweep: Sweep,
    points: Sequence[Point],
    at_a_time: int,
    launcher: Sequence[str],
    command: str,
    progress: Progress,
    urgency: Callable[[], int],
    ended: Ended,
) -> None:
    """Run points, until all have ended or it is asked to stop; then with checkpoints.

    Parameters
    ----------
    sweep, points
        Which.
    at_a_time
        How many are at work at once.
    launcher
        Words that start the ranks of each; none for one rank.
    command
        That of the sweep.
    progress
        Shows how far it has come.
    urgency
        Returns how often it was asked to stop until now, which is passed on: once for a stop with
        checkpoints, twice without, thrice to kill.
    ended
        See `Ended`.
    """
    queue, at_work = list(points), list[AtWork]()
    show = Show(sweep, progress, len(sweep.points) - len(points))
    try:
        while at_work or (queue and not urgency()):
            while queue and len(at_work) < at_a_time and not urgency():
                at_work.append(_started(sweep, queue.pop(0), launcher, command))
            time.sleep(SECONDS_BETWEEN_LOOKS)
            for one in at_work:
                _pass_on(one, urgency())
            for one in [one for one in at_work if one.process.poll() is not None]:
                at_work.remove(one)
                show.done += 1
                progress.close()
                ended(one.point, *_end_of(one))
            show.look(at_work)
    finally:
        for one in at_work:  # an error of our own: nobody is left behind
            one.process.terminate()
        progress.close()


def _started(sweep: Sweep, point: Point, launcher: Sequence[str], command: str) -> AtWork:
    words = ["-m", "hpcepm", "run", *sweep.arguments(point), "--quiet"]
    program = [*launcher, sys.executable, *words]
    errors = tempfile.TemporaryFile()  # noqa: SIM115 (till the point has ended)
    process = subprocess.Popen(
        program,
        env={"OMP_NUM_THREADS": "1", **os.environ, TOOL: command},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        start_new_session=True,  # a Ctrl-C is passed on, as what mpiexec hands to its ranks
    )
    return AtWork(point, process, errors, [])


def _pass_on(one: AtWork, urgency: int) -> None:
    if len(one.told) >= urgency or not one.listens:
        return
    one.told.append(urgency)
    with suppress(ProcessLookupError):
        os.killpg(one.process.pid, signal.SIGKILL) if len(one.told) > 2 else os.kill(
            one.process.pid, signal.SIGUSR1
        )


def _end_of(one: AtWork) -> tuple[int, str]:
    code = one.process.returncode
    with one.errors as file:
        file.seek(0)
        said = file.read(10_000).decode(errors="replace").strip()
    return (STOPPED if code in DIED_OF_USR1 else code), said


class Show:
    """Shows how far a sweep has come.

    Attributes
    ----------
    done
        How many points have ended.
    """

    def __init__(self, sweep: Sweep, progress: Progress, done: int) -> None:
        self._sweep, self._progress, self.done = sweep, progress, done
        self._began, self._next = time.monotonic(), 0.0
        self._first: float | None = None

    def look(self, at_work: Sequence[AtWork]) -> None:
        """Look at what is at work, if it is time to."""
        now = time.monotonic()
        if now < self._next or not self._progress.due:
            return
        self._next = now + SECONDS_BETWEEN_READS
        n = len(self._sweep.points)
        parts = [fraction_of(self._sweep.directory(one.point)) or 0.0 for one in at_work]
        fraction = (self.done + sum(parts)) / n
        if self._first is None:
            self._first = fraction
        seconds = now - self._began
        left = seconds_left(fraction - self._first, 1.0 - fraction, seconds)
        at = len(at_work)
        standing = Standing(
            fraction, 0.0, left, done=self.done, realizations=n, unit="points", at_work=at
        )
        self._progress.show(standing)
