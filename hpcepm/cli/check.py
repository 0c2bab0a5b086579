"""``hpcepm check``: what a run of an input will take; nothing is written."""

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING, Final

from hpcepm.faults import FAILED, REACHED, WRONG_INPUT
from hpcepm.text import write

from .base import COMPILING, UsageError, complain, say
from .plugins import add_plugins, load_plugins

if TYPE_CHECKING:
    from hpcepm.input.read import ReadInput

DESCRIPTION = (
    "Say what a run of INPUT will take: events, time, memory and disk; the resolved input, the "
    "files it names, and warnings. It shears smaller lattices of the same glass, and the lattice "
    "itself, for a few seconds in memory. Nothing is written."
)

SECONDS: Final = 6.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add = parser.add_argument
    add("input", metavar="INPUT", help="the YAML input")
    add(
        "-n",
        "--ranks",
        type=int,
        metavar="P",
        help="ranks in all; default: as many as are fastest here",
    )
    add("--nodes", type=int, default=1, metavar="M", help="nodes that they are on; default: 1")
    said = "override a key; may be repeated"
    add("--set", metavar="KEY.PATH=VALUE", action="append", default=[], help=said)
    add("--output", metavar="DIR", help="where results would go")
    add(
        "--seconds",
        type=float,
        default=SECONDS,
        metavar="S",
        help=f"to try it; default: {SECONDS:g}",
    )
    add("--slurm", action="store_true", help="print a job script, its time and memory set")
    add("--json", action="store_true", help="print the numbers as JSON")
    add_plugins(parser)


def carry_out(options: argparse.Namespace) -> int:
    """Check; return the exit code."""
    from hpcepm.input.problems import InputError
    from hpcepm.input.read import read_input

    load_plugins(options)
    _refuse(options)
    try:
        read = read_input(options.input, options.set, options.output)
    except InputError as error:
        return complain(0, f"{error}\nhpcepm: the input is wrong (above)", WRONG_INPUT)
    return _check(read, options)


def _refuse(options: argparse.Namespace) -> None:
    """Raise `UsageError` if options make no sense."""
    if options.ranks is not None and options.ranks < 1:
        raise UsageError(f"hpcepm check: -n {options.ranks}: take 1 rank or more")
    if options.nodes < 1 or options.nodes > (options.ranks or options.nodes):
        raise UsageError(f"hpcepm check: --nodes {options.nodes}: take from 1 to as many as ranks")
    if not 0 < options.seconds <= 3600:
        raise UsageError(f"hpcepm check: --seconds {options.seconds:g}: take from above 0 to 3600")


def _arguments(options: argparse.Namespace) -> list[str]:
    """Return the input, and options of the run itself."""
    changes = [part for one in options.set for part in ("--set", one)]
    plugins = [part for one in options.plugin for part in ("--plugin", one)]
    output = ["--output", options.output] if options.output else []
    return [options.input, *changes, *output, *plugins]


def _check(read: "ReadInput", options: argparse.Namespace) -> int:
    """Rehearse, and print what follows."""
    from mpi4py import MPI

    from hpcepm.model.finite import NotFinite
    from hpcepm.parallel.compiled import tell_of_compiling
    from hpcepm.parallel.launch import initialize
    from hpcepm.parallel.ranks import ProblemOnRank, Ranks
    from hpcepm.run import check
    from hpcepm.run.forecast import forecast
    from hpcepm.run.job_script import job_script

    initialize()
    tell_of_compiling(partial(write, f"{COMPILING}\n", sys.stderr))
    ranks = options.ranks or max(options.nodes, check.fastest(read.settings))
    try:
        found = forecast(read, Ranks(MPI.COMM_SELF), ranks, options.nodes, options.seconds)
    except (NotFinite, ProblemOnRank) as error:
        return complain(0, f"hpcepm: {options.input}: the run would end soon: {error}", FAILED)
    if options.json:
        say(check.as_json(read, found))
    elif options.slurm:
        say(job_script(found, _arguments(options)))
    else:
        say("\n".join(check.report(read, found)))
    return REACHED
