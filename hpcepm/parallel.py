"""The ranks of a run: one object owns the communicator, and it is handed to whoever needs it.

Two kinds of collective calls exist. Those of `Team` are called from Python, a few times a record. The exchange of
the events of a synchronous step is called from the compiled step loop, thousands of times a second: there `Link`
carries what ``MPI_Allgather`` wants, and the loop is the same on one rank and on many.
"""

import ctypes
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, NoReturn, TypeVar

import llvmlite.binding as llvm
import mpi4py
import numpy as np
from numba import types
from numpy.typing import NDArray

from .compiled import compiled

mpi4py.rc.threads = False
from mpi4py import MPI  # noqa: E402  (initialises MPI, as asked for above)

from .machine import Machine  # noqa: E402

Thing = TypeVar("Thing")

EVENT = np.dtype([("site", "i8"), ("slip", "f8"), ("first", "i8")])
"""One event: global site, slip, and 1 if it is the site's first in this avalanche."""


class WrongLauncher(Exception):
    """The ranks that were asked for do not know of each other."""


class Team:
    """The ranks that compute one realization together.

    Parameters
    ----------
    comm
        An mpi4py communicator. A duplicate of it is used.
    """

    def __init__(self, comm: Any) -> None:
        self.comm = comm.Dup()
        self.rank: int = comm.rank
        self.size: int = comm.size
        self.link = _link(self.comm)
        self.machine = Machine(self.comm)

    @property
    def leads(self) -> bool:
        """Whether this is rank 0, which talks to the user and keeps the tables."""
        return self.rank == 0

    def from_leader(self, thing: Thing) -> Thing:
        """Return what rank 0 holds. Collective."""
        result: Thing = thing if self.size == 1 else self.comm.bcast(thing, root=0)
        return result

    def from_all(self, thing: Thing) -> list[Thing]:
        """Return what each rank holds, in their order. Collective."""
        result: list[Thing] = [thing] if self.size == 1 else self.comm.allgather(thing)
        return result

    def all_good(self, problem: str | None) -> None:
        """Raise `ProblemOnRank` everywhere if any rank has a problem: the lowest such rank's. Collective."""
        told = None if problem is None else f"rank {self.rank}: {problem}" if self.size > 1 else problem
        found = self.first_found(told)
        if found is not None:
            raise ProblemOnRank(found)

    @contextmanager
    def together(self, failure: str) -> Iterator[None]:
        """Let an `OSError` inside, on any rank, be a `ProblemOnRank` on all, told as "failure: why". Collective."""
        problem = None
        try:
            yield
        except OSError as error:
            problem = f"{failure}: {error.strerror or error}"
        self.all_good(problem)

    def memory(self) -> int:
        """Return the memory of all the machines of the team, in bytes. Collective."""
        machine = self.comm.Split_type(MPI.COMM_TYPE_SHARED)
        own = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if machine.rank == 0 else 0
        machine.Free()
        return int(self.comm.allreduce(own))

    def first_found(self, thing: Thing | None) -> Thing | None:
        """Return what the lowest rank that has anything has. Collective."""
        return next((found for found in self.from_all(thing) if found is not None), None)


class ProblemOnRank(Exception):
    """Something that one rank found and all must stop for."""


class Link(NamedTuple):
    """What the compiled exchange needs of MPI; two small messages of fixed size."""

    size: int
    rank: int
    comm: int  # the handle of the communicator, as the C functions take it
    byte: int  # the handle of MPI_BYTE
    sent: NDArray[Any]  # (1 + capacity,) EVENT; the site of the first is the number of events
    received: NDArray[Any]  # (size, 1 + capacity) EVENT
    counts: NDArray[np.int32]  # (size,) bytes from each rank, in the overflow round
    offsets: NDArray[np.int32]


def _link(comm: Any) -> Link:
    # A failed exchange cannot be mended, and the compiled loop is no place to try.
    comm.Set_errhandler(MPI.ERRORS_ARE_FATAL)
    _announce_mpi_to_the_compiler()
    capacity = 8 if comm.size <= 32 else 2
    return Link(
        comm.size,
        comm.rank,
        _handle(comm),
        _handle(MPI.BYTE),
        np.zeros(1 + capacity, EVENT),
        np.zeros((comm.size, 1 + capacity), EVENT),
        np.zeros(comm.size, np.int32),
        np.zeros(comm.size, np.int32),
    )


def _handle(thing: Any) -> int:
    """Return an MPI handle as an integer: a pointer in Open MPI, a C int in MPICH; both fit in a register."""
    kind = ctypes.c_int if MPI._sizeof(thing) == ctypes.sizeof(ctypes.c_int) else ctypes.c_ssize_t
    return int(kind.from_address(MPI._addressof(thing)).value)


def _announce_mpi_to_the_compiler() -> None:
    library = ctypes.CDLL(MPI.__file__)  # finds the functions of the MPI library that mpi4py is linked to
    for name in ("MPI_Allgather", "MPI_Allgatherv"):
        llvm.add_symbol(f"hpcepm_{name}", ctypes.cast(getattr(library, name), ctypes.c_void_p).value)


_int, _handle_type, _buffer = types.intc, types.intp, types.voidptr
_allgather = types.ExternalFunction(
    "hpcepm_MPI_Allgather", _int(_buffer, _int, _handle_type, _buffer, _int, _handle_type, _handle_type)
)
_allgatherv = types.ExternalFunction(
    "hpcepm_MPI_Allgatherv",
    _int(_buffer, _int, _handle_type, _buffer, _buffer, _buffer, _handle_type, _handle_type),
)
_EVENT_BYTES = EVENT.itemsize


@compiled
def exchange_events(link: Link, own: NDArray[Any], n_own: int, events: NDArray[Any]) -> int:
    """Put the events of all ranks, in rank order, into ``events``. Collective.

    Parameters
    ----------
    link
        To the other ranks.
    own, n_own
        This rank's events, shape (capacity,), dtype `EVENT`. Only the first ``capacity`` of ``n_own`` need be there.
    events
        Where all go, shape (capacity,).

    Returns
    -------
    int
        How many events there are in all. If that is more than ``events`` holds, none was exchanged.
    """
    if link.size == 1:
        for k in range(min(n_own, events.size)):
            events[k] = own[k]
        return n_own
    room = link.sent.size - 1
    link.sent[0].site = n_own
    for k in range(min(n_own, room)):
        link.sent[1 + k] = own[k]
    message = link.sent.size * _EVENT_BYTES
    _allgather(link.sent.ctypes, message, link.byte, link.received.ctypes, message, link.byte, link.comm)
    total = 0
    overflow = False
    for rank in range(link.size):
        n = link.received[rank, 0].site
        link.counts[rank] = n * _EVENT_BYTES
        link.offsets[rank] = total * _EVENT_BYTES
        total += n
        overflow |= n > room
    if total > events.size:
        return total
    if overflow:
        _allgatherv(
            own.ctypes, n_own * _EVENT_BYTES, link.byte,
            events.ctypes, link.counts.ctypes, link.offsets.ctypes, link.byte, link.comm,
        )  # fmt: skip
        return total
    k = 0
    for rank in range(link.size):
        for m in range(link.received[rank, 0].site):
            events[k] = link.received[rank, 1 + m]
            k += 1
    return total


@compiled
def sort_by_site(events: NDArray[Any], n: int) -> None:
    """Sort the first n events by site: the order in which every rank takes them (Shell's way: numba's own sort allocates)."""
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
def exchange_minimum(link: Link, value: float, site: int) -> tuple[float, int]:
    """Return the smallest value of all ranks and its site, the lowest site among equals. Collective.

    A NaN, which is smaller than nothing and would leave ranks of different minds, counts as −inf.
    """
    if np.isnan(value):
        value = -np.inf
    if link.size == 1:
        return value, site
    link.sent[0].site = site
    link.sent[0].slip = value
    flat = link.received.reshape(link.received.size)
    _allgather(link.sent.ctypes, _EVENT_BYTES, link.byte, flat.ctypes, _EVENT_BYTES, link.byte, link.comm)
    for rank in range(link.size):
        other = flat[rank]
        if other.slip < value or (other.slip == value and other.site < site):
            value, site = other.slip, other.site
    return value, site


def refuse_lone_ranks(comm: Any) -> None:
    """Raise `WrongLauncher` if this is one of many runs that were meant to be the ranks of one."""
    if comm.size > 1:
        return
    for name in ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"):
        if os.environ.get(name, "1").isdigit() and int(os.environ.get(name, "1")) > 1:
            raise WrongLauncher(
                f"the launcher started {os.environ[name]} processes ({name}), but MPI sees only this one: they would all "
                "write the same files. Use the mpiexec of the MPI that mpi4py is built for "
                f"({MPI.Get_library_version().split(',')[0].strip()}), or srun --mpi=pmix."
            )


def abort_all_ranks(kind: type[BaseException], error: BaseException, trace: Any) -> NoReturn:
    """End every rank because of an exception on this one: a `sys.excepthook`, else the others would wait for ever."""
    comm = MPI.COMM_WORLD
    lines = traceback.format_exception(kind, error, trace)
    where = f"rank {comm.rank} of {comm.size}: " if comm.size > 1 else ""
    sys.stderr.write(f"\nhpcepm: {where}an error that should not happen; please report it\n" + "".join(lines))
    sys.stderr.flush()
    _abort()


def _abort() -> NoReturn:
    # Abort itself has been seen to hang when the network is gone.
    threading.Timer(4.0, os._exit, [1]).start()
    MPI.COMM_WORLD.Abort(1)
    os._exit(1)
