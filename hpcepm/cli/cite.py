"""``hpcepm cite``: how to cite the program, a run and the paper."""

import argparse

from hpcepm.faults import REACHED

from .base import say

DESCRIPTION = "Print BibTeX of the program, as it made a run, and of the paper of its model."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument(
        "directory", metavar="RUNDIR", nargs="?", help="a run; otherwise the program at hand"
    )


def carry_out(options: argparse.Namespace) -> int:
    """Print; return the exit code."""
    from hpcepm.analysis.citation import bibtex

    say(bibtex(options.directory))
    return REACHED
