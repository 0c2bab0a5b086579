"""Communicators that say so while they wait, for the watchdog of a run."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from .waiting import IN_MPI, NOBODY


class Watched(MPI.Intracomm):
    """A communicator that says so while it waits, and so do those that are made of it."""

    awaited: NDArray[np.int64] = np.zeros(1, np.int64)
    kind: type[MPI.Intracomm] = MPI.Intracomm


def watched(comm: Any, awaited: NDArray[np.int64]) -> Any:
    """Return a communicator as one that says in ``awaited``, shape (1,), that it waits.

    It remains of the kind that it is.
    """
    kind = comm.kind if isinstance(comm, Watched) else type(comm)
    return type("Watched", (Watched, kind), {"awaited": awaited, "kind": kind})(comm)


def _waits(name: str) -> Callable[..., Any]:
    @wraps(getattr(MPI.Intracomm, name))
    def call(comm: Watched, *arguments: Any, **options: Any) -> Any:
        comm.awaited[0] = IN_MPI
        try:
            found = getattr(super(Watched, comm), name)(*arguments, **options)
        finally:
            comm.awaited[0] = NOBODY
        return watched(found, comm.awaited) if isinstance(found, MPI.Intracomm) else found

    return call


_GATHER = ("allgather", "allreduce", "alltoall", "Alltoallv", "Alltoallw", "bcast", "gather")
for _name in (*_GATHER, "Barrier", "Dup", "Split", "Split_type", "recv", "send"):
    setattr(Watched, _name, _waits(_name))
