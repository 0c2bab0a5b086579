"""Functions that only other compiled code calls: linked, kept on disk, and never machine code."""

import ast
import pickle
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numba
from numba.core.registry import CPUDispatcher

from hpcepm.parallel import cache
from hpcepm.parallel.cache import SUFFIX, Entries
from hpcepm.parallel.linked import LinkedCompiler, LinkedLibrary
from tests.conftest import ROOT

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


def test_of_what_python_calls_machine_code_is_kept_alone(tmp_path: Path) -> None:
    """And the names that it defines, which are looked for where it is loaded."""
    for hits in (0, 1):
        dispatcher: Any = numba.njit(fourth)
        dispatcher._cache = Entries(fourth, tmp_path)
        assert dispatcher(3.0) == 81.0
        assert sum(dispatcher.stats.cache_hits.values()) == hits
    (entry,) = tmp_path.glob(f"*fourth*{SUFFIX}")
    _, ((_, kind, (machine_code, names)), *_) = pickle.loads(entry.read_bytes()[32:])
    kept = llvm.parse_bitcode(names)
    (result,) = dispatcher.overloads.values()
    assert kind == "object" and machine_code.startswith(b"\x7fELF")
    assert result.fndesc.llvm_func_name in {function.name for function in kept.functions}
    bodies = [list(block.instructions) for f in kept.functions for block in f.blocks]
    assert bodies and all(len(instructions) == 1 for instructions in bodies)


def test_compiled_code_has_constants_of_files_that_its_version_tells_apart() -> None:
    """An edit elsewhere compiles nothing anew."""
    package = ROOT / "hpcepm"
    assert all((package / name).is_file() for name in cache.CONSTANTS)
    known = {Path(name).stem for name in cache.CONSTANTS} | set(cache.COMPILED)
    for path in (path for folder in cache.COMPILED for path in (package / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hpcepm."):
                floor = str(node.module).split(".")[1]
                constants = [one.name for one in node.names if one.name.isupper()]
                assert floor in known or not constants, (path, constants)
