"""How a run is started. (That any number of ranks gives the same bits: tests/golden.)"""

from pathlib import Path

from tests.conftest import QUICK_START, Run, assert_same_bits, run_python, settings_for


def test_without_mpiexec_it_is_one_rank(hpcepm: Run, tmp_path: Path) -> None:
    settings = settings_for((12, 12))
    assert hpcepm(settings, "--output", "alone").returncode == 0
    assert hpcepm(settings, "--output", "launched", ranks=1).returncode == 0
    assert_same_bits(tmp_path / "alone", tmp_path / "launched")


def test_ranks_that_a_lone_process_starts_have_their_network(tmp_path: Path) -> None:
    """What makes MPI start fast in a process without others is not handed on; what was set is."""
    script = "from os import environ; from hpcepm.parallel.launch import ALONE, initialize; "
    script += "print(initialize().size, *(name for name in ALONE if name in environ))"
    assert "OMPI_MCA_pml" in QUICK_START
    done = run_python(["-c", script], None, tmp_path)
    assert done.stdout == "1 OMPI_MCA_pml\n", done.stderr


def test_a_lone_process_leaves_nothing_in_the_folder_of_scratch(tmp_path: Path) -> None:
    """What Open MPI keeps there is shared with all others of this user: as they end, it is gone."""
    script = "import os; from hpcepm.parallel.launch import initialize; from mpi4py import MPI; "
    script += "window = MPI.Win.Allocate_shared(8, 8, comm=initialize()); window.Free(); "
    script += "print(os.listdir(os.environ['TMPDIR']))"
    done = run_python(["-c", script], None, tmp_path, TMPDIR=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
