"""Reliability: runs that are killed, filled up, damaged and misled, and what is left of them.

Each test does its worst ``few`` times; with ``--long`` (``tools/test --long``) as often as the
README's table says. The counts are printed at the end.
"""

import json
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from hpcepm.parallel.ranks import Ranks
from hpcepm.storage.checkpoint import BadCheckpoint, newest_checkpoint
from hpcepm.storage.fields import damage_seen_together
from hpcepm.storage.tables import DamagedOutput, PieceTable
from tests.conftest import (
    Count,
    assert_same_bits,
    datasets,
    end,
    processes_of_session,
    run_python,
    settings_for,
    start,
)
from tests.faults.faults import ON_RANK_0, PHASES, STAGES

SETTINGS = settings_for(
    (97, 61), engine="lazy", loading={"target": 0.25}, checkpoint={"every": "0.1 s"}
)
COMMAND = ["-m", "hpcepm", "input.yaml", "--continue"]
PARTS_OF_A_CLEAN_END = ("Traceback", "Segmentation", "signal 11")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a run that nothing happened to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    write_input(folder, SETTINGS)
    done = run_python(COMMAND, None, folder)
    assert done.returncode == 0, done.stderr
    return folder / "run"


def write_input(folder: Path, settings: dict[str, Any]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "input.yaml").write_text(yaml.safe_dump(settings))


def goes_on_to_the_same_bits(folder: Path, undisturbed: Path, ranks: int | None) -> None:
    done = run_python(COMMAND, ranks, folder)
    assert done.returncode in (0, 3) and "Traceback" not in done.stderr, done.stderr
    if done.returncode == 3:
        assert "holds a finished run" in done.stderr
    assert_same_bits(undisturbed, folder / "run")


def every_dataset_can_be_read(run: Path) -> None:
    if (run / "run.h5").exists():
        datasets(run / "run.h5")


def ranks_of(session: int) -> list[int]:
    """Return the processes of a session that are ranks of a run."""
    found = []
    for pid in processes_of_session(session):
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"hpcepm" in arguments and b"-n" not in arguments:
            found.append(pid)
    return found


def has_three_ranks(session: int) -> bool:
    return len(ranks_of(session)) == 3


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


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    give_up = time.monotonic() + 60
    while not ready():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < give_up
        time.sleep(0.005)


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


def faulty(folder: Path, ranks: int | None, **fault: Any) -> subprocess.CompletedProcess[str]:
    return run_python(
        ["-m", "tests.faults.faults", json.dumps(fault), *COMMAND[2:]],
        ranks,
        folder,
        PYTHONPATH=str(ROOT),
    )


ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("deed", ["full disk", "broken disk", "read-only disk", "directory gone"])
def test_a_disk_that_fails_at_each_place(
    tmp_path: Path, undisturbed: Path, count: Count, deed: str
) -> None:
    places = ("rows", "saving", "renaming", "skeleton", "comparing", "noting the newest")
    for place in places[: count.of(f"{deed}, at a place of the output", few=1, many=len(places))]:
        folder = tmp_path / place
        write_input(folder, SETTINGS)
        done = faulty(folder, 2, at=place, do=deed, nth=3, rank=0 if place in ON_RANK_0 else 1)
        assert done.returncode == 1, done.stderr
        assert "hpcepm: stopped: " in done.stderr and not any(
            part in done.stderr for part in PARTS_OF_A_CLEAN_END
        ), done.stderr
        every_dataset_can_be_read(folder / "run")
        goes_on_to_the_same_bits(folder, undisturbed, None)
        count.done()


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
        done = faulty(
            folder, 3, at=place, do="raise", nth=1 if place == "preparing" else 2, rank=rank
        )
        assert (
            done.returncode == 1
            and "on purpose" in done.stderr
            and f"rank {rank} of 3" in done.stderr
        ), (place, done.stderr)
        assert time.monotonic() - began < 60
        goes_on_to_the_same_bits(folder, undisturbed, None)
        count.done()


# Stopping on request


SMALL = settings_for(
    (11, 9), loading={"target": 0.05}, engine="direct", checkpoint={"every": "1 h"}
)


def stopped_at_pauses(
    folder: Path, one_rank: Ranks, pauses: list[int], monkeypatch: pytest.MonkeyPatch
) -> tuple[int, int]:
    """Run in this process, a step at a time, with a USR1 at some of the pauses.

    Return how many stops and pauses there were.
    """
    from hpcepm.input import read_input
    from hpcepm.run.run import Run, Stopped
    from hpcepm.run.stopping import SIGNALS, StopRequest
    from hpcepm.storage.directory import RunDirectory

    seen = stops = 0
    pause = Run._pause

    def one_step_then_perhaps_a_signal(run: Run, full_stretch: bool) -> int:
        nonlocal seen
        seen += 1
        run._next_look = 0.0
        if seen in pauses:
            os.kill(os.getpid(), signal.SIGUSR1)
        pause(run, full_stretch)
        return 1

    monkeypatch.setattr(Run, "_pause", one_step_then_perhaps_a_signal)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        while True:
            read = read_input(str(folder / "input.yaml"), [], str(folder / "run"))
            directory = RunDirectory(str(folder / "run"), go_on=True)
            try:
                request = StopRequest().listen()
                run = Run(one_rank, read, directory, resume=True, stop_request=request)
                run._steps = 1
                for _ in run.run():
                    pass
                return stops, seen
            except Stopped as stop:
                stops += "by SIGUSR1; a checkpoint was written" in str(stop)
            finally:
                directory.release()
    finally:
        monkeypatch.undo()
        for number, handler in before.items():
            signal.signal(number, handler)


def test_usr1_at_every_step(
    tmp_path: Path, one_rank: Ranks, count: Count, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, chain = tmp_path / "whole", tmp_path / "chain"
    for folder in (whole, chain):
        write_input(folder, SMALL)
    _, pauses = stopped_at_pauses(whole, one_rank, [], monkeypatch)
    stops, _ = stopped_at_pauses(chain, one_rank, list(range(1, 10**4)), monkeypatch)
    assert stops > 50, "nothing was stopped"
    assert_same_bits(whole / "run", chain / "run")
    every = (
        range(1, pauses + 1) if count.long else random.Random(2).sample(range(1, pauses + 1), 10)
    )
    count.of("USR1 at a step of a small run, mid-avalanche or not", few=10, many=pauses)
    for k in every:
        folder = tmp_path / str(k)
        write_input(folder, SMALL)
        assert stopped_at_pauses(folder, one_rank, [k], monkeypatch)[0] == 1
        assert_same_bits(whole / "run", folder / "run")
        count.done()


def test_parts_by_wall_time_on_changing_numbers_of_ranks(tmp_path: Path, count: Count) -> None:
    parts = count.of(
        "part of 3 s of wall time, in a chain on 1, 2, 3, 4 ranks in turn", few=2, many=10
    )
    settings = settings_for((97, 61), engine="direct", loading={"target": 1000.0}, seed=5)
    settings["output"] = {"directory": "run", "observables": {"every": 0.1}, "avalanches": False}
    chain, whole = tmp_path / "chain", tmp_path / "whole"
    write_input(chain, settings)
    for part in range(parts):
        done = run_python([*COMMAND, "--max-walltime", "3"], part % 4 + 1, chain)
        assert (
            done.returncode == 75 and "by --max-walltime; a checkpoint was written" in done.stderr
        ), done.stderr
    # Only now is it said where the run ends: so there are as many parts on a fast machine as on a
    # slow one.
    target = float(datasets(chain / "run" / "run.h5")["observables/strain"][-1]) + 0.25
    for folder, ranks in ((chain, 3), (whole, 2)):
        write_input(folder, {**settings, "loading": {"target": target}})
        assert run_python(COMMAND, ranks, folder, 240).returncode == 0
    assert_same_bits(whole / "run", chain / "run")
    for _ in range(parts):
        count.done()


def test_files_that_speak_to_a_run(tmp_path: Path) -> None:
    write_input(tmp_path, {**SETTINGS, "loading": {"target": 4.0}, "checkpoint": {"every": "1 h"}})
    process = start(COMMAND, 2, tmp_path)
    run = tmp_path / "run"
    try:
        wait_until(lambda: (run / "run.h5").exists(), process)
        (run / "CHECKPOINT").touch()
        wait_until(lambda: (run / "checkpoints" / "00000001.h5").exists(), process)
        assert not (run / "CHECKPOINT").exists()
        (run / "STOP").touch()
        _, err = process.communicate(timeout=20)
    finally:
        end(process)
    assert process.returncode == 75 and "by the file STOP; a checkpoint was written" in err
    assert sorted(path.name for path in run.iterdir()) == [
        "STOP",
        "checkpoints",
        "pieces",
        "run.h5",
    ]
    assert (run / "checkpoints" / "00000002.h5").exists()


def test_a_second_signal_is_quicker_and_a_third_ends_it(tmp_path: Path) -> None:
    """Here the first pause never comes to an end, so that only the third signal can."""
    write_input(tmp_path, SETTINGS)
    process = start(
        ["-m", "tests.ranks.stuck_pause", "input.yaml", "--quiet"],
        None,
        tmp_path,
        PYTHONPATH=str(ROOT),
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == "stuck\n"
        for _ in range(3):
            assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            time.sleep(0.7)
        assert process.wait(timeout=5) == -signal.SIGTERM
    finally:
        end(process)


def test_the_end_of_the_job_is_found(tmp_path: Path) -> None:
    write_input(tmp_path, {**SETTINGS, "loading": {"target": 50.0}})
    soon = str(int(time.time()) + 23)  # of which the scheduler is left 20
    done = run_python(COMMAND, 2, tmp_path, timeout=30, SLURM_JOB_END_TIME=soon)
    assert (
        done.returncode == 75
        and "by the end of the job's time; a checkpoint was written" in done.stderr
    )
    assert time.time() < int(soon) - 10


# Damaged files


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run that was killed after some checkpoints, of which it kept three."""
    folder = tmp_path_factory.mktemp("interrupted")
    write_input(folder, {**SETTINGS, "checkpoint": {"every": "0.05 s", "keep": 3}})
    process = start(COMMAND, None, folder)
    try:
        wait_until(lambda: (folder / "run" / "checkpoints" / "00000003.h5").exists(), process)
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
                assert list(problems) == [path] and "truncated, altered" in problems[path]
            else:
                assert damage_seen_together(path, one_rank) is not None
            count.done()
        path.write_bytes(sound)
    path = run / "pieces" / "observables-000000000000.h5"
    sound = path.read_bytes()
    path.write_bytes(sound[:-1])
    with pytest.raises(DamagedOutput, match="truncated, altered"):
        PieceTable(path.parent, "observables", np.dtype([("strain", "f8")]), 1)
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
        and "the newest checkpoint is missing" in problems[newest]
    )
    kept = {path: path.read_bytes() for path in folder.glob("0*.h5")}
    for path in kept:
        path.unlink()
    with pytest.raises(BadCheckpoint, match="missing"):
        newest_checkpoint(folder, one_rank)
    for path, sound in {**kept, newest: content}.items():
        path.write_bytes(sound)


# Full disks


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
            _, err = process.communicate(timeout=60)
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
    done = run_python(COMMAND, None, small_disk)
    assert (
        done.returncode == 2
        and "the run will write" in done.stderr
        and "there is room for" in done.stderr
    )
    assert sorted(path.name for path in small_disk.iterdir()) == ["input.yaml"]


# Two runs


def test_two_runs_in_one_directory(tmp_path: Path, undisturbed: Path, count: Count) -> None:
    for k in range(count.of("two runs begun in one directory at once", few=2, many=20)):
        folder = tmp_path / str(k)
        write_input(folder, SETTINGS)
        both = [start(COMMAND, None, folder) for _ in range(2)]
        try:
            errors = [process.communicate(timeout=60)[1] for process in both]
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


def test_the_harness_is_what_it_says(tmp_path: Path) -> None:
    """A fault that is never reached changes nothing."""
    write_input(tmp_path, SMALL)
    done = faulty(tmp_path, None, at="rows", do="kill", nth=10**6)
    assert done.returncode == 0, done.stderr
