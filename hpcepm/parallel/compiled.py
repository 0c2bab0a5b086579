"""How the inner loops are compiled: numba, strict IEEE arithmetic, cached on disk.

Bits matter (docs/model.md, section 7), so nothing may be reordered or fused: no ``fastmath``. What
was compiled is kept on disk, for each content of the folders that are compiled: any edit there
compiles all anew. While a loop runs, other threads of the interpreter do, too: the watchdog's.
"""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Final, cast

import llvmlite.binding as llvm
import numba
import numpy as np
from numba import types
from numba.core.registry import CPUDispatcher
from numba.extending import intrinsic, overload

from .cache import Entries, before_compiling, private_directory, version_of
from .linked import LinkedCompiler

IN_PYTHON: Final = bool(numba.config.DISABLE_JIT)
"""Whether all runs as plain Python, for a debugger or coverage: ``NUMBA_DISABLE_JIT=1``."""


LOOP: Final = ".advance"
"""How the name of the step loop ends, by far the longest to compile."""

_CACHE: Final = None if IN_PYTHON else private_directory(version_of(Path(__file__).parents[1]))


_OPTIONS: Final = {"nopython": True, "error_model": "numpy", "_nrt": False, "nogil": True}

_INSIDE: Final = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""What is not compiled for functions that only compiled code calls."""

_BOUND: Final = {"forceinline": True, "pipeline_class": LinkedCompiler} | _INSIDE


class _Function(CPUDispatcher):  # type: ignore[misc]
    """A function for other compiled code. From Python, its `entry` is called.

    What Python calls takes its arguments out of Python's objects. For a tuple of a hundred arrays
    that is longer than the function, so it is compiled for those functions alone that are called
    from there. And a function is compiled once for whole numbers, not for each constant and size:
    together, first starts compile half as long.
    """

    def __init__(self, py_func: Any, targetoptions: dict[str, Any]) -> None:
        super().__init__(py_func, {}, targetoptions | _INSIDE, LinkedCompiler)
        _keep(self, py_func, "inside")

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """Return what numba calls for arguments of some types."""
        return super().get_call_template(
            [_general(kind) for kind in args], {name: _general(kws[name]) for name in kws}
        )

    @cached_property
    def entry(self) -> Any:
        """The same for Python."""
        options = self.targetoptions | {"no_cpython_wrapper": False}
        return _keep(CPUDispatcher(self.py_func, targetoptions=options), self.py_func, "entry")

    def __call__(self, *arguments: Any) -> Any:
        return self.entry(*arguments)


def _keep(dispatcher: Any, function: Callable[..., Any], variant: str) -> Any:
    """Have a dispatcher keep on disk what it compiles."""
    if _CACHE is not None:
        dispatcher._cache = Entries(function, _CACHE, variant)
    return dispatcher


def _general(kind: Any) -> Any:
    """Return the type to compile for: one for all constants and sizes of whole numbers."""
    kind = types.unliteral(kind)
    return types.int64 if isinstance(kind, types.Integer) and kind.signed else kind


def _compiled(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    if IN_PYTHON:  # compiled code does not warn of overflow or of a division by zero either
        return np.errstate(all="ignore")(function)
    return _Function(function, _OPTIONS | options)


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
    dispatcher: Any = cast(_Function, function).entry
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
    """Compile a function, and make it the answer to a question for first arguments of a type.

    Parameters
    ----------
    question
        A `functools.singledispatch` function, which compiled loops call as well as Python.
    kind
        A NamedTuple.
    """

    def decorate(answer: Callable[..., Any]) -> Callable[..., Any]:
        function = getattr(answer, "py_func", answer)  # one that is compiled already will do

        def select(subject: Any, *_: Any) -> Any:
            applies = isinstance(subject, types.BaseNamedTuple) and subject.instance_class is kind
            return function if applies else None

        overload(question, strict=False, jit_options=_BOUND)(select)
        made: Callable[..., Any] = question.register(kind, compiled(function))
        return made

    return decorate


def cache_directory() -> Path | None:
    """Return where this version keeps what was compiled; None if nowhere."""
    return _CACHE


def tell_of_compiling(tell: Callable[[], object]) -> None:
    """Have it told, once, when a loop must be compiled: that takes a while."""
    told: list[str] = []

    def notice(name: str) -> None:
        if name.endswith(LOOP) and not told:
            told.append(name)
            tell()

    before_compiling[:] = [notice]
