"""Wrong words of a command line get the right ones."""

import os
import shutil
import subprocess
from pathlib import Path

import h5py
import pytest

from hpcepm.analysis.results import TooEarly
from hpcepm.cli import look
from hpcepm.cli.base import UsageError
from hpcepm.cli.calibrate import calibrate_parser
from hpcepm.cli.options import run_parser
from hpcepm.input.problems import InputError
from hpcepm.input.read import read_input
from hpcepm.run.stopping import Deadline, seconds_of_walltime
from hpcepm.storage.lock import Lock
from tests.analysis.conftest import many, replace, rewritten
from tests.cli.said import MINIMAL, is_in_plain_words
from tests.conftest import ROOT, run_python

__all__ = ["many"]  # a fixture

WRONG = [
    ("plto o4", "'plto' is no command; did you mean plot?"),
    ("ruun i.yaml", "did you mean run?"),
    ("zip a b", "'zip' is no command; there are run, sweep, init, "),
    ("i.yaml --seed 3", "--seed: write --set seed=3"),
    ("i.yaml --seed=3", "--seed: write --set seed=3"),
    ("i.yaml seed=3", "seed: write --set seed=3"),
    ("i.yaml --shear-modulus 19", "write --set elasticity.shear_modulus=19"),
    ("i.yaml --slip.c0 0.1", "write --set slip.c0=0.1"),
    ("i.yaml --target 0.1", "write --set loading.target=0.1"),
    ("i.yaml --set seed 3", "write it in one word: --set seed=3"),
    ("i.yaml --set seed = 3", "write it in one word: --set seed=3"),
    ("i.yaml --set lattice.shape=[8, 8]", "needs quotes: --set 'lattice.shape=[8, 8]'"),
    ("i.yaml -n 2", "several ranks: mpiexec -n 2 hpcepm INPUT, or tools/run INPUT -n 2"),
    ("i.yaml -np 4", "mpiexec -n 4 hpcepm INPUT"),
    ("i.yaml --ranks 4", "mpiexec -n 4 hpcepm INPUT"),
    ("i.yaml --restart", "--continue goes on from the newest checkpoint"),
    ("i.yaml --resume", "--continue goes on from the newest checkpoint"),
    ("i.yaml -o d", "-o: write --output d"),
    ("i.yaml --outptu d", "did you mean --output?"),
    ("i.yaml --walltime 1:00", "write --max-walltime 1:00"),
    ("i.yaml -q", "write --quiet"),
    ("-i i.yaml", "an input needs no option: hpcepm i.yaml"),
    ("-- i.yaml --quiet", "--quiet: what follows -- is no option; write it before"),
    ("i.yaml j.yaml", "one input at a time: j.yaml is a second one"),
]


@pytest.mark.parametrize(("words", "remedy"), WRONG)
def test_a_wrong_command_line(words: str, remedy: str) -> None:
    with pytest.raises(UsageError) as raised:
        run_parser().parse_args(words.split())
    said, usage = str(raised.value).split("usage: ")
    assert "unrecognized arguments: " in said and "[--set KEY.PATH=VALUE]" in usage
    assert remedy in said and all(is_in_plain_words(line) for line in said.splitlines())


def test_a_command_without_keys_of_an_input() -> None:
    with pytest.raises(UsageError, match="-o: write --output d"):
        calibrate_parser().parse_args(["target.yaml", "-o", "d"])


TIMES = {
    "30": 1800, "50:00": 3000, "1:00": 60, "23:50:00": 85800, "2-0": 172800, "1-12": 129600,
    "2-0:30": 174600, "1-12:00:00": 129600, "0.001": 0.06, "90s": 90, "90 s": 90, "30min": 1800,
    "2h": 7200, "1.5 d": 129600,
}  # fmt: skip


def test_times_as_slurm_writes_them() -> None:
    assert {text: seconds_of_walltime(text) for text in TIMES} == pytest.approx(TIMES)
    for text in ("soon", "1:2:3:4", "-5", "2-", "", "1.5:00", "٣"):
        with pytest.raises(ValueError, match=r"is no time; write 23:50:00, 50:00 \(minutes"):
            seconds_of_walltime(text)


def test_what_was_understood_of_a_time_is_in_the_header(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_JOB_END_TIME", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    assert Deadline(None).limits == []
    assert Deadline(seconds_of_walltime("2-0")).limits == ["within 2 d 0 h (--max-walltime)"]
    assert Deadline(seconds_of_walltime("1:00")).limits == ["within 1 min 0 s (--max-walltime)"]


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "quickstart.yaml").write_text(MINIMAL)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.h5").touch()
    for name, remedy in {
        "quikstart.yaml": f"no such file; did you mean {tmp_path}/quickstart.yaml?",
        "nowhere/x.yaml": f"there is no folder {tmp_path}/nowhere",
        "run": f"is a directory of a run; name its input, or see it by: hpcepm plot {tmp_path}/run",
        "a\0b": "is a name that no file can have",
    }.items():
        with pytest.raises(InputError) as raised:
            read_input(str(tmp_path / name), [])
        (line,) = raised.value.problems
        assert is_in_plain_words(line) and remedy in line, line


def test_what_to_do_about_a_run_without_records(
    many: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def cut(file: h5py.File) -> None:
        file.attrs["finished"] = False
        for name, dataset in list(file["observables"].items()):
            if dataset.ndim == 2 or name == "realization":
                replace(file, f"observables/{name}", dataset[:0])

    run = rewritten(many, tmp_path, cut)
    for command in ("plot", "summarize"):
        assert look.main(command, [str(run)]) == 2
        said = capfd.readouterr().err
        assert "has no two records yet, and nobody is at work there; go on with: " in said
        lock = Lock(run / "run.lock")
        try:
            assert look.main(command, [str(run)]) == 2
            assert "yet; wait a little: process " in capfd.readouterr().err
        finally:
            lock.release()
    assert "wait a little, or go on with --continue" in str(TooEarly("nothing", run))


TOOLS = sorted(p for p in (ROOT / "tools").iterdir() if p.is_file() and os.access(p, os.X_OK))


def test_every_tool_says_what_it_does_and_does_nothing(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    before = sorted(tmp_path.rglob("*"))
    assert {"setup", "run"} < {path.name for path in TOOLS}
    for name in (path.name for path in TOOLS):
        for option in ("--help", "-h"):
            command = ["bash", str(tmp_path / "tools" / name), option]
            done = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=20)
            assert (done.returncode, done.stderr) == (0, ""), name
            assert len(done.stdout) > 60 and "set -" not in done.stdout, done.stdout
    assert sorted(tmp_path.rglob("*")) == before


def test_tools_run_carries_out_any_command(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    for path, does in {"tools/setup": "true", ".venv/bin/python": 'echo "$@"'}.items():
        program = tmp_path / path
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/bash\n{does}\n")
        program.chmod(0o755)
    (tmp_path / "calibrated").touch()
    for words, said in {
        "calibrate t.yaml": "-m hpcepm calibrate t.yaml",
        "plot runs/a": "-m hpcepm plot runs/a",
        "run q.yaml --quiet": "-m hpcepm.cli.ranks q.yaml --quiet --plot",
        "q.yaml": "-m hpcepm.cli.ranks q.yaml --plot",
        "calibrated": "-m hpcepm.cli.ranks calibrated --plot",
    }.items():
        command = ["bash", "tools/run", *words.split()]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=20)
        assert (done.returncode, done.stdout) == (0, f"{said}\n"), done


def test_a_number_of_ranks_that_is_missing() -> None:
    command = ["bash", str(ROOT / "tools" / "run"), "q.yaml", "-n"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stderr) == (2, "tools/run: -n wants a number of ranks\n")


def test_words_after_two_dashes_are_no_options(tmp_path: Path) -> None:
    done = run_python(["-m", "hpcepm", "summarize", "--", "-dash"], None, tmp_path)
    assert done.returncode == 2 and "-dash/run.h5: No such file" in done.stderr


@pytest.mark.parametrize("name", ["one-node", "several-nodes", "requeue", "mpiexec"])
def test_a_job_script_that_no_job_started(tmp_path: Path, name: str) -> None:
    shutil.copytree(ROOT / "jobs", tmp_path / "jobs")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to("/bin/true")
    done = subprocess.run(
        ["bash", f"jobs/{name}.sh", "q.yaml", "--set", "seed=2"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 2 and not done.stdout
    assert f"sbatch jobs/{name}.sh q.yaml --set seed=2\n" in done.stderr
    assert done.stderr.endswith("On this machine: tools/run q.yaml --set seed=2\n")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["help"], 0, "usage: hpcepm [--set KEY.PATH=VALUE]"),
        (["help", "plot"], 0, "usage: hpcepm plot"),
        (["plto"], 2, "'plto' is no command; did you mean plot?"),
        (
            ["in.yaml", "--max-walltime", "soon"],
            2,
            "hpcepm: --max-walltime soon: is no time; write",
        ),
    ],
)
def test_as_it_is_typed(tmp_path: Path, words: list[str], code: int, said: str) -> None:
    (tmp_path / "in.yaml").write_text(MINIMAL)
    done = run_python(["-m", "hpcepm", *words], None, tmp_path)
    assert done.returncode == code and said in done.stdout + done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.yaml"]
