"""What keys mean, and in which unit: read from the docstring of the class that declares them.

Its section ``Attributes`` has for each key

    name : unit
        What it means.

and no unit where the value is no number.
"""

import re
from inspect import cleandoc
from typing import Final, NamedTuple

UNITS: Final = {
    "stress": "Lennard-Jones stress",
    "1/stress²": "1/(Lennard-Jones stress)²",
    "strain": "none (a strain)",
    "cells": "cells",
    "time": "Lennard-Jones time",
    "1/time": "1/(Lennard-Jones time)",
    "strain/time": "1/(Lennard-Jones time)",
    "stress/time": "Lennard-Jones stress/time",
    "stress^α": "(Lennard-Jones stress)^α",
    "wall time": "wall time, such as 90 s, 30 min, 2 h, 1 d",
    "1": "none (a number)",
    "that of `of`": "that of what `of` names: strain, stress, cycles, or time",
    "of the load": "that of the load: a strain or a stress",
}
"""The units that keys have, and how each is written out."""

_SECTION: Final = re.compile(r"^Attributes\n-+\n(.*?)(?=^\w[^\n]*\n-{3,}|\Z)", re.M | re.S)
_ENTRY: Final = re.compile(r"^(\S[^\n]*)\n((?:[ \t]+[^\n]*\n?|\n)+)", re.M)


class Meaning(NamedTuple):
    """What a key means, and its unit, a key of `UNITS`; none of what is no number."""

    text: str
    unit: str = ""


def summary_of(kind: type) -> str:
    """Return the first paragraph of the docstring of a class, as one line."""
    return _one_line(cleandoc(kind.__doc__ or "").partition("\n\n")[0])


def meanings_of(kind: type) -> dict[str, Meaning]:
    """Return what the keys that a class declares mean, those of its bases included."""
    found: dict[str, Meaning] = {}
    for base in reversed(kind.__mro__):
        section = _SECTION.search(cleandoc(base.__dict__.get("__doc__") or ""))
        for names, text in _ENTRY.findall(section[1] if section else ""):
            listed, _, unit = names.partition(" : ")
            for name in listed.split(","):
                found[name.strip()] = Meaning(_one_line(text), unit.strip())
    return found


def _one_line(text: str) -> str:
    return " ".join(text.replace("``", "`").split())
