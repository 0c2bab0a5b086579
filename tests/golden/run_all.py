"""Run every golden input, into directories named after it.

``mpiexec -n P python -m tests.golden.run_all P``.

The present folder holds the inputs. A chain is one run in many parts.
"""

import sys

from hpcepm.cli import STOPPED, main

from .cases import CASES, CHAINS, GROWN, RANKS_OF_PARTS


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
    """Run an input in many short parts, or first with fewer realizations."""
    if name in GROWN:
        run(name, directory, "--set", f"realizations={GROWN[name]}")
        run(name, directory, "--continue")
    while (
        name in CHAINS and run(name, directory, "--continue", "--max-walltime", "0.001") == STOPPED
    ):
        pass


if __name__ == "__main__":
    run_all(sys.argv[1])
