"""How a rank waits for another of its machine: it spins, makes room, and sleeps.

A rank that is awaited is nearly always at work on another processor, and through in microseconds:
to spin is the fastest. It may also be awaited because it has no processor. If both were last seen
on the same one, it cannot run while this rank spins, which makes room at once, and if need be
moves elsewhere. If a process of someone else is in its way, this rank sleeps, and its processor is
free for either of the two. A rank that only spun would keep all from work for whole time slices of
the system, thousands of times as long as a step.
"""

import os
import platform
import time
from typing import Any, Final, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numpy.typing import NDArray

from . import atomics
from .compiled import external, generated, inlined

LINE: Final = 8
"""64-bit numbers in a cache line; a line that ranks share is changed by one rank only."""

SPINS_BETWEEN_LOOKS: Final = 64  # after so many, about a microsecond, a rank looks where it is
LOOKS_SPINNING: Final = 30  # a rank on another processor sleeps after so many
LOOKS_YIELDING: Final = 200  # on the same, it moves after so many
SLEEP_US: Final = 50


NOBODY: Final = 0
IN_MPI: Final = -1
"""What a rank waits for, for its watchdog: nobody, or something of MPI. Else it is the rank of its
machine that it waits for, plus one."""


class Processors(NamedTuple):
    """On which processors the ranks of a machine were last seen, by themselves."""

    rank: int
    last: NDArray[np.int64]  # (ranks, LINE), element 0; −1 before the first look
    crowded: int  # whether the ranks are more than the processors that they may use
    allowed: NDArray[np.uint8]  # scratch: a set of processors, as the system has it
    awaited: NDArray[np.int64]  # (1,): of this rank; see `IN_MPI`


# LLVM's names of the instruction by which a processor knows that a loop only waits.
_X86, _ARM = ("llvm.x86.sse2.pause", ()), ("llvm.aarch64.hint", (1,))
_SPIN: Final = {"x86_64": _X86, "AMD64": _X86, "aarch64": _ARM, "arm64": _ARM}


@generated(lambda: None)
def _spin(_typing: Any) -> Any:
    """Wait a few nanoseconds."""

    def generate(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        if platform.machine() in _SPIN:
            name, values = _SPIN[platform.machine()]
            arguments = [ir.Constant(ir.IntType(32), value) for value in values]
            kind = ir.FunctionType(ir.VoidType(), [argument.type for argument in arguments])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)
        return context.get_dummy_value()

    return types.void(), generate


_yield_processor = external("sched_yield", types.intc(), os.sched_yield)
_processor = external("sched_getcpu", types.intc(), lambda: -1)
_sleep = external("usleep", types.intc(types.uintc), lambda us: time.sleep(us * 1e-6))
_get_allowed = external(
    "sched_getaffinity", types.intc(types.intc, types.uintp, types.voidptr), lambda *_: -1
)
_set_allowed = external(
    "sched_setaffinity", types.intc(types.intc, types.uintp, types.voidptr), lambda *_: -1
)


@inlined
def rest(processors: Processors, awaited: int, turns: int) -> int:
    """Let a little time pass; return ``turns``, how often that was done in this wait, plus one.

    ``awaited`` is the rank of the machine that this one waits for.
    """
    turns += 1
    if turns % SPINS_BETWEEN_LOOKS != 0:
        _spin()
        return turns
    here, looks = _processor(), turns // SPINS_BETWEEN_LOOKS
    processors.awaited[0] = awaited + 1
    atomics.store_release(processors.last[processors.rank], 0, here)
    same = atomics.load_acquire(processors.last[awaited], 0) == here
    if processors.crowded or same:
        if looks > LOOKS_YIELDING:
            if not processors.crowded:
                _move(processors, here)
            _sleep(SLEEP_US)
        else:
            _yield_processor()
    elif looks > LOOKS_SPINNING:
        _sleep(SLEEP_US)
    return turns


@inlined
def rested(processors: Processors) -> None:
    """Say that this rank waits no longer."""
    processors.awaited[0] = NOBODY


@inlined
def _move(processors: Processors, here: int) -> None:
    """Leave a processor for another of those allowed; come back is allowed at once."""
    allowed = processors.allowed
    if _get_allowed(0, allowed.size, allowed.ctypes) == 0:
        allowed[here // 8] &= np.uint8(~(1 << (here % 8)) & 0xFF)
        if _set_allowed(0, allowed.size, allowed.ctypes) == 0:
            allowed[here // 8] |= np.uint8(1 << (here % 8))
            _set_allowed(0, allowed.size, allowed.ctypes)
