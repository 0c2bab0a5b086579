"""Completion in a shell, by argcomplete: ``eval "$(register-python-argcomplete hpcepm)"``."""

import argparse
from contextlib import suppress
from importlib import import_module

from . import look


def complete() -> None:
    """Answer a shell that completes a command line, and end; without argcomplete do nothing."""
    with suppress(ImportError):
        import argcomplete

        argcomplete.autocomplete(parser())


def parser() -> argparse.ArgumentParser:
    """Return a parser of all commands."""
    from .calibrate import calibrate_parser
    from .options import run_parser, sweep_parser

    made = argparse.ArgumentParser(prog="hpcepm")
    commands = made.add_subparsers()
    many = {"run": run_parser, "sweep": sweep_parser, "calibrate": calibrate_parser}
    for name, of_ranks in many.items():
        commands.add_parser(name, parents=[of_ranks()], add_help=False)
    for name in look.COMMANDS:
        import_module(f"hpcepm.cli.{name}").add_options(commands.add_parser(name))
    return made
