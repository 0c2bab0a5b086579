"""How a run is started. (That any number of ranks gives the same bits: tests/golden.)"""

from pathlib import Path

from tests.conftest import Run, assert_same_bits, settings_for


def test_without_mpiexec_it_is_one_rank(hpcepm: Run, tmp_path: Path) -> None:
    settings = settings_for((12, 12))
    assert hpcepm(settings, "--output", "alone").returncode == 0
    assert hpcepm(settings, "--output", "launched", ranks=1).returncode == 0
    assert_same_bits(tmp_path / "alone", tmp_path / "launched")
