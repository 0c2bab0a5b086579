"""``hpcepm pack``: all of a run in one file."""

import argparse
import os

from hpcepm.faults import REACHED

from .base import UsageError
from .export import add_choice, write

DESCRIPTION = "Write all of a run into one HDF5 file, which is read as the run is."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("run", metavar="RUN", help="a run directory, or a packed run")
    parser.add_argument("--out", metavar="F", help="the file; without it RUN.h5, beside the run")
    add_choice(parser)


def carry_out(options: argparse.Namespace) -> int:
    """Pack; return the exit code."""
    path = options.out
    if path is None and os.path.isfile(options.run):
        raise UsageError(f"hpcepm pack: {options.run} is a file; name another with --out")
    if path is None:
        path = os.path.relpath(f"{os.path.abspath(options.run)}.h5")
    try:
        write(options, "netcdf", path)
    except OSError as error:
        if options.out:
            raise
        raise OSError(f"{error}; --out F writes it elsewhere") from None
    return REACHED
