"""Reliability: damaged and missing files, and two runs in one directory.

Each test does its worst ``few`` times; with ``--long`` (``tools/test --long``) as often as
docs/reliability.md says. The counts are printed at the end.
"""

import os
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hpcepm.identity import Identity
from hpcepm.parallel.ranks import Ranks
from hpcepm.reading import BadFile
from hpcepm.storage.checkpoints import newest_checkpoint
from hpcepm.storage.fields import damage_seen_together
from hpcepm.storage.tables import Piece, PieceTable
from tests.conftest import (
    Count,
    assert_same_bits,
    end,
    start,
)
from tests.faults.harness import COMMAND, SETTINGS, wait_until, write_input


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run that was killed after some checkpoints, of which it kept three."""
    folder = tmp_path_factory.mktemp("interrupted")
    write_input(folder, {**SETTINGS, "checkpoint": {"every": "0.05 s", "keep": 3}})
    process = start(COMMAND, None, folder)
    try:
        newest = folder / "run" / "checkpoints" / "newest"  # noted when the file is there
        wait_until(lambda: newest.exists() and newest.read_text() >= "00000003.h5", process)
    finally:
        end(process)
    return folder


def damaged(sound: bytes, chance: random.Random) -> Iterator[bytes]:
    """Cut at each 4 KB, and flip 200 random bytes one at a time."""
    for k in range(0, len(sound), 4096):
        yield sound[:k]
    for _ in range(200):
        k = chance.randrange(len(sound))
        yield sound[:k] + bytes([sound[k] ^ (1 << chance.randrange(8))]) + sound[k + 1 :]


def test_damaged_files_are_detected(interrupted: Path, one_rank: Ranks, count: Count) -> None:
    """Each damage to the newest checkpoint: found, told, and the one before it taken.

    To other files: found.
    """
    run, chance = interrupted / "run", random.Random(7)
    checkpoints = sorted((run / "checkpoints").glob("0*.h5"), reverse=True)
    others = [run / "run.h5", *checkpoints[1:], *sorted((run / "pieces").glob("*.h5"))]
    files = [checkpoints[0], *others]
    step = 1 if count.long else 10
    cases = {path: list(damaged(path.read_bytes(), chance))[::step] for path in files}
    n = sum(map(len, cases.values()))
    count.of("cut or flipped byte of a file, detected", few=n, many=n)
    for path, contents in cases.items():
        sound = path.read_bytes()
        for content in contents:
            path.write_bytes(content)
            if path == checkpoints[0]:
                header, problems = newest_checkpoint(path.parent, one_rank)
                assert header is not None and header.path == checkpoints[1]
                assert len(problems) == 1 and f"{path}: is truncated, altered" in problems[0]
            else:
                assert damage_seen_together(path, one_rank) is not None
            count.done()
        path.write_bytes(sound)
    path = run / "pieces" / "observables-00000001.h5"
    sound = path.read_bytes()
    path.write_bytes(sound[:-1])
    about = Identity.new().attributes()
    with pytest.raises(BadFile, match="truncated, altered"):
        PieceTable(path.parent, "observables", np.dtype("f8"), about, [Piece(0, 1)], 1)
    path.write_bytes(sound)


def test_a_checkpoint_that_is_gone_is_missed(interrupted: Path, one_rank: Ranks) -> None:
    folder = interrupted / "run" / "checkpoints"
    newest = max(folder.glob("0*.h5"))
    content = newest.read_bytes()
    newest.unlink()
    header, problems = newest_checkpoint(folder, one_rank)
    assert (
        header is not None
        and header.path < newest
        and f"{newest}: the newest checkpoint is missing" in problems
    )
    kept = {path: path.read_bytes() for path in folder.glob("0*.h5")}
    for path in kept:
        path.unlink()
    with pytest.raises(BadFile, match="missing"):
        newest_checkpoint(folder, one_rank)
    for path, sound in {**kept, newest: content}.items():
        path.write_bytes(sound)


def test_two_runs_in_one_directory(tmp_path: Path, undisturbed: Path, count: Count) -> None:
    for k in range(count.of("two runs begun in one directory at once", few=2, many=20)):
        folder = tmp_path / str(k)
        write_input(folder, SETTINGS)
        both = [start(COMMAND, None, folder) for _ in range(2)]
        try:
            errors = [process.communicate(timeout=240)[1] for process in both]
        finally:
            for process in both:
                end(process)
        codes = sorted(process.returncode for process in both)
        assert codes == [0, 3], errors
        assert any(
            "is in use by another run" in error or "holds a finished run" in error
            for error in errors
        )
        assert_same_bits(undisturbed, folder / "run")
        count.done()


def test_a_lock_on_another_machine_is_watched(tmp_path: Path) -> None:
    from hpcepm.storage.lock import InUse, Lock

    path = tmp_path / "run.lock"
    path.write_text('{"host": "elsewhere", "pid": 1, "since": "noon"}')
    lock = Lock(path, patience=0.5)
    assert lock.taken_over is not None and "elsewhere" in lock.taken_over
    lock.release()
    path.write_text('{"host": "elsewhere", "pid": 1, "job": "7", "since": "noon"}')
    alive = threading.Timer(0.3, os.utime, [path])
    alive.start()
    with pytest.raises(InUse, match="process 1 on elsewhere, job 7, since noon"):
        Lock(path, patience=2.0)
    alive.join()
