"""The ranks that compute a realization together, and what they tell each other."""

import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final, TypeVar

import numpy as np
from mpi4py import MPI
from mpi4py.util import pkl5
from numpy.typing import NDArray

from hpcepm.files import reason
from hpcepm.reading import BadFile, bytes_of_this_machine
from hpcepm.text import write

from .exchange import make_exchange
from .launch import end_at_once
from .node import Node
from .waiting import IN_MPI, NOBODY
from .watched import watched

Thing = TypeVar("Thing")


class ProblemOnRank(Exception):
    """One rank has a problem, and all ranks must stop."""


SECONDS_ALONE: Final = 5.0, 60.0
"""After which a problem is told, and all ranks end, if the others do not come to hear of it."""


@contextmanager
def _told_if_alone(problem: str | None) -> Iterator[None]:
    """Tell of a problem, and end the ranks, if the block lasts: others may wait for this rank."""
    over = threading.Event()

    def watch() -> None:
        tell, end = SECONDS_ALONE
        if not over.wait(tell):
            said = "the others do something else: they are waited for, then ended"
            write(f"hpcepm: {problem}; {said}\n", sys.stderr)
            if not over.wait(end - tell):
                end_at_once()

    if problem is not None:
        threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _that_can_be_sent(error: Exception) -> Exception:
    """Return an exception, or one that says the same."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


class Ranks:
    """The ranks that compute one realization together.

    Parameters
    ----------
    comm
        An mpi4py communicator. A duplicate of it is used.
    of
        Those that these are part of, if so.
    crowded
        Whether they must share processors. None: if more are on a machine than it has.

    Attributes
    ----------
    awaited
        Whom this rank waits for, shape (1,): see `hpcepm.parallel.waiting`.
    """

    def __init__(self, comm: Any, of: "Ranks | None" = None, crowded: bool | None = None) -> None:
        self.awaited: NDArray[np.int64] = np.zeros(1, np.int64) if of is None else of.awaited
        self.comm: Any = watched(comm, self.awaited).Dup()
        self.rank: int = comm.rank
        self.size: int = comm.size
        self.node = Node(self.comm, self.awaited, crowded)
        self.exchange = make_exchange(self.comm, self.node)

    @property
    def is_root(self) -> bool:
        """Whether this is rank 0, which talks to the user and keeps the tables."""
        return self.rank == 0

    def bcast(self, thing: Thing) -> Thing:
        """Return the argument of rank 0. Collective."""
        result: Thing = thing if self.size == 1 else self.comm.bcast(thing, root=0)
        return result

    def on_root(self, function: Callable[[], Thing]) -> Thing:
        """Return what a function gives on rank 0. An exception there is one of all. Collective."""
        found: tuple[Any, Exception | None] = None, None
        if self.is_root:
            try:
                found = function(), None
            except Exception as error:
                found = None, error if self.size == 1 else _that_can_be_sent(error)
        given, problem = self.bcast(found)
        if problem is not None:
            raise problem
        result: Thing = given
        return result

    def allgather(self, thing: Thing) -> list[Thing]:
        """Return the arguments of all ranks, in rank order. Collective."""
        result: list[Thing] = [thing] if self.size == 1 else self.comm.allgather(thing)
        return result

    @cached_property
    def of_any_size(self) -> pkl5.Intracomm:
        """The communicator for messages that may be large: with the others 2 GiB is the end."""
        return pkl5.Intracomm(self.comm)

    def gather(self, thing: Thing) -> list[Thing]:
        """Return on rank 0 what each rank holds, in their order; nothing elsewhere. Collective."""
        if self.size == 1:
            return [thing]
        self.awaited[0] = IN_MPI
        result: list[Thing] = self.of_any_size.gather(thing, root=0) or []
        self.awaited[0] = NOBODY
        return result

    def wait_for(self, requests: list[MPI.Request]) -> None:
        """Wait until messages have been taken in."""
        self.awaited[0] = IN_MPI
        MPI.Request.waitall(requests)
        self.awaited[0] = NOBODY

    def raise_together(self, problem: str | None) -> None:
        """Raise `ProblemOnRank` on all ranks if one has a problem, the lowest such rank's.

        Collective.
        """
        if problem is not None and self.size > 1:
            problem = f"rank {self.rank}: {problem}"
        with _told_if_alone(problem if self.size > 1 else None):
            found = self.first_not_none(problem)
        if found is not None:
            raise ProblemOnRank(found)

    @cached_property
    def _apart(self) -> Any:
        """A communicator of these ranks. Collective at first."""
        return self.comm.Dup()

    def agree(self, problem: str | None, value: bytes, differs: str) -> None:
        """Raise `ProblemOnRank` on all ranks if one has a problem, or not the value of the others.

        Its messages mix with no others: it may be told what a plug-in has done, with this or that
        collective in it, or none where it failed. Collective.

        Parameters
        ----------
        problem, value
            Of this rank.
        differs
            What to say if values differ.
        """
        if self.size == 1:
            return self.raise_together(problem)
        if problem is not None:
            problem = f"rank {self.rank}: {problem}"
        with _told_if_alone(problem):
            found = self._apart.allgather((problem, value))
        told = next((one for one, _ in found if one is not None), None)
        if told is None and len({of for _, of in found}) > 1:
            told = differs
        if told is not None:
            raise ProblemOnRank(told)
        return None

    def meet(self) -> None:
        """Make what `agree` needs, if it is not there. Collective."""
        if self.size > 1:
            _ = self._apart

    @contextmanager
    def collective_errors(self, failure: str) -> Iterator[None]:
        """Turn an `OSError` or `BadFile` on any rank into a `ProblemOnRank` on all ranks.

        Collective.

        Its message is ``failure``, a colon, and the reason.
        """
        problem = None
        try:
            yield
        except (OSError, BadFile) as error:
            problem = f"{failure}: {reason(error)}"
        self.raise_together(problem)

    def memory(self) -> int:
        """Return the memory that there is for the ranks, of all their nodes. Collective."""
        node = self.comm.Split_type(MPI.COMM_TYPE_SHARED)
        own = bytes_of_this_machine(node.size) if node.rank == 0 else 0
        node.Free()
        return int(self.comm.allreduce(own))

    def first_not_none(self, thing: Thing | None) -> Thing | None:
        """Return the first value that is not None, in rank order. Collective."""
        return next((found for found in self.allgather(thing) if found is not None), None)
