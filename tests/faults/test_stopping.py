"""Reliability: runs that are asked to stop.

Each test does its worst ``few`` times; with ``--long`` (``tools/test --long``) as often as
docs/reliability.md says. The counts are printed at the end.
"""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hpcepm.parallel.ranks import Ranks
from tests.conftest import (
    Count,
    assert_same_bits,
    datasets,
    end,
    run_python,
    settings_for,
    start,
)
from tests.faults.harness import (
    CLOCKS,
    COMMAND,
    ROOT,
    SETTINGS,
    SMALL_WITH_CLOCKS,
    goes_on_to_the_same_bits,
    wait_until,
    with_protocol,
    write_input,
)


def stopped_at_pauses(
    folder: Path, one_rank: Ranks, pauses: list[int], monkeypatch: pytest.MonkeyPatch
) -> tuple[int, int]:
    """Run in this process, a step at a time, with a USR1 at some of the pauses.

    Return how many stops and pauses there were.
    """
    from hpcepm.input.read import read_input
    from hpcepm.run.run import Run
    from hpcepm.run.stopping import SIGNALS, Stopped, StopRequest
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


@pytest.mark.parametrize(
    ("name", "events", "few"),
    [
        ("none", 50, 10),
        ("thermal creep", 20, 2),
        ("thermal, instant, at a strain rate", 20, 2),
        ("rate", 20, 2),
    ],
)
def test_usr1_at_every_step(
    tmp_path: Path,
    one_rank: Ranks,
    count: Count,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    events: int,
    few: int,
) -> None:
    small, whole, chain = SMALL_WITH_CLOCKS[name], tmp_path / "whole", tmp_path / "chain"
    for folder in (whole, chain):
        write_input(folder, small)
    _, pauses = stopped_at_pauses(whole, one_rank, [], monkeypatch)
    stops, _ = stopped_at_pauses(chain, one_rank, list(range(1, 10**4)), monkeypatch)
    assert stops > events, "nothing was stopped"
    assert_same_bits(whole / "run", chain / "run")
    every = range(1, pauses + 1)
    chosen = every if count.long else random.Random(2).sample(every, few)
    count.of(f"USR1 at a step of a small run, mid-avalanche or not; clock: {name}", few, pauses)
    for k in chosen:
        folder = tmp_path / str(k)
        write_input(folder, small)
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
        done = run_python([*COMMAND, "--max-walltime", "3s"], part % 4 + 1, chain)
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


def test_short_parts_with_a_clock_on_changing_numbers_of_ranks(
    tmp_path: Path, undisturbed_in: Callable[[str], Path], count: Count
) -> None:
    """Each makes a few events, and stops with points passed over and events pending."""
    names = list(CLOCKS)[: 3 if count.long else 1]
    parts = count.of("part of a run with a clock, on 2, 3, 4, 1 ranks in turn", 3, 20 * len(names))
    for name in names:
        folder = tmp_path / name
        write_input(folder, with_protocol(name))
        for part in range(parts // len(names)):
            done = run_python([*COMMAND, "--max-walltime", "0.001"], (part + 1) % 4 + 1, folder)
            assert done.returncode == 75, done.stderr
            count.done()
        goes_on_to_the_same_bits(folder, undisturbed_in(name), 2)


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
        "progress.json",
        "run.h5",
        "run.log",
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
