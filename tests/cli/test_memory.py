"""Where memory is limited, as a batch system does: one line, and never a traceback."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from hpcepm.parallel.mpiexec import mpiexec
from hpcepm.reading import bytes_of_this_machine
from hpcepm.text import report_fault

INPUT = "lattice: {shape: [32, 32]}\nloading: {target: 0.01}\n"


def run(folder: Path, kilobytes: int, *options: str, ranks: int = 1) -> tuple[int, str]:
    """Run an input under ``ulimit -v``; return the exit code and what was said."""
    (folder / "p.yaml").write_text(INPUT)
    words = [*(mpiexec(ranks) if ranks > 1 else []), sys.executable, "-m", "hpcepm", "p.yaml"]
    limited = ["bash", "-c", f'ulimit -v {kilobytes}; exec "$@"', "limited", *words, *options]
    done = subprocess.run(
        limited,
        cwd=folder,
        env={**os.environ},  # without what MPI has put into that of this process
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("ranks", [1, 2])
def test_what_will_not_fit_into_a_limit_is_refused(tmp_path: Path, ranks: int) -> None:
    options = ["--set", "lattice.shape=[8192, 8192]", "--output", "run"]
    code, said = run(tmp_path, 1_300_000, *options, ranks=ranks)
    assert code == 2, said
    assert f"and the nodes of this run have {1 if ranks == 1 else 2} GiB" in said
    assert "Traceback" not in said and not (tmp_path / "run").exists()


@pytest.mark.parametrize("kilobytes", [250_000, 300_000])
def test_libraries_that_do_not_fit_are_told(tmp_path: Path, kilobytes: int) -> None:
    code, said = run(tmp_path, kilobytes, "--quiet")
    assert code == 1
    assert "ulimit -v" in said and "Traceback" not in said


def test_a_lack_of_memory_is_no_fault_of_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    report_fault(MemoryError("Unable to allocate 7.5 GiB"), "rank 1 of 2: ")
    said = capsys.readouterr().err
    assert said.startswith("hpcepm: rank 1 of 2: not enough memory: Unable to allocate 7.5 GiB; ")
    assert said.count("\n") == 1
    report_fault(IndexError("so far"))
    assert "IndexError: so far" in capsys.readouterr().err


def test_limits_of_several_processes_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bytes_of_this_machine()
    limits = {resource.RLIMIT_AS: 3 << 20, resource.RLIMIT_DATA: resource.RLIM_INFINITY}
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (limits[kind], limits[kind]))
    assert [bytes_of_this_machine(n) for n in (1, 2)] == [3 << 20, 6 << 20]
    assert bytes_of_this_machine(2**40) == whole
    limits[resource.RLIMIT_DATA] = 1 << 20
    assert bytes_of_this_machine() == 1 << 20
