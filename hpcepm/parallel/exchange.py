"""The exchange of events and minima between ranks, for the compiled step loop.

It is called thousands of times a second, so the loop calls ``MPI_Allgather`` itself, without the
interpreter: `EventExchange` has its arguments. The loop is the same machine code on one rank and on
many.
"""

import ctypes
from typing import Any, NamedTuple

import numpy as np
from mpi4py import MPI
from numba import types
from numpy.typing import NDArray

from .compiled import compiled, external

EVENT = np.dtype((np.record, [("site", "i8"), ("slip", "f8"), ("first", "i8")]))
"""One event: global site, slip, and 1 if it is the site's first in this avalanche."""


class EventExchange(NamedTuple):
    """What the compiled exchange needs of MPI, with buffers for messages of a fixed small size."""

    size: int
    rank: int
    comm: int  # the handle of the communicator, as the C functions take it
    byte: int  # the handle of MPI_BYTE
    event: int  # of a type of the size of an event: MPI counts to 2³¹ only
    sent: NDArray[Any]  # (1 + capacity,) EVENT; the site of the first is the number of events
    received: NDArray[Any]  # (size, 1 + capacity) EVENT
    counts: NDArray[np.int32]  # (size,) events of each rank, in the overflow round
    offsets: NDArray[np.int32]


def make_exchange(comm: Any) -> EventExchange:
    """Return what the compiled exchange needs of a communicator."""
    # The compiled loop cannot handle a failed exchange.
    comm.Set_errhandler(MPI.ERRORS_ARE_FATAL)
    capacity = 8 if comm.size <= 32 else 2
    return EventExchange(
        comm.size,
        comm.rank,
        _handle(comm),
        _handle(MPI.BYTE),
        _handle(MPI.BYTE.Create_contiguous(EVENT.itemsize).Commit()),
        np.zeros(1 + capacity, EVENT),
        np.zeros((comm.size, 1 + capacity), EVENT),
        np.zeros(comm.size, np.int32),
        np.zeros(comm.size, np.int32),
    )


def _handle(thing: Any) -> int:
    """Return an MPI handle as an integer: a pointer in Open MPI, a C int in MPICH.

    Both fit in a register.
    """
    kind = ctypes.c_int if MPI._sizeof(thing) == ctypes.sizeof(ctypes.c_int) else ctypes.c_ssize_t
    return int(kind.from_address(MPI._addressof(thing)).value)


# Finds the functions of the MPI library that mpi4py is linked to.
_LIBRARY = ctypes.CDLL(MPI.__file__)


def _mpi_function(name: str, signature: str) -> Any:
    """Return a C function of MPI.

    ``signature`` has a letter for each argument: an int, a handle or a pointer.
    """
    function = getattr(_LIBRARY, name)
    kinds = {
        "i": (types.intc, ctypes.c_int),
        "h": (types.intp, ctypes.c_ssize_t),
        "p": (types.voidptr, ctypes.c_void_p),
    }
    function.argtypes = [kinds[letter][1] for letter in signature]
    arguments = [kinds[letter][0] for letter in signature]
    address = ctypes.cast(function, ctypes.c_void_p).value
    return external(f"hpcepm_{name}", types.intc(*arguments), function, address)


_allgather = _mpi_function("MPI_Allgather", "pihpihh")
_allgatherv = _mpi_function("MPI_Allgatherv", "pihppphh")
_EVENT_BYTES = EVENT.itemsize


@compiled
def exchange_events(
    exchange: EventExchange, own: NDArray[Any], n_own: int, events: NDArray[Any]
) -> int:
    """Put the events of all ranks, in rank order, into ``events``. Collective.

    Parameters
    ----------
    exchange
        From `make_exchange`.
    own, n_own
        The events of this rank, shape (capacity,), dtype `EVENT`, and their number. If they are
        more than ``capacity``, only the first are there.
    events
        Where the events of all ranks are put, shape (capacity,).

    Returns
    -------
    int
        The number of events of all ranks. If it is larger than ``capacity``, none was exchanged.
    """
    if exchange.size == 1:
        for k in range(min(n_own, events.size)):
            events[k] = own[k]
        return n_own
    room = exchange.sent.size - 1
    exchange.sent[0].site = n_own
    for k in range(min(n_own, room)):
        exchange.sent[1 + k] = own[k]
    message = exchange.sent.size * _EVENT_BYTES
    _allgather(
        exchange.sent.ctypes,
        message,
        exchange.byte,
        exchange.received.ctypes,
        message,
        exchange.byte,
        exchange.comm,
    )
    total = 0
    overflow = False
    for rank in range(exchange.size):
        n = exchange.received[rank, 0].site
        exchange.counts[rank] = n
        exchange.offsets[rank] = total
        total += n
        overflow |= n > room
    if total > events.size:
        return total
    if overflow:
        _allgatherv(
            own.ctypes,
            n_own,
            exchange.event,
            events.ctypes,
            exchange.counts.ctypes,
            exchange.offsets.ctypes,
            exchange.event,
            exchange.comm,
        )
        return total
    k = 0
    for rank in range(exchange.size):
        for m in range(exchange.received[rank, 0].site):
            events[k] = exchange.received[rank, 1 + m]
            k += 1
    return total


@compiled
def sort_by_site(events: NDArray[Any], n: int) -> None:
    """Sort the first n events by site, which is the order in which every rank applies them.

    This is Shell's sort: the one of numba allocates memory.
    """
    gap = n // 2
    while gap > 0:
        for k in range(gap, n):
            site, slip, first, place = events[k].site, events[k].slip, events[k].first, k
            while place >= gap and events[place - gap].site > site:
                events[place] = events[place - gap]
                place -= gap
            events[place].site, events[place].slip, events[place].first = site, slip, first
        gap //= 2


@compiled
def exchange_minimum(exchange: EventExchange, value: float, site: int) -> tuple[float, int]:
    """Return the smallest value of all ranks and its site, the lowest site among equals.

    Collective. A NaN counts as −inf: it compares with nothing, and ranks would disagree.
    """
    if np.isnan(value):
        value = -np.inf
    if exchange.size == 1:
        return value, site
    exchange.sent[0].site = site
    exchange.sent[0].slip = value
    flat = exchange.received.reshape(exchange.received.size)
    _allgather(
        exchange.sent.ctypes,
        _EVENT_BYTES,
        exchange.byte,
        flat.ctypes,
        _EVENT_BYTES,
        exchange.byte,
        exchange.comm,
    )
    for rank in range(exchange.size):
        other = flat[rank]
        if other.slip < value or (other.slip == value and other.site < site):
            value, site = other.slip, other.site
    return value, site
