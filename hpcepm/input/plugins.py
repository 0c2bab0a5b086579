"""Plug-ins: Python files that add to the model.

They are named on the command line or from Python, never in an input: an input is data, and may be a
stranger's.
"""

import hashlib
import json
import os
import sys
import traceback
from io import TextIOWrapper
from types import ModuleType
from typing import Any, Final, NamedTuple

from hpcepm.files import open_regular
from hpcepm.names import place_of

from .problems import InputError, shorten
from .read import ReadInput
from .typed import typed_in


class Plugin(NamedTuple):
    """A file that was loaded: its name, its text, and the SHA-256 of the text."""

    name: str
    text: str
    sha256: str


LOADED: Final[dict[str, Plugin]] = {}
"""The plug-ins of this process, by their paths: one that was edited replaces itself."""

MOST_BYTES: Final = 50_000  # HDF5 holds 64 kB in an attribute


def resolved(read: ReadInput) -> str:
    """Return all that numbers follow from, as JSON: the input, plug-ins, and files it names."""
    told: dict[str, Any] = json.loads(read.settings.model_dump_json())
    for name in sorted({plugin.name for plugin in LOADED.values()}):
        of_name = sorted({plugin.sha256 for plugin in LOADED.values() if plugin.name == name})
        told.setdefault("plugins", {})[name] = " ".join(of_name)
    if typed := typed_in(told, LOADED):
        told.setdefault("plugins", {}).update(typed)
    if read.files:
        told["files"] = read.files
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def load_plugin(path: str | os.PathLike[str]) -> Plugin:
    """Run a Python file, whose decorators then have added to the model. On each rank.

    Raises
    ------
    InputError
        It cannot be read, or an error came up in it: the message says in which line.
    """
    try:
        path = place_of(path)
    except ValueError as error:
        raise InputError([f"{shorten(repr(path))}: {error}"]) from None
    text = _text_of(path)
    # Other ranks find its classes by the name of the module, which must be one and no path.
    name = f"hpcepm_plugin_{hashlib.sha256(os.path.abspath(path).encode()).hexdigest()[:16]}"
    module = ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module
    try:
        exec(compile(text, path, "exec"), module.__dict__)
    except SyntaxError as error:
        raise InputError([f"{error.filename or path}:{error.lineno or 1}: {error.msg}"]) from None
    except (Exception, SystemExit) as error:
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == path]
        place = f"{path}:{lines[-1]}" if lines else path  # no line: it cannot be compiled
        said = f"{type(error).__name__}: {shorten(str(error), 300)}"
        raise InputError([f"{place}: {said}"]) from None
    digest = hashlib.sha256(text.encode()).hexdigest()
    LOADED[name] = Plugin(os.path.basename(path), text, digest)
    return LOADED[name]


def _text_of(path: str) -> str:
    """Return the text of a plug-in."""
    try:
        with TextIOWrapper(open_regular(path), "utf-8") as file:
            text = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have, or no UTF-8
        said = getattr(error, "strerror", None) or error
        raise InputError([f"{shorten(path, 500)}: the plug-in cannot be read: {said}"]) from None
    if len(text.encode()) > MOST_BYTES:
        said = f"is kept in run.h5, and may be {MOST_BYTES} bytes long at most"
        raise InputError([f"{path}: the plug-in {said}"])
    return text
