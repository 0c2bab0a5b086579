"""What all commands share: exit codes, a parser that lets rank 0 speak, and the start of MPI."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from hpcepm.layout import NoRun
from hpcepm.text import write

if TYPE_CHECKING:
    from hpcepm.parallel.ranks import Ranks

REACHED: Final = 0
FAILED: Final = 1
WRONG_INPUT: Final = 2
DIRECTORY_TAKEN: Final = 3
STOPPED: Final = 75
INTERRUPTED: Final = 130
"""Of a command that only looks, by Ctrl-C: as the shell says it."""


class UsageError(Exception):
    """The command line is wrong."""


class NoPicture(Exception):
    """A run could be drawn, but something went wrong."""


class Parser(argparse.ArgumentParser):
    """A parser that leaves it to rank 0 to speak, and to the caller to exit."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.color = False  # Python 3.14 would colour the help, and `write` lets no colour pass

    def error(self, message: str) -> NoReturn:  # noqa: D102
        raise UsageError(f"{message}\n{self.format_usage().strip()}")

    def _print_message(self, message: str, file: Any = None) -> None:
        write(message)


def say(text: str) -> None:
    """Print a text."""
    write(f"{text}\n")


def complain(rank: int, message: str, code: int) -> int:
    """Say on rank 0 what is wrong; return the exit code."""
    if rank == 0:
        write(f"{message}\n", sys.stderr)
    return code


def draw(directory: str) -> Path:
    """Draw the picture of a run; return its path.

    Raises
    ------
    NoRun
        There is nothing to draw, or nothing to draw it with.
    NoPicture
        The disk is full, or matplotlib is broken.
    """
    os.environ["MPLBACKEND"] = "agg"  # that of a notebook could not be had here
    try:
        from hpcepm.analysis.plot import draw_summary

        return draw_summary(directory)
    except NoRun:
        raise
    except Exception as error:  # matplotlib fails in many ways
        kind = "" if isinstance(error, OSError) else f"{type(error).__name__}: "
        raise NoPicture(f"{kind}{error}") from error


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
    from hpcepm import __version__
    from hpcepm.parallel import launch
    from hpcepm.parallel.ranks import Ranks

    sys.excepthook = launch.abort_all_ranks
    comm = launch.initialize()
    try:
        options = parser.parse_args(arguments)
        if options.help or getattr(options, "version", False):
            if comm.rank == 0:
                say(parser.format_help() if options.help else f"hpcepm {__version__}")
            return REACHED
        check(options)
        launch.refuse_lone_ranks(comm)
    except (UsageError, ValueError, launch.WrongLauncher) as error:
        return complain(comm.rank, f"hpcepm: {error}", WRONG_INPUT)
    return carry_out(Ranks(comm), options)
