"""The ranks of a run: one object owns the communicator, and it is handed to whoever needs it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from mpi4py import MPI

from .exchange import make_exchange
from .node import Node

Thing = TypeVar("Thing")


class ProblemOnRank(Exception):
    """Something that one rank found and all must stop for."""


class Ranks:
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
        self.exchange = make_exchange(self.comm)
        self.node = Node(self.comm)

    @property
    def is_root(self) -> bool:
        """Whether this is rank 0, which talks to the user and keeps the tables."""
        return self.rank == 0

    def bcast(self, thing: Thing) -> Thing:
        """Return what rank 0 holds. Collective."""
        result: Thing = thing if self.size == 1 else self.comm.bcast(thing, root=0)
        return result

    def allgather(self, thing: Thing) -> list[Thing]:
        """Return what each rank holds, in their order. Collective."""
        result: list[Thing] = [thing] if self.size == 1 else self.comm.allgather(thing)
        return result

    def gather(self, thing: Thing) -> list[Thing]:
        """Return on rank 0 what each rank holds, in their order; nothing elsewhere. Collective."""
        result: list[Thing] = [thing] if self.size == 1 else self.comm.gather(thing, root=0) or []
        return result

    def raise_together(self, problem: str | None) -> None:
        """Raise `ProblemOnRank` everywhere if any rank has a problem: the lowest such rank's.

        Collective.
        """
        told = (
            None
            if problem is None
            else f"rank {self.rank}: {problem}"
            if self.size > 1
            else problem
        )
        found = self.first_not_none(told)
        if found is not None:
            raise ProblemOnRank(found)

    @contextmanager
    def collective_errors(self, failure: str) -> Iterator[None]:
        """Let an `OSError` inside, on any rank, be a `ProblemOnRank` on all, told as "failure.

        Why". Collective.
        """
        problem = None
        try:
            yield
        except OSError as error:
            problem = f"{failure}: {error.strerror or error}"
        self.raise_together(problem)

    def memory(self) -> int:
        """Return the memory of all the machines of the ranks, in bytes. Collective."""
        node = self.comm.Split_type(MPI.COMM_TYPE_SHARED)
        own = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if node.rank == 0 else 0
        node.Free()
        return int(self.comm.allreduce(own))

    def first_not_none(self, thing: Thing | None) -> Thing | None:
        """Return the first value that is not None, in rank order. Collective."""
        return next((found for found in self.allgather(thing) if found is not None), None)
