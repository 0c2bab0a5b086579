"""Functions that only other compiled code calls: they are linked into it, and no more.

numba optimizes each function with all that it calls, and makes machine code of it: also of one that
will only ever be part of another, again at each level of calls. Here such a function ends as what
is linked. The whole is optimized once, where Python calls it: so a first start takes 0.5 to 0.7 of
the time (docs/performance.md), and the loop is as fast.
"""

from typing import Any, Final

import llvmlite.binding as llvm
from llvmlite import ir
from numba import _dynfunc
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, CompileResult, DefaultPassBuilder, compile_result
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.typed_passes import NativeLowering

LINKED: Final = "linked"
"""The kind of a library of this, where numba writes its own."""


class LinkedLibrary(JITCodeLibrary):  # type: ignore[misc]
    """A library that others link, and nobody runs."""

    def _optimize_final_module(self) -> None:
        """Leave it to those that link it."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True

    def serialize_using_object_code(self) -> tuple[str, str, bytes]:
        """Return name, kind, and what others link: there is no object code."""
        return self.name, LINKED, self._get_module_for_linking().as_bitcode()

    @classmethod
    def of(cls, codegen: Any, name: str, module: bytes) -> "LinkedLibrary":
        """Return the library that was serialized."""
        library = cls(codegen, name)
        library._final_module = llvm.parse_bitcode(module)
        library._finalize_final_module()
        return library


def _entry(library: LinkedLibrary, description: Any, environment: Any) -> Any:
    """Return what stands for a function where numba has its entry for Python: it has none."""
    name = description.qualname.rpartition(".")[2]
    module = description.lookup_module()
    return _dynfunc.make_function(module, name, "", 0, environment, (library,))


@register_pass(mutates_CFG=True, analysis_only=False)
class _Link(NativeLowering):  # type: ignore[misc]
    """The pass in which numba makes machine code, without that."""

    _name = "link"

    def run_pass(self, state: Any) -> bool:
        state.library = LinkedLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        found = state["cr"]
        entry = _entry(state.library, found.fndesc, found.env)
        state.targetctx.insert_user_function(entry, found.fndesc, [state.library])
        state["cr"] = found._replace(cfunc=entry)
        return True


class LinkedCompiler(CompilerBase):  # type: ignore[misc]
    """Compiles functions that are only linked: a ``pipeline_class`` of numba's dispatchers."""

    def define_pipelines(self) -> list[PassManager]:
        """Return numba's passes, but for one."""
        manager = DefaultPassBuilder.define_nopython_pipeline(self.state)
        manager.passes = [
            (_Link, "link") if kind is NativeLowering else (kind, name)
            for kind, name in manager.passes
        ]
        manager.finalize()
        return [manager]


def taken_apart(compiled: CompileResult) -> tuple[Any, ...]:
    """Return what `rebuilt` takes. Of what Python calls, machine code is enough: nobody links it.

    numba would keep bitcode besides, and parse it at each start: 0.2 s for the longest loop.
    """
    (name, kind, kept), *others = compiled._reduce()
    if kind != LINKED:
        machine_code, bitcode = kept
        kept = machine_code, _names_of(bitcode)
    return (name, kind, kept), *others


def _names_of(bitcode: bytes) -> bytes:
    """Return a module that defines the names of another, which numba looks for, and nothing."""
    whole, names = llvm.parse_bitcode(bitcode), ir.Module()
    for function in (f for f in whole.functions if not f.is_declaration):
        nothing = ir.Function(names, ir.FunctionType(ir.VoidType(), []), function.name)
        ir.IRBuilder(nothing.append_basic_block()).unreachable()
    for variable in (v for v in whole.global_variables if not v.is_declaration):
        ir.GlobalVariable(names, ir.IntType(8), variable.name).initializer = ir.IntType(8)(0)
    return bytes(llvm.parse_assembly(str(names)).as_bitcode())


def rebuilt(target_context: Any, library: Any, description: Any, *others: Any) -> CompileResult:
    """Return the function that was `taken_apart`."""
    name, kind, module = library
    if kind != LINKED:
        return CompileResult._rebuild(target_context, library, description, *others)
    environment, signature, objectmode, lifted, types, reload_init, environments = others
    linked = LinkedLibrary.of(target_context.codegen(), name, module)
    return compile_result(
        typing_context=target_context.typing_context,
        target_context=target_context,
        entry_point=_entry(linked, description, environment),
        type_annotation=types,
        library=linked,
        signature=signature,
        objectmode=objectmode,
        lifted=lifted,
        fndesc=description,
        environment=environment,
        reload_init=reload_init,
        referenced_envs=environments,
    )
