"""Interrupted runs: killed, continued on other numbers of ranks, ending with the same bits."""

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest
import yaml

from hpcepm.files import damage, with_checksum
from hpcepm.storage.fields import damage_seen_together
from tests.conftest import assert_same_bits, end, run_python, settings_for, start

CASES = {
    "direct": settings_for(
        (97, 61),
        engine="direct",
        loading={"target": 0.5},
        output={"fields": {"every": 0.05, "at": [0.013, 0.3, 0.437], "dtype": "float32"}},
    ),
    "lazy": settings_for((97, 61), engine="lazy", loading={"target": 0.3}),
    "spectral": settings_for((33, 40), engine="spectral", loading={"target": 0.3}),
    "shuffled": settings_for((59, 40), kernel={"type": "shuffled"}, loading={"target": 0.5}),
    "stress": settings_for(
        (97, 61),
        engine="lazy",
        loading={"control": "stress", "target": 0.8, "until": {"strain": 0.4}},
    ),
    "extremal": settings_for(
        (61, 47),
        engine="direct",
        loading={"control": "extremal", "until": {"plastic_strain": 0.4}},
        output={"observables": {"every": 0.01, "of": "plastic_strain"}, "fields": {"every": 0.05}},
    ),
    "cycles": settings_for(
        (61, 47),
        engine="lazy",
        loading={"cycle": [0.05, -0.05], "cycles": 60, "until": {"recurrence": True}},
        yielding={"sides": "two", "landscape": "quenched", "order": "weakest"},
        output={"observables": {"every": 0.01}, "fields": {"every": 4, "of": "cycle"}},
    ),
    "path": settings_for(
        (97, 61),
        engine="lazy",
        loading=[
            {"control": "machine", "stiffness": 6.0, "target": 0.25},
            {"control": "stress", "target": -0.4},
            {"target": 0.2, "until": {"plastic_strain": 0.15}},
        ],
        yielding={"sides": "two"},
    ),
}


def newest_checkpoint(directory: Path) -> str:
    return max((path.name for path in (directory / "checkpoints").glob("0*.h5")), default="")


def kill_after_next_checkpoint(command: list[str], ranks: int, cwd: Path) -> None:
    """Start a run, wait until it has written a checkpoint more, and kill −9 all of it."""
    before = newest_checkpoint(cwd / "parts")
    process = start(command, ranks, cwd)
    try:
        deadline = time.monotonic() + 60
        while newest_checkpoint(cwd / "parts") <= before:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, "no checkpoint within a minute"
            time.sleep(0.01)
    finally:
        end(process)


@pytest.mark.parametrize("settings", CASES.values(), ids=CASES)
def test_three_interruptions_on_changing_numbers_of_ranks(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    (tmp_path / "whole.yaml").write_text(yaml.safe_dump(settings))
    done = run_python(["-m", "hpcepm", "whole.yaml", "--output", "whole"], None, tmp_path)
    assert done.returncode == 0, done.stderr
    often = {**settings, "checkpoint": {"every": "0.05 s"}}
    (tmp_path / "parts.yaml").write_text(yaml.safe_dump(often))
    command = ["-m", "hpcepm", "parts.yaml", "--output", "parts", "--continue"]
    for ranks in (2, 3, 4):
        kill_after_next_checkpoint(command, ranks, tmp_path)
        with h5py.File(tmp_path / "parts" / "run.h5", "r") as file:
            assert not file.attrs["finished"], "the run was over before it was interrupted"
            assert file["observables/stress"].shape[0] == 1
    done = run_python(command, 1, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "goes on from " in done.stdout
    assert_same_bits(tmp_path / "whole", tmp_path / "parts")


def test_a_checkpoint_in_the_middle_of_an_avalanche(tmp_path: Path, one_rank: Any) -> None:
    """Save and resume at every single step of a run, in process."""
    from hpcepm.identity import Identity
    from hpcepm.model.dynamics import Dynamics
    from hpcepm.model.engines import ENGINES
    from hpcepm.model.loop import LoopExit
    from hpcepm.parallel.rows import Lattice
    from hpcepm.storage.checkpoint import UnderWay, read_under_way, write_checkpoint
    from hpcepm.storage.plan import Plan, Rows
    from hpcepm.storage.store import Store
    from tests.model.test_dynamics import glass, sheared
    from tests.model.test_lazy import evaluate_all

    plan = Plan((8, 9), (), (), (), False)
    identity = Identity.new()
    store = Store(plan, identity.attributes())
    for engine in ENGINES:
        lattice = Lattice((8, 9), one_rank)
        whole, _ = sheared(one_rank, (8, 9), engine, 0.08, initial_stress_std=0.2)
        parts, number, inside = Dynamics(lattice, glass(initial_stress_std=0.2), engine), 0, 0
        while parts.shear(0.08, 1) is not LoopExit.REACHED:
            inside += int(parts.state.macro[0]["in_avalanche"])
            number += 1
            mine = UnderWay.of(0, parts.complete_state(), Rows.none(plan), 0, 0)
            path = write_checkpoint(tmp_path, number, one_rank, lattice, mine, store)
            state = read_under_way(path, identity.run, 0, lattice, plan.tables).state
            parts = Dynamics(lattice, glass(initial_stress_std=0.2), engine, state)
        assert number > 50 and inside > 20
        assert parts.state.macro.tobytes() == whole.state.macro.tobytes()
        if engine == "lazy":
            evaluate_all(parts)
            evaluate_all(whole)
        for a, b in zip(parts.state.fields, whole.state.fields, strict=True):
            assert a.tobytes() == b.tobytes()


def test_continue_starts_afresh_where_there_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(settings_for((10, 10))))
    for name, options in {"a": [], "b": ["--continue"]}.items():
        assert (
            run_python(
                ["-m", "hpcepm", "input.yaml", "--output", name, *options], None, tmp_path
            ).returncode
            == 0
        )
    assert_same_bits(tmp_path / "a", tmp_path / "b")


def test_old_checkpoints_are_pruned(tmp_path: Path) -> None:
    settings = settings_for(
        (48, 48), loading={"target": 1.5}, checkpoint={"every": "0.01 s", "keep": 3}
    )
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(settings))
    assert run_python(["-m", "hpcepm", "input.yaml"], None, tmp_path).returncode == 0
    names = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert len(names) == 4 and names[-1] == "newest" and names[-2] > "00000004.h5"


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run that takes long enough to be asked to stop."""
    folder = tmp_path_factory.mktemp("long")
    settings = {**CASES["direct"], "loading": {"target": 5.0}}
    (folder / "whole.yaml").write_text(yaml.safe_dump(settings))
    done = run_python(["-m", "hpcepm", "whole.yaml", "--output", "whole"], None, folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGUSR1"])
def test_a_signal_stops_with_a_checkpoint_and_75(long: Path, tmp_path: Path, name: str) -> None:
    shutil.copy(long / "whole.yaml", tmp_path)
    command = ["-m", "hpcepm", "whole.yaml", "--output", "parts", "--continue"]
    process = start(command, None, tmp_path)
    try:
        while not (tmp_path / "parts" / "run.h5").exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        time.sleep(0.3)
        process.send_signal(signal.Signals[name])
        _, err = process.communicate(timeout=20)
    finally:
        end(process)
    assert (
        process.returncode == 75
        and f"by {name}; a checkpoint was written" in err
        and "Traceback" not in err
    )
    assert run_python(command, 2, tmp_path).returncode == 0
    assert_same_bits(long / "whole", tmp_path / "parts")


def test_a_signal_after_the_end_changes_nothing(tmp_path: Path) -> None:
    """Python gives signals their deadly meaning back before MPI ends.

    Here, before C has read the rest of the input.
    """
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(settings_for((8, 8))))
    os.mkfifo(tmp_path / "fifo")
    script = (
        "import ctypes, os, runpy, sys\nos.dup2(os.open('fifo', os.O_RDWR), 0)\n"
        "ctypes.pythonapi.Py_AtExit(ctypes.CDLL(None).getchar)\n"
        "sys.argv = ['hpcepm', 'input.yaml']\n"
        "runpy.run_module('hpcepm', run_name='__main__', alter_sys=True)\n"
    )
    process = start(["-c", script], None, tmp_path)
    try:
        assert process.stdout is not None
        while "results" not in process.stdout.readline():
            assert process.poll() is None, process.communicate()
        for _ in range(40):
            process.send_signal(signal.SIGUSR1)
            time.sleep(0.01)
        assert process.poll() is None, process.returncode
        (tmp_path / "fifo").write_text("x")
        _, err = process.communicate(timeout=20)
    finally:
        end(process)
    assert process.returncode == 0 and not err


INTERRUPTED = settings_for(
    (97, 61), engine="direct", loading={"target": 1.5}, checkpoint={"every": "0.05 s", "keep": 3}
)


COMMAND = ["-m", "hpcepm", "parts.yaml", "--output", "parts", "--continue"]
"""Goes on with it."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run that was killed after two checkpoints, and with a whole one."""
    folder = tmp_path_factory.mktemp("interrupted")
    (folder / "parts.yaml").write_text(yaml.safe_dump(INTERRUPTED))
    process = start(COMMAND, None, folder)
    try:
        while newest_checkpoint(folder / "parts") < "00000002.h5":
            assert process.poll() is None, process.communicate()
            time.sleep(0.005)
    finally:
        end(process)
    done = run_python([*COMMAND[:-2], "whole"], None, folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def interrupted(made: Path, tmp_path: Path) -> Path:
    """Return a copy of the run that was killed."""
    shutil.copy(made / "parts.yaml", tmp_path)
    return Path(shutil.copytree(made / "parts", tmp_path / "parts"))


def truncate(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[random.Random(path.name).randrange(len(content))] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize("harm", [truncate, flip_a_byte])
def test_behind_a_damaged_checkpoint_the_one_before_is_used(
    made: Path, interrupted: Path, harm: Callable[[Path], None]
) -> None:
    path = interrupted / "checkpoints" / newest_checkpoint(interrupted)
    harm(path)
    done = run_python(COMMAND, 2, interrupted.parent)
    assert done.returncode == 0, done.stderr
    assert (
        f"{path.name}: is truncated, altered" in done.stderr
        and "an older checkpoint is used" in done.stderr
    )
    assert_same_bits(made / "whole", interrupted)


@pytest.mark.parametrize("harm", [truncate, flip_a_byte, Path.unlink])
def test_behind_lost_output_the_checkpoint_before_is_used(
    made: Path, interrupted: Path, harm: Callable[[Path], None]
) -> None:
    part = run_python([*COMMAND, "--max-walltime", "0.001"], None, interrupted.parent)
    assert part.returncode == 75, part.stderr
    piece = max((interrupted / "pieces").glob("avalanches-*.h5"))
    assert piece.name > "avalanches-00000001.h5"
    harm(piece)
    done = run_python(COMMAND, 2, interrupted.parent)
    assert done.returncode == 0, done.stderr
    assert f"counts on {Path('parts', 'pieces', piece.name)}" in done.stderr
    assert "an older checkpoint is used" in done.stderr
    assert_same_bits(made / "whole", interrupted)
    verified = run_python(["-m", "hpcepm", "verify", "parts"], None, interrupted.parent)
    assert verified.returncode == 0, verified.stdout
    is_left = f"nothing counts on it: pieces/{piece.name}" in verified.stdout
    assert is_left == (harm is not Path.unlink)


def test_where_every_checkpoint_is_damaged_none_is_used(interrupted: Path) -> None:
    for path in (interrupted / "checkpoints").glob("*.h5"):
        truncate(path)
    done = run_python(COMMAND, 2, interrupted.parent, timeout=30)
    assert (
        done.returncode == 1
        and "Traceback" not in done.stderr
        and "no checkpoint can be used" in done.stderr
    )


@pytest.mark.parametrize("harm", [truncate, Path.unlink])
def test_output_that_is_gone_is_named_on_all_ranks(
    interrupted: Path, harm: Callable[[Path], None]
) -> None:
    harm(interrupted / "pieces" / "observables-00000001.h5")
    done = run_python(COMMAND, 2, interrupted.parent, timeout=30)
    assert (
        done.returncode == 1
        and "Traceback" not in done.stderr
        and "observables-00000001.h5" in done.stderr
    )


@pytest.mark.parametrize("harm", [truncate, flip_a_byte, Path.unlink])
def test_a_damaged_run_file_is_made_anew(
    made: Path, interrupted: Path, harm: Callable[[Path], None]
) -> None:
    harm(interrupted / "run.h5")
    done = run_python(COMMAND, 2, interrupted.parent)
    assert done.returncode == 0, done.stderr
    assert_same_bits(made / "whole", interrupted)


def test_a_checkpoint_of_another_input_is_refused_even_alone(interrupted: Path) -> None:
    (interrupted / "run.h5").unlink()
    done = run_python([*COMMAND, "--set", "seed=4"], None, interrupted.parent)
    assert done.returncode == 3 and "seed: was 3, is now 4" in done.stderr


def test_a_checksum_shows_every_altered_byte_and_every_cut(tmp_path: Path, one_rank: Any) -> None:
    path = tmp_path / "file"
    sound = with_checksum(bytes(range(256)) * 20)
    path.write_bytes(sound)
    assert damage(path) is None and damage_seen_together(path, one_rank) is None
    damaged = [
        sound[:k] + bytes([sound[k] ^ 1 << k % 8]) + sound[k + 1 :] for k in range(0, len(sound), 3)
    ]
    damaged += [sound[:k] for k in range(0, len(sound), 37)] + [sound + b"\0", b""]
    for content in damaged:
        path.write_bytes(content)
        assert "truncated, altered" in str(damage(path))
        assert damage_seen_together(path, one_rank) == damage(path)
    path.unlink()
    assert "No such file" in str(damage(path))
    assert "No such file" in str(damage_seen_together(path, one_rank))
