"""How the inner loops are compiled: numba, strict IEEE arithmetic, cached on disk.

Bits matter here (SPEC, promise 1), so nothing may be reordered or fused: no ``fastmath``. numba's
disk cache looks at the file of a function but not at the files of what it calls; keeping one cache
per content of the whole package makes an edit anywhere compile afresh.
"""

import hashlib
import os
import pickle
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numba
from numba import types


def _cache_directory() -> str:
    package = Path(__file__).parent
    sources = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        sources.update(path.read_bytes())
    home = Path(
        os.environ.get("NUMBA_CACHE_DIR")
        or os.environ.get("XDG_CACHE_HOME")
        or Path.home() / ".cache"
    )
    try:
        home.mkdir(parents=True, exist_ok=True)
        usable = os.access(home, os.W_OK)
    except OSError:
        usable = False
    if not usable:
        home = Path(tempfile.gettempdir()) / f"cache-{os.getuid()}"
    return str(home / "hpcepm" / sources.hexdigest()[:16])


numba.config.CACHE_DIR = _cache_directory()


@contextmanager
def _at_worst_slower() -> Iterator[None]:
    """Let a cache that cannot be read or written, on a full disk say, cost a compilation and not the run."""
    with suppress(OSError, EOFError, pickle.UnpicklingError):
        yield


def _compiled(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    dispatcher: Any = numba.njit(cache=True, error_model="numpy", _nrt=False, **options)(function)
    dispatcher._cache._guard_against_spurious_io_errors = (
        _at_worst_slower  # numba forgives on Windows alone
    )
    return dispatcher


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a loop; on disk from its second use on. Division by zero gives inf, as in numpy."""
    return _compiled(function)


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a part of a loop into the loop.

    Numba hands over a tuple of arrays by value, hundreds of words at each call.
    """
    return _compiled(function, forceinline=True)


def compiled_minimum(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a search for a minimum, which is the same in any order.

    This lets it use vector registers.
    """
    return _compiled(function, fastmath={"nnan", "nsz"})


def compiled_for(function: Callable[..., Any], *arguments: Any) -> Callable[..., Any]:
    """Return a compiled function that takes its arguments to be of the types of these, whatever they are.

    numba looks at the type of each argument of each call, and of records and tuples slowly: up to 15 µs a call.
    """
    dispatcher: Any = function
    entry: Callable[..., Any] = dispatcher.compile(
        tuple(numba.typeof(argument) for argument in arguments)
    )
    return entry


def external(name: str, signature: Any, in_python: Callable[..., Any]) -> Callable[..., Any]:
    """Return a C function for compiled loops; its equivalent where ``NUMBA_DISABLE_JIT`` is set."""
    function: Callable[..., Any] = types.ExternalFunction(name, signature)
    return in_python if numba.config.DISABLE_JIT else function


def cache_is_cold() -> bool:
    """Return whether nothing of this version was compiled on this machine yet."""
    return not any(Path(numba.config.CACHE_DIR).rglob("*.nbi"))
