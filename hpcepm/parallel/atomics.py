"""Atomic operations on shared memory, for compiled loops; the names are those of C++11.

Each function takes an array, shape (n,), of int64 or float64, and an index, which is not checked.
What a process wrote before a `store_release` or `fetch_add` of an element is seen by any process
that then reads the new value by `load_acquire` or `fetch_add`.
"""

from typing import Any

import numpy as np
from numba import types

from .compiled import generated

_BYTES = 8


def _pointer(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.gep(array.data, [arguments[1]])


def _add(array: Any, index: int, value: Any) -> Any:
    before = array[index]
    array[index] += value
    return before


@generated(np.ndarray.__getitem__)
def load_acquire(_typing: Any, array: Any, index: Any) -> Any:
    """Return an element."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(
            _pointer(context, builder, signature, arguments), "acquire", _BYTES
        )

    return array.dtype(array, types.intp), generate


@generated(np.ndarray.__setitem__)
def store_release(_typing: Any, array: Any, index: Any, value: Any) -> Any:
    """Set an element."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store_atomic(
            arguments[2], _pointer(context, builder, signature, arguments), "release", _BYTES
        )
        return context.get_dummy_value()

    return types.void(array, types.intp, array.dtype), generate


@generated(_add)
def fetch_add(_typing: Any, array: Any, index: Any, value: Any) -> Any:
    """Add to an element; return what it was before."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        operation = "fadd" if isinstance(signature.args[0].dtype, types.Float) else "add"
        return builder.atomic_rmw(
            operation, _pointer(context, builder, signature, arguments), arguments[2], "acq_rel"
        )

    return array.dtype(array, types.intp, array.dtype), generate
