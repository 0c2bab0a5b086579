"""A wheel, installed where no checkout is in reach, runs the quickstart and the API."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.conftest import QUICK_START

ROOT: Final = Path(__file__).parents[2]
API: Final = """\
import sys
from importlib.metadata import version
from pathlib import Path

import hpcepm

package = Path(hpcepm.__file__).parent
assert package.parent == Path(sys.prefix, *package.parent.parts[-3:]), package
assert (package / "py.typed").exists()
assert hpcepm.__version__ == version("hpcepm")
settings = {"lattice": {"shape": [96, 96]}, "loading": {"target": 0.02}}
tree = hpcepm.simulate(settings, realizations=2, directory="two")
assert tree["observables"].sizes["realization"] == 2
assert hpcepm.open("two")["observables"].stress.identical(tree["observables"].stress)
assert [snapshot for snapshot in hpcepm.steps(settings)]
"""


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an environment that has the wheel, and what it depends on from this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    source, environment = folder / "source", folder / "clean"
    shutil.copytree(
        ROOT / "hpcepm", source / "hpcepm", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    build = ["wheel", ".", "--no-build-isolation", "--no-deps", "--no-index", "-w", ".."]
    subprocess.run([*pip, *build], cwd=source, check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (wheel,) = folder.glob("hpcepm-*.whl")
    python = environment / "bin" / "python"
    subprocess.run(
        [*pip, "--python", python, "install", "--no-deps", "--no-index", wheel], check=True
    )
    (packages,) = environment.glob("lib/python3*/site-packages")
    # A folder named in a .pth file is searched for modules; the .pth files in it are not read, and
    # so not that of an editable hpcepm.
    folders = [path for path in sys.path if path.endswith("-packages")]
    (packages / "dependencies.pth").write_text("\n".join(folders))
    return environment


def run_clean(clean: Path, folder: Path, command: str, *arguments: str) -> str:
    """Run a command of the clean environment in a folder; return what it printed."""
    surroundings: dict[str, Any] = {**QUICK_START, **os.environ, "OMP_NUM_THREADS": "1"}
    surroundings.pop("PYTHONPATH", None)
    done = subprocess.run(
        [clean / "bin" / command, *arguments],
        cwd=folder,
        env=surroundings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_quickstart(clean: Path, tmp_path: Path) -> None:
    shutil.copy(ROOT / "inputs" / "quickstart.yaml", tmp_path)
    run_clean(clean, tmp_path, "hpcepm", "run", "quickstart.yaml", "--plot")
    assert (tmp_path / "runs" / "quickstart" / "summary.png").stat().st_size > 10_000
    assert "sound" in run_clean(clean, tmp_path, "hpcepm", "verify", "runs/quickstart")
    assert "plateau" in run_clean(clean, tmp_path, "hpcepm", "summarize", "runs/quickstart")
    assert "@misc{hpcepm," in run_clean(clean, tmp_path, "hpcepm", "cite", "runs/quickstart")
    picture = tmp_path / "runs" / "quickstart" / "summary.png"
    picture.unlink()
    run_clean(clean, tmp_path, "hpcepm", "plot", "runs/quickstart")
    assert picture.stat().st_size > 10_000
    run_clean(clean, tmp_path, "hpcepm", "report", "runs/quickstart")
    assert "class Chart" in (tmp_path / "runs" / "quickstart" / "report.html").read_text()


def test_the_api(clean: Path, tmp_path: Path) -> None:
    run_clean(clean, tmp_path, "python", "-c", API)
