"""Numbers and words as a page can hold them: JSON without NaN, no control characters."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hpcepm.text import visible

DIGITS: Final = 7
"""Of a number on the page."""

MOST_CHARACTERS: Final = 100_000
"""Of a text on the page: files come from strangers."""


def numbers(values: NDArray[Any]) -> list[float | int | None]:
    """Return numbers, rounded; what is none is None."""
    return [number(value) for value in values.tolist()]


def number(value: float) -> float | int | None:
    """Return a number, rounded; None of NaN and infinity."""
    if isinstance(value, int):
        return value
    if not np.isfinite(value):
        return None
    return float(f"{value:.{DIGITS}g}")


def plain(content: Any) -> Any:
    """Return what JSON can hold, its text printable: no character turns the line around, say."""
    match content:
        case str():
            return visible(content[:MOST_CHARACTERS])
        case Mapping():
            return {plain(str(key)): plain(value) for key, value in content.items()}
        case list() | tuple():
            return [plain(value) for value in content]
        case bool() | int() | None:
            return content
        case _:
            return number(float(content))


def flat(content: Any, key: str = "") -> list[tuple[str, str]]:
    """Return the keys of an input in full, ``loading.target``, each with its value in words."""
    if isinstance(content, Mapping) and content:
        parts = [(f"{key}.{name}" if key else str(name), value) for name, value in content.items()]
        return [line for name, value in parts for line in flat(value, name)]
    if isinstance(content, list) and any(isinstance(one, Mapping) for one in content):
        return [line for k, one in enumerate(content) for line in flat(one, f"{key}[{k}]")]
    return [(key, _in_words(content))]


def _in_words(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case list():
            return f"[{', '.join(_in_words(one) for one in value)}]"
    return str(value)
