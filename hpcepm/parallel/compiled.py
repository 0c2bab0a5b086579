"""How the inner loops are compiled: numba, strict IEEE arithmetic, cached on disk.

Bits matter (docs/model.md, section 7), so nothing may be reordered or fused: no ``fastmath``. What
was compiled is kept on disk, for each content of the folders that are compiled: any edit there
compiles all anew. While a loop runs, other threads of the interpreter do, too: the watchdog's.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import llvmlite.binding as llvm
import numba
import numpy as np
from numba import types
from numba.extending import intrinsic, overload

from .cache import Entries, before_compiling, private_directory, version_of

IN_PYTHON: Final = bool(numba.config.DISABLE_JIT)
"""Whether all runs as plain Python, for a debugger or coverage: ``NUMBA_DISABLE_JIT=1``."""


LOOP: Final = ".advance"
"""How the name of the step loop ends, by far the longest to compile."""

_CACHE: Final = None if IN_PYTHON else private_directory(version_of(Path(__file__).parents[1]))


def _compiled(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    if IN_PYTHON:  # compiled code does not warn of overflow or of a division by zero either
        return np.errstate(all="ignore")(function)
    dispatcher: Any = numba.njit(error_model="numpy", _nrt=False, nogil=True, **options)(function)
    if _CACHE is not None:
        dispatcher._cache = Entries(function, _CACHE)
    return dispatcher


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a loop, or load it from disk. Division by zero gives inf, as in numpy."""
    return _compiled(function)


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function into the loop that calls it.

    At a call, numba would pass a tuple of arrays by value: hundreds of words.
    """
    return _compiled(function, forceinline=True)


def compiled_minimum(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a search for a minimum, which may use vector registers: any order gives the same."""
    return _compiled(function, fastmath={"nnan", "nsz"})


def compiled_for(function: Callable[..., Any], *arguments: Any) -> Callable[..., Any]:
    """Return a compiled function that takes its arguments to be of the types of these.

    numba looks at the type of each argument of each call, and of records and tuples slowly: up to
    15 µs a call.
    """
    if IN_PYTHON:
        return function
    dispatcher: Any = function
    if _CACHE is None:  # who has one looks there, and tells if it is in vain
        for tell in before_compiling:
            tell(f"{dispatcher.__module__}.{dispatcher.__name__}")
    entry: Callable[..., Any] = dispatcher.compile(
        tuple(numba.typeof(argument) for argument in arguments)
    )
    return entry


def external(
    name: str, signature: Any, in_python: Callable[..., Any], address: int | None = None
) -> Any:
    """Return a C function for compiled loops, or its equivalent `IN_PYTHON`.

    Parameters
    ----------
    name, signature
        Its name, for the linker, and numba's types of its result and arguments.
    in_python
        The equivalent; takes the same arguments.
    address
        Where it is, if the linker does not know.
    """
    if IN_PYTHON:
        return in_python
    if address is not None:
        llvm.add_symbol(name, address)
    return types.ExternalFunction(name, signature)


def generated(in_python: Callable[..., Any]) -> Callable[[Callable[..., Any]], Any]:
    """Let a function generate its machine code itself, for compiled loops.

    ``in_python`` is the equivalent `IN_PYTHON`.
    """
    return lambda typing: in_python if IN_PYTHON else intrinsic(typing)


def bind(question: Any, kind: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a compiled function the answer to a question for first arguments of a type.

    Parameters
    ----------
    question
        A `functools.singledispatch` function, which compiled loops call as well as Python.
    kind
        A NamedTuple.
    """

    def decorate(answer: Callable[..., Any]) -> Callable[..., Any]:
        function = getattr(answer, "py_func", answer)

        def select(subject: Any, *_: Any) -> Any:
            applies = isinstance(subject, types.BaseNamedTuple) and subject.instance_class is kind
            return function if applies else None

        overload(question, strict=False, jit_options={"forceinline": True})(select)
        question.register(kind, answer)
        return answer

    return decorate


def cache_directory() -> Path | None:
    """Return where this version keeps what was compiled; None if nowhere."""
    return _CACHE


def tell_of_compiling(tell: Callable[[], None]) -> None:
    """Have it told, once, when a loop must be compiled: that takes a while."""
    told: list[str] = []

    def notice(name: str) -> None:
        if name.endswith(LOOP) and not told:
            told.append(name)
            tell()

    before_compiling[:] = [notice]
