"""``hpcepm report``: a page that shows a run, in one file."""

import argparse
from typing import Final

from hpcepm.faults import REACHED

from .base import UsageError, needs_folder, say

DESCRIPTION = "Write one HTML file that shows a run: curves, maps, statistics and provenance."

SECONDS: Final = 10.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("directory", metavar="RUNDIR")
    where = "where to write it (RUNDIR/report.html; of a packed run F.h5, F-report.html)"
    parser.add_argument("--out", metavar="FILE.html", help=where)
    again = f"write it whenever the run has saved, until it ends; look every {SECONDS:g} s"
    parser.add_argument(
        "--watch", metavar="SECONDS", nargs="?", type=_seconds, const=SECONDS, help=again
    )


def carry_out(options: argparse.Namespace) -> int:
    """Write the report; return the exit code."""
    from hpcepm.analysis.report.watch import report, watch

    needs_folder(options.out or "")
    if options.watch is None:
        path = report(options.directory, options.out)
    else:
        path = watch(options.directory, options.out, options.watch, say)
    say(str(path))
    return REACHED


def _seconds(text: str) -> float:
    """Return a time; one second is the shortest."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 86400:
        said = "give seconds from 1 to 86400, after RUNDIR: report RUNDIR --watch 10"
        raise UsageError(f"--watch {text}: {said}")
    return seconds
