"""What is wrong with a value, in the words of the input and with a remedy.

pydantic finds what is wrong; what it says of it is for programmers.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from .misplaced import section_at
from .problems import Path, dotted, not_one_of, shown
from .sections import Choice, Section, accepting
from .values import (
    NOTHING,
    commas_meant,
    items_meant,
    list_meant,
    number_meant,
    text_meant,
    truth_meant,
    whole_meant,
)
from .yaml_words import no_key

EXAMPLES: Final = {
    "lattice": "lattice: {shape: [256, 256]}",
    "lattice.shape": "shape: [256, 256]",
    "loading": "loading: {target: 1.0}",
    "loading.target": "target: 1.0, the strain or the stress to reach",
    "loading.segments": "segments: [{target: 0.1}, {target: 0}]",
    "clock.temperature": "temperature: 0.05",
    "clock.thermal.temperature": "temperature: 0.05",
    "loading.cycles": "cycles: 100, how many at the most",
}
"""How to write what is required."""

BOUNDS: Final = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def said_of(details: ErrorDetails, path: Path) -> str:
    """Return what is wrong with the value at a path, without the place."""
    kind, value = details["type"], details["input"]
    context: dict[str, Any] = details.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if value is None and not kind.startswith("bool"):
        return _of_nothing(kind, path, context)
    if kind in BOUNDS:
        return _out_of_bounds(kind, value, context)
    if kind == "literal_error":
        if said := _comma(value, path):
            return f"must be one name, not {shown(value)}{said}"
        words = context["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        empty = str(value).lower() in NOTHING
        return not_one_of(value, words, "; leave the key out for its default" if empty else "")
    for prefix, say in _BY_KIND.items():
        if kind.startswith(prefix):
            return say(value, path, context)
    said = details["msg"].removeprefix("Input ")  # of a type that a plug-in brought
    return f"{said}, not {shown(value)}"


def reason_of(error: ValidationError) -> str:
    """Return the first thing that is wrong, where the place is told otherwise."""
    first = error.errors(include_url=False)[0]
    return said_of(first, first["loc"])


def missing(path: str) -> str:
    """Return what is said of a key that is not there."""
    example = EXAMPLES.get(re.sub(r"\[\d+\](?:\.segments(?=\[))?", "", path))
    return "is required" + (f"; write {example}" if example else "")


def _number(value: Any) -> str:
    return f"{value:g}".replace("e+", "e") if isinstance(value, float) else str(value)


def _out_of_bounds(kind: str, value: Any, context: dict[str, Any]) -> str:
    key, words = BOUNDS[kind]
    bound = context[key]
    if kind.startswith("greater") and isinstance(bound, int | float):
        if value <= 0 and (0 < bound < 1e-6 or (bound == 0 and kind == "greater_than")):
            return f"must be positive, not {shown(value)}"
        if value < 0 and bound == 0:
            return f"must be 0 or more, not {shown(value)}"
    return f"must be {words} {_number(bound)}, not {shown(value)}"


def _of_nothing(kind: str, path: Path, context: dict[str, Any]) -> str:
    """Say of a key without a value what it wants."""
    if kind == "literal_error":
        return f"must be {context['expected']}; it has no value"
    if (example := EXAMPLES.get(dotted(path))) is not None:
        return f"has no value; write {example}"
    wants = "write its keys below it, indented" if is_of_mapping(kind) else "give one"
    return f"has no value; {wants}, or leave the key out"


def is_of_mapping(kind: str) -> bool:
    """Return whether an error is that something is no mapping."""
    return kind.startswith(("model", "dict", "dataclass"))


def _not_a_mapping(value: Any, *_: Any) -> str:
    said = f"must be keys and values, not {shown(value)}"
    hint = no_key(value) if isinstance(value, str) and (":" in value or "=" in value) else None
    return f"{said}; {hint}" if hint else said


def _not_a_list(value: Any, path: Path, _: Any) -> str:
    return f"must be a list, not {shown(value)}{list_meant(value, path[-1] if path else '')}"


def _wrong_length(value: Any, path: Path, context: dict[str, Any]) -> str:
    wanted = context.get("min_length", context.get("max_length", 0))
    if isinstance(value, str):
        return f"is too long: {len(value)} characters, at most {wanted}"
    if isinstance(value, dict):
        return f"has {len(value)} keys; give at least 1, at most {max(wanted, 6)}"
    return items_meant(value, wanted, path[-1] if path else "")


def _comma(value: Any, path: Path) -> str:
    """Tell of the commas that are missing in a list, as [64 64]."""
    return commas_meant(value) if path and isinstance(path[-1], int) else ""


_BY_KIND: Final[dict[str, Callable[[Any, Path, dict[str, Any]], str]]] = {
    "int": lambda v, at, _: (
        f"must be a whole number, not {shown(v)}{_comma(v, at) or whole_meant(v)}"
    ),
    "float": lambda v, at, _: f"must be a number, not {shown(v)}{_comma(v, at) or number_meant(v)}",
    "finite_number": lambda v, *_: f"must be a finite number, not {shown(v)}",
    "bool": lambda v, *_: f"must be true or false, not {shown(v)}{truth_meant(v)}",
    "string_too_short": lambda *_: "must not be empty; write a name, or leave the key out",
    "string_too_long": _wrong_length,
    "string": lambda v, *_: f"must be text, not {shown(v)}{text_meant(v)}",
    "list": _not_a_list,
    "tuple": _not_a_list,
    "too_short": _wrong_length,
    "too_long": _wrong_length,
    "model": _not_a_mapping,
    "dict": _not_a_mapping,
    "dataclass": _not_a_mapping,
}
"""What to say, by how the names of pydantic's errors begin."""


def wrapped(model: type[Section], path: Path, value: Any) -> str:
    """Return how to write a section that was given as one value, as ``; write {initial: GQ}``.

    The first key of the section that takes the value is the one.
    """
    here, rest = section_at(model, path)
    empty = isinstance(value, str) and value.lower() in NOTHING
    inner, keys = "", list[str]()
    if isinstance(here, Choice) and not rest:
        inner = here.wrapped(value)
        keys = here.keys({})
    elif here is not None and not isinstance(here, Choice):
        key = None if empty else accepting(here, value)
        inner = f"{{{key}: {shown_plain(value)}}}" if key else ""
        keys = [field.alias or name for name, field in here.model_fields.items()]
    if inner and path:
        return f"; write {path[-1]}: {inner}"
    if empty:
        return "; leave it out for none"
    if (example := EXAMPLES.get(dotted(path))) is not None:
        return f"; write {example}"
    return f"; its keys are {', '.join(keys)}" if keys else ""


def shown_plain(value: Any) -> str:
    """Return a value as YAML has it."""
    if isinstance(value, list):
        return f"[{', '.join(map(shown_plain, value[:4]))}]"
    return shown(value).strip("'") if isinstance(value, str) else shown(value)
