"""What a user sees while a run goes on: a header, a line of progress, a summary. On rank 0."""

import os
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, TextIO

from hpcepm.text import bar, warn, write

from .journal import Journal
from .pace import Pace
from .standing import Standing, fitted

LINE_A_MINUTE = 60.0
BAR_EVERY = 0.2
COLUMNS: Final = 80
"""Of a terminal that does not say how wide it is."""


class Progress:
    """Reports on a run: a live bar on a terminal, a line a minute in a log.

    Parameters
    ----------
    target
        The strain to reach; None if there is none, or the load turns.
    quiet
        Say nothing but warnings. The journal has all.
    stream
        Where to; standard output if None.
    journal
        Keeps what is said; None if nothing is kept.

    Attributes
    ----------
    pace
        The clock of the run.
    first
        Which part of the way lay behind it when it was first looked at.
    """

    def __init__(
        self,
        target: float | None,
        quiet: bool,
        stream: TextIO | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.target = target
        self.quiet = quiet
        self.stream = stream or sys.stdout
        self.journal = journal
        self.pace = Pace()
        self.first: float | None = None
        self.live = is_terminal(self.stream)
        self._shown = time.monotonic()
        self._width = 0

    def say(self, lines: Iterable[str]) -> None:
        """Print whole lines."""
        said = list(lines)
        if not self.quiet:
            self._write("".join(f"{line}\n" for line in said))
        if self.journal:
            self.journal.say(said)

    def warn(self, lines: Iterable[str]) -> None:
        """Print what is wrong but stops nothing, even if quiet, on standard error."""
        warnings = list(lines)
        if warnings:
            self.close()
        warn(warnings)
        if self.journal:
            self.journal.warn(warnings)

    @property
    def due(self) -> bool:
        """Whether it is time to `show` something."""
        return self._is_due or (self.journal is not None and self.journal.due)

    @property
    def _is_due(self) -> bool:
        """Whether it is time to show something on the stream."""
        every = BAR_EVERY if self.live else LINE_A_MINUTE
        return not self.quiet and time.monotonic() - self._shown >= every

    def show(self, standing: Standing) -> None:
        """Show where the run is, if it is time to."""
        if self.journal:
            self.journal.show(standing)
        if not self._is_due:
            return
        self._shown = time.monotonic()
        if self.live:
            line = live_line(standing, columns_of(self.stream) - 1)
            self._write(line)
            self._width = len(line)
        else:
            self._write(f"{time.strftime('%H:%M:%S')}  {fitted(standing.words)}\n")

    def close(self) -> None:
        """End the live line: what comes next begins a line of its own."""
        if self._width:
            write("\n", self.stream)
            self._width = 0

    def _write(self, text: str) -> None:
        """Write in the place of the live line."""
        write(text, self.stream, wipe=self._width)
        self._width = 0


def live_line(standing: Standing, columns: int) -> str:
    """Return a bar and words that fit: the bar is shortened first, then words are left out."""
    words = standing.words
    for width in (20, 10):
        line = f"{bar(standing.fraction, width)} {fitted(words)}"
        if len(line) <= columns:
            return line
    short = f"{bar(standing.fraction, 10)} "
    line = short + fitted(words, columns - len(short))
    return line if len(line) <= columns else fitted(words, columns)[:columns]


def columns_of(stream: TextIO) -> int:
    """Return the width of the terminal that a person watches.

    That which Open MPI gives to ranks has none.
    """
    watched = _terminal_of_launcher() if "OMPI_COMM_WORLD_SIZE" in os.environ else None
    with suppress(OSError, ValueError):
        if watched is None:
            return os.get_terminal_size(stream.fileno()).columns or COLUMNS
        terminal = os.open(watched, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            return os.get_terminal_size(terminal).columns or COLUMNS
        finally:
            os.close(terminal)
    return COLUMNS


def _terminal_of_launcher() -> str | None:
    """Return the terminal that the launcher of this rank writes to, if it does."""
    with suppress(OSError):
        name = os.readlink(f"/proc/{os.getppid()}/fd/1")
        return name if name.startswith(("/dev/pts/", "/dev/tty")) else None
    return None


def is_terminal(stream: TextIO) -> bool:
    """Return whether a person watches.

    Open MPI gives its ranks a terminal of their own, whatever its output goes to.
    """
    if not stream.isatty():
        return False
    return "OMPI_COMM_WORLD_SIZE" not in os.environ or _terminal_of_launcher() is not None
