"""A machine dies: the job is gone soon, and goes on on the others to the same bits."""

import random
import time
from pathlib import Path

import pytest

from tests.conftest import Count
from tests.faults.harness import every_dataset_can_be_read, write_input
from tests.machines.cluster import cluster
from tests.machines.conftest import Alone
from tests.machines.harness import LONG, LOST_A_MACHINE, begin, goes_on, seconds_until_gone
from tests.machines.shell import LOST

pytestmark = pytest.mark.machines

SECONDS = 5.0
"""Within which all must be gone."""


def test_kill_9_of_a_machine(tmp_path: Path, alone: Alone, count: Count) -> None:
    """The first machine is that of mpiexec, of rank 0, and of the lock on the directory."""
    chance = random.Random(5)
    for k in range(count.of("kill −9 of one of 3 machines at a random moment", few=3, many=30)):
        folder = tmp_path / str(k)
        write_input(folder, LONG)
        with cluster(3) as machines:
            process = begin(machines, (1, 2, 1), folder)
            time.sleep(chance.uniform(0, 0.5))
            killed = k % 3
            machines.machines[killed].kill()
            died = time.monotonic()
            process.communicate(timeout=SECONDS)
            seconds_until_gone(machines, died + SECONDS - time.monotonic())
            print(f"machine {killed + 1}: gone after {time.monotonic() - died:.2f} s")
            codes = [LOST] if killed == 0 else [1, *LOST_A_MACHINE]
            assert process.returncode in codes, process.returncode
            every_dataset_can_be_read(folder / "run")
            left = [int(k != killed) for k in range(3)]
            goes_on(machines, left, folder, alone(LONG))
        count.done()
