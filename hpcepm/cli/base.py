"""What all commands share: a parser that lets rank 0 speak, and the start of MPI."""

import argparse
import errno
import gc
import json
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from hpcepm.faults import FAILED, REACHED, WRONG_INPUT, NoRun
from hpcepm.run.stopping import ignore_requests
from hpcepm.text import flush_streams, open_streams, report_fault, write

from .hints import Find, hints

if TYPE_CHECKING:
    from hpcepm.parallel.ranks import Ranks

COMPILING: Final = "compiling this kind of step loop, once: a minute or two …"


BELOW_ZERO: Final = re.compile(r"-\.?\d")
"""How a value begins that is no option: argparse knows ``-0.01``, not ``-1e-2`` or ``-0.01:0``."""


class UsageError(Exception):
    """The command line is wrong."""


class NoPicture(Exception):
    """A run could be drawn, but something went wrong."""


class Parser(argparse.ArgumentParser):
    """A parser that leaves it to rank 0 to speak, and to the caller to exit."""

    def __init__(self, find: Find = lambda word: None, **settings: Any) -> None:
        super().__init__(**settings)
        self.find = find
        self._negative_number_matcher = BELOW_ZERO
        self.color = False  # Python 3.14 would colour the help, and `write` lets no colour pass

    def parse_args(self, arguments: list[str]) -> argparse.Namespace:  # type: ignore[override]
        """Return the options of a command line.

        Raises
        ------
        UsageError
            It is wrong; the message says what was meant, if that can be seen.
        """
        parse = self.parse_known_intermixed_args
        if "--" in arguments:  # which that drops
            parse = self.parse_known_args
        options, extras = parse(arguments)
        if extras:
            said = self.meant(options, extras, arguments)
            self.error("\n".join([f"unrecognized arguments: {' '.join(extras)}", *said]))
        return options

    def meant(
        self, options: argparse.Namespace, extras: list[str], arguments: list[str]
    ) -> list[str]:
        """Return what was meant by words that mean nothing, a line each."""
        return [f"  {hint}" for hint in hints(extras, arguments, self, self.find)]

    def error(self, message: str) -> NoReturn:  # noqa: D102
        raise UsageError(f"{message}\n{self.format_usage().strip()}")

    def _print_message(self, message: str, file: Any = None) -> None:
        write(message)


def carry_out_with(main: Callable[[list[str]], int]) -> NoReturn:
    """Carry out the command line of this process, and end it.

    Nothing that is loaded is garbage. To look for it takes a tenth of a start, and at the end, once
    more, a third of one.
    """
    gc.set_threshold(50_000)
    open_streams()
    try:
        code = main(sys.argv[1:])
    finally:
        ignore_requests()
        flush_streams()
        gc.freeze()
    sys.exit(code)


def say(text: str) -> None:
    """Print a text that was asked for; end if there is no room for it, as on a full disk."""
    failure = write(f"{text}\n")
    if failure is not None and failure.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
        sys.exit(complain(0, f"hpcepm: standard output: {failure.strerror}", FAILED))


def say_json(found: Any) -> None:
    """Print what a program shall read."""
    say(json.dumps(found, ensure_ascii=False, indent=2, allow_nan=False))


def complain(rank: int, message: str, code: int) -> int:
    """Say on rank 0 what is wrong; return the exit code."""
    if rank == 0:
        write(f"{message}\n", sys.stderr)
    return code


@contextmanager
def drawing() -> Iterator[None]:
    """Tell what goes wrong in drawing.

    Raises
    ------
    NoRun
        There is nothing to draw, or nothing to draw it with.
    NoPicture
        The disk is full, or matplotlib is broken.
    """
    os.environ["MPLBACKEND"] = "agg"  # that of a notebook could not be had here
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph")  # a name with letters that no font here has
            yield
    except NoRun:
        raise
    except Exception as error:  # matplotlib fails in many ways
        from hpcepm.files import reason

        if isinstance(error, MemoryError):
            raise NoPicture(reason(error)) from error
        kind = "" if isinstance(error, OSError) else f"{type(error).__name__}: "
        raise NoPicture(f"{kind}{error}") from error


def draw(directory: str) -> Path:
    """Draw the picture of a run; return its path. Raises as `drawing`."""
    with drawing():
        from hpcepm.analysis.plot import draw_summary

        return draw_summary(directory)


def needs_folder(file: str | os.PathLike[str]) -> None:
    """Refuse a file that is to be written into a folder that is not there."""
    folder = Path(file).parent
    if not folder.is_dir():
        raise UsageError(f"hpcepm: {folder}: no such directory; make it first")


def window(text: str) -> tuple[float, float]:
    """Return a window of strain, as ``0.5:1``.

    Raises
    ------
    argparse.ArgumentTypeError
        It is none.
    """
    try:
        low, high = (float(part) for part in text.split(":"))
        if 0 <= low < high < float("inf"):
            return low, high
    except ValueError:
        pass
    said = f"{text!r} is no window of strain; write two strains from 0 on, as 0.5:1"
    raise argparse.ArgumentTypeError(said)


def on_all_ranks(
    parser: Parser,
    arguments: list[str],
    check: Callable[[argparse.Namespace], None],
    carry_out: Callable[["Ranks", argparse.Namespace], int],
) -> int:
    """Start MPI, parse a command line and carry it out; return the exit code. Collective.

    Parameters
    ----------
    parser
        With the options ``--help`` and perhaps ``--version``.
    arguments
        The command line.
    check
        Raises `UsageError` or `ValueError` if the options make no sense.
    carry_out
        Returns the exit code.
    """
    from hpcepm.parallel import launch
    from hpcepm.parallel.ranks import Ranks

    sys.excepthook = launch.abort_all_ranks
    comm = launch.initialize()
    try:
        options = _options_of(parser, arguments, check, comm.rank)
        if options is None:
            return REACHED
        launch.refuse_lone_ranks(comm)
    except (UsageError, ValueError, launch.WrongLauncher) as error:
        return complain(comm.rank, f"hpcepm: {error}", WRONG_INPUT)
    return carry_out(Ranks(comm), options)


def on_one_process(
    parser: Parser,
    arguments: list[str],
    check: Callable[[argparse.Namespace], None],
    carry_out: Callable[[argparse.Namespace], int],
) -> int:
    """Do as `on_all_ranks` without MPI."""
    try:
        options = _options_of(parser, arguments, check, 0)
    except (UsageError, ValueError) as error:
        return complain(0, f"hpcepm: {error}", WRONG_INPUT)
    try:
        return REACHED if options is None else carry_out(options)
    except Exception as error:
        report_fault(error)
        return FAILED


def _options_of(
    parser: Parser,
    arguments: list[str],
    check: Callable[[argparse.Namespace], None],
    rank: int,
) -> argparse.Namespace | None:
    """Return the options of a command line; None if it asked for help, which was printed."""
    from hpcepm import __version__

    options = parser.parse_args(arguments)
    if options.help or getattr(options, "version", False):
        if rank == 0:
            say(parser.format_help() if options.help else f"hpcepm {__version__}")
        return None
    check(options)
    return options
