"""What a user sees while a run goes on: a header, a line of progress, a summary. On rank 0."""

import os
import shutil
import sys
import time
from collections.abc import Iterable
from typing import TextIO

from hpcepm.text import bar, count, duration, warn, write

LINE_A_MINUTE = 60.0
BAR_EVERY = 0.2


class Progress:
    """Reports on a run: a live bar on a terminal, a line a minute in a log.

    Parameters
    ----------
    target
        How far the load goes in all: the strain to reach, if it never turns.
    quiet
        Say nothing but warnings.
    stream
        Where to; standard output if None.
    """

    def __init__(self, target: float, quiet: bool, stream: TextIO | None = None) -> None:
        self.target = target
        self.quiet = quiet
        self.stream = stream or sys.stdout
        self.live = is_terminal(self.stream)
        self._shown = time.monotonic()
        self._began: float | None = None
        self._first: tuple[float, int] | None = None
        self._width = 0

    def say(self, lines: Iterable[str]) -> None:
        """Print whole lines."""
        if not self.quiet:
            self._write("".join(f"{line}\n" for line in lines))

    def warn(self, lines: Iterable[str]) -> None:
        """Print what is wrong but stops nothing, even if quiet, on standard error."""
        warn(lines)

    def update(
        self,
        strain: float,
        stress: float,
        events: int,
        steps: int,
        force: bool = False,
        travelled: float | None = None,
    ) -> None:
        """Show where the run is, if it is time to.

        ``travelled`` is how far the load has gone, there and back, if it turns.
        """
        gone = strain if travelled is None else travelled
        if self._first is None:
            self._first = (gone, events)
        if not (elapsed := self._due(force)):
            return
        rate = (events - self._first[1]) / elapsed
        left = _time_left(gone - self._first[0], self.target - gone, elapsed)
        of = f"/{self.target:g}" if travelled is None else f", {gone / self.target:.1%} of the way"
        self._show(
            gone / self.target,
            f"strain {strain:.4f}{of}  stress {stress:.4f}  {count(events)} events  "
            f"{count(rate)} events/s  {count(steps)} steps  {duration(left)} left",
        )

    def realizations(self, begun_with: int, done: int, of: int) -> None:
        """Show how many realizations are done, if it is time to."""
        if elapsed := self._due():
            left = _time_left(done - begun_with, of - done, elapsed)
            rate = (done - begun_with) / elapsed
            told = count(rate) if rate >= 1 else f"{rate:.2g}"
            self._show(
                done / of,
                f"{done}/{of} realizations  {told}/s  {duration(left)} left",
            )

    def _due(self, force: bool = False) -> float:
        """Return the seconds since the first call if it is time to show something, else 0."""
        now = time.monotonic()
        if self._began is None:
            self._began = now
        due = BAR_EVERY if self.live else LINE_A_MINUTE
        if self.quiet or not (force or now - self._shown >= due):
            return 0.0
        self._shown = now
        return max(now - self._began, 1e-9)

    def _show(self, fraction: float, numbers: str) -> None:
        if self.live:
            line = f"{bar(fraction)} {numbers}"[: shutil.get_terminal_size().columns - 1]
            self._write(line)
            self._width = len(line)
        else:
            self._write(f"{time.strftime('%H:%M:%S')}  {numbers}\n")

    def _write(self, text: str) -> None:
        """Write in the place of the live line."""
        write(text, self.stream, wipe=self._width)
        self._width = 0


def _time_left(done: float, to_do: float, elapsed: float) -> float:
    return to_do * elapsed / done if done > 0 else float("inf")


def is_terminal(stream: TextIO) -> bool:
    """Return whether a person watches.

    Open MPI gives its ranks a terminal of their own, whatever its output goes to.
    """
    if not stream.isatty():
        return False
    if "OMPI_COMM_WORLD_SIZE" not in os.environ:
        return True
    try:
        return os.readlink(f"/proc/{os.getppid()}/fd/1").startswith(("/dev/pts/", "/dev/tty"))
    except OSError:
        return False
