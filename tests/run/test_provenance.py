"""What a result came from: software, processor and commit, and what differs between two parts."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from hpcepm import __version__
from hpcepm.run import provenance
from hpcepm.run.provenance import changed, git_commit, processor, versions
from tests.conftest import ROOT, run_python

PROCESSOR = (
    "import json; from hpcepm.run.provenance import processor; print(json.dumps(processor()))"
)


def test_all_that_touches_numbers_has_a_version() -> None:
    told = versions()
    for name in ("python", "numpy", "scipy", "numba", "llvmlite", "mpi4py", "fftw", "libc"):
        assert any(digit.isdigit() for digit in told[f"{name}_version"]), name
    assert told["hpcepm_version"] == __version__ and len(told["source_sha256"]) == 16
    assert set(provenance.SHOWN) < set(told)
    assert all(isinstance(value, str) and value for value in told.values())
    assert len(json.dumps(told)) < 1200, "those of 50 parts are one attribute of 64 kB"


def test_the_same_twice_is_no_change() -> None:
    assert changed(versions(), versions()) == []


def test_each_change_is_a_line() -> None:
    before = {"hpcepm_version": "0.1.0", "numba_version": "0.68.1", "cpu": "a", "gone": "1"}
    now = {"hpcepm_version": "0.2.0", "numba_version": "0.69.0", "cpu": "a", "new": "2"}
    assert changed(before, now) == [
        "hpcepm_version: was 0.1.0, is now 0.2.0: results may differ",
        "numba_version: was 0.68.1, is now 0.69.0: last bits may differ",
        "gone: was 1, is now unknown: last bits may differ",
        "new: was unknown, is now 2: last bits may differ",
    ]


def told_with(folder: Path, **environment: str) -> dict[str, str]:
    done = run_python(["-c", PROCESSOR], None, folder, 60, PYTHONPATH=str(ROOT), **environment)
    assert done.returncode == 0, done.stderr
    told: dict[str, str] = json.loads(done.stdout)
    return told


def test_what_is_switched_off_is_told(tmp_path: Path) -> None:
    here = processor()
    switched_off = {
        "NPY_DISABLE_CPU_FEATURES": here["cpu_of_numpy"].split()[-1],
        "NUMBA_CPU_NAME": "generic",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA",
    }
    told = told_with(tmp_path, **switched_off)
    names = [line.partition(":")[0] for line in changed(here, told)]
    assert names == ["cpu_of_numpy", "cpu_of_numba", "glibc_tunables"]
    assert told["cpu_of_numba"].startswith("generic: ")
    assert "not used" in told_with(tmp_path, NUMBA_DISABLE_JIT="1")["cpu_of_numba"]


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    command = ["git", *who, *arguments]
    return subprocess.run(
        command, cwd=folder, env=clean, check=True, capture_output=True, text=True
    ).stdout.strip()


def made(folder: Path, project: str, package: str = "hpcepm") -> Path:
    """Make a repository that has a package, and commit all."""
    (folder / package).mkdir(parents=True)
    (folder / package / "__init__.py").write_text("a = 1\n")
    (folder / "pyproject.toml").write_text(f'[project]\nname = "{project}"\n')
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "one")
    return folder / package


def test_the_commit_of_the_own_checkout(tmp_path: Path) -> None:
    package = made(tmp_path / "hpcepm", "hpcepm")
    commit = git(tmp_path / "hpcepm", "rev-parse", "HEAD")
    assert git_commit(package) == commit
    (tmp_path / "hpcepm" / "notes.txt").write_text("not of the package")
    assert git_commit(package) == commit
    for name in ("__init__.py", "added.py"):
        (package / name).write_text("b = 2\n")
        assert git_commit(package) == f"{commit}-dirty"
        git(tmp_path / "hpcepm", "checkout", "-q", ".")
    (package / "added.py").unlink()
    (package / "__init__.py").unlink()
    assert git_commit(package) == f"{commit}-dirty"


def test_a_repository_of_others_is_not_ours(tmp_path: Path) -> None:
    made(tmp_path / "paper", "paper", "analysis")
    inside = tmp_path / "paper" / "lib" / "site-packages"
    (inside / "hpcepm").mkdir(parents=True)
    (inside / "hpcepm" / "__init__.py").touch()
    assert git_commit(inside / "hpcepm") == "unknown"
    git(tmp_path / "paper", "add", "-A")
    git(tmp_path / "paper", "commit", "-qm", "vendored")
    assert git_commit(inside / "hpcepm") == "unknown"
    (inside / "pyproject.toml").write_text('[project]\nname = "hpcepm"\n')
    (inside / ".git").mkdir()  # of no repository: git would go on to the one around it
    assert git_commit(inside / "hpcepm") == "unknown"
    assert git_commit(made(tmp_path / "vendored", "paper")) == "unknown"
    package = made(tmp_path / "ignored", "hpcepm", "other").with_name("hpcepm")
    package.mkdir()
    (package / "__init__.py").touch()
    assert git_commit(package) == "unknown"


def test_neither_variables_nor_settings_mislead_or_run_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, other = made(tmp_path / "a" / "x", "hpcepm"), made(tmp_path / "b", "hpcepm")
    commit, trap = git(package.parent, "rev-parse", "HEAD"), tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\ncat\n")
    trap.chmod(0o755)
    (package.parent / ".gitattributes").write_text("*.py filter=trap\n")
    for setting in ("core.fsmonitor", "filter.trap.clean", "core.pager", "core.sshCommand"):
        git(package.parent, "config", setting, str(trap))
    monkeypatch.setenv("GIT_DIR", str(other.parent / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other.parent))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other))
    (package / "__init__.py").touch()
    assert git_commit(package) == commit
    assert not (tmp_path / "sprung").exists()


@pytest.mark.alone
@pytest.mark.parametrize("script", [None, "exec sleep 60", "sleep 2 & exit 0", "echo; echo", ":"])
def test_a_git_that_is_not_there_hangs_or_talks_nonsense(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None
) -> None:
    package: Any = made(tmp_path / "x", "hpcepm")
    (tmp_path / "bin").mkdir()
    if script is not None:
        (tmp_path / "bin" / "git").write_text(f"#!/bin/sh\nPATH=/bin:/usr/bin\n{script}\n")
        (tmp_path / "bin" / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(provenance, "GIT_SECONDS", 0.3)
    began = time.monotonic()
    assert git_commit(package) == "unknown"
    assert time.monotonic() - began < 30
