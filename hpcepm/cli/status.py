"""``hpcepm status``: how runs are doing, during them and afterwards."""

import argparse

from hpcepm.faults import REACHED

from .base import say, say_json

DESCRIPTION = (
    "Say of each RUN, or of all runs in a folder, whether it runs, was stopped or killed, how far "
    "it has come, and how long it will take."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    said = "the directory of a run, or a folder of runs"
    parser.add_argument("runs", metavar="RUN", nargs="+", help=said)
    parser.add_argument("--json", action="store_true", help="say it in JSON, for programs")


def carry_out(options: argparse.Namespace) -> int:
    """Look; return the exit code."""
    from hpcepm.run.status import statuses, table

    found = statuses(options.runs)
    if options.json:
        say_json([one._asdict() for one in found])
    else:
        say("\n".join(table(found)))
    return REACHED
