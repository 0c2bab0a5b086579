"""``hpcepm schema``: the JSON Schema of an input, for editors."""

import argparse
import json

from hpcepm.faults import REACHED

from .base import say
from .plugins import add_plugins, load_plugins

DESCRIPTION = "Print the JSON Schema of an input; editors check and complete by it."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    add_plugins(parser)


def carry_out(options: argparse.Namespace) -> int:
    """Print it; return the exit code."""
    load_plugins(options)
    say(text())
    return REACHED


def text() -> str:
    """Return the JSON Schema of an input, as text."""
    from hpcepm.input.json_schema import json_schema

    return json.dumps(json_schema(), indent=1, ensure_ascii=False)
