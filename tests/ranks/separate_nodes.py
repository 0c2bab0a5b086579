"""Ranks that cannot see each other's memory are each a node of their own.

``python -m tests.ranks.separate_nodes REASON``, one of the names in `REASONS`.
"""

import os
import sys
from typing import NoReturn

from hpcepm.parallel import launch
from hpcepm.parallel.node import Node


def _not_allowed() -> None:
    def refuse(*_: object) -> NoReturn:
        raise PermissionError

    os.open = refuse  # type: ignore[assignment]


def _another_process() -> None:
    def read_another(*_: object) -> str:
        return "/dev/null"

    os.readlink = read_another  # type: ignore[assignment]


def _not_linux() -> None:
    del os.memfd_create


REASONS = {  # the rank that has the problem, and what it is
    "not allowed": (1, _not_allowed),
    "in a container, where that number is another process": (1, _another_process),
    "not on Linux": (0, _not_linux),
}


def main(reason: str) -> None:
    """Make one rank unable to share, and check that none does."""
    world = launch.initialize()
    rank, break_it = REASONS[reason]
    if world.rank == rank:
        break_it()
    node = Node(world)
    node.barrier()
    assert (node.rank, node.size, node.shared(2).tolist()) == (0, 1, [0.0, 0.0])


if __name__ == "__main__":
    main(sys.argv[1])
