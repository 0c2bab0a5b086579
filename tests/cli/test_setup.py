"""tools/setup never leaves .venv broken: with programs in place of Python, pip and the launcher."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT, end

PYTHON = """
echo "$@" >> "$CALLS"
make() {
    mkdir -p "$1/bin"
    cp "$0" "$1/bin/python"
    echo "#!$1/bin/python" | tee "$1/bin/hpcepm" > "$1/pyvenv.cfg"
}
case "$*" in
    *"-m venv "*) make "${@: -1}" ;;
    *"-m pip "*) sleep "${PIP_SECONDS:-0}"; exit "${PIP_CODE:-0}" ;;
    *"parallel.mpiexec "*) echo env ;;
    *check_install.py*) exit "${CHECK_CODE:-0}" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder with what tools/setup needs, and a .venv that it made."""
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    program(tmp_path / "bin" / "apt-get", "exit 100")
    for name in ("python3", "mpicc", "mpiexec", "gcc", "cc"):
        program(tmp_path / "bin" / name, PYTHON if name == "python3" else "cat >/dev/null")
    assert setup(tmp_path).returncode == 0
    (tmp_path / ".venv" / "mine").touch()
    (tmp_path / "calls").unlink()
    return tmp_path


def program(path: Path, does: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/bash\n{does}\n")
    path.chmod(0o755)


def start(checkout: Path, *options: str, **environment: str) -> subprocess.Popen[str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHON", "MPICC", "MPIEXEC")}
    first = environment.pop("first", str(checkout / "bin"))
    own = {"PATH": f"{first}:{checkout / 'bin'}:{os.environ['PATH']}", "FFTW_ROOT": "/"}
    names = {"MPICC": "mpicc", "MPIEXEC": "mpiexec", "CALLS": str(checkout / "calls")}
    return subprocess.Popen(
        ["bash", "tools/setup", *options],
        cwd=checkout,
        env={**kept, **own, **names, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def setup(checkout: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    process = start(checkout, *options, **environment)
    try:
        said, _ = process.communicate(timeout=240)
    finally:
        end(process)
    return subprocess.CompletedProcess(process.args, process.returncode, said)


def is_untouched(checkout: Path) -> bool:
    return (checkout / ".venv" / "mine").exists() and not (checkout / "build" / "venv").exists()


@pytest.mark.alone
def test_nothing_to_do_is_quick_and_takes_no_lock(checkout: Path) -> None:
    (checkout / "build" / "setup.lock").unlink()
    started = time.monotonic()
    done = setup(checkout)
    assert (done.returncode, done.stdout) == (0, "") and time.monotonic() - started < 2
    assert is_untouched(checkout) and not (checkout / "build" / "setup.lock").exists()


@pytest.mark.parametrize("failure", [{"PIP_CODE": "1"}, {"CHECK_CODE": "1"}, {"PYTHON": "false"}])
def test_what_fails_leaves_the_environment_as_it_was(
    checkout: Path, failure: dict[str, str]
) -> None:
    done = setup(checkout, "--force", **failure)
    assert done.returncode == 1 and is_untouched(checkout), done.stdout
    assert setup(checkout).stdout == "", "it works as before"


def test_a_registry_that_cannot_be_reached(checkout: Path) -> None:
    """With Python and pip themselves."""
    nowhere = {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": "", "PIP_RETRIES": "0"}
    nowhere |= {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_EXTRA_INDEX_URL": ""}
    (checkout / "bin" / "python3").unlink()
    done = setup(checkout, "--force", **nowhere)
    assert done.returncode == 1 and is_untouched(checkout)
    assert done.stdout.endswith("tools/setup: failed; .venv is as it was\n")


def test_which_python_comes_first_is_no_reason_to_begin_anew(checkout: Path) -> None:
    other = checkout / "conda"
    program(other / "python3", "exit 1")
    for first in (checkout / ".venv" / "bin", other):
        assert setup(checkout, first=str(first)).stdout == ""
    assert is_untouched(checkout)


@pytest.mark.parametrize("does", ["exit 1", "echo some words; exit 9", "exec no-such-python"])
def test_a_python_that_is_old_or_broken_is_passed_over(checkout: Path, does: str) -> None:
    other = checkout / "conda"
    program(other / "python3", does)
    done = setup(checkout, "--force", first=str(other))
    assert done.returncode == 0 and "system packages" not in done.stdout, done.stdout
    done = setup(checkout, "--force", PYTHON=str(other / "python3"))
    assert done.returncode == 1 and "Python 3.11 or newer is needed" in done.stdout, done.stdout
    assert "packages" not in done.stdout


def test_which_mpi_comes_first_is_no_reason_either(checkout: Path) -> None:
    """Of conda, say; but one that is asked for is taken, and so is the first with --force."""
    other = checkout / "conda"
    for name in ("mpicc.openmpi", "mpiexec.openmpi"):
        program(other / name, "cat >/dev/null")
    surroundings = {"first": str(other), "MPICC": "", "MPIEXEC": ""}
    made_with = checkout / ".venv" / "hpcepm-mpi"
    assert setup(checkout, **surroundings).stdout == "" and is_untouched(checkout)
    assert made_with.read_text() == f"{checkout}/bin/mpicc\n{checkout}/bin/mpiexec\n"
    assert setup(checkout, "--force", **surroundings).returncode == 0
    assert made_with.read_text() == f"{other}/mpicc.openmpi\n{other}/mpiexec.openmpi\n"
    assert setup(checkout).returncode == 0  # the MPI of its environment
    assert made_with.read_text() == f"{checkout}/bin/mpicc\n{checkout}/bin/mpiexec\n"


def test_a_change_makes_it_anew_in_its_place(checkout: Path) -> None:
    with open(checkout / "tools" / "requirements.txt", "a") as file:
        file.write("# newer\n")
    done = setup(checkout, first=str(checkout / ".venv" / "bin"))
    assert done.returncode == 0, done.stdout
    assert not (checkout / ".venv" / "mine").exists()
    assert not list((checkout / "build").glob("venv*"))
    for name in ("bin/hpcepm", "pyvenv.cfg"):
        assert (checkout / ".venv" / name).read_text() == f"#!{checkout}/.venv/bin/python\n"
    assert setup(checkout).stdout == ""


def test_of_two_at_once_one_waits(checkout: Path) -> None:
    (checkout / ".venv" / "hpcepm-setup").unlink()
    first = start(checkout, PIP_SECONDS="0.4")
    try:
        while not (checkout / "calls").exists():
            time.sleep(0.02)
        second = setup(checkout)
        said, _ = first.communicate(timeout=30)
    finally:
        end(first)
    assert (first.returncode, second.returncode) == (0, 0), said
    assert "another tools/setup is at work; waiting" in second.stdout
    assert (checkout / "calls").read_text().count("-m venv") == 1
