"""On how many ranks tools/run starts an input."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from hpcepm.cli import best_ranks
from hpcepm.cli.best_ranks import choose, work_in
from hpcepm.input.read import read_input
from hpcepm.input.source import read_document
from hpcepm.parallel.processors import IdleProcessors, allowed_processors
from hpcepm.run.sharing import work_of
from tests.conftest import ROOT, run_python, settings_for


def write(folder: Path, settings: dict[str, Any]) -> str:
    path = folder / "input.yaml"
    path.write_text(yaml.safe_dump(settings))
    return str(path)


def test_a_busy_process_takes_a_processor_away() -> None:
    """Looked at several times, with and without: others may be at work here, too."""
    allowed = len(allowed_processors())
    if allowed == 1:
        assert IdleProcessors().count() == 1
        return
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(allowed)]
    try:
        time.sleep(0.5)
        assert min(IdleProcessors().count() for _ in range(3)) == 1
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert 1 <= IdleProcessors().count() <= allowed


def test_the_present_process_does_not_count_as_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    processors = IdleProcessors()
    monkeypatch.setattr(processors, "_busy_before", processors._busy())
    monkeypatch.setattr(processors, "_busy", lambda: processors._busy_before + 0.2)
    monkeypatch.setattr(time, "process_time", lambda: processors._own + 0.2)
    assert processors.count() == len(processors._allowed)


def test_what_is_busy_for_a_moment_is_looked_at_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    processors = IdleProcessors()
    if len(processors._allowed) == 1:
        return
    began = time.monotonic()
    monkeypatch.setattr(processors, "_busy", lambda: processors._busy_before + 0.15)
    assert processors.count() == len(processors._allowed)  # of 0.2 s most, of 0.5 s little
    assert time.monotonic() - began >= 0.4


@pytest.mark.parametrize(
    ("idle", "settings", "ranks"),
    [
        (1, settings_for((256, 256), realizations=1), 1),
        (2, settings_for((16, 16), realizations=1), 1),
        (2, settings_for((256, 256), realizations=1), 2),
        (4, settings_for((32, 32), realizations=3), 3),
    ],
)
def test_the_fastest_number_is_taken_and_why_is_said(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    idle: int,
    settings: dict[str, Any],
    ranks: int,
) -> None:
    monkeypatch.setattr(best_ranks, "allowed_processors", lambda: set(range(4)))
    monkeypatch.setattr(IdleProcessors, "count", lambda _: idle)
    path = write(tmp_path, settings)
    assert choose([path], IdleProcessors()) == ranks
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(f"tools/run: {ranks} rank")
    small = settings["lattice"]["shape"] == [16, 16]  # nobody looks, for nothing depends on it
    assert small != (f"{idle} of 4 processors are idle" in err)
    assert choose([path, "--quiet"], IdleProcessors()) == ranks
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("target", "more", "ranks"),
    [
        (0.01, {}, 1),
        (-0.01, {}, 1),
        (10.0, {}, 2),
        (0.01, {"slip": {"c1": 0.1}}, 2),  # how far a slip goes is not known
        (0.01, {"slip": {"c0": 0, "c1": 0.1}}, 2),
        (0.01, {"loading": [{"target": 0.01}, {"target": 0}]}, 2),
        (0.01, {"clock": {"type": "thermal", "temperature": 0.1}}, 2),
        (0.01, {"loading": {"target": 0.01, "until": {"strain": 1}}}, 2),
        (0.01, {"realizations": 1000}, 2),
    ],
)
def test_a_short_run_has_no_launcher(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    target: float,
    more: dict[str, Any],
    ranks: int,
) -> None:
    monkeypatch.setattr(best_ranks, "allowed_processors", lambda: set(range(2)))
    monkeypatch.setattr(IdleProcessors, "count", lambda _: 2)
    asked = {"lattice": {"shape": [256, 256]}, "slip": {"c0": 0.03}, "loading": {"target": target}}
    assert choose([write(tmp_path, asked | more)], IdleProcessors()) == ranks
    assert ("so short a run" in capfd.readouterr().err) == (ranks == 1)


APART = ("calibrate", "plugins")
INPUTS = [one for one in (ROOT / "inputs").rglob("*.yaml") if one.parent.name not in APART]
MORE: list[list[str]] = [
    ["engine=spectral", "realizations=7", "ranks_per_realization=2", "lattice.shape=[48, 20]"],
    ["engine=lazy", "kernel={type: shuffled}", "engine=auto", "lattice.shape=[512, 512]"],
    ["clock={thermal: {temperature: 0.1}}", "loading.rate=0.1", "loading.target=0.01"],
]


def test_an_input_is_looked_at_as_it_is_read() -> None:
    """Without its schema, which would take longer than some runs gain by a second rank."""
    asked: list[tuple[str, list[str]]] = [(str(path), []) for path in INPUTS]
    asked += [(str(ROOT / "inputs" / "quickstart.yaml"), one) for one in MORE]
    maxwell = str(ROOT / "inputs" / "protocols" / "maxwell_flow.yaml")
    asked += [(maxwell, ["clock={maxwell: {tau: 2}}"]), (maxwell, ["engine=spectral"])]
    assert len(asked) > 25
    for path, assignments in asked:
        _, document = read_document(path, assignments)
        read = read_input(path, assignments)
        assert work_in(document.content) == work_of(read.settings), (path, assignments)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"lattice": [8, 8]},
        {"lattice": {"shape": 8}},
        {"lattice": {"shape": [8, 8, 8]}},
        {"lattice": {"shape": [8, -8]}},
        {"lattice": {"shape": [8, "8"]}},
        {"realizations": "two"},
        {"realizations": 0},
        {"ranks_per_realization": 0.5},
        {"kernel": "shuffled"},
        {"clock": "thermal"},
        {"lattice": {"shape": [10**400, 10**400]}},
        {"realizations": 10**400},
    ],
)
def test_what_is_no_input_is_one_rank(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], settings: dict[str, Any]
) -> None:
    whole = settings_for((64, 64)) | settings if settings else {"seed": 1}
    assert choose([write(tmp_path, whole)], IdleProcessors()) == 1
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("wrong", [["no-such.yaml"], [], ["--sset", "a=1"], ["x", "--set", "y"]])
def test_what_is_wrong_is_left_to_the_run(
    wrong: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert choose(wrong, IdleProcessors()) == 1
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("module", ["hpcepm.cli.ranks", "hpcepm.cli.best_ranks"])
def test_processors_are_looked_at_and_signals_heard_while_the_rest_loads(
    tmp_path: Path, module: str
) -> None:
    """Nor is the model loaded to choose: where mpiexec is started, it would be in vain."""
    late = {"numba", "pydantic", "h5py"} if module.endswith(".ranks") else {"numba", "pydantic"}
    program = f"import {module}, sys; print({late} & {{*sys.modules}})"
    assert run_python(["-c", program], None, tmp_path).stdout == "set()\n"


def test_tools_run_starts_so_many(tmp_path: Path) -> None:
    """As a user does, from another folder; the number that it says is the number that runs."""
    tool = Path(__file__).parents[2] / "tools" / "run"
    path = write(tmp_path, settings_for((64, 64), realizations=1))
    done = subprocess.run(
        [tool, Path(path).name],
        cwd=tmp_path,
        env={**os.environ, "OMPI_MCA_pml": "ob1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    told = next(line for line in done.stderr.splitlines() if line.startswith("tools/run: "))
    n = told.split()[1]
    assert f"64 × 64 sites on {n} rank" in done.stdout
    assert (tmp_path / "run" / "summary.png").exists()


START = """
import sys, os
from hpcepm.cli import best_ranks, ranks
best_ranks.choose = lambda *_: 2
os.execvp = lambda *_: sys.exit("mpiexec was started")
sys.exit(ranks.main(["input.yaml"]))
"""


@pytest.mark.parametrize("named", ["no-such-launcher", "."])
def test_without_a_launcher_nothing_is_started(tmp_path: Path, named: str) -> None:
    done = run_python(["-c", START], None, tmp_path, MPIEXEC=named)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert f"-n 2: MPIEXEC={named}: " in done.stderr and "nothing was started" in done.stderr


def test_a_request_is_heard_while_the_launcher_is_looked_for(tmp_path: Path) -> None:
    """`mpiexec --version` takes a moment, and SLURM asks once."""
    launcher = tmp_path / "launcher"
    launcher.write_text("#!/bin/sh\nkill -USR1 $PPID\n")
    launcher.chmod(0o700)
    done = run_python(["-c", START], None, tmp_path, MPIEXEC=str(launcher))
    assert done.returncode == 75 and "stopped before the run began" in done.stderr
