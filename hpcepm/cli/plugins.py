"""The option ``--plugin``, of all commands that have it."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .base import UsageError

if TYPE_CHECKING:
    from hpcepm.parallel.ranks import Ranks


def add_plugins(parser: argparse.ArgumentParser) -> None:
    """Add the option that loads plug-ins."""
    said = "a Python file that adds to the model; may be repeated"
    parser.add_argument("--plugin", metavar="FILE", action="append", default=[], help=said)


def load_plugins(options: argparse.Namespace) -> None:
    """Load the plug-ins of the command line, whose problems are wrong usage."""
    if (problem := _load(options.plugin)) is not None:
        raise UsageError(problem)


def load_on_all(plugins: Sequence[str], world: "Ranks") -> str | None:
    """Load plug-ins; return what is wrong with one, on any rank. Collective."""
    return world.first_not_none(_load(plugins))


def _load(plugins: Sequence[str]) -> str | None:
    from hpcepm.input.plugins import load_plugin
    from hpcepm.input.problems import InputError

    try:
        for path in plugins:
            load_plugin(path)
    except InputError as error:
        return str(error)
    return None
