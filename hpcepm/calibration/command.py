"""``python -m hpcepm calibrate target.yaml [--set key.path=value ...] [--output DIR] [--quiet]``."""

import argparse
import os
import sys
import time
from io import TextIOWrapper
from pathlib import Path

from hpcepm.cli import DIRECTORY_TAKEN, FAILED, REACHED, STOPPED, WRONG_INPUT, Parser, UsageError
from hpcepm.input import InputError, refuse_too_large
from hpcepm.parallel import launch
from hpcepm.parallel.compiled import cache_is_cold
from hpcepm.parallel.ranks import ProblemOnRank, Ranks
from hpcepm.run.stopping import StopRequest

from .calibrate import NoPeak, Result, calibrate
from .ensemble import Interrupted
from .progress import Progress
from .report import text_of, write_report
from .target import Target, read_target


class FolderTaken(Exception):
    """The output folder holds a calibration already."""


def _parser() -> Parser:
    parser = Parser(
        prog="python -m hpcepm calibrate",
        add_help=False,
        description="Find the keys of an input with which an ensemble meets a target (docs/calibration.md).",
        epilog="Several ranks: mpiexec -n P python -m hpcepm calibrate TARGET. Exit codes: 0 done, 1 failed, 2 wrong target, "
        "3 the folder holds a calibration, 75 stopped on request, nothing written.",
    )
    parser.add_argument("target", nargs="?", help="the YAML target file")
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="override a key of the target file",
    )
    parser.add_argument("--output", metavar="DIR", help="where results go, instead of output")
    parser.add_argument("--quiet", action="store_true", help="say nothing but what is wrong")
    parser.add_argument("-h", "--help", action="store_true", help="print this")
    return parser


def main(arguments: list[str]) -> int:
    """Carry out ``calibrate``; return the exit code. Collective."""
    sys.excepthook = launch.abort_all_ranks
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    comm = launch.initialize()
    try:
        options = _parser().parse_args(arguments)
        if not options.help:
            _check(options)
            launch.refuse_lone_ranks(comm)
    except (UsageError, launch.WrongLauncher) as error:
        return _complain(comm.rank, f"hpcepm: {error}", WRONG_INPUT)
    if options.help:
        if comm.rank == 0:
            print(_parser().format_help())
        return REACHED
    return _calibrate(Ranks(comm), options)


def _check(options: argparse.Namespace) -> None:
    if options.target is None:
        raise UsageError(
            f"name a target file, such as inputs/calibrate/target.yaml\n{_parser().format_usage().strip()}"
        )
    if options.output == "":
        raise UsageError("--output needs the name of a directory")


def _complain(rank: int, message: str, code: int) -> int:
    if rank == 0:
        print(message, file=sys.stderr, flush=True)
    return code


def _calibrate(ranks: Ranks, options: argparse.Namespace) -> int:
    memory = ranks.memory()
    target, (message, code) = ranks.bcast(
        _read(options, memory) if ranks.is_root else (None, ("", FAILED))
    )
    if target is None:
        return _complain(ranks.rank, message, code)
    progress = None
    if ranks.is_root:
        progress = Progress(len(target.keys), target.settings.realizations, options.quiet)
        told = f"{ranks.size} rank{'s'[: ranks.size > 1]}"
        progress.say(
            f"hpcepm calibrate: {', '.join(target.keys)} to {len(target.goal.names)} numbers, on {told}"
        )
        if cache_is_cold():
            progress.say("compiling the inner loops, once: a quarter of a minute …")
    started = time.monotonic()
    try:
        result, problem = calibrate(ranks, target, progress, StopRequest().listen()), None
    except Interrupted:
        return _complain(ranks.rank, "hpcepm: stopped on request; nothing was written", STOPPED)
    except InputError as error:
        return _complain(ranks.rank, str(error), WRONG_INPUT)
    except ProblemOnRank as error:
        return _complain(ranks.rank, f"hpcepm: stopped: {error}", FAILED)
    except NoPeak as error:
        result, problem = None, (f"{options.target}: {error}", WRONG_INPUT)
    if result is not None and progress is not None:
        problem = _finish(target, result, progress, time.monotonic() - started)
    problem = ranks.bcast(problem)
    return _complain(ranks.rank, *problem) if problem else REACHED


def _read(options: argparse.Namespace, memory: int) -> tuple[Target | None, tuple[str, int]]:
    """Return a target whose output folder was made, or what is wrong and the exit code."""
    try:
        target = read_target(options.target, options.set, options.output)
        refuse_too_large(target.read, memory)
        _make(Path(target.settings.output))
    except InputError as error:
        return None, (
            f"{error}\nhpcepm: the target is wrong (above); nothing was written",
            WRONG_INPUT,
        )
    except FolderTaken as error:
        return None, (f"hpcepm: {error}", DIRECTORY_TAKEN)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        folder = options.output or "output"
        return None, (
            f"hpcepm: {folder}: cannot be used for output: {getattr(error, 'strerror', None) or error}",
            WRONG_INPUT,
        )
    return target, ("", REACHED)


def _make(folder: Path) -> None:
    if any((folder / name).exists() for name in ("calibration.json", "run.h5")):
        raise FolderTaken(
            f"{folder}: holds results already, and was not touched; name another with --output DIR, or remove it"
        )
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise PermissionError(13, "Permission denied")


def _finish(
    target: Target, result: Result, progress: Progress, seconds: float
) -> tuple[str, int] | None:
    """Tell the result and write it; return what went wrong, if anything."""
    progress.say(text_of(target, result))
    try:
        for path in write_report(target, result, seconds):
            progress.say(f"  {path}")
    except OSError as error:
        return (
            f"hpcepm: {target.settings.output}: the results cannot be written: {error.strerror or error}",
            FAILED,
        )
    return None
