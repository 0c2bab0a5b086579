"""Plug-ins: Python files that add to the model.

They are named on the command line or from Python, never in an input: an input is data, and may be a
stranger's.
"""

import hashlib
import json
import os
import sys
import traceback
from types import ModuleType
from typing import Any, Final, NamedTuple

from .problems import InputError, shorten
from .schema import Input


class Plugin(NamedTuple):
    """A file that was loaded: its name, its text, and the SHA-256 of the text."""

    name: str
    text: str
    sha256: str


LOADED: Final[dict[str, Plugin]] = {}
"""The plug-ins of this process, by the digest of their text."""

MOST_BYTES: Final = 50_000  # HDF5 holds 64 kB in an attribute


def resolved(settings: Input) -> str:
    """Return all that numbers follow from, as JSON: the input, and what plug-ins there are."""
    told: dict[str, Any] = json.loads(settings.model_dump_json())
    if LOADED:
        told["plugins"] = {plugin.name: plugin.sha256 for plugin in LOADED.values()}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def load_plugin(path: str) -> Plugin:
    """Run a Python file, whose decorators then have added to the model. On each rank.

    Raises
    ------
    InputError
        It cannot be read, or an error came up in it: the message says in which line.
    """
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise InputError([f"{path}: the plug-in cannot be read: {said}"]) from None
    if len(text.encode()) > MOST_BYTES:
        said = f"is kept in run.h5, and may be {MOST_BYTES} bytes long at most"
        raise InputError([f"{path}: the plug-in {said}"])
    # Other ranks find its classes by the name of the module, which must be one and no path.
    name = f"hpcepm_plugin_{hashlib.sha256(os.path.abspath(path).encode()).hexdigest()[:16]}"
    module = ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module
    try:
        exec(compile(text, path, "exec"), module.__dict__)
    except SyntaxError as error:
        raise InputError([f"{path}:{error.lineno}: {error.msg}"]) from None
    except Exception as error:
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == path]
        said = f"{type(error).__name__}: {shorten(str(error), 300)}"
        raise InputError([f"{path}:{lines[-1]}: {said}"]) from None
    digest = hashlib.sha256(text.encode()).hexdigest()
    return LOADED.setdefault(digest, Plugin(os.path.basename(path), text, digest))
