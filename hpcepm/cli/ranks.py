"""A run on as many ranks as are fastest here, now: ``python -m hpcepm.cli.ranks INPUT …``.

`tools/run` starts it. One rank is this very process, so that choosing takes no time; for several
it becomes the ``mpiexec`` that starts them. So nothing is loaded before it is needed.
"""

import os
import sys

from hpcepm.parallel.mpiexec import mpiexec
from hpcepm.parallel.processors import IdleProcessors
from hpcepm.run.stopping import StopRequest

from .base import STOPPED, carry_out_with, complain


def main(arguments: list[str]) -> int:
    """Run on as many ranks as are fastest; return the exit code."""
    stop_request = StopRequest().listen()  # first of all: a signal may come while modules load
    processors = IdleProcessors()  # they are looked at meanwhile
    from .choice import choose

    ranks = choose(arguments, processors)
    if stop_request.name is not None:
        return complain(0, "tools/run: stopped before the run began", STOPPED)
    if ranks > 1:
        start = mpiexec(ranks)
        os.execvp(start[0], [*start, sys.executable, "-m", "hpcepm", *arguments])
    from . import run

    return run.main(arguments, stop_request)


if __name__ == "__main__":
    carry_out_with(main)
