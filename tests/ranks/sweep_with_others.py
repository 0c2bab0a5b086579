"""A sweep on several ranks, beside others that change the disk, or with a fault on one rank.

``mpiexec -n 2 python -m tests.ranks.sweep_with_others ranks_see_different_disks sweep …``
"""

import sys
from typing import Any

from mpi4py import MPI

from hpcepm.cli import main, run
from hpcepm.parallel import launch
from hpcepm.run import stopping
from hpcepm.sweep import plan


def ranks_see_different_disks() -> None:
    """To rank 1 all is finished, as if another job had come first; and each looks at the clock."""
    is_done = plan._is_done
    plan.__dict__["_is_done"] = lambda read: MPI.COMM_WORLD.rank == 1 or is_done(read)
    stopping.__dict__["job_ends_at"] = lambda: print("asked for the end of the job", flush=True)


def one_rank_has_a_fault() -> None:
    """Rank 1 raises what a wrong command line raises too."""
    run_on = run.run_on

    def faulty(*arguments: Any) -> int:
        if MPI.COMM_WORLD.rank == 1:
            raise ValueError("on purpose")
        return run_on(*arguments)

    run.__dict__["run_on"] = faulty


if __name__ == "__main__":
    launch.initialize()
    globals()[sys.argv[1]]()
    code = main(sys.argv[2:])
    assert MPI.COMM_WORLD.allgather(code) == [code] * MPI.COMM_WORLD.size
    sys.exit(code)
