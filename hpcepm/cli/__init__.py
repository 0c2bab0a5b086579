"""The command line.

    python -m hpcepm input.yaml [--set key.path=value ...] [--output DIR] [--continue]
    [--max-walltime TIME] [--plot]
                               [--quiet]
    python -m hpcepm plot RUNDIR
    python -m hpcepm summarize RUNDIR
    python -m hpcepm verify RUNDIR
    python -m hpcepm calibrate TARGET [--set key=value ...] [--output DIR] [--quiet]

Exit codes: 0 the target was reached; 1 something failed; 2 the input or the command line is wrong,
and nothing was written; 3 the directory is in use, or holds a run that was not to be touched; 75
the run was asked to stop, and --continue goes on.
"""

import argparse
import sys
from collections.abc import Callable
from io import TextIOWrapper
from typing import TYPE_CHECKING, Final, NoReturn

from hpcepm import __version__
from hpcepm.run.stopping import Deadline, StopRequest, seconds_of_walltime
from hpcepm.storage.directory import NoRun

if TYPE_CHECKING:
    from hpcepm.parallel.ranks import Ranks

REACHED: Final = 0
FAILED: Final = 1
WRONG_INPUT: Final = 2
DIRECTORY_TAKEN: Final = 3
STOPPED: Final = 75


class UsageError(Exception):
    """The command line is wrong."""


class Parser(argparse.ArgumentParser):
    """A parser that leaves it to rank 0 to speak, and to the caller to exit."""

    def error(self, message: str) -> NoReturn:  # noqa: D102
        raise UsageError(f"{message}\n{self.format_usage().strip()}")


def run_parser() -> Parser:
    """Return the parser of the command line of a run."""
    parser = Parser(
        prog="python -m hpcepm",
        add_help=False,
        description="Shear a glass. To use several ranks: mpiexec -n P python -m hpcepm input.yaml",
        epilog="python -m hpcepm plot, summarize and verify look at a RUNDIR; calibrate TARGET fits keys of an input. "
        "Exit codes: 0 target reached, 1 failed, "
        "2 wrong input, 3 directory taken, 75 stopped on request (--continue goes on).",
    )
    parser.add_argument("input", nargs="?", help="the YAML input")
    parser.add_argument(
        "--set",
        metavar="KEY.PATH=VALUE",
        action="append",
        default=[],
        help="override a key; may be repeated",
    )
    parser.add_argument(
        "--output", metavar="DIR", help="where results go, instead of output.directory"
    )
    parser.add_argument(
        "--continue",
        dest="go_on",
        action="store_true",
        help="go on from the newest checkpoint, if there is one",
    )
    parser.add_argument(
        "--max-walltime",
        metavar="TIME",
        help="stop in time to end within 23:50:00, say, or 1-12:00:00",
    )
    parser.add_argument("--plot", action="store_true", help="draw summary.png at the end")
    parser.add_argument("--quiet", action="store_true", help="say nothing but what is wrong")
    parser.add_argument("--version", action="store_true", help="print the version")
    parser.add_argument("-h", "--help", action="store_true", help="print this")
    return parser


def main(arguments: list[str]) -> int:
    """Carry out a command line; return the exit code. Collective, but for the subcommands."""
    if arguments and arguments[0] in SUBCOMMANDS:
        return _look_at(arguments[0], arguments[1:])
    if arguments[:1] == ["calibrate"]:
        from . import calibrate

        return calibrate.main(arguments[1:])
    return _run(arguments)


def _run(arguments: list[str]) -> int:
    stop_request = (
        StopRequest().listen()
    )  # first of all: a signal that comes early must not end the run
    from hpcepm.parallel import launch
    from hpcepm.parallel.ranks import Ranks

    sys.excepthook = launch.abort_all_ranks
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # the world has terminals without μ
    comm = launch.initialize()

    def complain(message: str, code: int) -> int:
        if comm.rank == 0:
            print(message, file=sys.stderr, flush=True)
        return code

    try:
        options = run_parser().parse_args(arguments)
        if options.help or options.version:
            if comm.rank == 0:
                print(f"hpcepm {__version__}" if options.version else run_parser().format_help())
            return REACHED
        if options.output == "":
            raise UsageError("--output needs the name of a directory")
        if options.input is None:
            raise UsageError(
                f"name an input, such as inputs/quickstart.yaml\n{run_parser().format_usage().strip()}"
            )
        if options.max_walltime is not None:
            options.max_walltime = seconds_of_walltime(options.max_walltime)
        launch.refuse_lone_ranks(comm)
    except (UsageError, ValueError, launch.WrongLauncher) as error:
        return complain(f"hpcepm: {error}", WRONG_INPUT)

    return _simulate(Ranks(comm), options, complain, stop_request)


def _simulate(
    ranks: "Ranks",
    options: argparse.Namespace,
    complain: Callable[[str, int], int],
    stop_request: StopRequest,
) -> int:
    from hpcepm.input import InputError, read_input, refuse_too_large
    from hpcepm.model.dynamics import NotFinite
    from hpcepm.parallel.compiled import cache_is_cold
    from hpcepm.parallel.ranks import ProblemOnRank
    from hpcepm.run.ensemble import Ensemble
    from hpcepm.run.resources import refuse_too_much
    from hpcepm.run.simulation import OutputFailed, Simulation, Stopped
    from hpcepm.run.terminal import Progress
    from hpcepm.storage.checkpoint import BadCheckpoint
    from hpcepm.storage.directory import DirectoryTaken, DirectoryUnusable, RunDirectory

    read = directory = progress = deadline = refused = None
    memory = ranks.memory()
    if ranks.is_root:
        try:
            read = read_input(options.input, options.set, options.output)
            refuse_too_large(read, memory)
            refuse_too_much(read.settings)
            directory = RunDirectory(read.settings.output.directory, options.go_on)
            progress = Progress(read.settings.loading.target, options.quiet)
            deadline = Deadline(options.max_walltime)
        except InputError as error:  # its lines begin with the place in the input
            refused = (
                f"{error}\nhpcepm: the input is wrong (above); nothing was written",
                WRONG_INPUT,
            )
        except DirectoryUnusable as error:
            refused = (f"hpcepm: {error}", WRONG_INPUT)
        except DirectoryTaken as error:
            refused = (f"hpcepm: {error}", DIRECTORY_TAKEN)
    read, refused = ranks.bcast((read, refused))
    if refused is not None:
        return complain(*refused)
    assert read is not None
    if progress is not None and cache_is_cold():
        progress.say(["compiling the inner loops, once: a quarter of a minute …"])
    try:
        kind = Simulation if read.settings.realizations == 1 else Ensemble
        for _ in kind(
            ranks, read, directory, options.go_on, progress, stop_request, deadline
        ).run():
            pass
    except Stopped as stop:
        return complain(f"hpcepm: {stop}", STOPPED)
    except DirectoryTaken as error:
        return complain(f"hpcepm: {error}", DIRECTORY_TAKEN)
    except (NotFinite, OutputFailed, ProblemOnRank, BadCheckpoint) as error:
        return complain(f"hpcepm: stopped: {error}", FAILED)
    finally:
        if directory is not None:
            directory.release()
    if options.plot and progress is not None:
        progress.say([f"  picture   {_picture_of(read.settings.output.directory)}"])
    return REACHED


def _picture_of(directory: str) -> str:
    from hpcepm.analysis.plot import draw_summary

    try:
        return str(draw_summary(directory))
    except NoRun as error:
        return f"none: {error}"


def _plot(directory: str) -> int:
    from hpcepm.analysis.plot import draw_summary

    print(draw_summary(directory))
    return REACHED


def _verify(directory: str) -> int:
    from hpcepm.analysis.verify import report

    return REACHED if report(directory, print) else FAILED


def _summarize(directory: str) -> int:
    from hpcepm.analysis.summarize import report

    print(*report(directory), sep="\n")
    return REACHED


SUBCOMMANDS: Final = {
    "plot": (_plot, "Draw RUNDIR/summary.png."),
    "summarize": (_summarize, "Print means over realizations, and write RUNDIR/summary.csv."),
    "verify": (_verify, "Check that RUNDIR holds what its run computed."),
}


def _look_at(name: str, arguments: list[str]) -> int:
    """Carry out a subcommand that takes the directory of a run."""
    command, description = SUBCOMMANDS[name]
    parser = Parser(prog=f"python -m hpcepm {name}", description=description)
    parser.add_argument("directory", metavar="RUNDIR")
    try:
        return command(parser.parse_args(arguments).directory)
    except UsageError as error:
        print(error, file=sys.stderr)
    except NoRun as error:
        print(f"hpcepm: {error}", file=sys.stderr)
    return WRONG_INPUT
