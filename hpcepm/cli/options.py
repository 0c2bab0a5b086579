"""The options of ``hpcepm INPUT`` and of a sweep. They take neither MPI nor a compiler."""

import argparse
from typing import Final

from hpcepm import __version__
from hpcepm.faults import REACHED

from .base import Parser, say
from .hints import no_command
from .look import COMMANDS

ALL_COMMANDS: Final = ("run", "sweep", *COMMANDS, "calibrate", "help")


class RunParser(Parser):
    """The parser of the command line of a run: its first word may be a command that is none."""

    def meant(
        self, options: argparse.Namespace, extras: list[str], arguments: list[str]
    ) -> list[str]:
        """Return what was meant by words that mean nothing, a line each."""
        others = [word for word in extras if not word.startswith("-")]
        said = no_command(options.input or "", ALL_COMMANDS) if others else None
        return [f"  {said}"] if said else super().meant(options, extras, arguments)


def _whole_key(word: str) -> str | None:
    from hpcepm.input.misplaced import whole_key
    from hpcepm.input.schema import Input

    return whole_key(Input, word)


def run_parser() -> Parser:
    """Return the parser of the command line of a run."""
    parser = RunParser(
        find=_whole_key,
        prog="hpcepm",
        add_help=False,
        description="Shear a glass. To use several ranks: mpiexec -n P python -m hpcepm input.yaml",
        epilog="hpcepm init writes an input to begin with, explain KEY says what a key means, and "
        "check INPUT what a run will take; status, plot, summarize, compare, report and verify "
        "look at runs, export and pack write them anew; sweep INPUT KEY=VALUES makes many; "
        "calibrate TARGET fits keys of an input; schema prints the JSON Schema of inputs, and "
        "cite what to cite. Exit codes: 0 target reached, 1 failed, 2 wrong "
        "input, 3 directory taken, 75 stopped on request (--continue goes on).",
    )
    add = parser.add_argument
    add("input", nargs="?", help="the YAML input")
    add(
        "--set",
        metavar="KEY.PATH=VALUE",
        action="append",
        default=[],
        help="override a key, loading.0.target in a list; may be repeated",
    )
    add("--output", metavar="DIR", help="where results go, instead of output.directory")
    add(
        "--continue",
        dest="resume",
        action="store_true",
        help="go on from the newest checkpoint, if there is one",
    )
    add(
        "--max-walltime",
        metavar="TIME",
        help="stop in time to end within 23:50:00, say, 1-12:00:00, or 30 (minutes), as in SLURM",
    )
    add(
        "--plugin",
        metavar="FILE",
        action="append",
        default=[],
        help="a Python file that adds to the model (docs/extending.md); may be repeated",
    )
    add("--plot", action="store_true", help="draw summary.png at the end")
    add("--quiet", action="store_true", help="say nothing but what is wrong")
    add("--version", action="store_true", help="print the version")
    add("-h", "--help", action="store_true", help="print this")
    return parser


def sweep_parser() -> Parser:
    """Return the parser of the command line of a sweep."""
    parser = Parser(
        prog="hpcepm sweep",
        add_help=False,
        description="Run an input for all combinations of values of some of its keys: seed=1..8, "
        "slip.c0=0.02:0.08:7, thresholds.renewal=MCT,GQ (docs/sweeps.md). What is finished is "
        "left, all else goes on where it was: the same command continues a sweep.",
        epilog="In one MPI job: mpiexec -n P hpcepm sweep …. Exit codes: 0 all points are "
        "finished, 1 some failed, 2 wrong input, 3 the folder holds other runs, 75 stopped on "
        "request.",
    )
    add = parser.add_argument
    add("input", nargs="?", help="the YAML input")
    add("axes", metavar="KEY=VALUES", nargs="*", help="from..to, from:to:number, or a,b,c")
    add("--output", metavar="DIR", help="where the points go; default: runs/INPUT-sweep")
    add("-j", metavar="N", dest="at_a_time", type=int, help="points at a time; default: idle cores")
    add("-n", metavar="RANKS", dest="ranks", type=int, default=1, help="ranks of each point")
    add("--set", metavar="KEY=VALUE", action="append", default=[], help="for all points")
    add("--plugin", metavar="FILE", action="append", default=[], help="for all points")
    add("--max-walltime", metavar="TIME", help="stop in time to end within it")
    add("--dry-run", action="store_true", help="list the points, and what is to be done")
    add("--array", action="store_true", help="print a job script for SLURM, a job for each point")
    add("--point", metavar="K", type=int, help="run this point alone, on all ranks; from 1")
    add("--continue", dest="resume", action="store_true", help="as always")
    add("--quiet", action="store_true", help="say nothing but what is wrong")
    add("-h", "--help", action="store_true", help="print this")
    return parser


def tell(option: str) -> int:
    """Print the version or the help; return the exit code."""
    say(f"hpcepm {__version__}" if option == "--version" else run_parser().format_help())
    return REACHED
