"""Which processors this process may use, and how many of them are idle."""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

SECONDS_OF_A_LOOK: Final = 0.2
SECONDS_OF_A_LONG_LOOK: Final = 0.5
"""If some are busy: what is over in a moment is not taken for what stays."""

BARELY_BUSY: Final = 0.35  # of a processor: what others may use of one that counts as idle


def allowed_processors() -> set[int]:
    """Return the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


class IdleProcessors:
    """Looks how many of the processors that this process may use are idle, from its making on."""

    def __init__(self) -> None:
        self._began, self._own = time.monotonic(), time.process_time()
        self._allowed = allowed_processors()
        self._busy_before = self._busy()

    def _busy(self) -> float:
        """Return the seconds in which the processors were busy until now, all together.

        Where the system does not say (it is not Linux), 0: all processors count as idle.
        """
        busy, lines = 0, ""
        with suppress(OSError):
            lines = Path("/proc/stat").read_text()
        for line in lines.splitlines():
            name, *ticks = line.split()
            if name[:3] == "cpu" and name[3:].isdigit() and int(name[3:]) in self._allowed:
                user, nice, system, _, _, irq, softirq, steal = map(int, ticks[:8])
                busy += user + nice + system + irq + softirq + steal
        return busy / os.sysconf("SC_CLK_TCK")

    def count(self) -> int:
        """Return how many are idle, but for this process; one at the least."""
        most = _quota(len(self._allowed))
        idle = self._idle_after(SECONDS_OF_A_LOOK)
        return min(idle if idle >= most else self._idle_after(SECONDS_OF_A_LONG_LOOK), most)

    def _idle_after(self, long: float) -> int:
        """Return how many were idle in so many seconds, or more, since this began to look."""
        time.sleep(max(0.0, self._began + long - time.monotonic()))
        seconds = time.monotonic() - self._began
        by_others = self._busy() - self._busy_before - (time.process_time() - self._own)
        return max(1, int(len(self._allowed) - by_others / seconds + BARELY_BUSY))


def _quota(processors: int) -> int:
    """Return how many processors the limits of a container allow the use of."""
    with suppress(OSError, ValueError):
        most, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(processors, int(most) // int(period)))  # ValueError: "max", no limit
    return processors
