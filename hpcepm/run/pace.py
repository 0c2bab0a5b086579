"""How long a run has been at work, without the time that compiling took; and for how many steps."""

import time
from contextlib import suppress

from hpcepm.parallel import cache


def steps_of(seconds: float, steps: int, took: float) -> int:
    """Return how many steps last so many seconds, if some took so long.

    They are four times as many at the most, and a quarter at the least.
    """
    return max(1, int(steps * min(4.0, max(0.25, seconds / max(took, 1e-6)))))


class Pace:
    """A clock that stands still while a step loop is compiled. On rank 0.

    It stops at the first function that is not in the cache, and goes on at the next pause: waiting
    for another process that compiles is left out, too.

    Attributes
    ----------
    compiling
        Seconds left out.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._missed: float | None = None
        self.compiling = 0.0

    def start(self) -> None:
        """Begin anew."""
        self._began, self._missed, self.compiling = time.monotonic(), None, 0.0
        cache.before_compiling.append(self._miss)

    def end(self) -> None:
        """Look no longer at what is compiled."""
        self.pause()
        with suppress(ValueError):  # another run was told of since
            cache.before_compiling.remove(self._miss)

    def _miss(self, _: str) -> None:
        if self._missed is None:
            self._missed = time.monotonic()

    def pause(self) -> None:
        """Note that a step loop is at work."""
        if self._missed is not None:
            self.compiling += time.monotonic() - self._missed
            self._missed = None

    @property
    def seconds(self) -> float:
        """The seconds since the start, without compiling."""
        now = time.monotonic() if self._missed is None else self._missed
        return max(now - self._began - self.compiling, 1e-9)
