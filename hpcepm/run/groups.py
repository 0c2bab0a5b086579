"""Groups of ranks that shear a realization each, and what passes between them and rank 0.

Rank 0 manages: it hands out realizations and collects their rows, and works as well. The leader of
another group sends a `Result` when its group is through with a realization, when a signal reached
it, or when something went wrong. Rank 0 answers with a `Task`, in which all ranks of the group
share. With one group there is nobody to talk to.

Ranks that could only hinder others, having no processor or no rows, are groups that get nothing to
do.
"""

import time
from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple

from mpi4py import MPI

from hpcepm.input.schema import Input
from hpcepm.parallel.ranks import Ranks
from hpcepm.storage.plan import Rows

from .sharing import groups_of_ranks

SECONDS_BETWEEN_LOOKS: Final = 0.0005
SECONDS_OF_THE_IDLE: Final = 0.02
"""Between two looks of a group that has nothing to do; sooner reached the longer it waits."""

RESULT: Final = 1
TASK: Final = 2
"""Tags: from a leader to rank 0, and back."""


class Order(IntEnum):
    """What rank 0 wants a group to do."""

    CONTINUE = 0
    SHEAR = 1  # a realization
    SAVE = 2  # rows to disk; for the group of rank 0 alone
    CHECKPOINT = 3  # all ranks together, then continue
    STOP = 4  # after a checkpoint
    CANCEL = 5  # at once
    END = 6  # all realizations are finished


class Task(NamedTuple):
    """An order, and the realization that it is about, if any."""

    order: Order
    realization: int = -1


class Result(NamedTuple):
    """What the leader of a group tells rank 0."""

    realization: int = -1  # finished, with its rows
    rows: Rows | None = None
    signal: tuple[int, str] | None = None  # urgency and name of a signal that reached the group
    problem: str | None = None  # why the run cannot go on


def in_turn(members: list[int], node_of: list[int]) -> list[int]:
    """Return the ranks of a group, numbered in turn over their nodes.

    Strips of rows that are neighbours, and an avalanche on them, then lie on many nodes, each of
    which adds up its own sums.

    Parameters
    ----------
    members
        Of the group, ascending.
    node_of
        For each rank of the world, something that names its node.
    """
    nodes = [node_of[rank] for rank in members]
    place = {rank: nodes[:k].count(node_of[rank]) for k, rank in enumerate(members)}
    return sorted(members, key=lambda rank: (place[rank], rank))


class Groups:
    """The ranks of a run, cut into groups.

    Parameters
    ----------
    world
        All of them. Making it is Collective.
    members
        The ranks of each group; rank 0 is the first of the first.
    n_working
        How many of the groups get realizations: the first ones.
    crowded
        Whether there are more ranks than processors.

    Attributes
    ----------
    group
        The ranks of this rank's group.
    leaders
        The first rank of each group; that of the first is rank 0.
    n_working, n_ranks
        How many groups get realizations, and how many ranks these have.
    is_first
        Whether this rank's group is that of rank 0.
    """

    def __init__(
        self, world: Ranks, members: list[list[int]], n_working: int, crowded: bool
    ) -> None:
        self.world, self.crowded = world, crowded
        self.leaders, self.n_working = [group[0] for group in members], n_working
        self.n_ranks = sum(len(group) for group in members[:n_working])
        mine = next(k for k, group in enumerate(members) if world.rank in group)
        order = in_turn(members[mine], world.allgather(world.node.allgather(world.rank)[0]))
        if len(members) == 1 and order == members[0]:
            self.group = world
        else:
            split = world.comm.Split(mine, order.index(world.rank))
            self.group = Ranks(split, world, crowded and self.n_ranks == world.size)
        self.is_first = mine == 0
        self._idle = set(self.leaders[1 : self.n_working])
        self._sent = 0
        self._sending: list[MPI.Request] = []
        self._received = dict.fromkeys(self.leaders, 0)

    # Rank 0

    def hand_out(self, queue: list[int]) -> None:
        """Give a realization to each group that has none. On rank 0."""
        while self._idle and queue:
            leader = min(self._idle)
            self._idle.remove(leader)
            self.world.comm.send(Task(Order.SHEAR, queue.pop(0)), leader, TASK)

    def order_all(self, order: Order) -> None:
        """Tell all other groups what to do. On rank 0."""
        for leader in self.leaders[1:]:
            self.world.comm.send(Task(order), leader, TASK)

    @property
    def all_idle(self) -> bool:
        """Whether no other group has anything to do. On rank 0."""
        return len(self._idle) == self.n_working - 1

    def collect(self) -> Iterator[Result]:
        """Return what has come in. On rank 0."""
        while len(self.leaders) > 1 and self.world.comm.Iprobe(tag=RESULT):
            yield self._receive(MPI.ANY_SOURCE)

    def collect_all(self) -> Iterator[Result]:
        """Return, on rank 0, all that was sent until now. Collective on all ranks."""
        sent = self.world.gather((self.world.rank, self._sent))
        for rank, n in sent:
            while n > self._received.get(rank, n):
                yield self._receive(rank)
        self.world.wait_for(self._sending)
        self._sending.clear()

    def _receive(self, source: int) -> Result:
        status = MPI.Status()
        result: Result = self.world.of_any_size.recv(source=source, tag=RESULT, status=status)
        self._received[status.source] += 1
        if result.rows is not None:
            self._idle.add(status.source)
        return result

    # Other leaders

    def report(self, result: Result) -> None:
        """Tell rank 0, without waiting: it may be about to call all ranks. On leaders."""
        self._sending = [request for request in self._sending if not request.Test()]
        self._sending += self.world.of_any_size.isend(result, 0, RESULT)
        self._sent += 1

    def poll(self) -> Task | None:
        """Return what rank 0 wants, if it wants anything. On leaders of other groups."""
        if self.world.comm.Iprobe(source=0, tag=TASK):
            task: Task = self.world.comm.recv(source=0, tag=TASK)
            return task
        return None


def wait(turns: int) -> None:
    """Wait a little; longer the more turns nothing came."""
    doubled = min(turns // 20, 10)
    time.sleep(min(SECONDS_OF_THE_IDLE, SECONDS_BETWEEN_LOOKS * 2.0**doubled))


def make_groups(world: Ranks, settings: Input) -> Groups:
    """Return the groups of ranks for an input. Collective."""
    crowded = world.allgather(world.node.rank >= world.node.processors)
    asked, (nx, ny) = settings.ranks_per_realization, settings.lattice.shape
    groups = groups_of_ranks(crowded, asked, settings.realizations, (nx, ny))
    return Groups(world, *groups, any(crowded))
