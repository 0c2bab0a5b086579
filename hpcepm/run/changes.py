"""In which keys two inputs differ, and which of them a run that goes on may change."""

import json
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, Final

from hpcepm.text import shorten

FREE_TO_CHANGE: Final = (
    "checkpoint",
    "output.directory",
    "realizations",
    "ranks_per_realization",
    "loading.target",
    "stall",
)
"""Keys that touch no number that is there already; the target of a single realization alone."""


def differences(before: Any, now: Any, free: tuple[str, ...], path: str = "") -> Iterator[str]:
    """Say in which keys two resolved inputs differ, but for those that are free to change."""
    if path in free:
        return
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*before, *now]):
            inside = f"{path}.{key}" if path else key
            yield from differences(before.get(key), now.get(key), free, inside)
    elif type(before) is type(now) is list and all(type(x) is dict for x in before + now):
        for k, (one, other) in enumerate(zip_longest(before, now)):
            yield from differences(one, other, free, f"{path}.{k}")
    elif before != now:
        was, is_now = (shorten(json.dumps(value), 80) for value in (before, now))
        yield f"{path}: was {was}, is now {is_now}"
