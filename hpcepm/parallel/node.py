"""The ranks of one node: they share memory, so that nothing need be copied between them.

The memory is Linux's memfd, which has no name on any disk: nothing is left of a run that is killed,
and no file system need be large enough. Where ranks cannot share memory, each is a node of its own:
results are the same, some of them slower.
"""

import mmap
import os
from contextlib import suppress
from typing import Any, Final, TypeVar

import numpy as np
from mpi4py import MPI
from numpy.typing import DTypeLike, NDArray

from .board import make_board, meet
from .compiled import IN_PYTHON
from .processors import allowed_processors
from .waiting import settle

NAME: Final = "hpcepm"

LOCAL_COUNTS: Final = ("OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS")
"""Variables in which launchers say how many ranks of a run are on a machine."""

Thing = TypeVar("Thing")


class Node:
    """The ranks of a communicator that share memory with this one. Collective.

    Parameters
    ----------
    comm
        The communicator.
    awaited
        Where this rank says whom it waits for, shape (1,).
    crowded
        Whether the ranks must share processors. None: if more are on the machine than it has.

    Attributes
    ----------
    rank, size
        Which of them this is, and how many they are.
    board
        What they tell each other on.
    processors
        How many processors of the node they may use, all together.
    crowded
        Whether that is fewer than there are ranks on the machine.
    is_alone
        Whether these are all ranks of the communicator.
    """

    def __init__(
        self,
        comm: Any,
        awaited: NDArray[np.int64] | None = None,
        crowded: bool | None = None,
    ) -> None:
        self._comm = comm.Split_type(MPI.COMM_TYPE_SHARED)
        if IN_PYTHON or not self._can_share():  # plain Python has no atomics
            self._comm = MPI.COMM_SELF
        self.rank: int = self._comm.rank
        self.size: int = self._comm.size
        self.processors = len(set().union(*self.allgather(allowed_processors())))
        self.is_alone: bool = comm.size == self.size
        here = max(self.size, _started_here())
        self.crowded = here > self.processors if crowded is None else crowded
        self.board = make_board(self, np.zeros(1, np.int64) if awaited is None else awaited)

    def shared(self, shape: int | tuple[int, ...], dtype: DTypeLike = np.float64) -> NDArray[Any]:
        """Return an array of zeros that all ranks of the node share. Collective.

        Raises `MemoryError` on all ranks if one of them cannot have it.
        """
        n_bytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if self._comm.size == 1 or n_bytes == 0:
            return np.zeros(shape, dtype)
        memory = self._map(n_bytes)
        if not self._comm.allreduce(memory is not None, MPI.LAND):
            raise MemoryError(f"the ranks of this node cannot share {n_bytes} bytes")
        return np.frombuffer(memory, dtype).reshape(shape)  # type: ignore[arg-type]

    def barrier(self) -> None:
        """Wait for the other ranks of the node. Collective."""
        if self.size > 1:
            meet(self.board)

    def settle(self) -> None:
        """Let the system place this rank again where it likes; to be called now and then."""
        settle(self.board.processors)

    def allgather(self, thing: Thing) -> list[Thing]:
        """Return the arguments of all ranks of the node, in rank order. Collective."""
        return self._comm.allgather(thing)

    def _can_share(self) -> bool:
        """Return whether all ranks can read what rank 0 writes. Collective."""
        if self._comm.size == 1:
            return True
        word, memory = self._comm.bcast(os.urandom(16)), self._map(mmap.PAGESIZE)
        if self._comm.rank == 0 and memory:
            memory[: len(word)] = word
        self._comm.Barrier()
        agreed: bool = self._comm.allreduce(
            memory is not None and memory[: len(word)] == word, MPI.LAND
        )
        return agreed

    def _map(self, n_bytes: int) -> mmap.mmap | None:
        """Return memory of rank 0 as this rank sees it, or None if it cannot. Collective."""
        descriptor, memory = -1, None
        with suppress(OSError, AttributeError):  # only Linux has memfd_create
            if self._comm.rank == 0:
                descriptor = os.memfd_create(NAME)
                os.ftruncate(descriptor, n_bytes)
        process, number = self._comm.bcast((os.getpid(), descriptor))
        # In a container of its own this rank finds no such process, or another one.
        with suppress(OSError, ValueError):
            if self._comm.rank > 0:
                descriptor = _open(f"/proc/{process}/fd/{number}")
            memory = mmap.mmap(descriptor, n_bytes)
        self._comm.Barrier()
        with suppress(OSError):
            os.close(descriptor)
        return memory


def _started_here() -> int:
    """Return how many ranks the launcher started on this machine, if it says so."""
    told = (os.environ.get(name, "") for name in LOCAL_COUNTS)
    return max((int(n) for n in told if n.isdecimal()), default=1)


def _open(path: str) -> int:
    """Open the memory of another rank; anything else is refused."""
    if not os.readlink(path).startswith(f"/memfd:{NAME}"):
        raise FileNotFoundError(path)
    return os.open(path, os.O_RDWR)
