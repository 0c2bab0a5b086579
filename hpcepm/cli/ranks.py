"""A run on as many ranks as are fastest here, now: ``python -m hpcepm.cli.ranks INPUT …``.

`tools/run` starts it. One rank is this very process, so that choosing takes no time; for several
it becomes the ``mpiexec`` that starts them.
"""

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from hpcepm.input import Input, InputError, read_input
from hpcepm.input.plugins import load_plugin
from hpcepm.model.cost import event_us
from hpcepm.model.engines import choose_engine
from hpcepm.parallel.mpiexec import mpiexec
from hpcepm.parallel.waiting import allowed_processors
from hpcepm.run.sharing import fastest_ranks
from hpcepm.run.stopping import StopRequest
from hpcepm.text import write

from . import run
from .base import STOPPED, UsageError, carry_out_with, complain
from .options import run_parser

SECONDS_OF_A_LOOK: Final = 0.4
BARELY_BUSY: Final = 0.35  # of a processor: what others may use of one that counts as idle


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
        time.sleep(max(0.0, self._began + SECONDS_OF_A_LOOK - time.monotonic()))
        seconds = time.monotonic() - self._began
        by_others = self._busy() - self._busy_before - (time.process_time() - self._own)
        idle = len(self._allowed) - by_others / seconds
        return max(1, min(int(idle + BARELY_BUSY), _quota(len(self._allowed))))


def _quota(processors: int) -> int:
    """Return how many processors the limits of a container allow the use of."""
    with suppress(OSError, ValueError):
        most, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(processors, int(most) // int(period)))  # ValueError: "max", no limit
    return processors


def why(settings: Input, ranks: int, idle: int) -> str:
    """Return in words why so many ranks are taken."""
    (nx, ny), allowed = settings.lattice.shape, len(allowed_processors())
    engine = choose_engine(settings.engine, (nx, ny), settings.kernel).engine
    of_ranks = f"{ranks} rank{'s' if ranks > 1 else ''}; {idle} of {allowed} processors are idle"
    if settings.realizations > 1:
        return f"{of_ranks}, for {settings.realizations} realizations. -n takes another"
    clocked = settings.clock is not None
    costs = {n: event_us((nx, ny), engine, n, clocked=clocked) for n in sorted({1, ranks, idle})}
    told = ", ".join(f"{sum(us.values()):.2g} µs on {n}" for n, us in costs.items())
    return f"{of_ranks}. Estimated for an event, by number of ranks: {told}. -n takes another"


def choose(arguments: list[str]) -> int:
    """Return the number of ranks, and say on standard error why."""
    processors = IdleProcessors()
    try:
        options = run_parser().parse_args(arguments)
        if options.input is None:
            raise UsageError("no input")
        for path in options.plugin:
            load_plugin(path)
        settings = read_input(options.input, options.set, options.output).settings
    except (InputError, UsageError):
        return 1  # the run itself says what is wrong
    idle = processors.count()
    (nx, ny), asked = settings.lattice.shape, settings.ranks_per_realization
    engine = choose_engine(settings.engine, (nx, ny), settings.kernel).engine
    clocked = settings.clock is not None
    ranks = fastest_ranks((nx, ny), engine, idle, settings.realizations, asked, clocked)
    if not options.quiet:
        write(f"tools/run: {why(settings, ranks, idle)}\n", sys.stderr)
    return ranks


def main(arguments: list[str]) -> int:
    """Run on as many ranks as are fastest; return the exit code."""
    stop_request = StopRequest().listen()
    ranks = choose(arguments)
    if stop_request.name is not None:
        return complain(0, "tools/run: stopped before the run began", STOPPED)
    if ranks > 1:
        start = mpiexec(ranks)
        os.execvp(start[0], [*start, sys.executable, "-m", "hpcepm", *arguments])
    return run.main(arguments, stop_request)


if __name__ == "__main__":
    carry_out_with(main)
