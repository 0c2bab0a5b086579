"""Start and end of MPI: where it is initialised, and where an error ends all ranks."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NoReturn

from mpi4py import MPI

from hpcepm.text import report_fault

from .mpiexec import ranks_started


class WrongLauncher(Exception):
    """Several processes were started, but MPI does not connect them."""


def initialize() -> MPI.Intracomm:
    """Initialise MPI if it is not; return the communicator of all ranks."""
    if not MPI.Is_initialized():
        _let_others_run()
        with _as_started_alone():
            MPI.Init()
    return MPI.COMM_WORLD


ALONE: Final = {
    "OMPI_MCA_ess_singleton_isolated": "1",
    "OMPI_MCA_pml": "ob1",
    "OMPI_MCA_orte_create_session_dirs": "0",
}
"""What lets Open MPI start ten times faster, in 0.04 s, where no launcher started this process: no
daemon is started for it, in case it starts others, and no fast network is looked for. Nor is there
a directory for Open MPI's own files: all such processes of a user share one, which the first that
ends removes while the next begins (seen once in 150 starts, six at a time: that one failed)."""


@contextmanager
def _as_started_alone() -> Iterator[None]:
    """Set what is `ALONE` for this process alone: ranks that it may start have their network."""
    launched = any(name.startswith(("PMI", "OMPI_COMM_WORLD")) for name in os.environ)
    settings = {} if launched else {k: v for k, v in ALONE.items() if k not in os.environ}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name in settings:
            del os.environ[name]


def _let_others_run() -> None:
    """Have ranks that wait in Open MPI make room for other processes, if all are on one machine.

    Steps do not wait there (`hpcepm.parallel.board`), but pauses and records do. Between machines a
    microsecond counts, and nodes are rarely shared.
    """
    sizes = {os.environ.get(f"OMPI_COMM_WORLD_{which}SIZE") for which in ("", "LOCAL_")}
    if len(sizes) == 1:
        os.environ.setdefault("OMPI_MCA_mpi_yield_when_idle", "1")


def refuse_lone_ranks(comm: Any) -> None:
    """Raise `WrongLauncher` if this process was started as one rank of many but is alone."""
    name, started = ranks_started()
    if comm.size > 1 or started <= 1:
        return
    raise WrongLauncher(
        f"the launcher started {started} processes ({name}), but MPI sees only this one: they "
        "would all write the same files. Use the mpiexec of the MPI that mpi4py is built for "
        f"({MPI.Get_library_version().split(',')[0].strip()}), or srun --mpi=pmix. (For one rank "
        "within a job: mpiexec -n 1.)"
    )


LAUNCHERS: Final = ("mpiexec", "mpirun", "orterun", "orted")
"""Programs of Open MPI that are parents of ranks."""

SECONDS_TO_END: Final = 4
"""Open MPI takes three to end all ranks, if it can reach its daemons on other machines."""


def end_launcher() -> None:
    """Ask Open MPI's launcher to end, with exit code 1, and again if it is there a while later.

    To be called before this rank ends. If the network is cut, the launcher waits for its daemons on
    other machines, a quarter of an hour or more. (It has been seen to crash when it was asked only
    after its ranks had ended.)
    """
    launcher = os.getppid()
    with suppress(OSError):
        if Path(f"/proc/{launcher}/comm").read_text().strip().partition(".")[0] in LAUNCHERS:
            subprocess.Popen(
                ["sh", "-c", f"sleep {SECONDS_TO_END}; kill -TERM {launcher}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # else it would be killed with the ranks
            )
            os.kill(launcher, signal.SIGTERM)


def end_at_once() -> NoReturn:
    """End this rank, and with it the others, without a word to MPI: it may be what hangs."""
    end_launcher()
    os._exit(1)


def abort_all_ranks(kind: type[BaseException], error: BaseException, trace: Any) -> NoReturn:
    """End every rank because of an exception on this one: the others would wait for ever.

    To be used as `sys.excepthook`.
    """
    comm = MPI.COMM_WORLD if MPI.Is_initialized() else MPI.COMM_NULL
    report_fault(error, f"rank {comm.rank} of {comm.size}: " if comm and comm.size > 1 else "")
    # Abort itself has been seen to hang when the network is gone.
    threading.Timer(4.0, end_at_once).start()
    if comm:
        comm.Abort(1)
    os._exit(1)
