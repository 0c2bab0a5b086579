"""What was meant by a word of the command line that means nothing here."""

import argparse
import re
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import Final

from hpcepm.text import shorten

MEANINGS: Final = {
    ("-n", "-np", "-N", "-j", "--np", "--ranks", "--ntasks", "--nprocs", "--threads", "--cores"): (
        "several ranks: mpiexec -n {value} hpcepm INPUT, or tools/run INPUT -n {value}"
    ),
    ("-c", "-r", "--resume", "--restart", "--restart-from", "--append"): (
        "--continue goes on from the newest checkpoint"
    ),
    ("-o", "-d", "--dir", "--directory", "--outdir", "--out-dir"): "write --output {value}",
    ("-t", "--time", "--walltime", "--timeout", "--maxtime"): "write --max-walltime {value}",
    ("-q", "--silent"): "write --quiet",
    ("-v", "-V", "--ver"): "write --version",
    ("-s", "--rng-seed"): "write --set seed={value}",
    ("-i", "--input", "-f", "--file"): "an input needs no option: hpcepm {value}",
}
"""Options of other programs, and what to write here."""

Find = Callable[[str], str | None]
"""Returns the whole path of a key of the input, from its last part or from what is like it."""


def hints(
    extras: Sequence[str], arguments: Sequence[str], parser: argparse.ArgumentParser, find: Find
) -> list[str]:
    """Return what was meant by the words that a parser did not know, a line each.

    Parameters
    ----------
    extras
        These words.
    arguments
        The whole command line.
    parser
        Its options are suggested.
    find
        Looks up keys of the input.
    """
    found, words, open_list = [], list(extras), _list_that_was_cut(arguments)
    if open_list:
        return [f"a value with spaces needs quotes: --set '{open_list}'"]
    while words:
        word = words.pop(0)
        option, equals, value = word.partition("=")
        if word.startswith("-") and not equals:
            value = _after(word, arguments)
            if words[:1] == [value]:
                words.pop(0)
        found.append(_hint(option, value, parser, find, bool(equals)))
    if (set_ := _set_without_equals(arguments)) is not None:
        found.insert(0, f"write it in one word: --set {set_}")
    return list(dict.fromkeys(hint for hint in found if hint))


def _after(word: str, arguments: Sequence[str]) -> str:
    """Return the word that stands after another, if it is no option."""
    place = list(arguments).index(word) + 1
    after = arguments[place] if place < len(arguments) else ""
    return "" if after.startswith("--") else after


def _hint(
    option: str, value: str, parser: argparse.ArgumentParser, find: Find, assigned: bool
) -> str | None:
    shown = shorten(value or "…", 60)
    for options, said in MEANINGS.items():
        if option in options:
            return f"{option}: {said.format(value=shown)}"
    if not option.startswith("-"):
        if option.endswith((".yaml", ".yml")):
            return f"one input at a time: {option} is a second one"
        key = find(option) if assigned else None
        return f"{option}: write --set {key}={shown}" if key else None
    known = [one for action in parser._actions for one in action.option_strings]
    if option in known:
        return f"{option}: what follows -- is no option; write it before"
    if close := get_close_matches(option, known, 1, 0.75):
        return f"{option}: did you mean {close[0]}?"
    if len(option) == 2 and option[1:].isalpha():
        return None
    key = find(option.lstrip("-").replace("-", "_"))
    return f"{option}: write --set {key}={shown}" if key else None


def _list_that_was_cut(arguments: Sequence[str]) -> str | None:
    """Return the value of a ``--set`` that a shell has cut at its spaces."""
    joined = " ".join(arguments)
    found = re.search(r"--set[ =]([\w.]+=[\[{][^\]}]* [^\]}]*[\]}]+)", joined)
    return found[1] if found and found[1] not in arguments else None


def _set_without_equals(arguments: Sequence[str]) -> str | None:
    """Return how to write ``--set seed 3``, or ``--set seed = 3``."""
    for k, word in enumerate(arguments[:-2]):
        if word == "--set" and "=" not in arguments[k + 1]:
            rest = [one for one in arguments[k + 2 : k + 4] if one != "="]
            return f"{arguments[k + 1]}={rest[0].lstrip('=')}" if rest else None
    return None


def no_command(word: str, commands: Iterable[str]) -> str | None:
    """Say that a word is no command, if it looks like one: a file would have a dot, or a slash."""
    if not re.fullmatch(r"[A-Za-z][\w-]*", word):
        return None
    known = list(commands)
    close = get_close_matches(word, known, 1, 0.6)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
    word = shorten(word)
    return f"'{word}' is no command; {hint} (an input is named with its ending, as {word}.yaml)"
