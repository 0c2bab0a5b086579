"""A run on as many ranks as are fastest here, now: ``python -m hpcepm.cli.ranks INPUT …``.

`tools/run` starts it. One rank is this very process, so that choosing takes no time; for several
it becomes the ``mpiexec`` that starts them. So nothing is loaded before it is needed.
"""

import os
import sys

from hpcepm.faults import STOPPED, WRONG_INPUT
from hpcepm.parallel.mpiexec import mpiexec, not_launched
from hpcepm.parallel.processors import IdleProcessors
from hpcepm.run.stopping import StopRequest

from .base import carry_out_with, complain


def main(arguments: list[str]) -> int:
    """Run on as many ranks as are fastest; return the exit code."""
    stop_request = StopRequest().listen()  # first of all: a signal may come while modules load
    processors = IdleProcessors()  # they are looked at meanwhile
    from .best_ranks import choose

    ranks = choose(arguments, processors)
    try:
        launcher = mpiexec(ranks) if ranks > 1 else []
    except OSError as error:
        return complain(0, f"{not_launched(error, ranks)}; nothing was started", WRONG_INPUT)
    if stop_request.name is not None:
        return complain(0, "tools/run: stopped before the run began", STOPPED)
    if launcher:
        os.execvp(launcher[0], [*launcher, sys.executable, "-m", "hpcepm", *arguments])
    from . import run

    return run.main(arguments, stop_request)


if __name__ == "__main__":
    carry_out_with(main)
