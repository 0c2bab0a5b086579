"""Reliability: runs of which a rank is killed, or fails.

Each test does its worst ``few`` times; with ``--long`` (``tools/test --long``) as often as
docs/reliability.md says. The counts are printed at the end.
"""

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Count, end, processes_of_session, start
from tests.faults.faults import ON_RANK_0, PHASES, STAGES
from tests.faults.harness import (
    CLOCKS,
    COMMAND,
    PROTOCOLS,
    SETTINGS,
    SMALL,
    every_dataset_can_be_read,
    faulty,
    goes_on_to_the_same_bits,
    has_three_ranks,
    ranks_of,
    wait_until,
    with_protocol,
    write_input,
)


@pytest.mark.alone
def test_kill_9_of_a_rank_at_a_random_moment(
    tmp_path: Path, undisturbed: Path, count: Count
) -> None:
    chance = random.Random(4)
    for k in range(count.of("kill −9 of one of 3 ranks at a random moment", few=3, many=100)):
        folder = tmp_path / str(k)
        write_input(folder, SETTINGS)
        process = start(COMMAND, 3, folder)
        try:
            wait_until(partial(has_three_ranks, process.pid), process)
            if chance.random() < 0.8:
                wait_until((folder / "run" / "run.h5").exists, process)
            time.sleep(chance.uniform(0, 0.6))
            ranks = ranks_of(process.pid)
            if ranks:
                os.kill(chance.choice(ranks), signal.SIGKILL)
            killed = time.monotonic()
            process.communicate(timeout=5)
            while processes_of_session(process.pid):
                assert time.monotonic() < killed + 5, "ranks outlive the killed one"
                time.sleep(0.01)
        finally:
            end(process)
        every_dataset_can_be_read(folder / "run")
        goes_on_to_the_same_bits(folder, undisturbed, chance.choice([None, 2, 3, 4]))
        if ranks:  # else the run was over
            count.done()


@pytest.mark.parametrize(
    ("what", "protocols", "few", "many"),
    [("stress, extremal, machine, cycles", PROTOCOLS, 2, 80), ("time, by a clock", CLOCKS, 1, 60)],
    ids=["quasi-static", "clock"],
)
def test_kill_9_in_each_protocol(
    tmp_path: Path,
    undisturbed_in: Callable[[str], Path],
    count: Count,
    what: str,
    protocols: dict[str, Any],
    few: int,
    many: int,
) -> None:
    """A rank is killed at a random moment, twice on the way; any number of ranks goes on."""
    chance = random.Random(11)
    for k in range(count.of(f"kill −9 of one of 3 ranks in {what}", few, many)):
        name, folder = list(protocols)[k % len(protocols)], tmp_path / str(k)
        whole = undisturbed_in(name)
        write_input(folder, with_protocol(name))
        for _ in range(2):
            process = start(COMMAND, 3, folder)
            try:
                wait_until(partial(has_three_ranks, process.pid), process)
                time.sleep(chance.uniform(0.3, 1.5))
                if ranks := ranks_of(process.pid):
                    os.kill(chance.choice(ranks), signal.SIGKILL)
                process.communicate(timeout=5)
            finally:
                end(process)
        every_dataset_can_be_read(folder / "run")
        goes_on_to_the_same_bits(folder, whole, chance.choice([None, 2, 3, 4]))
        count.done()


@pytest.mark.parametrize(("name", "few", "many"), [("strain", 3, 200), ("thermal creep", 1, 60)])
def test_copies_of_a_live_directory(
    tmp_path: Path,
    undisturbed: Path,
    undisturbed_in: Callable[[str], Path],
    count: Count,
    name: str,
    few: int,
    many: int,
) -> None:
    """Made file by file while the run goes on, as ``cp -r`` and backups do."""
    quasi_static = name == "strain"
    n = count.of(f"copy of a live directory, gone on with: {name}", few, many)
    settings = SETTINGS if quasi_static else with_protocol(name)
    write_input(tmp_path, settings)
    made = 0
    while made < n:
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        process = start(COMMAND, None, tmp_path)
        try:
            wait_until((tmp_path / "run" / "checkpoints" / "newest").exists, process)
            while process.poll() is None and made < n:
                copy = tmp_path / f"copy {made}"
                copy_what_is_there(tmp_path / "run", copy / "run")
                write_input(copy, settings)
                made += 1
        finally:
            end(process)
    for k in range(n):
        whole = undisturbed if quasi_static else undisturbed_in(name)
        goes_on_to_the_same_bits(tmp_path / f"copy {k}", whole, [None, 2][k % 7 == 0])
        count.done()


def copy_what_is_there(run: Path, to: Path) -> None:
    """Copy a directory slowly; what vanishes meanwhile is not in the copy, nor is the lock."""
    for path in sorted(run.rglob("*")):
        target = to / path.relative_to(run)
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):
            if path.is_file() and path.name != "run.lock":
                target.write_bytes(path.read_bytes())
        time.sleep(0.002)


def test_kill_9_at_each_stage_of_a_checkpoint(
    tmp_path: Path, undisturbed: Path, count: Count
) -> None:
    cases = [
        (stage, when, nth, rank)
        for nth in (2, 3)
        for rank in (0, 1)
        for when in ("entry", "exit")
        for stage in ("saving", *STAGES)
        if rank == 0 or stage not in ON_RANK_0
    ]
    for stage, when, nth, rank in cases[
        : count.of("kill −9 at a named stage of a checkpoint", few=5, many=len(cases))
    ]:
        folder = tmp_path / f"{stage} {when} {nth} {rank}"
        write_input(folder, SETTINGS)
        done = faulty(
            folder,
            2 if rank or count.long else None,
            at=stage,
            do="kill",
            when=when,
            nth=nth,
            rank=rank,
        )
        assert done.returncode != 0, f"{stage} was not reached"
        every_dataset_can_be_read(folder / "run")
        goes_on_to_the_same_bits(folder, undisturbed, None)
        count.done()


ONCE = ("reading the glass", "preparing")  # in a run


def test_an_exception_on_one_rank_ends_all(tmp_path: Path, undisturbed: Path, count: Count) -> None:
    cases = [
        (place, rank)
        for rank in (1, 0, 2)
        for place in (*PHASES, *STAGES)
        if rank == 0 or place not in ON_RANK_0
    ]
    cases = [
        (place, rank) for place, rank in cases if place != "convolving"
    ]  # reached once or twice in so short a run
    for place, rank in cases[
        : count.of("an exception on one of 3 ranks, in a phase", few=2, many=len(cases))
    ]:
        folder = tmp_path / f"{place} {rank}"
        write_input(folder, SETTINGS)
        began = time.monotonic()
        done = faulty(folder, 3, at=place, do="raise", nth=1 if place in ONCE else 2, rank=rank)
        assert (
            done.returncode == 1
            and "on purpose" in done.stderr
            and f"rank {rank} of 3" in done.stderr
        ), (place, done.stderr)
        assert time.monotonic() - began < 60
        goes_on_to_the_same_bits(folder, undisturbed, None)
        count.done()


def test_the_harness_is_what_it_says(tmp_path: Path) -> None:
    """A fault that is never reached changes nothing."""
    write_input(tmp_path, SMALL)
    done = faulty(tmp_path, None, at="rows", do="kill", nth=10**6)
    assert done.returncode == 0, done.stderr
