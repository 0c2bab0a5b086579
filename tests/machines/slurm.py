"""A SLURM of several machines: the first is for logins and the controller, the others are nodes."""

import contextlib
from collections.abc import Iterator
from typing import Any

from tests.cli.slurm.cluster import OPEN_MPI
from tests.cli.slurm.cluster import Cluster as Slurm
from tests.machines.cluster import Cluster, Machine, cluster

CPUS = 2  # of each node, however many there are
PATIENCE = 6
"""Seconds without an answer after which a node is down: a real SLURM waits for minutes."""


class SlurmOfMachines(Slurm):
    """A running SLURM; `slurm_of_machines` makes one."""

    def __init__(self, machines: Cluster) -> None:
        folder = machines.folder / "slurm"
        folder.mkdir(mode=0o755)
        super().__init__(folder)
        self._machines = machines
        self.head, *self.nodes = machines.machines

    def layout(self) -> dict[str, Any]:
        """Return what is to be written into the configuration of machines."""
        nodes = [f"NodeName={m.name} NodeAddr={m.address} CPUs={CPUS}" for m in self.nodes]
        return {
            "controller": f"{self.head.name}({self.head.address})",
            "controller_port": 6817,
            "node_port": 6818,
            "scratch": "/dev/shm",  # each machine has its own, and none keeps it when it dies
            "patience": PATIENCE,
            "nodes": "\n".join(nodes),
        }

    def on(self, node: str, words: list[str]) -> list[str]:
        """Return what runs a command on a node; "" is that of the controller."""
        machine = next((m for m in self.nodes if m.name == node), self.head)
        return machine.command(words, **OPEN_MPI, SLURM_CONF=str(self.configuration))

    def start_slurm(self) -> None:
        """Start the controller, and the daemon of each node."""
        self.daemon("slurmctld", "-D", "-c", "-f", str(self.configuration))
        for node in self.nodes:
            self._start_node(node)

    def _start_node(self, node: Machine) -> None:
        where = ("-f", str(self.configuration), "-N", node.name)
        self.daemon("slurmd", "-D", *where, node=node.name)

    def revive(self, node: Machine) -> None:
        """Start a node that died."""
        self._machines.revive(node)
        self._start_node(node)

    def stop(self) -> None:
        """Let all machines die, and all daemons with them."""
        for machine in (self.head, *self.nodes):
            machine.kill()
        for daemon in self._daemons:
            daemon.wait()


@contextlib.contextmanager
def slurm_of_machines(nodes: int) -> Iterator[SlurmOfMachines]:
    """Start a SLURM of so many nodes; take it down with all its machines, whatever happens."""
    with cluster(1 + nodes) as machines:
        running = SlurmOfMachines(machines)
        try:
            running.start()
            yield running
        finally:
            running.stop()
