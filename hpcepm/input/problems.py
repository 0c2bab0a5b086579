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


def dotted(path: Path) -> str:
    """Return a path as the user writes it: ``lattice.shape[0]``."""
    text = ""
    for part in path:
        text += (
            f"[{part}]"
            if isinstance(part, int)
            else f".{shorten(part, 60)}"
            if text
            else shorten(part, 60)
        )
    return text


def shown(value: object) -> str:
    """Return a value as it may be quoted in a message."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
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


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Return a suggestion in brackets, with a space before it, or nothing."""
    close = get_close_matches(str(word), list(known), 1, 0.6)
    if not close:
        lower = {name.lower(): name for name in known}
        close = [lower[str(word).lower()]] if str(word).lower() in lower else []
    return f" (did you mean '{close[0]}'?)" if close else ""
