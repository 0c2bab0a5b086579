"""A leader tells rank 0 of rows that are more than a message of MPI can hold.

``mpiexec -n 2 python -m mpi4py -m tests.ranks.large_messages``
"""

import numpy as np

from hpcepm.parallel import launch
from hpcepm.parallel.ranks import Ranks
from hpcepm.run.groups import Groups, Result
from hpcepm.storage.plan import Rows

LARGE = 2**31 + 8
"""Bytes."""


def main() -> None:
    """Send, and collect."""
    world = Ranks(launch.initialize())
    groups = Groups(world, [[0], [1]], 2, False)
    if not world.is_root:
        few = np.arange(0), np.arange(1), np.arange(2), np.arange(3), np.arange(4)
        for realization in (7, 8):
            large = np.zeros(LARGE // 8 if realization == 7 else 1)
            groups.report(Result(realization, Rows(*few, large)))
    found = [
        (result.realization, [rows.nbytes for rows in result.rows or ()])
        for result in groups.collect_all()
    ]
    expected = [(7, [0, 8, 16, 24, 32, LARGE]), (8, [0, 8, 16, 24, 32, 8])]
    assert found == (expected if world.is_root else [])
    told = [one.tolist() for one in world.gather(np.arange(world.rank + 1))]
    assert told == ([[0], [0, 1]] if world.is_root else [])


if __name__ == "__main__":
    main()
