"""``hpcepm INPUT``: shear a glass."""

import argparse
from functools import partial

from hpcepm.input import InputError, read_input, refuse_too_large
from hpcepm.input.plugins import load_plugin
from hpcepm.layout import NoRun
from hpcepm.parallel.compiled import cache_is_cold
from hpcepm.parallel.ranks import ProblemOnRank, Ranks
from hpcepm.run.resources import refuse_too_much
from hpcepm.run.run import Run, RunFailed, Stopped
from hpcepm.run.stopping import Deadline, StopRequest, seconds_of_walltime
from hpcepm.run.terminal import Progress
from hpcepm.storage.directory import DirectoryTaken, DirectoryUnusable, RunDirectory

from .base import (
    DIRECTORY_TAKEN,
    FAILED,
    REACHED,
    STOPPED,
    WRONG_INPUT,
    NoPicture,
    Parser,
    UsageError,
    complain,
    draw,
    on_all_ranks,
)


def run_parser() -> Parser:
    """Return the parser of the command line of a run."""
    parser = Parser(
        prog="hpcepm",
        add_help=False,
        description="Shear a glass. To use several ranks: mpiexec -n P python -m hpcepm input.yaml",
        epilog="hpcepm plot, summarize and verify look at a RUNDIR; calibrate TARGET fits keys of "
        "an input. Exit codes: 0 target reached, 1 failed, 2 wrong input, 3 directory taken, "
        "75 stopped on request (--continue goes on).",
    )
    add = parser.add_argument
    add("input", nargs="?", help="the YAML input")
    add(
        "--set",
        metavar="KEY.PATH=VALUE",
        action="append",
        default=[],
        help="override a key; may be repeated",
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
        help="stop in time to end within 23:50:00, say, or 1-12:00:00",
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


def main(arguments: list[str], stop_request: StopRequest) -> int:
    """Carry out the command line of a run; return the exit code. Collective."""
    carry_out = partial(_run, stop_request=stop_request)
    return on_all_ranks(run_parser(), arguments, _check, carry_out)


def _check(options: argparse.Namespace) -> None:
    if options.output == "":
        raise UsageError("--output needs the name of a directory")
    if options.input is None:
        usage = run_parser().format_usage().strip()
        raise UsageError(f"name an input, such as inputs/quickstart.yaml\n{usage}")
    if options.max_walltime is not None:
        options.max_walltime = seconds_of_walltime(options.max_walltime)


def _run(world: Ranks, options: argparse.Namespace, stop_request: StopRequest) -> int:
    """Read the input, take hold of the directory, and run."""
    read = directory = progress = deadline = refused = None
    memory, problem = world.memory(), None
    try:
        for path in options.plugin:
            load_plugin(path)
    except InputError as error:
        problem = str(error)
    if (problem := world.first_not_none(problem)) is not None:
        return complain(world.rank, f"{problem}\nhpcepm: nothing was written", WRONG_INPUT)
    if world.is_root:
        try:
            read = read_input(options.input, options.set, options.output)
            refuse_too_large(read, memory)
            refuse_too_much(read.settings)
            directory = RunDirectory(read.settings.output.directory, options.resume)
            turns = read.settings.loading.turns
            length = read.settings.loading.travelled(len(turns) - 1, turns[-1])
            progress = Progress(length, options.quiet)
            deadline = Deadline(options.max_walltime)
            progress.warn(deadline.warnings)
        except InputError as error:  # its lines begin with the place in the input
            told = f"{error}\nhpcepm: the input is wrong (above); nothing was written"
            refused = (told, WRONG_INPUT)
        except DirectoryUnusable as error:
            refused = (f"hpcepm: {error}", WRONG_INPUT)
        except DirectoryTaken as error:
            refused = (f"hpcepm: {error}", DIRECTORY_TAKEN)
    read, refused = world.bcast((read, refused))
    if refused is not None or read is None:
        return complain(world.rank, *(refused or ("", FAILED)))
    if progress is not None and cache_is_cold():
        progress.say(["compiling the inner loops, once: a quarter of a minute …"])
    try:
        run = Run(world, read, directory, options.resume, progress, stop_request, deadline)
        for _ in run.run():
            pass
    except Stopped as stop:
        return complain(world.rank, f"hpcepm: {stop}", STOPPED)
    except DirectoryTaken as error:
        return complain(world.rank, f"hpcepm: {error}", DIRECTORY_TAKEN)
    except (RunFailed, ProblemOnRank) as error:
        return complain(world.rank, f"hpcepm: stopped: {error}", FAILED)
    finally:
        if directory is not None:
            directory.release()
    if options.plot and progress is not None:
        progress.say([f"  picture   {_picture_of(read.settings.output.directory)}"])
    return REACHED


def _picture_of(directory: str) -> str:
    try:
        return str(draw(directory))
    except (NoRun, NoPicture) as error:
        return f"none: {error}"
