"""Values of Python as YAML has them: what the Python API is given may be of numpy, or a path."""

import os
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from .problems import InputError, Path, dotted, shorten, shown
from .strict_yaml import MOST_BYTES, MOST_DEPTH, MOST_DIGITS

TAKEN: Final = "give numbers, texts, lists and mappings"


def plain(value: Any, place: str, path: Path = ()) -> Any:
    """Return a value made of mappings, lists, texts, numbers, truth values and nothing.

    Tuples and arrays become lists, numbers of numpy those of Python, paths texts.

    Parameters
    ----------
    value
        What the user gave.
    place
        Where, as messages begin.
    path
        The keys that it stands under.

    Raises
    ------
    InputError
        It holds what no input can; the message has the key.
    """
    if len(path) > MOST_DEPTH:
        raise _refused(place, path[:3], f"nested more than {MOST_DEPTH} deep")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)  # that of a member of an enumeration, not its name
    if isinstance(value, os.PathLike):
        return plain(os.fspath(value), place, path)
    if isinstance(value, Mapping):
        return {
            _key(key, place, path): plain(one, place, (*path, str(key)))
            for key, one in value.items()
        }
    if isinstance(value, list | tuple | range):
        if len(value) > MOST_BYTES:
            raise _too_many(len(value), place, path)
        return [plain(one, place, (*path, k)) for k, one in enumerate(value)]
    if hasattr(value, "__array__"):
        return _of_an_array(value, place, path)
    return _number(value, place, path)


def _key(key: Any, place: str, path: Path) -> str:
    if not isinstance(key, str):
        raise _refused(place, path, f"a key must be text, not {shown(key)}")
    return str.__str__(key)


def _of_an_array(value: Any, place: str, path: Path) -> Any:
    """Return the numbers of an array, of numpy or of what it understands."""
    try:
        array = np.asarray(value)
    except Exception:  # of whatever library it is, as for numbers on a device
        raise _cannot(type(value).__name__, place, path) from None
    if array.size > MOST_BYTES:
        raise _too_many(array.size, place, path)
    items = array.tolist()
    if hasattr(items, "__array__") or array.dtype.kind in "cmMSV":
        raise _cannot(str(array.dtype), place, path)
    return plain(items, place, path)


def _number(value: Any, place: str, path: Path) -> int | float:
    if isinstance(value, int) and abs(value) < 10**MOST_DIGITS:
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int):
        raise _refused(place, path, f"no input can hold {shown(value)}")
    raise _cannot(type(value).__name__, place, path)


def _cannot(kind: str, place: str, path: Path) -> InputError:
    said = f"no input can hold a value of type {shorten(kind)}; {TAKEN}"
    return _refused(place, path, said)


def _too_many(count: int, place: str, path: Path) -> InputError:
    said = f"{count} values are too many for an input; np.save them, and name the file"
    return _refused(place, path, said)


def _refused(place: str, path: Path, said: str) -> InputError:
    return InputError([f"{place}: {dotted(path) or 'input'}: {said}"])
