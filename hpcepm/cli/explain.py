"""``hpcepm explain``: what a key of an input means."""

import argparse
import textwrap
from typing import TYPE_CHECKING, Any, Final

from hpcepm.faults import REACHED
from hpcepm.text import shorten

from .base import UsageError, say
from .plugins import add_plugins, load_plugins
from .terms import term

if TYPE_CHECKING:
    from hpcepm.input.keys import Entry, Keys

DESCRIPTION = "Say what a key of an input means: its unit, its default, its bounds."

WIDTH: Final = 96


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    said = "such as slip.c1, or words of the field; without it, all keys"
    key: Any = parser.add_argument("key", nargs="*", help=said)
    key.completer = keys_of_inputs  # for argcomplete
    add_plugins(parser)


def keys_of_inputs(**_: Any) -> list[str]:
    """Return all keys, for a shell that completes one."""
    from hpcepm.input.keys import all_keys

    return list(all_keys())


def carry_out(options: argparse.Namespace) -> int:
    """Explain; return the exit code."""
    from hpcepm.input.keys import all_keys, found, near
    from hpcepm.input.misplaced import MEANINGS

    load_plugins(options)
    keys = all_keys()
    asked = " ".join(options.key)
    if not options.key:
        say("\n".join(tree(keys)))
        return REACHED
    key = found(keys, asked)
    if key is None:
        if asked.lower() in _thresholds(keys):
            said = f"{asked!r} is no key, but a value: hpcepm explain thresholds.initial"
            raise UsageError(f"hpcepm: {said}")
        if (of_field := term(asked)) is not None:
            raise UsageError(f"hpcepm: {asked!r} is no key: {of_field}")
        meant = [MEANINGS.get(asked, ""), *near(keys, asked)]
        meant = [one for one in dict.fromkeys(meant) if one]
        hint = f"did you mean {', '.join(meant)}?" if meant else "hpcepm explain lists all"
        raise UsageError(f"hpcepm: there is no key {asked!r}; {hint}")
    say("\n".join(explained(keys, key)))
    return REACHED


def _thresholds(keys: "Keys") -> list[str]:
    """Return the names of all presets and distributions, in lower case."""
    presets = keys["thresholds.initial"][0].values.partition(" or ")[0]
    distributions = keys["thresholds.initial.distribution"][0].values
    return f"{presets}, {distributions}".lower().split(", ")


def tree(keys: "Keys") -> list[str]:
    """Return all keys, one a line, each below its section."""
    lines = []
    for key, entries in keys.items():
        defaults = {entry.default for entry in entries}
        shown = defaults.pop() if len(defaults) == 1 else None
        name = "  " * key.count(".") + key.rpartition(".")[2]
        line = f"{name:24} {brief(entries[0])}" + (
            f" [{shown}]" if shown not in (None, "none") else ""
        )
        lines.append(shorten(line, WIDTH))
    return [
        *lines,
        "",
        "In brackets: defaults. hpcepm explain KEY says all of one, such as slip.c1.",
    ]


def brief(entry: "Entry") -> str:
    """Return the first sentence of what a key means, or the kinds that it can name."""
    return entry.values if "\n" in entry.meaning else entry.meaning.partition(". ")[0].rstrip(".")


def explained(keys: "Keys", key: str) -> list[str]:
    """Return all that there is to say of a key."""
    from hpcepm.input.keys import below, more_of

    lines = [key]
    for entry in keys[key]:
        lines += ["", *_entry(entry)]
    inner = below(keys, key)
    if inner:
        lines += ["", "keys in it"]
        width = max(map(len, inner)) + 2
        lines += [f"  {one:{width}}{brief(keys[one][0])}" for one in inner]
    return [*lines, "", f"More: {more_of(keys, key)}"]


def _entry(entry: "Entry") -> list[str]:
    """Return what one entry of a key says, wrapped."""
    said = [
        line
        for one in entry.meaning.splitlines()
        for line in textwrap.wrap(one, WIDTH - 2, subsequent_indent="  ")
    ]
    default = "required" if entry.is_required else entry.default
    facts = {
        "in": " | ".join(entry.of),
        "unit": entry.unit,
        "default": default or "",
        "values": entry.values,
    }
    told = [f"  {name:<9} {value}" for name, value in facts.items() if value]
    return [*(f"  {line}" for line in said), *told]
