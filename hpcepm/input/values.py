"""What was meant by a value that is none of its kind: a number in quotes, yes for true."""

import re
from typing import Any, Final

from .characters import first_odd, named, plain
from .problems import shorten, shown

NUMBER: Final = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
NOTHING: Final = ("none", "null", "nil", "off", "no", "false", "default", "~", "")
TRUE: Final = ("true", "yes", "on", "y", "t")
FALSE: Final = ("false", *NOTHING, "n", "f")


def number_meant(value: Any) -> str:
    """Say how to write the number that was meant; nothing if that cannot be seen."""
    if isinstance(value, list | tuple) and len(value) == 1 and _is_number(value[0]):
        return f"; write {shown(value[0])}, without brackets"
    if isinstance(value, dict) and list(value.values()) == [None]:
        (key,) = value
        return f"; write {shorten(str(key))}, without braces"
    if not isinstance(value, str):
        return ""
    text = value.strip()
    if text.lower() in NOTHING:
        return "; leave the key out for its default"
    if re.fullmatch(NUMBER, text):
        return f"; write {shorten(text)}, without quotes"
    odd, text = first_odd(text), plain(text)
    if (wanted := _as_number(text)) is None:
        return ""
    if odd is not None:
        return f"; {named(value.strip()[odd])} stands in it: write {shorten(wanted, 80)}"
    return f"; write {shorten(wanted, 80)}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _as_number(text: str) -> str | None:
    """Return a number as YAML has it, from one as people, Fortran or LaTeX write it."""
    if re.fullmatch(NUMBER, text):
        return shorten(text)
    if found := re.fullmatch(r"([-+]?\d*)[,·](\d+)", text):
        return f"{found[1] or 0}.{found[2]}, with a point"
    if found := re.fullmatch(rf"({NUMBER})\s*%", text):
        return f"{float(found[1]) / 100:g}"
    if found := re.fullmatch(r"([-+]?[\d.]*\d\.?)[dD]([-+]?\d+)", text):
        return f"{found[1]}e{found[2]}"
    power = r"10\s*(?:\^|\*\*)\s*[({]?\s*([-+]?\d{1,3})\s*[)}]?"
    if found := re.fullmatch(rf"(?:({NUMBER})\s*[x×*·]\s*)?{power}", text):
        return f"{found[1] or 1}e{found[2]}"
    if found := re.fullmatch(rf"({NUMBER})\s*/\s*({NUMBER})", text):
        divisor = float(found[2])
        return f"{float(found[1]) / divisor:.6g}" if divisor else None
    if re.fullmatch(r"[-+]?\d{1,3}(?:[_' ]\d{3})+", text):
        return re.sub("[_' ]", "", text)
    if found := re.fullmatch(rf"({NUMBER})\s*,", text):
        return f"{found[1]}, without ','"
    if found := re.fullmatch(rf"({NUMBER})\s*(?://|#|;|--|!|%).*", text):
        return f"{found[1]}; a comment begins with a space and #"
    if found := re.fullmatch(rf"({NUMBER})\s*[A-Za-zµμ°].{{0,20}}", text):
        return f"{found[1]}, without a unit"
    return None


def whole_meant(value: Any) -> str:
    """Say how to write the whole number that was meant."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return f"; write {value:.0f}"
    return "" if isinstance(value, float) else number_meant(value)


def truth_meant(value: Any) -> str:
    """Say whether to write true or false."""
    word = "nothing" if value is None else str(value).strip().lower()
    if word in (*TRUE, "1", "1.0"):
        return "; write true"
    if word in (*FALSE, "0", "0.0"):
        return "; write false"
    return "; write one of them, without quotes"


def list_meant(value: Any, path_end: Any) -> str:
    """Say how to write the list that was meant."""
    if path_end == "shape" and _is_number(value):
        return f"; write [{shown(value)}, {shown(value)}]"
    if isinstance(value, dict):
        return "; write it in brackets, as [{…}, {…}]"
    if isinstance(value, str):
        if value.lower() in NOTHING:
            return "; leave it out for none"
        parts = [part for part in re.split(r"[\s,;x×*()\[\]]+", plain(value)) if part]
        if not all(re.fullmatch(NUMBER, part) for part in parts):
            parts = [part for part in re.split(r"[\s,;()\[\]]+", value) if part]
        if len(parts) > 1 or (parts and path_end != "shape"):
            return f"; write [{shorten(', '.join(parts), 60)}]"
    return "; write it in brackets, as [a, b]"


def commas_meant(value: Any) -> str:
    """Say that commas are missing between the items of a list."""
    parts = value.split() if isinstance(value, str) else []
    if len(parts) < 2 or not all(re.fullmatch(rf"{NUMBER}|[a-z_]+", part) for part in parts):
        return ""
    return f"; a comma is missing: write [{shorten(', '.join(parts), 60)}]"


def items_meant(value: list[Any], wanted: int, path_end: Any) -> str:
    """Say how many items a list has, and how many it should have."""
    there = f"has {len(value)} item{'s'[: len(value) != 1]}"
    if path_end == "shape":
        return f"{there}; write two sizes, as [256, 256]: the lattice is two-dimensional"
    return f"{there}; write {wanted}"


def text_meant(value: Any) -> str:
    """Say how to write the text that was meant."""
    if value is None:
        return "; give one, or leave the key out"
    if isinstance(value, bool):
        return f"; write '{str(value).lower()}', in quotes"
    if _is_number(value):
        return f"; write '{shown(value)}', in quotes"
    return "; write one name"
