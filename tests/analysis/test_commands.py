"""The commands that look at a run: they need neither MPI nor numba, as on a login node."""

import os
import shutil
from pathlib import Path

import pytest

from hpcepm.cli import main
from tests.conftest import run_python

FORBIDDEN = "raise RuntimeError('MPI and numba are forbidden here')\n"
LOOKS = {
    "compare": ["-m", "hpcepm", "compare", "run", "run"],
    "plot": ["-m", "hpcepm", "plot", "run"],
    "report": ["-m", "hpcepm", "report", "run"],
    "summarize": ["-m", "hpcepm", "summarize", "run"],
    "verify": ["-m", "hpcepm", "verify", "run"],
    "cite": ["-m", "hpcepm", "cite", "run"],
    "open": ["-c", "import hpcepm; print(hpcepm.open('run')['observables'].stress.mean().values)"],
}


def forbid(folder: Path) -> str:
    """Return a PYTHONPATH on which MPI and numba raise what nobody catches."""
    for name in ("mpi4py", "numba"):
        (folder / f"{name}.py").write_text(FORBIDDEN)
    return os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])


@pytest.mark.parametrize("how", LOOKS)
def test_a_run_is_looked_at_without_mpi(single: Path, tmp_path: Path, how: str) -> None:
    done = run_python(LOOKS[how], None, single.parent, PYTHONPATH=forbid(tmp_path))
    assert done.returncode == 0 and not done.stderr and done.stdout, done.stderr


@pytest.mark.parametrize("name", ["mpi4py", "numba"])
def test_what_is_forbidden_cannot_be_had(tmp_path: Path, name: str) -> None:
    done = run_python(["-c", f"import {name}"], None, tmp_path, PYTHONPATH=forbid(tmp_path))
    assert "forbidden here" in done.stderr


@pytest.mark.parametrize("how", ["compare", "plot", "report", "summarize", "verify"])
def test_no_run_is_one_line_and_exit_2(tmp_path: Path, how: str) -> None:
    done = run_python(LOOKS[how], None, tmp_path)
    assert done.returncode == 2 and done.stderr.startswith("hpcepm: run/run.h5: No such file")
    assert done.stderr.count("\n") == 1


def test_a_run_that_is_not_sound_is_exit_1(single: Path, tmp_path: Path) -> None:
    shutil.copytree(single, tmp_path / "run")
    max((tmp_path / "run" / "pieces").glob("*.h5")).write_bytes(b"")
    done = run_python(LOOKS["verify"], None, tmp_path)
    assert done.returncode == 1 and not done.stderr and "run is NOT sound" in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["report", "RUN", "--out", "no/page.html"],
        ["report", "RUN", "--watch", "--out", "no/page.html"],
        ["plot", "RUN", "--out", "no/picture.png"],
        ["plot", "RUN", "--movie", "no/film.mp4"],
        ["summarize", "RUN", "--out", "no/table.csv"],
        ["pack", "RUN", "--out", "no/one.h5"],
        ["export", "RUN", "--zarr", "no/one.zarr"],
        ["init", "no/input.yaml"],
    ],
)
def test_a_folder_to_write_into_must_be_there(
    single: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    words: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([word.replace("RUN", str(single)) for word in words]) == 2
    assert capfd.readouterr() == ("", "hpcepm: no: no such directory; make it first\n")
    assert not list(tmp_path.iterdir())


def test_a_packed_run_is_called_by_its_name(
    single: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["pack", str(single), "--out", "one.h5"]) == 0
    assert main(["plot", "one.h5", "--panel", "work"]) == 2
    assert "hpcepm: one.h5: panel work does not apply" in capfd.readouterr().err
