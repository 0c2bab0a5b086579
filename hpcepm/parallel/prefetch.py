"""Memory that a compiled loop will want soon is fetched while it works on something else."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from .compiled import generated

_FOR_WRITING, _KEEP, _DATA = 1, 3, 1


@generated(lambda array, index: None)
def prefetch(_typing: Any, array: Any, index: Any) -> Any:
    """Have an element of an array, shape (n,), fetched into the cache; it may be written."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        pointer = builder.bitcast(builder.gep(view.data, [arguments[1]]), cgutils.voidptr_t)
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, word, word, word])
        name = "llvm.prefetch.p0"
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        builder.call(function, [pointer, *(word(n) for n in (_FOR_WRITING, _KEEP, _DATA))])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate
