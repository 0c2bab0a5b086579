"""What all commands share: exit codes, a parser that lets rank 0 speak, and the start of MPI."""

import argparse
import sys
from collections.abc import Callable
from io import TextIOWrapper
from typing import TYPE_CHECKING, Final, NoReturn

from hpcepm.text import write

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


def say(text: str) -> None:
    """Print a text."""
    write(f"{text}\n")


def complain(rank: int, message: str, code: int) -> int:
    """Say on rank 0 what is wrong; return the exit code."""
    if rank == 0:
        write(f"{message}\n", sys.stderr)
    return code


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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # the world has terminals without μ
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
