"""``hpcepm compare``: what differs between runs, in a table."""

import argparse

from hpcepm.faults import REACHED

from .base import UsageError, say, say_json, window

DESCRIPTION = "Print what differs between runs: their inputs, and their results with errors."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add = parser.add_argument
    add("runs", metavar="RUN", nargs="+", help="the directories of two runs, or more")
    said = "strains of the plateau and the avalanches"
    add("--window", metavar="A:B", type=window, help=said)
    add("--json", action="store_true", help="print JSON")


def carry_out(options: argparse.Namespace) -> int:
    """Compare; return the exit code."""
    from hpcepm.analysis.compare import compare, lines

    if len(options.runs) < 2:
        raise UsageError("hpcepm: compare takes two runs, or more")
    found = compare(options.runs, options.window)
    if options.json:
        say_json(found.as_json())
    else:
        say("\n".join(lines(found)))
    return REACHED
