"""Wall times of an input: ``30 min`` as it is written, seconds once it is read."""

import re
from typing import Any, Final

from pydantic import BeforeValidator, PlainSerializer, ValidationInfo, WithJsonSchema

from .problems import shown

_DURATION = re.compile(
    r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*(s|sec|seconds?|min|minutes?|h|hours?|d|days?)\s*"
)
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _duration(value: Any, info: ValidationInfo) -> Any:
    """Return the seconds of ``30 min``.

    A number is seconds where it is no person's: in an input that was resolved.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and (value == 0 or not (info.context or {}).get("written")):
        return value
    if isinstance(value, str) and (found := _DURATION.fullmatch(value)):
        return float(found[1]) * _SECONDS[found[2][0]]
    if is_number:
        number = shown(value)
        raise ValueError(f"{number} of what? write '{number} s' or '{number} min'")
    raise ValueError(f"write a time as '90 s', '30 min', '2 h' or '1 d', not {shown(value)}")


def _with_unit(seconds: float) -> str:
    return f"{seconds:.9f}".rstrip("0").rstrip(".") + " s"


_TEXT: Final = {"type": "string", "pattern": f"^{_DURATION.pattern}$"}
_READ_AND_WRITTEN: Final = (
    BeforeValidator(_duration),
    PlainSerializer(_with_unit, when_used="json"),
)
SECONDS: Final = (*_READ_AND_WRITTEN, WithJsonSchema(_TEXT))
"""Of a time: seconds once it is read, and a text with its unit where it is written again."""

SECONDS_OR_0: Final = (*_READ_AND_WRITTEN, WithJsonSchema({"anyOf": [{"const": 0}, _TEXT]}))
"""The same, or 0."""
