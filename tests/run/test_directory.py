"""The directory of a run against people and other programs: what is held, kept, and left alone."""

import os
import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from hpcepm.input.read import read_input
from hpcepm.parallel.ranks import Ranks
from hpcepm.run.run import Run
from hpcepm.storage.directory import RunDirectory
from hpcepm.storage.lock import Lock
from tests.conftest import assert_same_bits, datasets, end, run_python, settings_for, start

SETTINGS = settings_for((14, 10), loading={"target": 0.3})
COMMAND = ["-m", "hpcepm", "input.yaml"]
CONTINUE = [*COMMAND, "--continue"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("finished"))


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run of three realizations that was stopped in the second."""
    folder = made(tmp_path_factory.mktemp("stopped"))
    write(folder, realizations=3)
    assert hpcepm(folder, *CONTINUE, "--max-walltime", "0.001").returncode == 75
    return folder


def write(folder: Path, **changes: Any) -> None:
    (folder / "input.yaml").write_text(yaml.safe_dump({**SETTINGS, **changes}))


def made(folder: Path, **changes: Any) -> Path:
    write(folder, **changes)
    assert hpcepm(folder, *COMMAND).returncode == 0
    return folder


def hpcepm(folder: Path, *command: str, ranks: int | None = None) -> Any:
    done = run_python(list(command or CONTINUE), ranks, folder)
    assert "Traceback" not in done.stderr and "\x1b" not in done.stdout + done.stderr
    return done


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def copy(folder: Path, to: Path) -> Path:
    shutil.copytree(folder, to / "copy")
    return to / "copy"


WITHOUT = [
    ("run.h5",),
    ("checkpoints",),
    ("pieces",),
    ("run.h5", "checkpoints"),
    ("run.h5", "pieces"),
]


@pytest.mark.parametrize("gone", WITHOUT, ids=" ".join)
def test_any_part_of_a_run_is_a_run(stopped: Path, tmp_path: Path, gone: tuple[str, ...]) -> None:
    folder = copy(stopped, tmp_path)
    for name in gone:
        path = folder / "run" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    before = contents(folder)
    done = hpcepm(folder, *COMMAND)
    assert done.returncode == 3 and "holds a run already" in done.stderr
    assert contents(folder) == before


@pytest.mark.parametrize("gone", [("run.h5",), ("checkpoints",), ("run.h5", "checkpoints")])
def test_a_run_goes_on_without_a_part(
    stopped: Path, finished: Path, tmp_path: Path, gone: tuple[str, ...]
) -> None:
    folder, whole = copy(stopped, tmp_path), tmp_path / "whole"
    for name in gone:
        path = folder / "run" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert hpcepm(folder, ranks=2).returncode == 0
    whole.mkdir()
    made(whole, realizations=3)
    assert_same_bits(whole / "run", folder / "run")
    assert "is sound" in hpcepm(folder, "-m", "hpcepm", "verify", "run").stdout


VERIFY = ["-m", "hpcepm", "verify", "run"]
REPAIR = [*VERIFY, "--repair"]


@pytest.mark.parametrize("gone", [("run.h5",), ("run.h5", "checkpoints")], ids=" ".join)
@pytest.mark.parametrize("command", [CONTINUE, REPAIR], ids=["continue", "repair"])
def test_a_finished_run_without_run_file_has_it_made_anew(
    finished: Path, tmp_path: Path, gone: tuple[str, ...], command: list[str]
) -> None:
    folder = copy(finished, tmp_path)
    (folder / "run" / "run.h5").unlink()
    if "checkpoints" in gone:
        shutil.rmtree(folder / "run" / "checkpoints")
    assert hpcepm(folder, *command).returncode == 0
    assert_same_bits(finished / "run", folder / "run")
    done = hpcepm(folder)
    assert done.returncode == 3 and "holds a finished run" in done.stderr


@pytest.mark.parametrize("command", [CONTINUE, REPAIR], ids=["continue", "repair"])
def test_a_run_file_that_is_older_than_the_rest_is_brought_up_to_it(
    tmp_path: Path, command: list[str]
) -> None:
    """As when a directory is copied file by file, while its run is at work."""
    write(tmp_path)
    assert hpcepm(tmp_path, *CONTINUE, "--max-walltime", "0.001").returncode == 75
    older, there = tmp_path / "older.h5", tmp_path / "run" / "run.h5"
    shutil.copy(there, older)
    assert hpcepm(tmp_path).returncode == 0
    whole = copy(tmp_path / "run", tmp_path)
    shutil.copy(older, there)
    done = hpcepm(tmp_path, *VERIFY)
    assert done.returncode == 1 and "has come further than run.h5 shows" in done.stdout
    done = hpcepm(tmp_path, *command)
    assert done.returncode == 0, done.stderr
    assert_same_bits(whole, tmp_path / "run")
    assert "is sound" in hpcepm(tmp_path, *VERIFY).stdout


def test_as_many_realizations_as_are_finished_finish_a_run(stopped: Path, tmp_path: Path) -> None:
    folder = copy(stopped, tmp_path)
    write(folder)
    done = hpcepm(folder)
    assert done.returncode == 0 and "done of realizations [1] is left out" in done.stderr
    single = tmp_path / "single"
    single.mkdir()
    made(single)
    assert_same_bits(single / "run", folder / "run")


def test_a_run_file_of_fewer_realizations_is_brought_up_to_all(tmp_path: Path) -> None:
    made(tmp_path)
    older, there = tmp_path / "older.h5", tmp_path / "run" / "run.h5"
    shutil.copy(there, older)
    write(tmp_path, realizations=2)
    assert hpcepm(tmp_path).returncode == 0
    whole = copy(tmp_path / "run", tmp_path)
    shutil.copy(older, there)
    assert "further than run.h5 shows" in hpcepm(tmp_path, *VERIFY).stdout
    assert hpcepm(tmp_path).returncode == 0
    assert_same_bits(whole, tmp_path / "run")


def test_a_run_file_from_pieces_alone_is_sound_for_verify(stopped: Path, tmp_path: Path) -> None:
    """It shows the realization that is finished, and not the one that a checkpoint is in."""
    folder = copy(stopped, tmp_path)
    (folder / "run" / "run.h5").unlink()
    done = hpcepm(folder, *REPAIR)
    assert done.returncode == 0 and "is sound" in done.stdout, done.stdout


def test_a_run_file_of_another_run_is_named(stopped: Path, tmp_path: Path) -> None:
    folder, other = copy(stopped, tmp_path), tmp_path / "other"
    other.mkdir()
    made(other, realizations=3)
    shutil.copy(other / "run" / "run.h5", folder / "run" / "run.h5")
    before = contents(folder)
    done = hpcepm(folder)
    assert done.returncode == 3 and "run.h5: is of another run than the check" in done.stderr
    assert contents(folder) == before
    (folder / "run" / "run.h5").unlink()
    assert hpcepm(folder).returncode == 0


def test_going_on_takes_nothing_away(
    tmp_path: Path, one_rank: Ranks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run goes on from a checkpoint older than its output: no record is missed meanwhile."""
    for name in (
        "manager.SECONDS_A_SAVE",
        "run.SECONDS_BETWEEN_LOOKS",
        "manager.SECONDS_BETWEEN_FILES",
    ):
        monkeypatch.setattr(f"hpcepm.run.{name}", 0.0)
    write(tmp_path)

    def begin(name: str) -> tuple[Run, RunDirectory]:
        read = read_input(str(tmp_path / "input.yaml"), [], str(tmp_path / name))
        directory = RunDirectory(str(tmp_path / name), go_on=True)
        return Run(one_rank, read, directory, resume=True), directory

    def records() -> int:
        stress = datasets(tmp_path / "run" / "run.h5")["observables/stress"]
        assert np.isfinite(stress).all()
        return stress.size

    run, directory = begin("run")
    for k, _ in enumerate(run.run()):
        if k == 6:
            (tmp_path / "run" / "CHECKPOINT").touch()
        if k == 14:
            break
    directory.release()
    before, pieces = records(), contents(tmp_path / "run" / "pieces")
    assert before > 10
    run, directory = begin("run")
    for k, _ in enumerate(run.run()):
        assert records() >= before
        now = contents(tmp_path / "run" / "pieces")
        assert all(now[name] == content for name, content in pieces.items())
        if k == 5:
            break
    directory.release()
    for name in ("run", "whole"):
        run, directory = begin(name)
        for _ in run.run():
            pass
        directory.release()
    assert_same_bits(tmp_path / "whole", tmp_path / "run")


FOREIGN = [
    "checkpoints/9-before.h5", "checkpoints/00000001 (copy).h5", "checkpoints/2024-06-01.h5",
    "checkpoints/0.1-strain.h5", "checkpoints/00000009.h5.bak", "checkpoints/٠٠٠٠٠٠٠٩.h5",
    "pieces/x-backup.h5", "pieces/avalanches-00000001 (conflicted copy).h5", "pieces/.nfs0001",
    "pieces/observables-00000001.h5~",
]  # fmt: skip


def test_what_people_leave_is_left_alone(stopped: Path, tmp_path: Path) -> None:
    folder = copy(stopped, tmp_path)
    newest = max((folder / "run" / "checkpoints").glob("0*.h5"))
    for name in FOREIGN:
        shutil.copy(newest, folder / "run" / name)
    assert hpcepm(folder).returncode == 0
    assert all((folder / "run" / name).exists() for name in FOREIGN)
    said = hpcepm(folder, "-m", "hpcepm", "verify", "run")
    assert said.returncode == 0 and said.stdout.count("x-backup.h5") == 1
    assert all(Path(name).name in said.stdout for name in FOREIGN if name.isascii())


@pytest.mark.parametrize("table", ["observables", "profiles", "avalanches", "fields"])
def test_a_piece_of_another_run_is_noticed(stopped: Path, tmp_path: Path, table: str) -> None:
    """Of another seed, and of the same input begun anew: the numbers alone would not tell."""
    other = tmp_path / "other"
    other.mkdir()
    made(other, seed=4 if table != "profiles" else 3)
    folder = copy(stopped, tmp_path)
    for path in (folder / "run" / "pieces").glob(f"{table}-*.h5"):
        shutil.copy(next((other / "run" / "pieces").glob(f"{table}-*.h5")), path)
    for command in ("verify", "plot"):
        done = hpcepm(folder, "-m", "hpcepm", command, "run")
        assert done.returncode in (1, 2) and "of another run" in done.stdout + done.stderr
    done = hpcepm(folder)
    assert done.returncode == 1 and "of another run" in done.stderr


def test_checkpoints_of_another_run_do_not_count(stopped: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    write(other, realizations=3)  # the same input
    assert hpcepm(other, *CONTINUE, "--max-walltime", "0.001").returncode == 75
    folder, there = copy(stopped, tmp_path), tmp_path / "copy" / "run" / "checkpoints"
    foreign = (other / "run" / "checkpoints" / "00000001.h5").read_bytes()
    (there / "00000007.h5").write_bytes(foreign)
    done = hpcepm(folder)
    assert done.returncode == 0 and "00000007.h5: is a copy of checkpoint 1" in done.stderr
    assert (there / "00000007.h5").read_bytes() == foreign, "not ours to remove"
    assert "is of another run" in hpcepm(folder, "-m", "hpcepm", "verify", "run").stdout


def test_a_run_file_that_somebody_wrote_into_is_made_anew(stopped: Path, tmp_path: Path) -> None:
    import h5py

    folder = copy(stopped, tmp_path)
    with h5py.File(folder / "run" / "run.h5", "r+") as file:
        file.attrs["note"] = "for the group meeting"
    done = hpcepm(folder)
    assert done.returncode == 0 and "run.h5: is truncated, altered" in done.stderr
    assert "it will be made anew" in done.stderr


LINKS = ["run.h5", "run.h5.partial", "summary.png", "summary.png.partial", "summary.csv",
         "summary.csv.partial", "checkpoints/newest", "checkpoints/newest.partial",
         "checkpoints/00000003.h5", "checkpoints/00000003.h5.partial",
         "pieces/observables-00000003.h5", "pieces/observables-00000003.h5.partial"]  # fmt: skip


def test_no_link_is_followed(stopped: Path, tmp_path: Path) -> None:
    folder, victim = copy(stopped, tmp_path), tmp_path / "victim"
    victim.write_bytes(b"somebody's")
    for name in LINKS:
        path = folder / "run" / name
        path.unlink(missing_ok=True)
        path.symlink_to(victim)
    hpcepm(folder)
    for command in ("plot", "summarize", "verify"):
        hpcepm(folder, "-m", "hpcepm", command, "run")
    assert victim.read_bytes() == b"somebody's"


@pytest.mark.parametrize("name", ["run.lock", "pieces", "checkpoints"])
def test_a_link_in_place_of_a_part_is_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "victim").write_bytes(b"somebody's")
    (tmp_path / "run").mkdir()
    target = tmp_path / ("victim" if name == "run.lock" else "elsewhere")
    (tmp_path / "run" / name).symlink_to(target)
    done = hpcepm(tmp_path, *COMMAND)
    assert done.returncode in (2, 3) and "is a link" in done.stderr
    assert (tmp_path / "victim").read_bytes() == b"somebody's"
    assert not list((tmp_path / "elsewhere").iterdir())


def long_run(folder: Path, name: str = "run", *more: str) -> Any:
    settings = {
        **settings_for((40, 40)),
        "loading": {"target": 500.0},
        "checkpoint": {"every": "0.2 s"},
    }
    (folder / "long.yaml").write_text(yaml.safe_dump(settings))
    return start(["-m", "hpcepm", "long.yaml", "--output", name, *more], None, folder)


def wait_for(path: Path, process: Any) -> None:
    give_up = time.monotonic() + 240
    while not path.exists():
        assert process.poll() is None and time.monotonic() < give_up
        time.sleep(0.01)


def away(run: Path) -> None:
    run.rename(run.with_name("renamed"))


def removed(run: Path) -> None:
    """Remove a directory, as often as it takes: the run may write a file meanwhile."""
    give_up = time.monotonic() + 60
    while run.exists():
        assert time.monotonic() < give_up, "it comes back"
        shutil.rmtree(run, ignore_errors=True)


@pytest.mark.parametrize("how", [away, removed])
def test_a_directory_taken_from_under_a_run(tmp_path: Path, how: Callable[[Path], Any]) -> None:
    """The first notices and ends; what was begun in its place is as if alone."""
    first = long_run(tmp_path)
    try:
        wait_for(tmp_path / "run" / "checkpoints" / "newest", first)
        how(tmp_path / "run")
        write(tmp_path)
        assert hpcepm(tmp_path, *COMMAND).returncode == 0
        _, said = first.communicate(timeout=30)
    finally:
        end(first)
    assert first.returncode == 1 and "Traceback" not in said
    assert "taken over" in said or "No such file" in said
    whole = tmp_path / "alone"
    whole.mkdir()
    assert_same_bits(made(whole) / "run", tmp_path / "run")
    assert not (tmp_path / "run" / "run.lock").exists()


def test_files_have_the_mode_that_the_umask_gives(finished: Path, tmp_path: Path) -> None:
    write(tmp_path)
    before = os.umask(0o002)
    try:
        assert hpcepm(tmp_path, *COMMAND).returncode == 0
        assert hpcepm(tmp_path, "-m", "hpcepm", "plot", "run").returncode == 0
        lock = Lock(tmp_path / "run.lock")
        modes = {stat.S_IMODE((tmp_path / "run.lock").stat().st_mode)}
        lock.release()
    finally:
        os.umask(before)
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert modes | {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o664}
