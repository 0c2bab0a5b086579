"""What was added to the model by a notebook or a script itself, and is no file that is kept.

Numbers follow from it, so a run that goes on must find the same: it is told by a digest of its
source, and of what that names.
"""

import dis
import hashlib
import inspect
import types
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

import numpy as np

from hpcepm.model.clock.base import clock
from hpcepm.model.distributions import distribution
from hpcepm.model.kernel import kernel
from hpcepm.model.loading.base import loading
from hpcepm.model.observables import OBSERVABLES
from hpcepm.model.slip import slip

_LOADS: Final = ("LOAD_GLOBAL", "LOAD_NAME")
REGISTRIES: Final = (distribution, slip, kernel, loading, clock)


def typed_in(told: Mapping[str, Any], files: Mapping[str, Any]) -> dict[str, str]:
    """Return digests of what was typed in and touches numbers of a run, by its names.

    Parameters
    ----------
    told
        The resolved input.
    files
        The modules of plug-ins that are files.
    """
    kinds: dict[str, list[Any]] = {one.name: [one.measure] for one in OBSERVABLES}
    for key, value in _pairs(told):
        for registry in REGISTRIES:
            if key == registry.key and isinstance(value, str) and value in registry:
                decorated = vars(registry[value]).get("of")  # a function, as of a kernel
                is_function = isinstance(decorated, staticmethod)
                kind = decorated.__func__ if is_function else registry[value]
                kinds.setdefault(value, []).append(kind)
    own = {__package__.partition(".")[0], *files}
    typed = {
        name: [one for one in those if not {one.__module__, one.__module__.partition(".")[0]} & own]
        for name, those in sorted(kinds.items())
    }
    return {name: _digest(those) for name, those in typed.items() if those}


def _pairs(told: Any) -> Iterator[tuple[str, Any]]:
    """Yield all keys and values, at any depth."""
    items = told.items() if isinstance(told, Mapping) else enumerate(told)
    for key, value in items:
        yield str(key), value
        if isinstance(value, Mapping | list):
            yield from _pairs(value)


def _digest(kinds: list[Any]) -> str:
    """Return a digest of classes and functions."""
    found, seen = hashlib.sha256(), set[int]()
    for kind in kinds:
        for text in _texts(kind, seen):
            found.update(f"{text}\n".encode())
    return found.hexdigest()


def _texts(thing: Any, seen: set[int]) -> Iterator[str]:
    """Yield the source of a class or a function, and of what it names; values as they are now."""
    thing = getattr(thing, "py_func", thing)  # of one that numba compiles
    if isinstance(thing, bool | int | float | complex | str | bytes | np.generic | None):
        yield repr(thing)
    elif isinstance(thing, np.ndarray):
        yield f"{thing.dtype} {thing.shape} {hashlib.sha256(thing.tobytes()).hexdigest()}"
    elif id(thing) in seen:
        return
    elif isinstance(thing, tuple | list | Mapping):
        seen.add(id(thing))
        items = thing.items() if isinstance(thing, Mapping) else enumerate(thing)
        for key, value in items:
            yield repr(key)
            yield from _texts(value, seen)
    elif isinstance(thing, type):
        seen.add(id(thing))
        for name, member in _members(thing):
            yield name
            yield from _texts(member, seen)
        for name, field in getattr(thing, "__dataclass_fields__", {}).items():
            yield name
            yield from _texts(field.default, seen)
    elif isinstance(thing, types.FunctionType):
        seen.add(id(thing))
        yield _source(thing.__code__)
        yield from _texts((thing.__defaults__, thing.__kwdefaults__), seen)
        for name, value in sorted(_named_by(thing).items()):
            yield name
            if getattr(value, "__module__", thing.__module__) == thing.__module__:
                yield from _texts(value, seen)


def _named_by(function: types.FunctionType) -> dict[str, Any]:
    """Return what a function names outside itself, as it is now; attributes are no such names."""
    codes, names = [function.__code__], set()
    for code in codes:
        codes += [one for one in code.co_consts if inspect.iscode(one)]
        names |= {one.argval for one in dis.get_instructions(code) if one.opname in _LOADS}
    found = {name: function.__globals__[name] for name in names & {*function.__globals__}}
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    for name, cell in cells:
        with suppress(ValueError):  # nothing is in it yet
            found[name] = cell.cell_contents
    return found


def _members(kind: type) -> Iterator[tuple[str, Any]]:
    """Yield the functions of a class that somebody wrote."""
    for parent in kind.__mro__:
        for name, member in sorted(vars(parent).items()):
            inner = getattr(member, "fget", None) or getattr(member, "__func__", member)
            own = isinstance(inner, types.FunctionType) and inner.__module__ == kind.__module__
            if own and not (name.startswith("__") and "__dataclass_fields__" in vars(parent)):
                yield name, inner


def _source(code: types.CodeType) -> str:
    """Return the source of a function; where none is kept, its code."""
    try:
        return inspect.cleandoc(inspect.getsource(code))
    except (OSError, TypeError):
        constants = [_source(one) if inspect.iscode(one) else one for one in code.co_consts]
        constants = [sorted(map(repr, c)) if isinstance(c, frozenset) else c for c in constants]
        return f"{code.co_code.hex()} {constants!r} {code.co_names!r}"
