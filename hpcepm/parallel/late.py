"""Functions of scipy that compiled loops look up when they first call them.

scipy.special takes a quarter of a second to load, and most runs call nothing of it. So, as with a
dynamic linker, a loop calls what a pointer says; at first that is what looks the function up.
"""

import ctypes
import os
import traceback
from importlib import import_module
from typing import Any, Final

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.extending import get_cython_function_address

from .compiled import IN_PYTHON, generated

_SCIPY: Final = "scipy.special.cython_special"

_kept: Final[list[Any]] = []
"""What compiled code has the addresses of."""


def of_scipy(name: str, n_arguments: int) -> Any:
    """Return a special function of scipy, of one or two numbers, for compiled loops."""
    symbol = f"hpcepm_{name}"
    if not IN_PYTHON:
        llvm.add_symbol(symbol, _pointer_to(name, n_arguments))

    def generate(_context: Any, builder: Any, _signature: Any, numbers: Any) -> Any:
        real, flag = ir.DoubleType(), ir.IntType(32)
        kind = ir.FunctionType(real, [*n_arguments * [real], flag]).as_pointer()
        known = builder.module.globals.get(symbol)
        pointer = known or ir.GlobalVariable(builder.module, kind, symbol)
        return builder.call(builder.load(pointer), [*numbers, flag(0)])

    signature = types.float64(*n_arguments * [types.float64])
    typings: dict[int, Any] = {
        1: lambda _, x: (signature, generate),
        2: lambda _, x, y: (signature, generate),
    }

    def in_python(*numbers: float) -> float:
        return float(getattr(import_module(_SCIPY), name)(*numbers))

    return generated(in_python)(typings[n_arguments])


def _pointer_to(name: str, n_arguments: int) -> int:
    """Return the address of a pointer to a function; its first call sets it."""
    kind = ctypes.CFUNCTYPE(ctypes.c_double, *n_arguments * [ctypes.c_double], ctypes.c_int)

    def look_up(*arguments: Any) -> Any:
        try:
            pointer.value = get_cython_function_address(_SCIPY, name)
            return kind(pointer.value)(*arguments)
        except BaseException:  # nothing can be raised through compiled code
            traceback.print_exc()
            os._exit(1)

    first = kind(look_up)
    pointer = ctypes.cast(first, ctypes.c_void_p)
    _kept.append((first, pointer))
    return ctypes.addressof(pointer)
