"""A network that is slow and loses packets: the same bits, merely later."""

import shlex
import sys
import time
from pathlib import Path

import h5py
import pytest

from tests.conftest import assert_same_bits, settings_for
from tests.faults.harness import write_input
from tests.machines.cluster import Machine, cluster
from tests.machines.conftest import Alone
from tests.machines.harness import finish, start

pytestmark = pytest.mark.machines

DELAY, LOSS = 0.05, 0.01
FEW_STEPS = settings_for((64, 64), engine="lazy", loading={"target": 0.002})


def test_50_ms_and_1_percent(tmp_path: Path, alone: Alone) -> None:
    write_input(tmp_path, FEW_STEPS)
    with cluster(2, slow=(DELAY, LOSS)) as machines:
        assert round_trip(*machines.machines) > 2 * DELAY
        began = time.monotonic()
        finish(start(machines, (1, 1), tmp_path))
        took = time.monotonic() - began
        assert sum(map(sent_again, machines.machines)) > 0
    assert_same_bits(alone(FEW_STEPS), tmp_path / "run")
    print(f"{steps_of(tmp_path / 'run')} steps in {took:.1f} s")


def round_trip(one: Machine, other: Machine) -> float:
    """Return how many seconds a refusal to talk takes to come back."""
    knock = f"socket.socket().connect_ex(('{other.name}', 9))"
    program = f"import socket, time; t = time.monotonic(); {knock}; print(time.monotonic() - t)"
    return float(one.run(shlex.join([sys.executable, "-c", program])))


def sent_again(machine: Machine) -> int:
    """Return how many segments of TCP a machine had to send again."""
    names, values = (
        line.split()
        for line in machine.run("cat /proc/net/snmp").splitlines()
        if line.startswith("Tcp:")
    )
    return int(values[names.index("RetransSegs")])


def steps_of(run: Path) -> int:
    with h5py.File(run / "run.h5", "r") as file:
        return int(file["avalanches/duration"][:].sum())
