"""Methods of plug-ins as functions that compiled loops call.

A method is compiled to a C function, and the loop calls it by its address. So the loop, which takes
half a minute to compile, is not compiled anew for a plug-in, nothing of a plug-in gets into its
cache on disk, and a class that is typed into a notebook works as one in a file.
"""

import ctypes
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from types import MappingProxyType, UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.np.unsafe.ndarray import to_fixed_tuple
from numpy.typing import NDArray

from hpcepm.parallel.compiled import IN_PYTHON, generated

FIRST_ADDRESS: Final = 4096
"""Addresses are larger than the number of any kind that is built in."""

SAME: Final = 1e-9
"""How far a method that is compiled may be from what Python makes of it, of 1 or of the number."""

_NUMBERS: Final = ctypes.POINTER(ctypes.c_double)

_methods: dict[int, Any] = {}  # kept alive; in Python they are called from here


class OfPlugin:
    """What all classes of plug-ins whose methods are compiled get as a base.

    Attributes
    ----------
    addresses
        Of the methods, for `call`, in the order of their registry.
    methods
        The same by their names.
    """

    addresses: Sequence[int] = ()
    methods: Mapping[str, int] = MappingProxyType({})

    @property
    def kind(self) -> int:
        """The address of the first."""
        return self.addresses[0]

    @property
    def parameters(self) -> NDArray[np.float64]:
        """The numbers that the methods get."""
        return numbers_of(self)


def numbers_of(section: Any) -> NDArray[np.float64]:
    """Return the fields of a dataclass that are numbers, as its compiled methods get them.

    One that is None is NaN there.
    """
    numbers = (getattr(section, name) for name in _numeric(type(section)))
    return np.array([np.nan if number is None else float(number) for number in numbers])


def _numeric(kind: type) -> list[str]:
    hints = get_type_hints(kind)
    return [f.name for f in fields(kind) if _is_number(hints[f.name])]


def _is_number(hint: Any) -> bool:
    """Whether a type is that of a number, or of one among others."""
    ones = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return bool({*ones} & {float, int, bool})


def address_of(kind: type, name: str, n_arguments: int) -> int:
    """Compile a method of a dataclass; return what `call` takes for it.

    Parameters
    ----------
    kind, name
        The dataclass, and the method. There ``self`` has the fields that are numbers alone.
    n_arguments
        How many numbers it takes besides, 1 to 3. It returns one.

    Raises
    ------
    TypeError
        There is no such method, or it cannot be compiled.
    """
    method = getattr(kind, name, None)
    if method is None:
        raise TypeError(
            f"{kind.__name__}: needs a method {name}, which takes "
            f"{n_arguments} number{'s' * (n_arguments > 1)} besides self"
        )
    this: Any = namedtuple(kind.__name__, _numeric(kind))  # type: ignore[misc]
    n = len(this._fields)
    if IN_PYTHON:
        address = FIRST_ADDRESS + len(_methods)
        _methods[address] = lambda p, *x: float(method(this(*p), *x[:n_arguments]))
        return address
    compiled = numba.njit(error_model="numpy")(method)

    @numba.njit(error_model="numpy")
    def with_self(p: Any, numbers: tuple[float, float, float]) -> float:
        return compiled(this(*to_fixed_tuple(numba.carray(p, (n,)), n)), *numbers[:n_arguments])

    def call_it(p: Any, a: float, b: float, c: float) -> float:
        try:
            return with_self(p, (a, b, c))
        except Exception:  # it would be lost, and the run go on with any number
            return np.nan

    number = types.float64
    try:
        entry = numba.cfunc(number(types.CPointer(number), number, number, number))(call_it)
    except Exception as error:  # numba's own, or whatever it stumbles over
        lines = [line for line in str(error).splitlines() if line[:6] not in ("", "Failed")]
        said = lines[0] if lines else type(error).__name__
        raise TypeError(f"{kind.__name__}.{name} cannot be compiled: {said}") from None
    _methods[entry.address] = entry
    return int(entry.address)


def _call_in_python(address: int, p: NDArray[np.float64], a: float, b: float, c: float) -> float:
    return float(_methods[address](p, a, b, c))


@generated(_call_in_python)
def call(_: Any, address: Any, p: Any, a: Any, b: Any, c: Any) -> Any:
    """Return what a compiled method gives: ``p`` are the numbers of its section."""
    number = types.float64

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        array = context.make_array(signature.args[1])(context, builder, values[1])
        real = ir.DoubleType()
        function = ir.FunctionType(real, [array.data.type, real, real, real])
        pointer = builder.inttoptr(values[0], function.as_pointer())
        return builder.call(pointer, [array.data, *values[2:]])

    return number(types.int64, p, number, number, number), generate


def tried(what: str, method: Callable[..., Any], *numbers: float) -> float:
    """Return what a method of a plug-in gives for some numbers.

    Raises
    ------
    ValueError
        It fails, gives anything but a finite number, or not the same each time; or what the loop
        calls, which was compiled when the class was decorated, gives another.
    """
    called = f"{what}({', '.join(f'{x:.3g}' for x in numbers)}) of the plug-in"
    try:
        with np.errstate(all="ignore"):
            found, again = float(method(*numbers)), float(method(*numbers))
    except Exception as error:
        raise ValueError(f"{called}: {type(error).__name__}: {error}") from None
    if not np.isfinite(found):
        raise ValueError(f"{called} is {found}: it must be a finite number")
    if found != again:
        said = "a number that is drawn comes as an argument, and nothing else may change"
        raise ValueError(f"{called} is {found:.6g}, and {again:.6g} when asked again: {said}")
    section: Any = getattr(method, "__self__", None)
    address = getattr(section, "methods", {}).get(what)
    if address is not None:
        compiled = _call_directly(address, section.parameters, *numbers)
        if not abs(compiled - found) <= SAME * max(1.0, abs(found)):
            said = (
                "what it names must stay as it was when it was decorated; fields are floats there"
            )
            raise ValueError(f"{called} is {found:.6g}, and {compiled:.6g} compiled: {said}")
    return found


def _call_directly(address: int, p: NDArray[np.float64], *numbers: float) -> float:
    """Return what the loop gets of a method; without the loop."""
    a, b, c = (*numbers, 0.0, 0.0, 0.0)[:3]
    if IN_PYTHON:
        return _call_in_python(address, p, a, b, c)
    return float(_methods[address].ctypes(p.ctypes.data_as(_NUMBERS), a, b, c))


def expectation(of: Callable[[float], float]) -> float:
    """Return the integral of a function over (0, 1).

    Raises
    ------
    ValueError
        It does not converge.
    """
    from scipy.integrate import quad

    value, error, *_ = quad(of, 0.0, 1.0, epsabs=1e-12, epsrel=1e-8, limit=400, full_output=1)
    if not error <= 1e-4 * abs(value) + 1e-9:
        raise ValueError("an integral over its quantiles does not converge")
    return float(value)
