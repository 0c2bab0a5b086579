"""What a user sees while a calibration goes on. On rank 0."""

import shutil
import sys
import time
from typing import TextIO

from hpcepm.run.terminal import is_terminal
from hpcepm.text import bar, duration

from .search import MOST_ROUNDS, most_points

BAR_EVERY = 0.2
LINE_EVERY = 20.0


class Progress:
    """A live bar on a terminal, a line now and then in a log.

    Parameters
    ----------
    keys, realizations
        How many keys are fitted, and how many realizations a point has.
    quiet
        Say nothing.
    stream
        Where to; standard output if None.
    """

    def __init__(
        self, keys: int, realizations: int, quiet: bool, stream: TextIO | None = None
    ) -> None:
        self.realizations = realizations
        self.quiet = quiet
        self.stream = stream or sys.stdout
        self.live = is_terminal(self.stream)
        self._most = most_points(keys) + 1
        self._done = self._points = 0
        self._label = ""
        self._width = 0
        self._first: tuple[float, float] | None = (
            None  # when the first task was done, and how much that was: it compiles
        )
        self._shown = time.monotonic()

    def begin(self, number: int | None, points: int) -> None:
        """Begin a round of so many points; None is the last word, the curve at the optimum."""
        self._done += self._points
        self._points = points
        self._label = (
            "curve at the optimum" if number is None else f"round {number} of at most {MOST_ROUNDS}"
        )
        if not self.live:
            self.say(
                f"{self._label}: {points} point{'s'[: points > 1]} × {self.realizations} realizations"
            )

    def update(self, fraction: float) -> None:
        """Show that a fraction of the round is done, if it is time to."""
        now = time.monotonic()
        done = self._done + fraction * self._points
        if self._first is None:
            self._first = (now, done)
            return
        if self.quiet or now - self._shown < (BAR_EVERY if self.live else LINE_EVERY):
            return
        self._shown = now
        a_point = (now - self._first[0]) / max(done - self._first[1], 1e-9)
        left = duration((1 - fraction) * self._points * a_point)
        at_most = duration((self._most - done) * a_point)
        text = (
            f"{self._label}  {bar(fraction)}  {left} left in this round, at most {at_most} in all"
        )
        if self.live:
            text = text[: shutil.get_terminal_size().columns - 1]
            self._write("\r" + text.ljust(self._width))
            self._width = len(text)
        else:
            self._write(f"{time.strftime('%H:%M:%S')}  {text}\n")

    def say(self, text: str) -> None:
        """Print whole lines."""
        if not self.quiet:
            blank = "\r" + " " * self._width + "\r" if self._width else ""
            self._width = 0
            self._write(f"{blank}{text}\n")

    def _write(self, text: str) -> None:
        try:
            self.stream.write(text)
            self.stream.flush()
        except OSError:  # a reader that is gone is no reason to stop
            self.quiet = True
