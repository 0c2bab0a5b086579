"""Characters that look like others: a minus of typography, a space that is none, curly quotes."""

import unicodedata
from typing import Final

from hpcepm.names import QUOTES

DASHES: Final = "\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d"
WIDE: Final = {chr(0xFEE0 + ord(c)): c for c in "#,.:=@[]{}"}
"""Full-width forms, as an input method for Chinese or Japanese types them."""


def meant_by(character: str) -> str | None:
    """Return the plain character that another looks like; "" for one that cannot be seen."""
    if character in DASHES:
        return "-"
    if character in QUOTES:
        return "'"
    if character in WIDE:
        return WIDE[character]
    if character.isascii():
        return None
    kind = unicodedata.category(character)
    if kind in ("Zs", "Zl", "Zp"):
        return " "
    if kind == "Cf":
        return ""
    return unicodedata.normalize("NFKC", character) if kind == "Nd" else None


def plain(text: str) -> str:
    """Return a text in plain characters, where others look like them."""
    return "".join(c if (meant := meant_by(c)) is None else meant for c in text)


def named(character: str) -> str:
    """Return what a character is called: ``U+00A0 (no-break space)``."""
    name = unicodedata.name(character, "").lower()
    return f"U+{ord(character):04X}" + (f" ({name})" if name else "")


def remedy_for(character: str) -> str:
    """Say what is there, and what to write."""
    meant = meant_by(character)
    if not meant:
        return f"{named(character)} stands here, which cannot be seen; remove it"
    words = {" ": "a plain space", "'": "a plain ' or \""}
    return f"{named(character)} stands here; write {words.get(meant, repr(meant))}"


def first_odd(text: str, but: str = "") -> int | None:
    """Return the index of the first character that looks like another; None if there is none."""
    odd = (k for k, c in enumerate(text) if c not in but and meant_by(c) is not None)
    return next(odd, None)
