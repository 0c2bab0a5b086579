"""Machines made of Linux namespaces, for as long as a test needs them.

Each has a network card, a host name, processes, shared memory and a boot of its own; files are
those of this machine. A rank on one sees no memory of a rank on another. They hang on a switch in a
network of its own, too: on the host there is no device, address or name that could clash. All of it
is held up by processes alone, and each is killed when the one that started it dies. So nothing is
left behind, whatever happens to the tests.
"""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from hpcepm.parallel.mpiexec import mpiexec
from tests.conftest import QUICK_START

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
PLAIN_PYTHON: Final = (sys.executable, "-E", "-S")
"""Without site-packages: it starts sooner."""

DIES_WITH_US: Final = ("setpriv", "--pdeathsig", "KILL")
NAMESPACES: Final = ("--net", "--uts", "--ipc", "--pid", "--mount", "--mount-proc")


class Machine:
    """A machine; `cluster` makes some.

    Attributes
    ----------
    name, address
        Of the machine.
    folder
        Where the machines of its cluster can be reached.
    pid
        Its first process, as the host sees it.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self.name, self.address, self.folder = f"m{number}", address(number), folder
        self.boot()

    def boot(self) -> None:
        """Start the first process."""
        first = [*PLAIN_PYTHON, "-m", "tests.machines.first_process", str(self.folder), self.name]
        self._keeper = keep(["unshare", *NAMESPACES, "--fork", "--kill-child", *first])
        children = Path(f"/proc/{self._keeper.pid}/task/{self._keeper.pid}/children").read_text()
        self.pid = int(children)

    def connect(self) -> None:
        """Go on the network, by the card that is there now."""
        self.run(f"ip addr add {self.address}/24 dev eth0")
        self.run("ip link set eth0 up")

    def command(self, words: Sequence[str], **environment: str) -> list[str]:
        """Return the command that runs one on this machine, as ssh would."""
        assigned = [f"{name}={value}" for name, value in environment.items()]
        ours = [*PLAIN_PYTHON, str(HERE / "shell.py"), str(self.folder), self.name]
        return [*ours, shlex.join(["env", *assigned, *words])]

    def start(
        self, words: Sequence[str], folder: Path, **environment: str
    ) -> subprocess.Popen[str]:
        """Start a command on this machine. What is returned lives until it ends or is lost."""
        return subprocess.Popen(
            self.command(words, **environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, command: str) -> str:
        """Run a command; return what it prints."""
        process = self.start(shlex.split(command), self.folder)
        out, told = process.communicate(timeout=20)
        if process.returncode:
            raise RuntimeError(f"{self.name}: {command}: {told}")
        return out

    def processes(self) -> list[int]:
        """Return all that lives on this machine, by the numbers that the host gives."""
        found = []
        with contextlib.suppress(OSError):
            mine = os.readlink(f"/proc/{self.pid}/ns/pid")
            for path in Path("/proc").glob("[0-9]*/ns/pid"):
                with contextlib.suppress(OSError):  # one that ended since
                    if os.readlink(path) == mine:
                        found.append(int(path.parts[2]))
        return found

    def ranks(self) -> list[int]:
        """Return the processes of this machine that are ranks of a run."""
        return [
            pid
            for pid in self.processes()
            if b"hpcepm" in (words := words_of(pid)) and b"python" in words[0]
        ]

    def kill(self) -> None:
        """Let the machine die: the kernel kills all of its processes with the first."""
        with contextlib.suppress(ProcessLookupError):  # it is dead
            os.kill(self.pid, signal.SIGKILL)

    def end(self) -> None:
        """Take the machine down."""
        self._keeper.kill()
        self._keeper.communicate()


class Switch:
    """What the machines are plugged into. It is quick, and a cable can be pulled out."""

    def __init__(self, machines: Sequence[Machine]) -> None:
        begin = (
            "ip link add switch type bridge && ip link set switch up && echo up && exec sleep inf"
        )
        self._keeper = keep(["unshare", "--net", "sh", "-c", begin])
        for machine in machines:
            self.plug(machine)

    def plug(self, machine: Machine) -> None:
        """Lay a cable to a machine."""
        self._ip(f"link add {machine.name} type veth peer name eth0 netns {machine.pid}")
        self.mend(machine)

    def cut(self, machine: Machine) -> None:
        """Let nothing pass to or from a machine any more; nobody is told."""
        self._ip(f"link set {machine.name} nomaster")

    def mend(self, machine: Machine) -> None:
        """Let everything pass."""
        self._ip(f"link set {machine.name} master switch up")

    def _ip(self, command: str) -> None:
        inside = ["nsenter", f"--net=/proc/{self._keeper.pid}/ns/net", "ip", *command.split()]
        subprocess.run(inside, check=True)

    def end(self) -> None:
        """Take it down."""
        self._keeper.kill()
        self._keeper.communicate()


class SlowSwitch(Switch):
    """A switch that delays what it passes on, by so many seconds, and loses a share of it."""

    def __init__(self, machines: Sequence[Machine], delay: float, loss: float) -> None:
        program = [*PLAIN_PYTHON, "-m", "tests.machines.slow_switch", str(delay), str(loss)]
        self._keeper = keep([*program, *(str(machine.pid) for machine in machines)])


class Cluster:
    """Some machines on a switch; `cluster` makes one.

    Attributes
    ----------
    machines, switch
        What it consists of.
    folder
        Where the machines can be reached.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.machines: list[Machine] = []
        self.switch: Switch

    def start(self, n: int, slow: tuple[float, float] | None) -> None:
        """Start the machines, and plug them in."""
        hosts = [f"{address(k)} m{k}\n" for k in range(1, n + 1)]
        (self.folder / "hosts").write_text("127.0.0.1 localhost\n" + "".join(hosts))
        for k in range(1, n + 1):
            self.machines.append(Machine(self.folder, k))
        self.switch = SlowSwitch(self.machines, *slow) if slow else Switch(self.machines)
        for machine in self.machines:
            machine.connect()

    def revive(self, machine: Machine) -> None:
        """Start a machine that died, under its name and address."""
        machine.end()
        machine.boot()
        self.switch.plug(machine)
        machine.connect()

    def mpiexec(
        self, ranks: Sequence[int], command: Sequence[str], folder: Path, **environment: str
    ) -> subprocess.Popen[str]:
        """Start Python on all machines, as many ranks on each as named; mpiexec is on the first.

        Machines that are given no rank are not used.
        """
        used = [(m, n) for m, n in zip(self.machines, ranks, strict=False) if n]
        hosts = ",".join(f"{machine.name}:{n}" for machine, n in used)
        agent = shlex.join([*PLAIN_PYTHON, str(HERE / "shell.py"), str(self.folder)])
        words = [*mpiexec(sum(ranks)), "--host", hosts, sys.executable, *command]
        open_mpi = {**QUICK_START, "OMPI_MCA_plm_rsh_agent": agent, "OMP_NUM_THREADS": "1"}
        return used[0][0].start(words, folder, **open_mpi, **environment)

    def ranks(self) -> list[int]:
        """Return the ranks of all machines."""
        return [pid for machine in self.machines for pid in machine.ranks()]

    def end(self) -> None:
        """Take everything down."""
        for machine in self.machines:
            machine.end()
        if hasattr(self, "switch"):
            self.switch.end()


def address(number: int) -> str:
    """Return the address of a machine."""
    return f"10.77.0.{number}"


def words_of(pid: int) -> list[bytes]:
    """Return the command line of a process."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return [b""]


def keep(command: Sequence[str]) -> subprocess.Popen[str]:
    """Start a process that dies with this one; return it when it says that it is up."""
    process = subprocess.Popen(
        [*DIES_WITH_US, *command],
        cwd=ROOT,
        env={**os.environ},  # without what MPI, in this process, wrote behind Python's back
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for the tests, which then take things down in order
    )
    assert process.stdout is not None
    if process.stdout.readline() != "up\n":
        process.kill()
        raise RuntimeError(f"did not come up: {shlex.join(command)}")
    return process


@contextlib.contextmanager
def cluster(n: int, slow: tuple[float, float] | None = None) -> Iterator[Cluster]:
    """Start so many machines; take them down with all that runs there, whatever happens.

    ``slow`` is a delay in seconds and a share of packets that are lost.
    """
    folder = Path(tempfile.mkdtemp(prefix="machines-"))
    running = Cluster(folder)
    try:
        running.start(n, slow)
        yield running
    finally:
        running.end()
        shutil.rmtree(folder, ignore_errors=True)
