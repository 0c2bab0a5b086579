"""Start and end of MPI: where it is initialised, and where an error ends all ranks."""

import os
import sys
import threading
import traceback
from typing import Any, NoReturn

from mpi4py import MPI

from hpcepm.text import write


class WrongLauncher(Exception):
    """Several processes were started, but MPI does not connect them."""


def initialize() -> MPI.Intracomm:
    """Initialise MPI if it is not; return the communicator of all ranks."""
    if not MPI.Is_initialized():
        MPI.Init()
    return MPI.COMM_WORLD


def refuse_lone_ranks(comm: Any) -> None:
    """Raise `WrongLauncher` if this process was started as one rank of many but is alone."""
    if comm.size > 1:
        return
    for name in ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"):
        if os.environ.get(name, "1").isdigit() and int(os.environ.get(name, "1")) > 1:
            raise WrongLauncher(
                f"the launcher started {os.environ[name]} processes ({name}), but MPI sees only "
                "this one: they would all write the same files. Use the mpiexec of the MPI that "
                f"mpi4py is built for ({MPI.Get_library_version().split(',')[0].strip()}), or "
                "srun --mpi=pmix."
            )


def abort_all_ranks(kind: type[BaseException], error: BaseException, trace: Any) -> NoReturn:
    """End every rank because of an exception on this one: the others would wait for ever.

    To be used as `sys.excepthook`.
    """
    comm = MPI.COMM_WORLD
    lines = traceback.format_exception(kind, error, trace)
    where = f"rank {comm.rank} of {comm.size}: " if comm.size > 1 else ""
    said = f"\nhpcepm: {where}an error that should not happen; please report it\n"
    write(said + "".join(lines), sys.stderr)
    _abort()


def _abort() -> NoReturn:
    # Abort itself has been seen to hang when the network is gone.
    threading.Timer(4.0, os._exit, [1]).start()
    MPI.COMM_WORLD.Abort(1)
    os._exit(1)
