"""A SLURM in a folder of its own, for as long as a test needs it: here of one node, on loopback."""

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

CPUS = 4  # that SLURM believes in, however many there are
OVER = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY")
OPEN_MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_mpi_yield_when_idle": "1",  # others want the cores too: ranks that wait must not spin
}
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={controller}
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
# A job that was requeued is held back until its old credential has expired.
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
# What a killed step leaves here would disturb the step of the same number of another cluster.
SlurmdSpoolDir={scratch}/spool
TmpFS={scratch}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=1
MpiDefault=none
ReturnToService=2
KillWait=5
SlurmdTimeout={patience}
{nodes}
PartitionName=test Nodes=ALL Default=YES State=UP
"""


class Cluster:
    """A running SLURM; `cluster` makes one.

    Parameters
    ----------
    folder
        For configuration, state and logs. Its path must be short: there is a socket in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.configuration = folder / "slurm.conf"
        self.environment = {**os.environ, **OPEN_MPI, "SLURM_CONF": str(self.configuration)}
        self._daemons: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start the daemons; return when all nodes are ready for jobs."""
        self.configuration.write_text(
            CONFIGURATION.format(user=getpass.getuser(), folder=self.folder, **self.layout())
        )
        for name in ("state", "scratch"):
            (self.folder / name).mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        munge = self.folder / "munge"
        files = (f"--{name}-file={munge}.{name}" for name in ("key", "pid", "seed"))
        self.daemon(
            "munged",
            "--foreground",
            "--force",
            f"--socket={munge}.socket",
            f"--log-file={munge}d.log",
            *files,
        )
        self._wait_for((self.folder / "munge.socket").exists, 10, "munged does not answer")
        self.start_slurm()
        self._wait_for(self._is_ready, 30, "the nodes do not come up")

    def layout(self) -> dict[str, Any]:
        """Return what is to be written into the configuration of machines."""
        host = socket.gethostname().partition(".")[0]
        cpus = max(CPUS, os.cpu_count() or 1)
        controller_port, node_port = free_ports(2)
        return {
            "controller": f"{host}(127.0.0.1)",
            "controller_port": controller_port,
            "node_port": node_port,
            "scratch": self.folder / "scratch",
            "patience": 300,
            "nodes": f"NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus}",
        }

    def start_slurm(self) -> None:
        """Start the controller, and the daemon of each node."""
        host = socket.gethostname().partition(".")[0]
        self.daemon("slurmctld", "-D", "-c", "-f", str(self.configuration))
        self.daemon("slurmd", "-D", "-f", str(self.configuration), "-N", host)

    def _is_ready(self) -> bool:
        states = self.ask("sinfo", "-h", "-N", "-o", "%T", check=False).split()
        return bool(states) and set(states) == {"idle"}

    def on(self, node: str, words: list[str]) -> list[str]:
        """Return what runs a command on a node; "" is that of the controller."""
        return words

    def daemon(self, name: str, *options: str, node: str = "") -> None:
        """Start a daemon; its log is named after it."""
        with (self.folder / f"{name}{node}.log").open("wb") as log:
            # A session of its own: Ctrl-C is for the tests, which then end the daemons in order.
            self._daemons.append(
                subprocess.Popen(
                    self.on(node, [program(name), *options]),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=self.environment,
                    start_new_session=True,
                )
            )

    def _wait_for(self, there: Callable[[], bool], seconds: float, problem: str) -> None:
        deadline = time.monotonic() + seconds
        while not there():
            ended = [daemon.args for daemon in self._daemons if daemon.poll() is not None]
            if ended or time.monotonic() > deadline:
                raise RuntimeError(f"{problem}; ended: {ended}\n{self.logs()}")
            time.sleep(0.1)

    def logs(self) -> str:
        """Return the ends of the logs of the daemons."""
        return "\n".join(
            f"--- {path.name}\n{path.read_text()[-3000:]}"
            for path in sorted(self.folder.glob("*.log"))
        )

    def ask(self, command: str, *options: str, cwd: Path | None = None, check: bool = True) -> str:
        """Run a command of SLURM; return what it prints."""
        done = subprocess.run(
            self.on("", [program(command), *options]),
            env=self.environment,
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        if check and done.returncode:
            raise RuntimeError(f"{command} {' '.join(options)}: {done.stderr}\n{self.logs()}")
        return done.stdout

    def job(self, number: str) -> dict[str, str]:
        """Return what SLURM knows of a job (``N``, or ``N_T`` for a task of an array)."""
        text = self.ask("scontrol", "show", "job", "-o", number)
        return dict(word.split("=", 1) for word in text.split() if "=" in word)

    def wait(self, number: str, seconds: float) -> dict[str, str]:
        """Return what SLURM knows of a job when it is over; one that is requeued is not."""
        deadline = time.monotonic() + seconds
        while (job := self.job(number))["JobState"] not in OVER:
            assert time.monotonic() < deadline, f"not over after {seconds} s: {job}\n{self.logs()}"
            time.sleep(0.2)
        return job

    def stop(self) -> None:
        """End all jobs and daemons."""
        with contextlib.suppress(RuntimeError, subprocess.TimeoutExpired):
            self.ask("scancel", "--user", getpass.getuser(), check=False)
            deadline = time.monotonic() + 15
            while self.ask("squeue", "-h", check=False).strip() and time.monotonic() < deadline:
                time.sleep(0.2)
        for daemon in reversed(self._daemons):
            daemon.terminate()
            try:
                daemon.wait(timeout=5)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        for pid in self.processes():  # the shepherds of job steps are nobody's children
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def processes(self) -> list[int]:
        """Return all that runs for this cluster: its configuration is in their environment."""
        mark = f"SLURM_CONF={self.configuration}".encode()
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if mark in path.read_bytes().split(b"\0"):
                    found.append(int(path.parent.name))
        return found


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def program(name: str) -> str:
    """Return the path of a program; daemons are where ordinary users have no search path."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin:/sbin")
    if found is None:
        raise FileNotFoundError(f"{name} is not installed: tools/test --slurm sees to it")
    return found


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """Start a cluster; end it and all that runs on it, whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    folder.chmod(0o755)  # munge looks at who may write
    running = Cluster(folder)
    try:
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)
