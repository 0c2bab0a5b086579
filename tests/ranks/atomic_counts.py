"""Ranks that add to the same numbers at once lose nothing."""

from typing import Any

import numpy as np
from mpi4py import MPI

from hpcepm.parallel import atomics, launch
from hpcepm.parallel.compiled import compiled
from hpcepm.parallel.node import Node

TIMES = 200_000


@compiled
def _count(whole: Any, real: Any, times: int) -> int:
    highest = 0
    for _ in range(times):
        highest = max(highest, atomics.fetch_add(whole, 1, 3))
        atomics.fetch_add(real, 2, 0.5)
    return highest


def main() -> None:
    """Count on all ranks at once, and check the sums."""
    world = launch.initialize()
    node, total = Node(world), world.size * TIMES
    whole, real = node.shared(4, np.int64), node.shared(4)
    _count(whole, real, 0)  # compiled before all begin
    node.barrier()
    highest = _count(whole, real, TIMES)
    node.barrier()
    assert whole.tolist() == [0, 3 * total, 0, 0], whole
    assert real.tolist() == [0, 0, 0.5 * total, 0], real
    assert world.allreduce(highest, MPI.MAX) == 3 * (total - 1)


if __name__ == "__main__":
    main()
