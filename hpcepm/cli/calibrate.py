"""``python -m hpcepm calibrate``: find the keys of an input that meet a target."""

import argparse
import os
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hpcepm.faults import DIRECTORY_TAKEN, FAILED, REACHED, STOPPED, WRONG_INPUT
from hpcepm.run.stopping import StopRequest

from . import base
from .plugins import add_plugins, load_on_all

if TYPE_CHECKING:
    from hpcepm.calibration.target import Target
    from hpcepm.parallel.ranks import Ranks
    from hpcepm.run.terminal import Progress


def calibrate_parser() -> base.Parser:
    """Return the parser of the command line of a calibration."""
    parser = base.Parser(
        prog="python -m hpcepm calibrate",
        add_help=False,
        description="Find the keys of an input with which an ensemble meets a target "
        "(docs/calibration.md).",
        epilog="Several ranks: mpiexec -n P python -m hpcepm calibrate TARGET. Exit codes: 0 done, "
        "1 failed, 2 wrong target, 3 the folder holds a calibration, 75 stopped on request, "
        "nothing written.",
    )
    add = parser.add_argument
    add("target", nargs="?", help="the YAML target file")
    add("--set", metavar="KEY=VALUE", action="append", default=[], help="override a key of it")
    add("--output", metavar="DIR", help="where results go, instead of output")
    add_plugins(parser)
    add("--quiet", action="store_true", help="say nothing but what is wrong")
    add("-h", "--help", action="store_true", help="print this")
    return parser


def main(arguments: list[str], stop_request: StopRequest) -> int:
    """Carry out ``calibrate``; return the exit code. Collective."""

    def carry_out(ranks: "Ranks", options: argparse.Namespace) -> int:
        told, code = _calibrate(ranks, options, stop_request)
        return base.complain(ranks.rank, told, code) if told else code

    return base.on_all_ranks(calibrate_parser(), arguments, _check, carry_out)


def _check(options: argparse.Namespace) -> None:
    if options.target is None:
        calibrate_parser().error("name a target file, such as inputs/calibrate/target.yaml")
    if options.output == "":
        raise base.UsageError("--output needs the name of a directory")


def _calibrate(
    ranks: "Ranks", options: argparse.Namespace, stop_request: StopRequest
) -> tuple[str, int]:
    """Return what to tell at the end, and the exit code. Collective."""
    from hpcepm.calibration.calibrate import NoPeak, calibrate
    from hpcepm.calibration.ensemble import Interrupted
    from hpcepm.input.problems import InputError
    from hpcepm.parallel.ranks import ProblemOnRank
    from hpcepm.run.standing import of_realizations
    from hpcepm.run.terminal import Progress

    if (wrong := load_on_all(options.plugin, ranks)) is not None:
        return wrong, WRONG_INPUT
    memory = ranks.memory()
    target, problem = ranks.bcast(_read(options, memory) if ranks.is_root else (None, ("", FAILED)))
    if target is None:
        return problem
    progress = Progress(1.0, options.quiet or not ranks.is_root)
    _begin(target, ranks.size, progress)
    first: list[tuple[int, float]] = []  # after the first task, whose time is that of compiling

    def show(done: int, most: int) -> None:
        first.append((done, time.monotonic()))
        begun_with, since = first[0]
        seconds = max(time.monotonic() - since, 1e-9)
        progress.show(of_realizations(begun_with, done, most, seconds))

    began, result, ended = time.monotonic(), None, ("", REACHED)
    try:
        result = calibrate(ranks, target, stop_request, lambda text: progress.say([text]), show)
    except Interrupted:
        return "hpcepm: stopped on request; nothing was written", STOPPED
    except InputError as error:
        return str(error), WRONG_INPUT
    except ProblemOnRank as error:
        return f"hpcepm: stopped: {error}", FAILED
    except NoPeak as error:
        ended = (f"{options.target}: {error}", WRONG_INPUT)
    finally:
        if result is None and ranks.is_root:
            with suppress(OSError):  # not if something is in it
                Path(target.settings.output).rmdir()
    if result is not None:
        from hpcepm.calibration.report import text_of, write_report

        progress.say([text_of(target, result)])
        try:
            made = write_report(target, result, time.monotonic() - began)
            progress.say(f"  {path}" for path in made)
        except OSError as error:
            said = f"the results cannot be written: {error.strerror or error}"
            ended = (f"hpcepm: {target.settings.output}: {said}", FAILED)
    return ranks.bcast(ended)


def _read(options: argparse.Namespace, memory: int) -> tuple["Target | None", tuple[str, int]]:
    """Return a target whose output folder was made; or None, what is wrong and the exit code."""
    from hpcepm.calibration.target import read_target
    from hpcepm.files import reason
    from hpcepm.input.problems import InputError
    from hpcepm.input.read import refuse_too_large

    try:
        target = read_target(options.target, options.set, options.output)
        refuse_too_large(target.read, memory)
        folder = Path(target.settings.output)
        if any((folder / name).exists() for name in ("calibration.json", "run.h5")):
            said = "holds results already, and was not touched; name another with --output DIR"
            return None, (f"hpcepm: {folder}: {said}, or remove it", DIRECTORY_TAKEN)
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(13, "Permission denied")
    except InputError as error:
        said = "hpcepm: the target is wrong (above); nothing was written"
        return None, (f"{error}\n{said}", WRONG_INPUT)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        said = f"cannot be used for output: {reason(error)}"
        return None, (f"hpcepm: {options.output or 'output'}: {said}", WRONG_INPUT)
    return target, ("", REACHED)


def _begin(target: "Target", size: int, progress: "Progress") -> None:
    from hpcepm.parallel.compiled import tell_of_compiling

    told = f"{', '.join(target.keys)} to {len(target.goal.names)} numbers"
    progress.say([f"hpcepm calibrate: {told}, on {size} rank{'s'[: size > 1]}"])
    tell_of_compiling(partial(progress.say, [base.COMPILING]))
