"""What is wrong with an input, said so that it can be mended."""

from collections.abc import Iterable
from difflib import get_close_matches

from hpcepm.text import shorten as shorten

Path = tuple[str | int, ...]


class InputError(Exception):
    """One or more things wrong with the input: ``problems`` are whole lines for the user."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))

    def __reduce__(self) -> tuple[type["InputError"], tuple[list[str]]]:
        return type(self), (self.problems,)


SYNONYMS = {
    **dict.fromkeys(("eshelby", "eshelbian", "elastic", "quadrupole", "quadrupolar"), "continuum"),
    **dict.fromkeys(("mean_field", "mean-field", "mean field", "meanfield"), "uniform"),
    **dict.fromkeys(("gaussian", "gauss"), "normal"),
}
"""What people call what has another name here."""


def dotted(path: Path) -> str:
    """Return a path as the user writes it: ``lattice.shape[0]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f"{'.' if text else ''}{shorten(part, 60)}"
    return text


def shown(value: object) -> str:
    """Return a value as it may be quoted in a message."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if value is None:
        return "nothing"
    if isinstance(value, int) and abs(value) > 10**30:
        return (
            f"a number of about {len(str(abs(value) // 10**20)) + 20} digits"
            if value.bit_length() < 10000
            else "a huge number"
        )
    return shorten(repr(value))


def nearest(word: object, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """Return the known word that another is most like, if it is like any."""
    close = get_close_matches(str(word), list(known), 1, likeness)
    lower, meant = {name.lower(): name for name in known}, str(word).lower()
    return close[0] if close else lower.get(SYNONYMS.get(meant, meant))


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Return a suggestion in brackets, with a space before it, or nothing."""
    close = nearest(word, known)
    return f" (did you mean '{close}'?)" if close else ""


def listed(names: Iterable[str]) -> str:
    """Return names as ``'a', 'b' or 'c'``."""
    *others, last = map(repr, names)
    return f"{', '.join(others)} or {last}" if others else last


def not_one_of(value: object, names: Iterable[str], otherwise: str) -> str:
    """Say that a value is none of some words, which was meant, or what else to write."""
    expected = list(names)
    said = f"must be {listed(expected)}"
    if value is None:
        return f"{said}; nothing stands here"
    word = {1: "one", 2: "two"}.get(value, value) if type(value) is int else value
    return f"{said}, not {shown(value)}{did_you_mean(word, expected) or otherwise}"
