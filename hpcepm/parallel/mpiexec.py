"""The command that starts ranks; as a program it prints it, a word a line."""

import os
import re
import shutil
import subprocess
import sys
from typing import Final

COUNTS_OF_LAUNCHERS: Final = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS")
"""Variables that say how many ranks were started, the nearest launcher first.

An ``mpiexec`` within a step of SLURM hands that step's variables on.
"""


def mpiexec(ranks: int) -> list[str]:
    """Return the words to put before a command so that this many ranks run it.

    ``MPIEXEC`` in the environment names the launcher; else it is looked for. Open MPI wants to be
    asked for more ranks than cores, and for ranks of root. It binds the ranks of each run to cores
    from the first on: two runs at once would share these. In a batch job the cores are the job's.

    Raises
    ------
    FileNotFoundError
        There is no launcher.
    """
    there = shutil.which("mpiexec.openmpi") or shutil.which("mpiexec")
    launcher = os.environ.get("MPIEXEC") or there
    if launcher is None:
        raise FileNotFoundError("no mpiexec: run tools/setup, or name it in MPIEXEC")
    version = subprocess.run([launcher, "--version"], capture_output=True, text=True).stdout
    options = []
    if any(name in version for name in ("Open MPI", "OpenRTE", "prrte")):
        root = ["--allow-run-as-root"] if os.getuid() == 0 else []
        batch = any(name in os.environ for name in ("SLURM_JOB_ID", "PBS_JOBID"))
        options = ["--oversubscribe", "--quiet", *root, *([] if batch else ["--bind-to", "none"])]
    return [launcher, *options, "-n", str(ranks)]


def not_launched(error: OSError, ranks: int) -> str:
    """Return in words why there is no `mpiexec`."""
    named = f"MPIEXEC={error.filename}: {error.strerror}"
    return f"hpcepm: -n {ranks}: {named if error.filename else error}"


def ranks_started() -> tuple[str, int]:
    """Return how many ranks a launcher has started this process among, and what says so.

    One, and nothing, if there was none.
    """
    for name in COUNTS_OF_LAUNCHERS:
        if re.fullmatch("[0-9]{1,9}", os.environ.get(name, "")):
            return name, int(os.environ[name])
    return "", 1


if __name__ == "__main__":
    try:
        print(*mpiexec(int(sys.argv[1])), sep="\n")
    except OSError as missing:
        sys.exit(f"hpcepm: {missing}")
