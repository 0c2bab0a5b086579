"""How a rank waits for another of its machine: it spins, on a processor of its own, and sleeps.

A rank that is awaited is nearly always at work on another processor, and through in microseconds:
to spin is the fastest. If both are on the same one, it cannot run while this rank spins, for a
whole time slice of the system, thousands of times as long as a step. This rank then moves, and for
a while keeps off the processors of the others. It does not just make room: a rank that does
loses its turn to any process of someone else. Where ranks are more than processors, they make room.
"""

import os
import platform
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numpy.typing import NDArray

from . import atomics
from .compiled import external, generated, inlined
from .processors import allowed_processors

LINE: Final = 8
"""64-bit numbers in a cache line; a line that ranks share is changed by one rank only."""

SPINS_BETWEEN_LOOKS: Final = 64  # after so many, about a microsecond, a rank looks where it is
LOOKS_SPINNING: Final = 6000  # longer than a time slice of the system; then it sleeps
LOOKS_SPINNING_FOR_OTHERS: Final = 300  # where ranks of other machines are waited for, too
LOOKS_TOGETHER: Final = 3  # on one processor, in all waits: then it moves
EXCHANGES_BETWEEN_LOOKS: Final = 16  # of a rank that never waits
SLEEP_US: Final = 50
BYTES_OF_A_SET: Final = 1024
MOVING: Final = -1

NOBODY: Final = 0
IN_MPI: Final = -1
"""What a rank waits for, for its watchdog: nobody, or something of MPI. Else it is the rank of its
machine that it waits for, plus one."""


class Processors(NamedTuple):
    """On which processors the ranks of a machine were last seen, by themselves."""

    rank: int
    last: NDArray[np.int64]  # (ranks, LINE), element 0; or `MOVING`
    crowded: int  # whether the ranks are more than the processors that they may use
    patience: int  # looks until it sleeps
    awaited: NDArray[np.int64]  # (1,): of this rank; see `IN_MPI`
    together: NDArray[np.int64]  # (1,): looks on the processor of the awaited rank since it moved
    allowed: NDArray[np.uint8]  # (BYTES_OF_A_SET,): the processors of this rank, as the system says
    kept_off: NDArray[np.uint8]  # the same, without those of others, once it has moved
    moved: NDArray[np.int64]  # (1,): whether it has


def make_processors(node: Any, awaited: NDArray[np.int64]) -> Processors:
    """Return the processors of the ranks of a `Node`. Collective."""
    last = node.shared((node.size, LINE), np.int64)
    last[node.rank] = MOVING
    allowed = np.zeros(BYTES_OF_A_SET, np.uint8)
    for processor in allowed_processors():
        allowed[processor // 8] |= 1 << (processor % 8)
    together, moved = np.zeros((2, 1), np.int64)
    crowded, copy = int(node.crowded), allowed.copy()
    patience = LOOKS_SPINNING if node.is_alone else LOOKS_SPINNING_FOR_OTHERS
    return Processors(node.rank, last, crowded, patience, awaited, together, allowed, copy, moved)


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


def _of_linux(name: str, signature: Any, in_python: Callable[..., Any]) -> Any:
    """Return a function of Linux. Elsewhere ranks share no memory, and it is never called."""
    return external(name if sys.platform == "linux" else "abort", signature, in_python)


_yield_processor = external("sched_yield", types.intc(), os.sched_yield)
_processor = _of_linux("sched_getcpu", types.intc(), lambda: -1)
_sleep = external("usleep", types.intc(types.uintc), lambda us: time.sleep(us * 1e-6))
_set_allowed = _of_linux(
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
    processors.awaited[0] = awaited + 1
    here = look(processors)
    if turns > processors.patience * SPINS_BETWEEN_LOOKS:
        _sleep(SLEEP_US)
    elif processors.crowded:
        _yield_processor()
    elif atomics.load_acquire(processors.last[awaited], 0) == here:
        processors.together[0] += 1
        if processors.together[0] >= LOOKS_TOGETHER:
            processors.together[0] = 0
            _keep_off(processors)
    return turns


@inlined
def look(processors: Processors) -> int:
    """Tell the others on which processor this rank is; return it."""
    here = _processor()
    atomics.store_release(processors.last[processors.rank], 0, here)
    return here


@inlined
def rested(processors: Processors) -> None:
    """Say that this rank waits no longer."""
    processors.awaited[0] = NOBODY


@inlined
def _keep_off(processors: Processors) -> None:
    """Move to a processor on which no other rank was seen, if there is one."""
    kept_off = processors.kept_off
    for k in range(kept_off.size):
        kept_off[k] = processors.allowed[k]
    for rank in range(processors.last.shape[0]):
        there = atomics.load_acquire(processors.last[rank], 0)
        if rank != processors.rank and there >= 0:
            kept_off[there // 8] &= np.uint8(~(1 << (there % 8)) & 0xFF)
    atomics.store_release(processors.last[processors.rank], 0, MOVING)
    if _set_allowed(0, kept_off.size, kept_off.ctypes) == 0:
        processors.moved[0] = 1
    look(processors)


def settle(processors: Processors) -> None:
    """Let the system place this rank again where it likes: others may have come or gone."""
    if processors.moved[0]:
        processors.moved[0] = 0
        with suppress(OSError):  # a processor that was switched off meanwhile
            os.sched_setaffinity(0, _numbers(processors.allowed))


def _numbers(processors: NDArray[np.uint8]) -> list[int]:
    """Return the numbers of a set of processors."""
    return [int(n) for n in np.flatnonzero(np.unpackbits(processors, bitorder="little"))]
