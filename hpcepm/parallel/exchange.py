"""The exchange of events and minima between ranks, for the compiled step loop.

It is called many thousands of times a second, without the interpreter. Ranks of a machine read each
other's messages in memory that they share (`hpcepm.parallel.board`). Of each machine one rank, the
first, speaks to those of the others: the loop calls ``MPI_Allgather`` itself. What it hears it then
puts on the board. The loop is the same machine code on one rank and on many.
"""

import ctypes
from typing import Any, NamedTuple

import numpy as np
from mpi4py import MPI
from numba import types
from numpy.typing import NDArray

from .board import EVENT, Board, gather, gather_minimum
from .compiled import compiled, external, inlined
from .node import Node
from .waiting import IN_MPI, rested

__all__ = ["EVENT", "EventExchange", "exchange_events", "exchange_minimum", "make_exchange"]


class Messages(NamedTuple):
    """What the first ranks of all machines need to speak, with buffers of a fixed small size."""

    size: int  # how many machines there are
    comm: int  # the handle of the communicator, as the C functions take it
    byte: int  # the handle of MPI_BYTE
    event: int  # of a type of the size of an event: MPI counts to 2³¹ only
    in_place: int  # MPI_IN_PLACE
    rank: int
    sent: NDArray[Any]  # (1 + capacity,) EVENT; the site of the first is the number of events
    received: NDArray[Any]  # (size, 1 + capacity) EVENT
    counts: NDArray[np.int32]  # (size,) events of each machine, in the overflow round
    offsets: NDArray[np.int32]


class EventExchange(NamedTuple):
    """How a rank exchanges events with all others."""

    size: int
    rank: int
    board: Board
    messages: Messages


def make_exchange(comm: Any, node: Node) -> EventExchange:
    """Return what the compiled exchange needs. Collective.

    Parameters
    ----------
    comm
        The communicator of all ranks.
    node
        Those of them that share memory with this one.
    """
    speaks = node.rank == 0
    machines = comm.Split(0 if speaks else MPI.UNDEFINED, comm.rank)
    for speaking in (comm, machines):
        if speaking != MPI.COMM_NULL:  # the compiled loop cannot handle a failed exchange
            speaking.Set_errhandler(MPI.ERRORS_ARE_FATAL)
    size = comm.bcast(machines.size if speaks else None)  # rank 0 is the first of its machine
    capacity = 8 if size <= 32 else 2
    messages = Messages(
        size,
        _handle(machines),
        _handle(MPI.BYTE),
        _handle(MPI.BYTE.Create_contiguous(EVENT.itemsize).Commit()),
        int(MPI.IN_PLACE),
        machines.rank if speaks else -1,
        np.zeros(1 + capacity, EVENT),
        np.zeros((size if speaks else 1, 1 + capacity), EVENT),
        np.zeros(size, np.int32),
        np.zeros(size, np.int32),
    )
    return EventExchange(comm.size, comm.rank, node.board, messages)


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
_allgatherv = _mpi_function("MPI_Allgatherv", "hihppphh")
_EVENT_BYTES = EVENT.itemsize


@compiled
def exchange_events(
    exchange: EventExchange, own: NDArray[Any], n_own: int, events: NDArray[Any]
) -> int:
    """Put the events of all ranks, in no order, into ``events``. Collective.

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
        The number of events of all ranks. If it is larger than ``capacity``, only some are put.
    """
    board, messages = exchange.board, exchange.messages
    if board.size > 1:
        n = gather(board, own, n_own, events)
    else:
        n = n_own
        for k in range(min(n_own, own.size)):
            events[k] = own[k]
    if messages.size == 1:
        return n
    if board.rank == 0:
        board.processors.awaited[0] = IN_MPI
        n = _events_of_machines(messages, events, n)
        rested(board.processors)
    if board.size > 1:
        n = gather(board, events, n if board.rank == 0 else 0, events)
    return n


@inlined
def _events_of_machines(messages: Messages, events: NDArray[Any], n_own: int) -> int:
    """Replace the events of this machine in ``events`` by those of all. Collective on machines."""
    room = messages.sent.size - 1
    messages.sent[0].site = n_own
    for k in range(min(n_own, room)):
        messages.sent[1 + k] = events[k]
    message = messages.sent.size * _EVENT_BYTES
    _allgather(
        messages.sent.ctypes,
        message,
        messages.byte,
        messages.received.ctypes,
        message,
        messages.byte,
        messages.comm,
    )
    total = 0
    overflow = False
    for rank in range(messages.size):
        n = messages.received[rank, 0].site
        messages.counts[rank] = n
        messages.offsets[rank] = total
        total += n
        overflow |= n > room
    if total > events.size:
        return total
    if overflow:
        _gather_overflow(messages, events, n_own)
        return total
    k = 0
    for rank in range(messages.size):
        for m in range(messages.received[rank, 0].site):
            events[k] = messages.received[rank, 1 + m]
            k += 1
    return total


@inlined
def _gather_overflow(messages: Messages, events: NDArray[Any], n_own: int) -> None:
    """Gather more events than fit into a message, those of this machine being in ``events``."""
    begin = messages.offsets[messages.rank]
    for k in range(n_own - 1, -1, -1):
        events[begin + k] = events[k]
    _allgatherv(
        messages.in_place,
        0,
        messages.event,
        events.ctypes,
        messages.counts.ctypes,
        messages.offsets.ctypes,
        messages.event,
        messages.comm,
    )


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
    board, messages = exchange.board, exchange.messages
    if np.isnan(value):
        value = -np.inf
    if board.size > 1:
        value, site = gather_minimum(board, value, site)
    if messages.size == 1:
        return value, site
    if board.rank == 0:
        board.processors.awaited[0] = IN_MPI
        value, site = _minimum_of_machines(messages, value, site)
        rested(board.processors)
    if board.size > 1:
        value, site = gather_minimum(board, value, site)
    return value, site


@inlined
def _minimum_of_machines(messages: Messages, value: float, site: int) -> tuple[float, int]:
    messages.sent[0].site = site
    messages.sent[0].slip = value
    flat = messages.received.reshape(messages.received.size)
    _allgather(
        messages.sent.ctypes,
        _EVENT_BYTES,
        messages.byte,
        flat.ctypes,
        _EVENT_BYTES,
        messages.byte,
        messages.comm,
    )
    for rank in range(messages.size):
        other = flat[rank]
        if other.slip < value or (other.slip == value and other.site < site):
            value, site = other.slip, other.site
    return value, site
