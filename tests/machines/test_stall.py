"""A cable is cut, or a rank stopped: the run ends itself, and goes on to the same bits."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Count
from tests.faults.harness import every_dataset_can_be_read, write_input
from tests.machines.cluster import Cluster, cluster
from tests.machines.conftest import Alone
from tests.machines.harness import LONG, begin, goes_on, seconds_until_gone

pytestmark = pytest.mark.machines

STALL = 8.0
GRACE = 10.0
"""Within which all ranks must be gone, after the time of a stall."""

ALL = (1, 2, 1)


def cut_the_first(machines: Cluster) -> Callable[[], None]:
    return cut(machines, 0)


def cut_another(machines: Cluster) -> Callable[[], None]:
    return cut(machines, 2)


def cut(machines: Cluster, which: int) -> Callable[[], None]:
    machines.switch.cut(machines.machines[which])
    return lambda: machines.switch.mend(machines.machines[which])


def stop_a_rank(machines: Cluster) -> Callable[[], None]:
    os.kill(machines.machines[1].ranks()[0], signal.SIGSTOP)
    return lambda: None


@pytest.mark.parametrize("fault", [cut_the_first, cut_another, stop_a_rank])
def test_a_run_that_stalls_ends_itself(
    tmp_path: Path,
    alone: Alone,
    count: Count,
    fault: Callable[[Cluster], Callable[[], None]],
) -> None:
    what = fault.__name__.replace("_", " ")
    for k in range(count.of(f"{what} of three machines, in the step loop", few=1, many=10)):
        folder = tmp_path / str(k)
        write_input(folder, LONG)
        with cluster(3) as machines:
            process = begin(machines, ALL, folder, "--set", f"stall={STALL:.0f} s")
            mend = fault(machines)
            began = time.monotonic()
            seconds_until_gone(machines, STALL + GRACE)
            assert time.monotonic() - began > STALL / 2, "ended before it can have stalled"
            _, told = process.communicate(timeout=GRACE)
            took = time.monotonic() - began
            print(f"{what}: gone after {took:.1f} s\n{told}")
            assert took < STALL + GRACE
            assert process.returncode == 1
            assert "no rank made a step" in told and "--continue goes on" in told
            assert "rank 0 on m1" in told and "rank 3 on m3" in told
            every_dataset_can_be_read(folder / "run")
            mend()
            goes_on(machines, (1, 1, 1), folder, alone(LONG))
        count.done()
