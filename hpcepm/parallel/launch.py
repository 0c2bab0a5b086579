"""Start and end of MPI: the one place where it is initialised, and where all ranks are ended."""

import os
import sys
import threading
import traceback
from typing import Any, NoReturn

from mpi4py import MPI


class WrongLauncher(Exception):
    """The ranks that were asked for do not know of each other."""


def initialize() -> MPI.Intracomm:
    """Initialise MPI, unless that was done; return all ranks that were started together."""
    if not MPI.Is_initialized():
        MPI.Init()
    return MPI.COMM_WORLD


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
    """End every rank because of an exception on this one.

    A `sys.excepthook`, else the others would wait for ever.
    """
    comm = MPI.COMM_WORLD
    lines = traceback.format_exception(kind, error, trace)
    where = f"rank {comm.rank} of {comm.size}: " if comm.size > 1 else ""
    sys.stderr.write(
        f"\nhpcepm: {where}an error that should not happen; please report it\n" + "".join(lines)
    )
    sys.stderr.flush()
    _abort()


def _abort() -> NoReturn:
    # Abort itself has been seen to hang when the network is gone.
    threading.Timer(4.0, os._exit, [1]).start()
    MPI.COMM_WORLD.Abort(1)
    os._exit(1)
