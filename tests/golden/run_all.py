"""Run every golden input, into directories named after it.

``mpiexec -n P python -m tests.golden.run_all P``.

The present folder holds the inputs. A chain is one run in many parts.
"""

import sys

from hpcepm.cli import STOPPED, main

from .cases import CASES, CHAINS, GROWN


def run(name: str, directory: str, *options: str) -> int:
    """Run an input into a directory; return the exit code."""
    code = main([f"{name}.yaml", "--quiet", "--output", directory, *options])
    assert code in (0, STOPPED), (name, code)
    return code


def run_all(ranks: str) -> None:
    """Run all inputs, whole and in parts."""
    for name in CASES:
        run(name, f"{name} on {ranks}")
    for name in CHAINS:
        while (
            run(name, f"{name} in parts on {ranks}", "--continue", "--max-walltime", "0.001")
            == STOPPED
        ):
            pass
    for name, few in GROWN.items():
        for options in (["--set", f"realizations={few}"], []):
            run(name, f"{name} in parts on {ranks}", "--continue", *options)


if __name__ == "__main__":
    run_all(sys.argv[1])
