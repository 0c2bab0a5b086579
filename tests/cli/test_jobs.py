"""The logic of the job templates, with programs in place of SLURM, PBS and the launchers.

On a real SLURM: test_slurm.py.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.conftest import assert_same_bits, end, run_python, settings_for

JOBS = Path(__file__).parents[2] / "jobs"
NEW_CHECKPOINT = "mkdir -p run/checkpoints; touch run/checkpoints/00000002.h5; exit 75"
UNTIL_TOLD = (
    "trap 'echo told >> told' USR1; touch started; "
    f"until [ -e told ]; do sleep 0.05; done; sleep 0.5; {NEW_CHECKPOINT}"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder to run templates in; what they call is noted in its file ``calls``."""
    (tmp_path / "jobs").mkdir()
    for path in JOBS.iterdir():
        (tmp_path / "jobs" / path.name).write_text(path.read_text())
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "bin").mkdir()
    for name in ("scontrol", "qsub"):
        stand_in(tmp_path, name, f'echo {name} "$@" >> calls')
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(settings_for((8, 8))))
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    (tmp_path / "run" / "checkpoints" / "00000001.h5").touch()
    return tmp_path


def stand_in(folder: Path, name: str, does: str) -> None:
    path = folder / "bin" / name
    path.write_text(f"#!/bin/bash\n{does}\n")
    path.chmod(0o755)


def start_template(
    folder: Path, name: str, *arguments: str, **environment: str
) -> subprocess.Popen[str]:
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    return subprocess.Popen(
        ["bash", f"jobs/{name}.sh", *arguments],
        cwd=folder,
        env={**os.environ, "PATH": path, "SLURM_JOB_ID": "7", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run_template(
    folder: Path, name: str, *arguments: str, **environment: str
) -> tuple[int, str, str]:
    """Return the exit code, what was said to the user, and what was called."""
    process = start_template(folder, name, *arguments, **environment)
    try:
        _, told = process.communicate(timeout=30)
    finally:
        end(process)
    calls = folder / "calls"
    return process.returncode, told, calls.read_text() if calls.exists() else ""


def test_a_part_that_got_on_is_requeued(folder: Path) -> None:
    stand_in(folder, "srun", f'echo srun "$@" >> calls; {NEW_CHECKPOINT}')
    code, _, calls = run_template(folder, "requeue", "input.yaml")
    assert code == 0
    assert calls.splitlines() == [
        f"srun --mpi=pmix {folder}/.venv/bin/python -m hpcepm input.yaml --continue",
        "scontrol requeue 7",
    ]


@pytest.mark.parametrize("failed", ["1", "205", "255"])
def test_a_part_that_failed_after_a_checkpoint_is_gone_on_from(folder: Path, failed: str) -> None:
    stand_in(folder, "srun", NEW_CHECKPOINT.replace("75", failed))
    code, told, calls = run_template(folder, "requeue", "input.yaml")
    assert (code, calls) == (0, "scontrol requeue 7\n")
    assert "the next goes on from that" in told


def test_copies_of_the_packages_are_asked_for_in_one_line(folder: Path) -> None:
    common = folder / "jobs" / "common.sh"
    common.write_text(common.read_text().replace("# node_disk=$TMPDIR ", "node_disk=$TMPDIR "))
    stand_in(folder, "srun", f'echo srun "$@" >> calls; {NEW_CHECKPOINT}')
    code, _, calls = run_template(folder, "requeue", "input.yaml", TMPDIR="/disk")
    assert code == 0
    assert calls.splitlines()[0] == (
        f"srun --mpi=pmix {folder}/.venv/bin/python {folder}/jobs/from_copies.py /disk input.yaml "
        "--continue"
    )


PLUGIN = """
import os
import h5py, hpcepm, numba, scipy
from hpcepm.parallel.compiled import cache_directory
places = [numba.__file__, scipy.__file__, h5py.__file__, hpcepm.__file__, str(cache_directory())]
with open("imported-by-" + os.environ["OMPI_COMM_WORLD_RANK"], "w") as file:
    print(*places, file=file)
"""


def from_copies(folder: Path, node_disk: Path) -> tuple[list[list[str]], str]:
    """Run on three ranks; return from where each imported what, in order of ranks, and the rest."""
    (folder / "look.py").write_text(PLUGIN)
    options = ["input.yaml", "--plugin", "look.py", "--output", "copies"]
    command = [str(JOBS / "from_copies.py"), str(node_disk), *options]
    done = run_python(command, 3, folder, 300)
    assert done.returncode == 0, done.stderr
    return [(folder / f"imported-by-{k}").read_text().split() for k in range(3)], done.stderr


def test_packages_are_read_by_one_rank_and_imported_from_copies(tmp_path: Path) -> None:
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(settings_for((64, 64))))
    plain = run_python(["-m", "hpcepm", "input.yaml"], None, tmp_path)
    assert plain.returncode == 0, plain.stderr
    disk = tmp_path / "disk"
    places, told = from_copies(tmp_path, disk)
    assert not told
    assert not any(place.startswith(str(disk)) for place in places[0])
    for of_rank in places[1:]:
        assert all(place.startswith(f"{disk}/hpcepm-") for place in of_rank), of_rank
    assert not any(disk.iterdir())
    assert_same_bits(tmp_path / "run", tmp_path / "copies")


def test_a_node_without_a_disk_of_its_own_says_so_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(settings_for((64, 64))))
    (tmp_path / "disk").touch()
    places, told = from_copies(tmp_path, tmp_path / "disk")
    assert "File exists" in told and "from where they are installed" in told
    assert len({tuple(of_rank) for of_rank in places}) == 1


@pytest.mark.parametrize(
    ("does", "code", "says"),
    [
        (NEW_CHECKPOINT.replace("75", "3"), 3, ""),
        ("touch run/checkpoints/00000002.h5", 0, ""),
        ("exit 0", 1, "the ranks did not run"),
        ("exit 1", 1, ""),
        ("exit 75", 75, "wrote no checkpoint in run,"),
        (f"touch run/STOP; {NEW_CHECKPOINT}", 75, "as run/STOP asks"),
    ],
)
def test_a_chain_ends(folder: Path, does: str, code: int, says: str) -> None:
    stand_in(folder, "srun", does)
    ended, told, calls = run_template(folder, "requeue", "input.yaml")
    assert (ended, calls) == (code, "") and says in told


@pytest.mark.parametrize(("restarts", "ends"), [("1", True), ("0", False), ("", False)])
def test_a_stop_that_came_while_the_job_waited_ends_the_chain(
    folder: Path, restarts: str, ends: bool
) -> None:
    """One of a new submission is left over from before, and the run takes it away."""
    (folder / "run" / "STOP").touch()
    stand_in(folder, "srun", f"rm run/STOP; echo srun >> calls; {NEW_CHECKPOINT}")
    surroundings = {"SLURM_RESTART_COUNT": restarts} if restarts else {}
    code, told, calls = run_template(folder, "requeue", "input.yaml", **surroundings)
    if ends:
        assert (code, calls) == (75, "") and "ended while it waited, as run/STOP asks" in told
        assert (folder / "run" / "STOP").exists()
    else:
        assert (code, calls) == (0, "srun\nscontrol requeue 7\n")


def test_a_copy_that_slurm_made_is_run_from_another_folder(folder: Path) -> None:
    """As slurmd does: a copy in its own folder is started in the one that was submitted from."""
    elsewhere = folder / "my data"
    elsewhere.mkdir()
    shutil.copytree(folder / "run", elsewhere / "run")
    shutil.copy(folder / "input.yaml", elsewhere)
    (folder / "spool").mkdir()
    shutil.copy(folder / "jobs" / "requeue.sh", folder / "spool" / "slurm_script")
    told = f"   JobId=7 JobName=hpcepm\n   Command={folder}/jobs/requeue.sh input.yaml x.sh/y.sh"
    stand_in(folder, "scontrol", f"[ $1 = show ] && echo '{told}' || echo scontrol $@ >> calls")
    stand_in(folder, "srun", f'echo srun "$@" >> calls; {NEW_CHECKPOINT}')
    done = subprocess.run(
        ["bash", "../spool/slurm_script", "input.yaml"],
        cwd=elsewhere,
        env={**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "SLURM_JOB_ID": "7"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (elsewhere / "calls").read_text().splitlines() == [
        f"srun --mpi=pmix {folder}/.venv/bin/python -m hpcepm input.yaml --continue",
        "scontrol requeue 7",
    ]


def test_what_cannot_be_requeued_says_so(folder: Path) -> None:
    stand_in(folder, "srun", NEW_CHECKPOINT)
    stand_in(folder, "scontrol", "exit 1")
    code, told, _ = run_template(folder, "requeue", "input.yaml")
    assert code == 75 and "submit again to go on" in told


@pytest.mark.parametrize(
    ("number", "code", "calls"),
    [(signal.SIGUSR1, 0, "scontrol requeue 7\n"), (signal.SIGTERM, 75, "")],
)
def test_a_signal_to_the_script_is_passed_on_and_waited_for(
    folder: Path, number: signal.Signals, code: int, calls: str
) -> None:
    """USR1 ends a part, TERM the chain."""
    stand_in(folder, "mpiexec", UNTIL_TOLD)
    process = start_template(folder, "mpiexec", "input.yaml")
    try:
        deadline = time.monotonic() + 30
        while not (folder / "started").exists():
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        _, told = process.communicate(timeout=30)
    finally:
        end(process)
    assert process.returncode == code and ("the job was cancelled" in told) == (code == 75)
    made = folder / "calls"
    assert (made.read_text() if made.exists() else "") == calls


def test_pbs_says_when_the_end_is_and_submits_the_next_part(folder: Path) -> None:
    stand_in(
        folder, "mpiexec", 'echo mpiexec "$@" >> calls; touch run/checkpoints/00000002.h5; exit 75'
    )
    code, told, calls = run_template(
        folder, "pbs", INPUT="input.yaml", OPTIONS="--set seed=3", PBS_O_WORKDIR=str(folder)
    )
    assert code == 0, told
    assert calls.splitlines() == [
        f"mpiexec {folder}/.venv/bin/python -m hpcepm input.yaml --max-walltime 03:58:00 "
        "--set seed=3 --continue",
        f"qsub -v INPUT=input.yaml,HPCEPM={folder},OPTIONS=--set seed=3 jobs/pbs.sh",
    ]


def test_pbs_submits_the_script_that_was_submitted(folder: Path) -> None:
    """PBS runs a copy of it, in which are the resources and the account that were asked for."""
    (folder / "jobs" / "own.sh").write_text((folder / "jobs" / "pbs.sh").read_text())
    stand_in(folder, "mpiexec", "touch run/checkpoints/00000002.h5; exit 75")
    asked = {"INPUT": "input.yaml", "PBS_O_WORKDIR": str(folder)}
    code, told, calls = run_template(folder, "own", **asked)
    assert code == 0 and calls.endswith("OPTIONS= jobs/own.sh\n"), told
    code, told, _ = run_template(folder, "own", **{**asked, "HPCEPM": "elsewhere"})
    assert code == 2 and "where is hpcepm? qsub -v INPUT=input.yaml,HPCEPM=/path" in told


def test_files_that_are_no_checkpoints_are_not_looked_at(folder: Path) -> None:
    (folder / "run" / "checkpoints" / "2024-before-the-peak.h5").touch()
    stand_in(folder, "srun", NEW_CHECKPOINT.replace("exit 75", "exit 0"))
    assert run_template(folder, "one-node", "input.yaml")[:2] == (0, "")


def test_every_run_of_an_array_has_its_own_seed_and_directory(folder: Path) -> None:
    new = "mkdir -p runs/input-seed5/checkpoints; touch runs/input-seed5/checkpoints/00000001.h5"
    stand_in(folder, "srun", f'echo "$@" >> calls; {new}')
    code, _, calls = run_template(folder, "array", "input.yaml", "--quiet", SLURM_ARRAY_TASK_ID="5")
    assert code == 0
    assert calls.endswith(
        "-m hpcepm input.yaml --quiet --set seed=5 --output runs/input-seed5 --continue\n"
    )


@pytest.mark.parametrize("name", ["one-node", "several-nodes"])
def test_one_part_returns_the_code_of_the_run(folder: Path, name: str) -> None:
    stand_in(folder, "srun", "exit 75")
    assert run_template(folder, name, "input.yaml")[0] == 75
    code, told, _ = run_template(folder, name)
    assert code == 2 and "name an input" in told
