"""The points of a sweep: all combinations of values of keys, as they are typed.

seed=1..8                      whole numbers, both ends included
slip.c0=0.02:0.08:7            seven values, equally far apart
loading.rate=1e-5:1e-2:4:log   four values, each as many times the one before it
thresholds.renewal=MCT,GQ      these values, each as --set takes it
"""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import product
from math import prod
from typing import Final, NamedTuple

from hpcepm.input.problems import InputError
from hpcepm.input.strict_yaml import words_of
from hpcepm.input.values import NUMBER
from hpcepm.text import shorten

MOST_POINTS: Final = 10_000
LONGEST_VALUE: Final = 40
"""In the name of a directory."""

_WHOLE: Final = re.compile(r"(-?\d{1,18})\.\.(-?\d{1,18})")
_LINEAR: Final = re.compile(rf"({NUMBER}):({NUMBER}):(\d{{1,9}})(:log)?")
_NO_RANGE: Final = re.compile(r"-?\d[\d.]*\.\.[^/]*|[-+\d.eE]*:[-+\d.eE:]*(?::?log)?")
_BRACKETS: Final = {"[": 1, "{": 1, "(": 1, "]": -1, "}": -1, ")": -1}


class Axis(NamedTuple):
    """A key and the values that it takes, as texts of YAML."""

    key: str
    values: tuple[str, ...]


class Point(NamedTuple):
    """A combination of values.

    ``number`` counts from 1; ``name`` is that of its directory.
    """

    number: int
    name: str
    values: dict[str, str]

    @property
    def assignments(self) -> list[str]:
        """As ``--set`` takes them."""
        return [f"{key}={value}" for key, value in self.values.items()]


def axis_of(word: str) -> Axis:
    """Return what ``key=values`` says.

    Raises
    ------
    InputError
        It says no values.
    """
    key, equals, text = word.partition("=")
    if not equals or not key.strip() or not text.strip():
        said = "write key.path=values, such as seed=1..8, slip.c0=0.02:0.08:7 or engine=direct,lazy"
        raise InputError([f"{shorten(word, 60)}: {said}"])
    values = _values(text.strip(), shorten(word, 60))
    twice = [value for value, n in Counter(values).items() if n > 1]
    if twice:
        raise InputError([f"{shorten(word, 60)}: has {shorten(twice[0])} twice"])
    return Axis(".".join(words_of(key)), tuple(values))


def _values(text: str, word: str) -> list[str]:
    if found := _WHOLE.fullmatch(text):
        first, last = int(found[1]), int(found[2])
        if last < first or last - first >= MOST_POINTS:
            said = f"write the lower end first, and at most {MOST_POINTS} numbers"
            raise InputError([f"{word}: {said}"])
        return [str(k) for k in range(first, last + 1)]
    if found := _LINEAR.fullmatch(text):
        low, high, n = float(found[1]), float(found[2]), int(found[3])
        log = bool(found[4])
        if not 2 <= n <= MOST_POINTS or low == high:
            said = f"write from:to:number, with two to {MOST_POINTS} values between two ends"
            raise InputError([f"{word}: {said}"])
        if log and not (low > 0 and high > 0):
            raise InputError([f"{word}: the ends of log must be above 0"])
        if log:
            return [_as_yaml(low * (high / low) ** (k / (n - 1))) for k in range(n)]
        return [f"{low + (high - low) * k / (n - 1):.12g}" for k in range(n)]
    if _NO_RANGE.fullmatch(text):
        said = "is no range; write 1..8 for whole numbers, 0.02:0.08:7 for seven values"
        said += ", 0.01:1:7:log for seven whose ratios are the same"
        raise InputError([f"{word}: {said}"])
    return _separated(text, word)


def _as_yaml(value: float) -> str:
    """Return a number with a dot before its power of ten, without which it is a text to YAML."""
    mantissa, e, power = f"{value:.6g}".partition("e")
    return f"{mantissa}{'' if '.' in mantissa or not e else '.0'}{e}{power}"


def _separated(text: str, word: str) -> list[str]:
    """Return what stands between commas that are in no brackets and no quotes."""
    values, depth, quote = [""], 0, ""
    for c in text:
        if quote:
            quote = "" if c == quote else quote
        elif c in "\"'":
            quote = c
        elif c == "," and depth == 0:
            values.append("")
            continue
        depth += 0 if quote else _BRACKETS.get(c, 0)
        values[-1] += c
    values = [value.strip() for value in values]
    if "" in values:
        raise InputError([f"{word}: has an empty value between commas"])
    return values


def points_of(axes: Sequence[Axis]) -> list[Point]:
    """Return all combinations of values; the last key changes fastest.

    Raises
    ------
    InputError
        A key is there twice, or they are too many.
    """
    keys = [axis.key for axis in axes]
    twice = [key for key, n in Counter(keys).items() if n > 1]
    if twice:
        raise InputError([f"{twice[0]}: is there twice; write its values in one list"])
    n = prod(len(axis.values) for axis in axes)
    if n > MOST_POINTS:
        raise InputError([f"{n} points; a sweep has at most {MOST_POINTS}"])
    short = _short(keys)
    combinations = list(product(*(axis.values for axis in axes)))
    names = [
        "_".join(f"{short[key]}={_as_name(value)}" for key, value in zip(keys, one, strict=True))
        for one in combinations
    ]
    often = Counter(names)
    unique = [name if often[name] == 1 else f"{name}_{k}" for k, name in enumerate(names, 1)]
    return [
        Point(k, name, dict(zip(keys, one, strict=True)))
        for k, (name, one) in enumerate(zip(unique, combinations, strict=True), 1)
    ]


def _short(keys: Sequence[str]) -> dict[str, str]:
    """Return the last part of each key, or the whole if two would be the same."""
    last = {key: key.rpartition(".")[2] for key in keys}
    often = Counter(last.values())
    return {key: _as_name(last[key] if often[last[key]] == 1 else key) for key in keys}


def _as_name(value: str) -> str:
    """Return a text as part of the name of a directory."""
    plain = re.sub(r"[^\w.+-]+", "-", value, flags=re.ASCII)
    return plain.strip("-")[:LONGEST_VALUE] if not re.match(r"-[\d.]", value) else plain
