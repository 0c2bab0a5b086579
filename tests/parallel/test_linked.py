"""Functions that only other compiled code calls: linked, kept on disk, and never machine code."""

from pathlib import Path
from typing import Any

import numba
from numba.core.registry import CPUDispatcher

from hpcepm.parallel.cache import Entries
from hpcepm.parallel.linked import LinkedCompiler, LinkedLibrary

INSIDE = {"nopython": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def squared(x: float) -> float:
    return x * x


def fourth(x: float) -> float:
    return float(squared_inside(x)) ** 2


squared_inside: Any = CPUDispatcher(squared, {}, INSIDE, LinkedCompiler)


def linked(function: Any, directory: Path) -> Any:
    dispatcher = CPUDispatcher(function, {}, INSIDE, LinkedCompiler)
    dispatcher._cache = Entries(function, directory)
    return dispatcher


def called_from_python(callee: Any) -> Any:
    return numba.njit(lambda x: callee(x) + 1.0)


def test_what_is_linked_has_no_machine_code(tmp_path: Path) -> None:
    callee = linked(fourth, tmp_path)
    caller = called_from_python(callee)
    assert caller(3.0) == 82.0 and caller(2.0) == 17.0
    for one in (callee, squared_inside):
        (result,) = one.overloads.values()
        engine = result.codegen._engine
        assert isinstance(result.library, LinkedLibrary)
        assert not engine.is_symbol_defined(result.fndesc.llvm_func_name)
    (result,) = caller.overloads.values()
    assert engine.is_symbol_defined(result.fndesc.llvm_func_name)


def test_it_is_kept_and_loaded(tmp_path: Path) -> None:
    for hits in (0, 1):
        callee = linked(fourth, tmp_path)
        assert called_from_python(callee)(3.0) == 82.0
        assert sum(callee.stats.cache_hits.values()) == hits
    assert len(list(tmp_path.iterdir())) == 1


def test_different_types_are_different_functions(tmp_path: Path) -> None:
    """And of what is linked twice, directly and through another, there is one."""
    callee, other = linked(squared, tmp_path), linked(fourth, tmp_path)
    caller = numba.njit(lambda x: squared_inside(x) + callee(1j * x) + other(x))
    assert caller(2.0) == 16.0
