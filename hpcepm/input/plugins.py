"""Plug-ins: Python files that add to the model.

They are named on the command line or from Python, never in an input: an input is data, and may be a
stranger's.
"""

import ast
import hashlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import TextIOWrapper
from types import ModuleType
from typing import Any, Final, NamedTuple

from hpcepm.files import open_regular
from hpcepm.model.observables import OBSERVABLES
from hpcepm.names import place_of

from .problems import InputError, shorten
from .read import ReadInput
from .typed import REGISTRIES, typed_in


class Plugin(NamedTuple):
    """A file that was loaded: its name, its text, and a SHA-256 of it and of what it imports."""

    name: str
    text: str
    sha256: str


LOADED: Final[dict[str, Plugin]] = {}
"""The plug-ins of this process, by their paths: one that was edited replaces itself."""

OWN: Final = __name__.partition(".")[0]
OTHERS: Final = f"{os.sep}site-packages{os.sep}"
"""What the plug-in's own files do not have in their paths."""

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
    put_back = forget(name)
    sys.modules[name] = module
    try:
        exec(compile(text, path, "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        forget(name)
        put_back()
        raise InputError([_said_of(error, path)]) from None
    LOADED[name] = Plugin(os.path.basename(path), text, _digest(text, path))
    return LOADED[name]


def _said_of(error: BaseException, path: str) -> str:
    """Return what went wrong in a plug-in, and in which line."""
    if isinstance(error, SyntaxError):
        return f"{error.filename or path}:{error.lineno or 1}: {error.msg}"
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == path]
    place = f"{path}:{lines[-1]}" if lines else path  # no line: it cannot be compiled
    return f"{place}: {type(error).__name__}: {shorten(str(error), 300)}"


def forget(module: str) -> Callable[[], None]:
    """Take what a module added to the model out of it; return what puts it back."""
    kinds = [
        (registry, name, kind)
        for registry in REGISTRIES
        for name, kind in registry.items()
        if kind.__module__ == module
    ]
    before = OBSERVABLES[:]
    for registry, name, _ in kinds:
        del registry[name]
    OBSERVABLES[:] = [one for one in OBSERVABLES if one.measure.__module__ != module]

    def put_back() -> None:
        for registry, name, kind in kinds:
            registry[name] = kind
        OBSERVABLES[:] = before

    return put_back


def _digest(text: str, path: str) -> str:
    """Return the SHA-256 of a plug-in, and of the files in its folder that it imports."""
    found, folder = hashlib.sha256(text.encode()), os.path.dirname(os.path.abspath(path)) + os.sep
    helpers: dict[str, str] = {}
    texts = [text]
    while texts:
        for name in _imported(texts.pop()):
            file = os.path.abspath(getattr(sys.modules.get(name), "__file__", None) or os.sep)
            of_others = OTHERS in file or name.partition(".")[0] == OWN
            if file.startswith(folder) and file not in helpers and not of_others:
                with suppress(OSError, ValueError), open(file, encoding="utf-8") as source:
                    helpers[file] = source.read()
                    texts.append(helpers[file])
    for file in sorted(helpers):
        found.update(helpers[file].encode())
    return found.hexdigest()


def _imported(text: str) -> Iterator[str]:
    """Yield the names of modules that a program may import."""
    with suppress(SyntaxError, ValueError):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                yield from (one.name for one in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module
                yield from (f"{node.module}.{one.name}" for one in node.names)


def _text_of(path: str) -> str:
    """Return the text of a plug-in."""
    try:
        with TextIOWrapper(open_regular(path), "utf-8-sig") as file:
            text = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have, or no UTF-8
        said = getattr(error, "strerror", None) or error
        raise InputError([f"{shorten(path, 500)}: the plug-in cannot be read: {said}"]) from None
    if len(text.encode()) > MOST_BYTES:
        said = f"is kept in run.h5, and may be {MOST_BYTES} bytes long at most"
        raise InputError([f"{path}: the plug-in {said}"])
    return text
