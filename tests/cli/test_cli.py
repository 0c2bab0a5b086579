"""The command line on good and bad days.

Exit codes, messages, and that nothing half-written stays.
"""

import fcntl
import json
import os
import subprocess
import time
from pathlib import Path

import h5py
import pytest
import yaml

from tests.conftest import Run, end, run_python, settings_for, start

GOOD = settings_for((12, 10))


def files(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder with their contents."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_run_says_what_it_does(hpcepm: Run, tmp_path: Path) -> None:
    done = hpcepm(GOOD, "--plot")
    assert done.returncode == 0 and "hpcepm" not in done.stderr
    for said in (
        "12 × 10 sites on 1 rank",
        "age r = 0.140",
        "engine    direct: ",
        "run.h5",
        "reached strain 0.12",
        "summary.png",
    ):
        assert said in done.stdout
    assert (tmp_path / "run" / "summary.png").exists()
    assert not (tmp_path / "run" / "run.lock").exists()


def test_quiet_is_quiet(hpcepm: Run) -> None:
    done = hpcepm(GOOD, "--quiet")
    assert (done.returncode, done.stdout) == (0, "") and "hpcepm" not in done.stderr


def test_a_process_ends_at_once(tmp_path: Path) -> None:
    """It does not look for garbage in all that it has loaded: 0.4 s beside 1 s of loading."""
    program = """
import time
began = time.time()
import hpcepm.cli.run
from hpcepm.cli.base import carry_out_with
carry_out_with(lambda _: print(began, time.time(), flush=True))
"""
    ends = []
    for _ in range(3):  # others may be at work here, too
        done = run_python(["-c", program], None, tmp_path)
        ended = time.time()
        began, loaded = map(float, done.stdout.split())
        ends.append((ended - loaded) / (loaded - began))
    assert min(ends) < 0.2


@pytest.mark.parametrize("glass", [("ESL", "0.140"), ("GQ", "0.650")])
def test_disorder_and_age_are_in_the_log(hpcepm: Run, glass: tuple[str, str]) -> None:
    name, age = glass
    done = hpcepm(
        {**GOOD, "thresholds": {"initial": name, "renewal": "MCT"}, "loading": {"target": 0.001}}
    )
    # s = 0.43474 / (11.460 × (0.0276 + 0.0206 × 1.18896)) by hand
    assert f"s = 0.728, age r = {age}" in done.stdout


@pytest.mark.parametrize("ranks", [None, 2])
def test_wrong_input_is_2_and_writes_nothing(
    hpcepm: Run, tmp_path: Path, ranks: int | None
) -> None:
    done = hpcepm({**GOOD, "seeed": 1}, ranks=ranks)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.count("seeed: unknown key (did you mean 'seed'?)") == 1
    assert set(files(tmp_path)) == {"input.yaml"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name an input"),
        (["nix.yaml"], "nix.yaml: no such file"),
        (["."], ".: is a directory"),
        (["input.yaml", "--sett", "a=1"], "unrecognized arguments: --sett"),
        (["input.yaml", "--set", "seed=x"], "--set seed=x: seed: must be a whole number"),
        (["input.yaml", "--output", "input.yaml/sub"], "input.yaml/sub: cannot be used for output"),
        (["plot"], "which run?"),
        (["plot", "nix"], "nix/run.h5: No such file or directory; name the output directory"),
    ],
)
def test_wrong_command_lines_are_2(tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(GOOD))
    done = run_python(["-m", "hpcepm", *arguments], None, tmp_path)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
    assert set(files(tmp_path)) == {"input.yaml"}


def test_words_may_stand_between_options(tmp_path: Path) -> None:
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(GOOD))
    words = "sweep input.yaml --output runs seed=1..2 --dry-run slip.c0=0.02,0.03"
    done = run_python(["-m", "hpcepm", *words.split()], None, tmp_path)
    assert done.returncode == 0 and "4 points" in done.stdout, done.stderr


def test_help_and_version(tmp_path: Path) -> None:
    for option, said in (
        ("--help", "--continue"),
        ("--help", "JSON Schema"),
        ("--version", "hpcepm 0."),
    ):
        done = run_python(["-m", "hpcepm", option], None, tmp_path)
        assert done.returncode == 0 and said in done.stdout


def test_a_directory_with_a_run_is_3_and_untouched(hpcepm: Run, tmp_path: Path) -> None:
    assert hpcepm(GOOD).returncode == 0
    before = files(tmp_path / "run")
    for changes, options, said in (
        ({}, (), "holds a run already"),
        ({}, ("--continue",), "Raise loading.target to go further"),
        ({"seed": 8}, ("--continue",), "seed: was 3, is now 8"),
    ):
        done = hpcepm({**GOOD, **changes}, *options)
        assert done.returncode == 3 and said in done.stderr
        assert files(tmp_path / "run") == before


HOLDER = '{"host": "elsewhere", "pid": 1, "job": 7, "since": "noon"}'


def test_a_directory_in_use_is_3_and_untouched(hpcepm: Run, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with open(tmp_path / "run" / "run.lock", "w") as lock:
        lock.write(HOLDER)
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        for options in ((), ("--continue",)):
            done = hpcepm(GOOD, *options)
            assert (
                done.returncode == 3
                and "is in use by another run (process 1 on elsewhere, job 7, since noon)"
                in done.stderr
            )
    assert files(tmp_path / "run") == {"run.lock": HOLDER.encode()}
    os.utime(tmp_path / "run" / "run.lock", (0, 0))
    assert hpcepm(GOOD).returncode == 0, "the lock of a run that is gone must not hold"


def test_ranks_that_do_not_know_of_each_other_are_refused(hpcepm: Run, tmp_path: Path) -> None:
    for name in ("PMI_SIZE", "SLURM_STEP_NUM_TASKS"):
        done = hpcepm(GOOD, **{name: "4"})
        assert done.returncode == 2 and f"started 4 processes ({name})" in done.stderr
    assert set(files(tmp_path)) == {"input.yaml"}
    assert hpcepm(GOOD, SLURM_NTASKS="4").returncode == 0, "a batch shell has that too"


def with_fault(tmp_path: Path, **fault: object) -> "subprocess.CompletedProcess[str]":
    """Run on three ranks, with something that goes wrong on purpose: tests/faults/faults.py."""
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(GOOD))
    command = ["-m", "tests.faults.faults", json.dumps(fault), "input.yaml"]
    return run_python(command, 3, tmp_path, timeout=240, PYTHONPATH=str(Path(__file__).parents[2]))


@pytest.mark.alone
@pytest.mark.parametrize("rank", [0, 2])
@pytest.mark.parametrize(
    ("at", "nth"), [("reading the glass", 1), ("shearing", 5), ("snapshot", 2)]
)
def test_an_exception_on_one_rank_ends_all_with_its_traceback(
    tmp_path: Path, at: str, nth: int, rank: int
) -> None:
    started = time.monotonic()
    done = with_fault(tmp_path, at=at, nth=nth, rank=rank, do="raise")
    assert done.returncode == 1
    assert f"rank {rank} of 3: an error that should not happen" in done.stderr
    assert "RuntimeError: on purpose" in done.stderr and "in with_fault" in done.stderr
    assert time.monotonic() - started < 30, "start-up, and 5 s for the end"


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_a_bad_number_on_one_rank_stops_all_and_is_named(tmp_path: Path, rank: int) -> None:
    done = with_fault(tmp_path, at="shearing", nth=6, rank=rank, do="poison")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    where = f"at site ({4 * rank + 1}, 2) of rank {rank}, found after step"
    assert f"hpcepm: stopped: sigma_c is nan {where}" in done.stderr


@pytest.mark.parametrize(
    "directory", ["", "x" * 300, "file/below", b"\xff".decode(errors="surrogateescape")]
)
def test_directories_that_cannot_be(hpcepm: Run, tmp_path: Path, directory: str) -> None:
    (tmp_path / "file").write_text("")
    done = hpcepm(GOOD, "--output", directory)
    assert done.returncode == 2 and "Traceback" not in done.stderr and done.stderr
    assert set(files(tmp_path)) == {"input.yaml", "file"}


def test_a_terminal_without_greek_letters(hpcepm: Run) -> None:
    done = hpcepm(GOOD, PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")
    assert done.returncode == 0 and "12 ? 10 sites" in done.stdout


def test_a_reader_that_goes_away_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(GOOD))
    process = start(["-m", "hpcepm", "input.yaml"], None, tmp_path)
    try:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        process.wait(timeout=240)
        assert process.returncode == 0 and process.stderr.read() == ""
    finally:
        end(process)


@pytest.mark.parametrize("ranks", [None, 2])
def test_a_full_disk_is_said_plainly(tmp_path: Path, ranks: int | None) -> None:
    """No file may grow beyond a limit that observables keep and a checkpoint exceeds."""
    settings = settings_for(
        (97, 61), engine="direct", loading={"target": 0.3}, checkpoint={"every": "0.05 s"}
    )
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(settings))
    done = run_python(
        ["-m", "tests.ranks.limited_files", "150000", "input.yaml"],
        ranks,
        tmp_path,
        timeout=240,
        PYTHONPATH=str(Path(__file__).parents[2]),
    )
    assert done.returncode == 1 and "no room for" in done.stderr and "Traceback" not in done.stderr
    with h5py.File(tmp_path / "run" / "run.h5") as file:
        assert not file.attrs["finished"]


def test_a_foreign_run_file_is_untouched(hpcepm: Run, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.h5").write_bytes(b"somebody's")
    for options in ((), ("--continue",)):
        done = hpcepm(GOOD, *options)
        assert done.returncode == 3 and "is no output of hpcepm" in done.stderr
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["run.h5"]
