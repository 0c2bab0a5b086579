"""Runs are looked at without MPI and without numba, as on the login node of a cluster."""

import os
from pathlib import Path

import pytest

from tests.conftest import run_python

FORBIDDEN = "raise RuntimeError('MPI and numba are forbidden here')\n"
LOOKS = {
    "plot": ["-m", "hpcepm", "plot", "run"],
    "summarize": ["-m", "hpcepm", "summarize", "run"],
    "verify": ["-m", "hpcepm", "verify", "run"],
    "open": ["-c", "import hpcepm; print(hpcepm.open('run')['observables'].stress.mean().values)"],
}


@pytest.mark.parametrize("how", LOOKS)
def test_a_run_is_looked_at_without_mpi(single: Path, tmp_path: Path, how: str) -> None:
    """No import of them is hidden either: their stubs raise what nobody catches."""
    for name in ("mpi4py", "numba"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(FORBIDDEN)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = run_python(LOOKS[how], None, single.parent, PYTHONPATH=path)
    assert done.returncode == 0 and not done.stderr and done.stdout, done.stderr


def test_the_stubs_do_forbid(tmp_path: Path) -> None:
    (tmp_path / "mpi4py.py").write_text(FORBIDDEN)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = run_python(["-c", "import hpcepm.parallel.ranks"], None, tmp_path, PYTHONPATH=path)
    assert "forbidden here" in done.stderr
