"""What the tests of machines share: runs on them, watched and ended."""

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from tests.conftest import assert_same_bits, settings_for
from tests.faults.harness import COMMAND
from tests.machines.cluster import Cluster

STOPPED: Final = 75
LOST_A_MACHINE: Final = (205, 255)
"""The exit code of Open MPI's mpiexec that cannot reach its daemon on another machine any more.

Its ranks may notice first; then it is theirs, 1.
"""

LONG: Final = settings_for(
    (97, 71), engine="lazy", loading={"target": 0.6}, checkpoint={"every": "0.05 s"}
)
"""Takes some seconds on machines, and has a checkpoint before long."""


def start(cluster: Cluster, ranks: Sequence[int], folder: Path, *options: str) -> Any:
    """Start a run of ``input.yaml`` in a folder, with so many ranks on each machine."""
    return cluster.mpiexec(ranks, [*COMMAND, *options], folder)


def finish(process: subprocess.Popen[str], code: int = 0, seconds: float = 100) -> str:
    """Return what a run printed, at its end with this exit code."""
    out, told = process.communicate(timeout=seconds)
    assert process.returncode == code and "Traceback" not in told, (process.returncode, told)
    return out + told


def begin(cluster: Cluster, ranks: Sequence[int], folder: Path, *options: str) -> Any:
    """Start a run; return it when it is in its step loop, and has a checkpoint to go on from."""
    process = start(cluster, ranks, folder, *options)
    newest = folder / "run" / "checkpoints" / "newest"
    before = newest.stat().st_mtime_ns if newest.exists() else 0
    wait_for(
        lambda: newest.exists() and newest.stat().st_mtime_ns > before,
        400,  # it may have to compile
        process,
    )
    return process


def wait_for(there: Callable[[], bool], seconds: float, process: subprocess.Popen[str]) -> None:
    """Wait for what a run must come to while it lives."""
    give_up = time.monotonic() + seconds
    while not there():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < give_up
        time.sleep(0.01)


def seconds_until_gone(cluster: Cluster, at_most: float) -> float:
    """Return how long it takes until no machine has a rank any more."""
    began = time.monotonic()
    while left := cluster.ranks():
        assert time.monotonic() < began + at_most, f"still there: {left}"
        time.sleep(0.1)
    return time.monotonic() - began


def goes_on(cluster: Cluster, ranks: Sequence[int], folder: Path, alone: Path) -> None:
    """Go on to the end on these machines; check that the bits are those of one rank."""
    told = finish(start(cluster, ranks, folder))
    assert "goes on from strain" in told, told
    assert_same_bits(alone, folder / "run")
