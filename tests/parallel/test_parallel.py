"""Any number of ranks gives the bits of one: whole runs through the command line, under mpiexec."""

from pathlib import Path

import pytest
import yaml

from tests.conftest import Run, assert_same_bits, run_python, settings_for

FEW_RECORDS = {"directory": "run", "observables": {"every": 0.1}, "fields": {"every": 0.5}}
CASES = {
    "square direct": settings_for((32, 32), engine="direct"),
    "prime direct": settings_for((97, 61), engine="direct", loading={"target": 0.06}),
    "prime spectral": settings_for((97, 61), engine="spectral", loading={"target": 0.03}),
    "odd spectral, another kernel": settings_for(
        (15, 21), engine="spectral", kernel={"type": "cell_average"}
    ),
    "long spectral, pure shear": settings_for(
        (8, 50), engine="spectral", kernel={"orientation": "pure"}
    ),
    "prime lazy": settings_for((97, 61), engine="lazy", loading={"target": 0.08}),
    "square lazy, pure shear": settings_for(
        (64, 64), engine="lazy", kernel={"orientation": "pure"}
    ),
    "long lazy, blocks larger than slabs": settings_for(
        (9, 130), engine="lazy", loading={"target": 0.3}
    ),
    "more ranks than rows, lazy": settings_for(
        (3, 70), engine="lazy", loading={"target": 0.5}, output=FEW_RECORDS
    ),
    "more ranks than rows": settings_for((3, 5), loading={"target": 2.0}, output=FEW_RECORDS),
    "more ranks than rows, spectral": settings_for(
        (3, 5), engine="spectral", loading={"target": 1.0}, output=FEW_RECORDS
    ),
    "fewer wavevectors than ranks, spectral": settings_for(
        (6, 4), engine="spectral", loading={"target": 1.0}, output=FEW_RECORDS
    ),
    **{
        f"narrow {nx}×{ny}, {engine}": settings_for(
            (nx, ny), engine=engine, loading={"target": 0.3}, output=FEW_RECORDS
        )
        for nx, ny, engine in (
            (64, 4, "spectral"),
            (128, 3, "lazy"),
            (30, 5, "direct"),
            (2, 64, "spectral"),
            (40, 3, "direct"),
        )
    },
    "sites unstable at the start": settings_for(
        (40, 30),
        thresholds={
            "initial": {"distribution": "normal", "mean": 0.1, "std": 0.5, "allow_negative": True}
        },
    ),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the results of every case on 1, 2, 3 and 4 ranks.

    One launch for each number of ranks.
    """
    folder = tmp_path_factory.mktemp("ranks")
    for name, settings in CASES.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(settings))
    (folder / "all_cases.py").write_text(
        "import sys\n"
        "from hpcepm.cli import main\n"
        "codes = [main([f'{name}.yaml', '--quiet', '--output', f'{name} on {sys.argv[1]}']) for name in sys.argv[2:]]\n"
        "sys.exit(max(codes))\n"
    )
    for ranks in (1, 2, 3, 4):
        done = run_python(["all_cases.py", str(ranks), *CASES], ranks, folder, timeout=240)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("name", CASES)
def test_same_bits_on_1_to_4_ranks(results: Path, name: str) -> None:
    for ranks in (2, 3, 4):
        assert_same_bits(results / f"{name} on 1", results / f"{name} on {ranks}")


def test_without_mpiexec_it_is_one_rank(hpcepm: Run, tmp_path: Path) -> None:
    settings = settings_for((12, 12))
    assert hpcepm(settings, "--output", "alone").returncode == 0
    assert hpcepm(settings, "--output", "launched", ranks=1).returncode == 0
    assert_same_bits(tmp_path / "alone", tmp_path / "launched")
