"""What --continue takes, and what it refuses: targets, changed keys, old formats, other files."""

import shutil
import signal
import tarfile
import time
from functools import partial
from pathlib import Path

import pytest
import yaml

from hpcepm.run.changes import differences
from tests.conftest import assert_same_bits, datasets, end, run_python, settings_for, start
from tests.faults.harness import wait_until

EXTENDED = settings_for(
    (20, 14),
    loading={"target": 0.3},
    output={"directory": "run", "observables": {"every": 0.1}},
)


@pytest.mark.parametrize("first", [0.3, 0.15, 0.26])
def test_an_extended_run_is_the_run(tmp_path: Path, first: float) -> None:
    """The record at the first target is that of the whole run, to the last bit, or is not there."""
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(EXTENDED))
    command = ["-m", "hpcepm", "input.yaml", "--continue", "--output"]
    for name, targets in {"whole": [0.5], "parts": [first, 0.5]}.items():
        for target in targets:
            options = [name, "--set", f"loading.target={target}"]
            done = run_python([*command, *options], None, tmp_path)
            assert done.returncode == 0, done.stderr
    assert_same_bits(tmp_path / "whole", tmp_path / "parts")
    for target in (0.5, 0.4):
        options = ["parts", "--set", f"loading.target={target}"]
        done = run_python([*command, *options], None, tmp_path)
        assert done.returncode == 3 and "holds a finished run" in done.stderr


def test_an_end_without_its_checkpoint_cannot_be_extended(tmp_path: Path) -> None:
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(EXTENDED))
    command = ["-m", "hpcepm", "input.yaml", "--continue"]
    assert run_python(command, None, tmp_path).returncode == 0
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    before = datasets(tmp_path / "run" / "run.h5")
    done = run_python([*command, "--set", "loading.target=0.5"], None, tmp_path)
    assert done.returncode == 3 and "without the checkpoint of its end" in done.stderr
    after = datasets(tmp_path / "run" / "run.h5")
    assert all(before[name].tobytes() == after[name].tobytes() for name in before)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("output.observables.every=0.05", "output.observables.every: was 0.1, is now 0.05"),
        ("output.avalanches=false", "output.avalanches: was true, is now false"),
        ("slip.c1=0.03", "slip.c1: was 0.0206, is now 0.03"),
        ("engine=spectral", 'engine: was "auto", is now "spectral"'),
    ],
)
def test_what_touches_numbers_may_not_change(tmp_path: Path, change: str, said: str) -> None:
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(EXTENDED))
    command = ["-m", "hpcepm", "input.yaml", "--continue"]
    stopped = run_python([*command, "--max-walltime", "0.001"], None, tmp_path)
    assert stopped.returncode == 75
    done = run_python([*command, "--set", change], None, tmp_path)
    assert done.returncode == 3 and said in done.stderr
    assert run_python([*command, "--set", "checkpoint.keep=5"], None, tmp_path).returncode == 0


def test_a_checkpoint_of_format_3_is_refused_by_name(tmp_path: Path) -> None:
    """A run of hpcepm before this format, stopped: `format_3.tar.gz` is one of 8 × 8 sites."""
    with tarfile.open(Path(__file__).with_name("format_3.tar.gz")) as archive:
        archive.extractall(tmp_path, filter="data")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    for ranks in (None, 2):
        done = run_python(["-m", "hpcepm", "input.yaml", "--continue"], ranks, tmp_path)
        assert done.returncode == 3 and "Traceback" not in done.stderr
        assert "00000001.h5: has format 3 or older, and this hpcepm does not read it" in done.stderr
    after = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert before == after


def catches(pid: int, number: signal.Signals) -> bool:
    """Return whether a process has a handler for a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def test_a_signal_while_modules_load_ends_in_75(tmp_path: Path) -> None:
    settings = settings_for((64, 64), loading={"target": 500.0})
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(settings))
    for k, delay in enumerate((0.0, 0.1, 0.2, 0.4, 0.8, 1.2)):
        process = start(["-m", "hpcepm", "input.yaml", "--output", str(k)], None, tmp_path)
        try:
            wait_until(partial(catches, process.pid, signal.SIGUSR1), process)
            time.sleep(delay)
            process.send_signal(signal.SIGUSR1)
            _, err = process.communicate(timeout=240)
        finally:
            end(process)
        assert process.returncode == 75 and "by SIGUSR1; a checkpoint was written" in err, (
            delay,
            err,
        )


def test_signals_are_heard_before_anything_large_is_loaded(tmp_path: Path) -> None:
    large = {"numpy", "h5py", "numba", "yaml"}
    program = f"import hpcepm.cli.look, sys; print({large} & {{*sys.modules}})"
    assert run_python(["-c", program], None, tmp_path).stdout == "set()\n"


@pytest.mark.parametrize("arguments", [["input.yaml"], ["plot", "run"]])
def test_ctrl_c_at_once_ends_without_a_traceback(tmp_path: Path, arguments: list[str]) -> None:
    """Python itself has its traceback for one that comes before it has begun with this program."""
    program = (
        "import os, runpy, signal, sys, hpcepm; "
        "sys.meta_path.insert(0, type('Late', (), {'find_spec': staticmethod(lambda name, *_: "
        "os.kill(os.getpid(), signal.SIGINT) if name == 'hpcepm.cli' else None)})); "
        f"sys.argv[1:] = {arguments}; runpy.run_module('hpcepm', run_name='__main__')"
    )
    done = run_python(["-c", program], None, tmp_path)
    assert done.returncode == -signal.SIGINT and done.stderr == ""


def test_extended_from_a_checkpoint_before_the_end(tmp_path: Path) -> None:
    """The end was reached and saved, but its checkpoint is lost: an older one is gone on from."""
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(EXTENDED))
    command = ["-m", "hpcepm", "input.yaml", "--continue"]
    assert run_python([*command, "--max-walltime", "0.001"], None, tmp_path).returncode == 75
    folder = tmp_path / "run" / "checkpoints"
    older = (folder / "00000001.h5").read_bytes()
    assert run_python(command, None, tmp_path).returncode == 0
    (folder / "00000002.h5").unlink()
    (folder / "00000001.h5").write_bytes(older)
    (folder / "newest").write_text("00000001.h5\n")
    for name, options in {"run": command[3:], "whole": []}.items():
        target = ["--set", "loading.target=0.5", "--output", name]
        done = run_python([*command[:3], *target, *options], None, tmp_path)
        assert done.returncode == 0, done.stderr
    assert_same_bits(tmp_path / "whole", tmp_path / "run")


def test_files_that_others_left_in_pieces_are_not_ours(tmp_path: Path) -> None:
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(EXTENDED))
    command = ["-m", "hpcepm", "input.yaml", "--continue"]
    assert run_python([*command, "--max-walltime", "0.001"], None, tmp_path).returncode == 75
    for name in ("observables-backup.h5", "avalanches-00000001 (conflicted copy).h5"):
        (tmp_path / "run" / "pieces" / name).write_bytes(b"somebody's")
    done = run_python(command, None, tmp_path)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert (tmp_path / "run" / "pieces" / "observables-backup.h5").read_bytes() == b"somebody's"


def test_what_differs_inside_a_list_is_named_by_its_key() -> None:
    before = {"loading": [{"target": 0.1}, {"hold": 10.0}], "regions": [], "cycle": [1, 2]}
    now = {"loading": [{"target": 0.1}, {"hold": 20.0}, {"hold": 1.0}], "regions": [], "cycle": [1]}
    assert list(differences(before, now, ())) == [
        "loading.1.hold: was 10.0, is now 20.0",
        'loading.2: was null, is now {"hold": 1.0}',
        "cycle: was [1, 2], is now [1]",
    ]
    assert not list(differences(before, now, ("loading", "cycle")))
