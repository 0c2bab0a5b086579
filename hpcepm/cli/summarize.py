"""``hpcepm summarize``: means over realizations, in print and as a table."""

import argparse

from hpcepm.faults import FAILED, REACHED

from .base import complain, needs_folder, say, say_json, window

DESCRIPTION = "Print plateau, peak and means with errors, and write RUNDIR/summary.csv."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add = parser.add_argument
    add("directory", metavar="RUNDIR")
    said = "strains of the plateau and the avalanches; else 0.5:1, or the second half of a run"
    add("--window", metavar="A:B", type=window, help=said)
    add("--json", action="store_true", help="print JSON")
    add("--out", metavar="FILE", help="of the table of all records; default: RUNDIR/summary.csv")


def carry_out(options: argparse.Namespace) -> int:
    """Summarize; return the exit code."""
    from hpcepm.analysis.summarize import lines, summarize

    needs_folder(options.out or "")
    found, path, problem = summarize(options.directory, options.window, options.out)
    if options.json:
        say_json({**found.as_json(), "every_record": None if problem else str(path)})
    else:
        where = [] if problem else ["", f"every record: {path}"]
        say("\n".join([*lines(found), *where]))
    if problem:
        said = "the table of all records was not written; --out FILE writes it elsewhere"
        return complain(0, f"hpcepm: {problem}: {said}", FAILED)
    return REACHED
