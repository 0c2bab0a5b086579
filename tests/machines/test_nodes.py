"""The job templates on a SLURM of three nodes, of which one dies: typed as users do."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import assert_same_bits
from tests.faults.harness import write_input
from tests.machines.cluster import ROOT, Machine
from tests.machines.conftest import Alone
from tests.machines.harness import LONG
from tests.machines.slurm import SlurmOfMachines, slurm_of_machines

pytestmark = pytest.mark.machines

THREE = ["--nodes=3", "--ntasks-per-node=1"]
TWO_WILL_DO = ["--nodes=2-3", "--ntasks=3"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with all that the templates use of hpcepm, and where they may write."""
    (tmp_path / "jobs").symlink_to(ROOT / "jobs")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    write_input(tmp_path, LONG)
    return tmp_path


def test_a_chain_goes_on_on_the_nodes_that_are_left(folder: Path, alone: Alone) -> None:
    with slurm_of_machines(3) as slurm:
        job = submitted(slurm, folder, ["sbatch", *TWO_WILL_DO, "jobs/requeue.sh", "input.yaml"])
        in_mid_run(slurm, folder, job)
        nodes_of(slurm, job)[1].kill()
        ends_with_the_same_bits(slurm, folder, job, alone(LONG))
        assert len(nodes_of(slurm, job)) == 2


def test_a_job_waits_for_its_first_node_to_come_back(folder: Path, alone: Alone) -> None:
    """SLURM puts it into the queue again by itself: it needs three nodes."""
    with slurm_of_machines(3) as slurm:
        job = submitted(slurm, folder, ["sbatch", *THREE, "jobs/several-nodes.sh", "input.yaml"])
        in_mid_run(slurm, folder, job)
        first = nodes_of(slurm, job)[0]
        first.kill()
        wait_for(slurm, folder, job, lambda: slurm.job(job)["JobState"] == "PENDING", 100)
        slurm.revive(first)
        ends_with_the_same_bits(slurm, folder, job, alone(LONG))
        assert len(nodes_of(slurm, job)) == 3


def submitted(slurm: SlurmOfMachines, folder: Path, line: list[str]) -> str:
    """Type a line; return the number of the job."""
    return slurm.ask(*line, cwd=folder).split()[-1]  # "Submitted batch job N"


def in_mid_run(slurm: SlurmOfMachines, folder: Path, job: str) -> None:
    newest = folder / "run" / "checkpoints" / "newest"
    wait_for(slurm, folder, job, newest.exists, 100)


def nodes_of(slurm: SlurmOfMachines, job: str) -> list[Machine]:
    """Return the nodes of a job; its script is on the first."""
    names = slurm.ask("scontrol", "show", "hostnames", slurm.job(job)["NodeList"]).split()
    return [node for name in names for node in slurm.nodes if node.name == name]


def ends_with_the_same_bits(slurm: SlurmOfMachines, folder: Path, job: str, alone: Path) -> None:
    ended = slurm.wait(job, 400)
    told = log_of(folder, job)
    assert (ended["JobState"], ended["ExitCode"], ended["Restarts"]) == ("COMPLETED", "0:0", "1"), (
        f"{ended}\n{told}\n{slurm.logs()}"
    )
    assert told.count("goes on from strain") == 1, told
    assert_same_bits(alone, folder / "run")


def log_of(folder: Path, job: str) -> str:
    log = folder / f"slurm-{job}.out"
    return log.read_text() if log.exists() else ""


def wait_for(
    slurm: SlurmOfMachines, folder: Path, job: str, there: Callable[[], bool], seconds: float
) -> None:
    give_up = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < give_up, f"{log_of(folder, job)}\n{slurm.logs()}"
        time.sleep(0.1)
