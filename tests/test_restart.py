"""Interrupted runs: killed without warning, taken up on other numbers of ranks, and ending with the same bits."""

import signal
import time
from pathlib import Path
from typing import Any

import h5py
import pytest
import yaml

from .conftest import assert_same_bits, end, run_python, settings_for, start

CASES = {
    "direct": settings_for((97, 61), engine="direct", loading={"target": 0.5}),
    "lazy": settings_for((97, 61), engine="lazy", loading={"target": 0.3}),
    "spectral": settings_for((33, 40), engine="spectral", loading={"target": 0.3}),
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
def test_three_interruptions_on_changing_numbers_of_ranks(tmp_path: Path, settings: dict[str, Any]) -> None:
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
    assert "goes on from strain" in done.stdout
    assert_same_bits(tmp_path / "whole", tmp_path / "parts")


def test_a_checkpoint_in_the_middle_of_an_avalanche(tmp_path: Path, team: Any) -> None:
    """Save and take up at every single step of a run, in process."""
    from hpcepm.checkpoint import read_state, write_checkpoint
    from hpcepm.dynamics import Dynamics
    from hpcepm.engines import ENGINES
    from hpcepm.lattice import Lattice
    from hpcepm.step_loop import Why

    from .test_dynamics import glass, sheared

    for engine in ENGINES:
        lattice = Lattice((8, 9), team)
        whole, _ = sheared(team, (8, 9), engine, 0.08, initial_stress_std=0.2)
        parts, number, inside = Dynamics(lattice, glass(initial_stress_std=0.2), engine), 0, 0
        while parts.shear(0.08, 1) is not Why.REACHED:
            inside += int(parts.state.now[0]["in_avalanche"])
            number += 1
            path = write_checkpoint(tmp_path, number, parts.settled_state(), lattice, {}, "{}")
            parts = Dynamics(lattice, glass(initial_stress_std=0.2), engine, read_state(path, lattice))
        assert number > 50 and inside > 20
        assert parts.state.now.tobytes() == whole.state.now.tobytes()
        for a, b in zip(parts.state.fields, whole.state.fields, strict=True):
            assert a.tobytes() == b.tobytes()


def test_continue_starts_afresh_where_there_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(settings_for((10, 10))))
    for name, options in {"a": [], "b": ["--continue"]}.items():
        assert run_python(["-m", "hpcepm", "input.yaml", "--output", name, *options], None, tmp_path).returncode == 0
    assert_same_bits(tmp_path / "a", tmp_path / "b")


def test_old_checkpoints_are_pruned(tmp_path: Path) -> None:
    settings = settings_for((48, 48), loading={"target": 0.3}, checkpoint={"every": "0.01 s", "keep": 3})
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(settings))
    assert run_python(["-m", "hpcepm", "input.yaml"], None, tmp_path).returncode == 0
    names = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert len(names) == 3 and names[-1] > "00000004.h5"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGUSR1"])
def test_a_signal_stops_with_a_checkpoint_and_75(tmp_path: Path, name: str) -> None:
    settings = {**CASES["direct"], "loading": {"target": 1.5}}
    (tmp_path / "whole.yaml").write_text(yaml.safe_dump(settings))
    assert run_python(["-m", "hpcepm", "whole.yaml", "--output", "whole"], None, tmp_path).returncode == 0
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
    assert process.returncode == 75 and f"by {name}; a checkpoint was written" in err and "Traceback" not in err
    assert run_python(command, 2, tmp_path).returncode == 0
    assert_same_bits(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_a_damaged_checkpoint_is_named_on_all_ranks_and_never_used(tmp_path: Path, damage: str) -> None:
    settings = settings_for((97, 61), engine="direct", loading={"target": 0.5}, checkpoint={"every": "0.05 s"})
    (tmp_path / "parts.yaml").write_text(yaml.safe_dump(settings))
    command = ["-m", "hpcepm", "parts.yaml", "--output", "parts", "--continue"]
    kill_after_next_checkpoint(command, 1, tmp_path)
    path = tmp_path / "parts" / "checkpoints" / newest_checkpoint(tmp_path / "parts")
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        del content[len(content) // 2 :]
    else:
        with h5py.File(path, "r") as file:  # a byte of sigma_c in the last row, which the last rank reads
            place = file["sigma_c"].id.get_chunk_info(96).byte_offset
        content[place + 5] ^= 1
    path.write_bytes(content)
    done = run_python(command, 2, tmp_path, timeout=30)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert path.name in done.stderr
