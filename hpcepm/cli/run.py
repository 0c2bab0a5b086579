"""``hpcepm INPUT``: shear a glass."""

import argparse
import os
from functools import partial

from hpcepm.faults import DIRECTORY_TAKEN, FAILED, REACHED, STOPPED, WRONG_INPUT, NoRun
from hpcepm.input.problems import InputError
from hpcepm.input.read import read_input, refuse_too_large
from hpcepm.parallel.compiled import tell_of_compiling
from hpcepm.parallel.ranks import ProblemOnRank, Ranks
from hpcepm.run.journal import Journal
from hpcepm.run.resources import refuse_too_much
from hpcepm.run.run import Run, RunFailed
from hpcepm.run.stopping import Deadline, Stopped, StopRequest, seconds_of_walltime
from hpcepm.run.terminal import Progress
from hpcepm.storage.directory import DirectoryTaken, DirectoryUnusable, RunDirectory

from .base import COMPILING, NoPicture, UsageError, complain, draw, on_all_ranks
from .hints import no_command
from .options import ALL_COMMANDS, run_parser
from .plugins import load_on_all
from .typed import command


def main(arguments: list[str], stop_request: StopRequest) -> int:
    """Carry out the command line of a run; return the exit code. Collective."""
    carry_out = partial(run_on, stop_request=stop_request)
    return on_all_ranks(run_parser(), arguments, check, carry_out)


def check(options: argparse.Namespace) -> None:
    """Raise `UsageError` or `ValueError` if options make no sense."""
    if options.output == "":
        raise UsageError("--output needs the name of a directory")
    if options.input is None:
        run_parser().error("name an input, such as inputs/quickstart.yaml")
    if options.max_walltime is not None:
        options.max_walltime = seconds_of_walltime(options.max_walltime)


def run_on(
    world: Ranks,
    options: argparse.Namespace,
    stop_request: StopRequest,
    limit: Deadline | None = None,
) -> int:
    """Read the input, take hold of the directory, and run; return the exit code. Collective.

    ``limit`` is that of a job of which this run is a part.
    """
    read = directory = progress = deadline = refused = None
    memory = world.memory()
    if (problem := load_on_all(options.plugin, world)) is not None:
        return complain(world.rank, f"{problem}\nhpcepm: nothing was written", WRONG_INPUT)
    if world.is_root:
        try:
            read = read_input(options.input, options.set, options.output)
            refuse_too_large(read, memory)
            refuse_too_much(read.settings)
            directory = RunDirectory(read.settings.output.directory, options.resume)
            loading = read.settings.loading
            plain = loading.is_strain and len(loading.segments) == 1
            journal = Journal(directory.path, directory.claim.check)
            target = loading.target if plain else None
            progress = Progress(target, options.quiet, journal=journal)
            deadline = limit or Deadline(options.max_walltime)
            progress.warn(deadline.warnings)
        except InputError as error:  # its lines begin with the place in the input
            told = _meant(options.input) or str(error)
            refused = (
                f"{told}\nhpcepm: the input is wrong (above); nothing was written",
                WRONG_INPUT,
            )
        except DirectoryUnusable as error:
            refused = (f"hpcepm: {error}", WRONG_INPUT)
        except DirectoryTaken as error:
            refused = (f"hpcepm: {error}", DIRECTORY_TAKEN)
    read, refused = world.bcast((read, refused))
    if refused is not None or read is None:
        return complain(world.rank, *(refused or ("", FAILED)))
    if progress is not None:
        tell_of_compiling(partial(progress.say, [COMPILING]))
    try:
        run = Run(world, read, directory, options.resume, progress, stop_request, deadline)
        for _ in run.run():
            pass
    except Stopped as stop:
        again = command(*([] if options.resume else ["--continue"]))
        return complain(world.rank, f"hpcepm: {stop}: {again}", STOPPED)
    except DirectoryUnusable as error:
        return complain(world.rank, f"hpcepm: {error}", WRONG_INPUT)
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


def _meant(name: str) -> str | None:
    """Return what was meant by an input that is not there, if it is like a command."""
    return None if os.path.exists(name) else no_command(name, ALL_COMMANDS)


def _picture_of(directory: str) -> str:
    try:
        return str(draw(directory))
    except (NoRun, NoPicture) as error:
        return f"none: {error}"
