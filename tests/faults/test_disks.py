"""Reliability: disks that fail and disks that are full.

Each test does its worst ``few`` times; with ``--long`` (``tools/test --long``) as often as
docs/reliability.md says. The counts are printed at the end.
"""

import os
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from hpcepm.parallel.ranks import Ranks
from hpcepm.storage.checkpoints import newest_checkpoint
from tests.conftest import (
    Count,
    end,
    run_python,
    start,
)
from tests.faults.faults import ON_RANK_0
from tests.faults.harness import (
    CLOCKS,
    COMMAND,
    PARTS_OF_A_CLEAN_END,
    ROOT,
    SETTINGS,
    every_dataset_can_be_read,
    faulty,
    goes_on_to_the_same_bits,
    wait_until,
    with_protocol,
    write_input,
)

PLACES: Final = ("rows", "saving", "renaming", "skeleton", "comparing", "noting the newest")


@pytest.mark.parametrize("deed", ["full disk", "broken disk", "read-only disk", "directory gone"])
def test_a_disk_that_fails_at_each_place(
    tmp_path: Path, undisturbed: Path, count: Count, deed: str
) -> None:
    for place in PLACES[: count.of(f"{deed}, at a place of the output", few=1, many=len(PLACES))]:
        fails(tmp_path / place, SETTINGS, undisturbed, place, deed)
        count.done()


def test_a_full_disk_in_a_run_with_a_clock(
    tmp_path: Path, undisturbed_in: Callable[[str], Path], count: Count
) -> None:
    n = count.of("full disk, at a place of the output, with a clock", few=1, many=len(PLACES))
    for place, name in list(zip(PLACES, 2 * tuple(CLOCKS), strict=True))[:n]:
        fails(tmp_path / place, with_protocol(name), undisturbed_in(name), place, "full disk")
        count.done()


def fails(folder: Path, settings: dict[str, Any], undisturbed: Path, place: str, deed: str) -> None:
    """Let a run on two ranks fail at a place; it says so, and goes on to the same bits."""
    write_input(folder, settings)
    done = faulty(folder, 2, at=place, do=deed, nth=3, rank=0 if place in ON_RANK_0 else 1)
    assert done.returncode == 1, done.stderr
    assert "hpcepm: stopped: " in done.stderr and not any(
        part in done.stderr for part in PARTS_OF_A_CLEAN_END
    ), done.stderr
    every_dataset_can_be_read(folder / "run")
    goes_on_to_the_same_bits(folder, undisturbed, None)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a disk of 2 MB."""
    if os.getuid() != 0:
        pytest.skip("only root can mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_fills_up_at_a_random_moment(
    tmp_path: Path, small_disk: Path, one_rank: Ranks, count: Count
) -> None:
    chance = random.Random(11)
    output = {"directory": "run", "observables": {"every": 0.01}}
    settings = {
        **SETTINGS,
        "loading": {"target": 1.0},
        "checkpoint": {"every": "0.02 s"},
        "output": output,
    }
    for folder in (tmp_path, small_disk):
        write_input(folder, settings)
    assert run_python(COMMAND, None, tmp_path).returncode == 0
    for _ in range(count.of("2 MB disk filled up at a random moment", few=2, many=40)):
        subprocess.run(
            ["rm", "-rf", str(small_disk / "run"), str(small_disk / "ballast")], check=True
        )
        process = start(COMMAND, chance.choice([None, 2]), small_disk)
        ballast = threading.Thread(target=fill_up, args=(small_disk / "ballast", process))
        try:
            wait_until(
                partial(has_checkpoint, small_disk / "run", chance.randrange(8)), process
            )  # of some twenty
            time.sleep(chance.uniform(0, 0.05))
            ballast.start()
            _, err = process.communicate(timeout=240)
        finally:
            end(process)
        ballast.join()
        assert process.returncode == 1, (process.returncode, err)
        assert "No space left on device" in err and not any(
            part in err for part in PARTS_OF_A_CLEAN_END
        ), err
        (small_disk / "ballast").unlink()
        if list((small_disk / "run" / "checkpoints").glob("0*.h5")):
            header, problems = newest_checkpoint(small_disk / "run" / "checkpoints", one_rank)
            assert header is not None and not problems
        goes_on_to_the_same_bits(small_disk, tmp_path / "run", None)
        count.done()


def has_checkpoint(run: Path, number: int) -> bool:
    """Return whether a run has written so many checkpoints; for none, made a folder for them."""
    folder = run / "checkpoints"
    return (
        folder.exists() and max([0, *(int(path.stem) for path in folder.glob("0*.h5"))]) >= number
    )


def fill_up(path: Path, process: subprocess.Popen[str]) -> None:
    """Take every byte that is left, and that gets free, until a run is over."""
    with open(path, "wb", buffering=0) as file:
        while process.poll() is None:
            try:
                file.write(b"\0" * 4096)
            except OSError:
                time.sleep(0.0005)


def test_files_that_may_not_grow(tmp_path: Path, count: Count) -> None:
    """RLIMIT_FSIZE: at whichever size writing fails, it is said plainly."""
    sizes = [
        64_000,
        180_000,
        100,
        5_000,
        20_000,
        40_000,
        100_000,
        150_000,
        200_000,
        201_000,
        210_000,
    ]
    for size in sizes[: count.of("limit on the size of files", few=2, many=len(sizes))]:
        folder = tmp_path / str(size)
        write_input(folder, SETTINGS)
        done = run_python(
            ["-m", "tests.ranks.limited_files", str(size), "input.yaml"],
            None,
            folder,
            PYTHONPATH=str(ROOT),
        )
        assert done.returncode in (1, 2), (size, done.returncode, done.stderr)
        assert "File too large" in done.stderr and "Traceback" not in done.stderr, done.stderr
        count.done()


def test_a_run_that_will_not_fit_is_refused(small_disk: Path) -> None:
    write_input(small_disk, {**SETTINGS, "lattice": {"shape": [500, 500]}})
    (small_disk / "run").mkdir()
    with (small_disk / "run" / "of others").open("w") as file:
        file.truncate(10**9)  # it makes no room, and takes none
    done = run_python(COMMAND, None, small_disk)
    assert (
        done.returncode == 2
        and "the run will write" in done.stderr
        and "there is room for" in done.stderr
    )
    assert sorted(path.name for path in small_disk.iterdir()) == ["input.yaml", "run"]
    assert [path.name for path in (small_disk / "run").iterdir()] == ["of others"]
