"""``hpcepm verify``: whether the directory of a run holds what the run computed."""

import argparse

from hpcepm.faults import FAILED, REACHED

from .base import say

DESCRIPTION = "Check that RUNDIR holds what its run computed."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("directory", metavar="RUNDIR")
    said = "first make run.h5 anew from the pieces"
    parser.add_argument("--repair", action="store_true", help=said)


def carry_out(options: argparse.Namespace) -> int:
    """Verify; return the exit code."""
    from hpcepm.analysis.verify import report

    if options.repair:
        from hpcepm.run.salvage import repair

        say(repair(options.directory))
    return REACHED if report(options.directory, say) else FAILED
