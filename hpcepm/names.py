"""Names of files and directories as people write them: ``~/runs``, ``$SCRATCH/runs``."""

import os
import re
from typing import Final

from .text import shorten

QUOTES: Final = (
    "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u2039\u203a\u00ab\u00bb\uff02\uff07"
)

_VARIABLE: Final = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


def expanded(name: str) -> str:
    """Return a name with ``~`` and ``$VARIABLE`` written out.

    Raises
    ------
    ValueError
        There is no such user or variable, or the name has quotation marks around it.
    """
    for mark in name[:1] + name[-1:]:
        if mark in f"'\"{QUOTES}":
            said = f"{shorten(name)} has the quotation mark {mark} in it"
            raise ValueError(f"{said}; write the name without")
    home = os.path.expanduser(name)
    if name.startswith("~") and home == name:
        user = name.partition("/")[0]
        raise ValueError(
            f"there is no user {shorten(user[1:])}; write ./{shorten(name)}, or a path"
        )
    return _VARIABLE.sub(_value_of, home)


def place_of(path: str | os.PathLike[str]) -> str:
    """Return the name of a file or directory that a script wrote: as it is, or else `expanded`.

    Raises
    ------
    ValueError
        It can be none.
    """
    if not isinstance(path, str | bytes | os.PathLike):
        raise TypeError(f"give the path of a file or directory, not {path!r}")
    name = os.fsdecode(path)
    if not name:
        raise ValueError("is empty: give the path of a file or directory")
    if "\0" in name:
        raise ValueError("holds a null character, as no name can")
    return name if os.path.lexists(name) else expanded(name)


def _value_of(found: re.Match[str]) -> str:
    variable = found[1] or found[2]
    value = os.environ.get(variable)
    if not value:
        said = f"${shorten(variable)} is not set where hpcepm runs"
        raise ValueError(f"{said}; export it, or write the path out")
    return value
