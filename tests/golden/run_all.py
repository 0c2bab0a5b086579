"""Run every golden input, into directories named after it.

``mpiexec -n P python -m tests.golden.run_all P``.

The present folder holds the inputs. A chain is one run in many parts.
"""

import sys
from itertools import count

from hpcepm.cli import main
from hpcepm.faults import STOPPED
from hpcepm.run.stopping import age_of_process

from .cases import CASES, GROWN, RANKS_OF_PARTS

MORE_A_PART = 0.05
"""Seconds. A start takes a tenth of a second, and a run keeps time for a checkpoint."""


def run(name: str, directory: str, *options: str) -> int:
    """Run an input into a directory; return the exit code."""
    code = main([f"{name}.yaml", "--quiet", "--output", directory, *options])
    assert code in (0, STOPPED), (name, code)
    return code


def run_all(ranks: str) -> None:
    """Run all inputs whole, and those in parts whose turn it is on this number of ranks."""
    for name in CASES:
        run(name, f"{name} on {ranks}")
    for name in (name for name, its in RANKS_OF_PARTS.items() if str(its) == ranks):
        run_in_parts(name, f"{name} in parts on {ranks}")


def run_in_parts(name: str, directory: str) -> None:
    """Run an input in parts, or first with fewer realizations.

    The first parts end at the first record or mark that they come to, each later one goes farther.
    """
    if name in GROWN:
        run(name, directory, "--set", f"realizations={GROWN[name]}")
        run(name, directory, "--continue")
        return
    for part in count(1):
        limit = f"{age_of_process() + part * MORE_A_PART:.3f}s"
        if run(name, directory, "--continue", "--max-walltime", limit) != STOPPED:
            break


if __name__ == "__main__":
    run_all(sys.argv[1])
