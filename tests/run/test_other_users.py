"""Directories that several people work in: what another user's run left, and what nobody may do."""

import errno
import fcntl
import os
import shutil
import stat
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hpcepm.analysis.missing import no_run
from hpcepm.cli import main
from hpcepm.run.place import refusal
from hpcepm.storage import lock as module
from hpcepm.storage.directory import DirectoryUnusable, Folder, RunDirectory
from hpcepm.storage.lock import InUse, Lock, holder_of

NOBODY = 65534


def by_another(do: Callable[[], Any]) -> str:
    """Let another user do something, if we may; return what it returned, or raised, in words."""
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            said = repr(do())
        except Exception as error:
            said = "".join(traceback.format_exception_only(error))
        os.write(write, said.encode())
        os._exit(0)
    os.close(write)
    with open(read) as out:
        said = out.read()
    os.waitpid(child, 0)
    return said


@pytest.fixture
def shared() -> Iterator[Path]:
    """Return a folder in which everybody may write."""
    folder = Path(tempfile.mkdtemp(prefix="shared-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def taken(path: Path) -> str | None:
    lock = Lock(path, patience=0.3)
    lock.claim.check()
    lock.release()
    return lock.taken_over


def left_lock(folder: Path) -> Path:
    """Leave a lock that others may read, as of a run that died."""
    lock = Lock(folder / "run.lock")
    text = lock.path.read_bytes()
    lock.release()
    lock.path.write_bytes(text.replace(b'"pid": ', b'"pid": 9999'))
    lock.path.chmod(0o444)
    return lock.path


def test_the_lock_of_another_user_who_died_is_taken_over(shared: Path) -> None:
    path = left_lock(shared)
    assert by_another(lambda: taken(path)).startswith("'process 9999")
    assert not path.exists()


def test_the_lock_of_another_user_who_lives_is_left(shared: Path) -> None:
    lock = Lock(shared / "run.lock")
    lock.path.chmod(0o444)
    assert "InUse: process" in by_another(lambda: taken(lock.path))
    lock.claim.check()
    lock.release()


def test_a_lock_that_nobody_else_may_remove_is_named(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = left_lock(shared)
    shared.chmod(0o1777)
    if os.geteuid() != 0:  # one user alone may remove it
        monkeypatch.setattr(Path, "unlink", fails(PermissionError(errno.EPERM, "not permitted")))
    said = by_another(lambda: taken(path))
    monkeypatch.undo()
    assert "run.lock is of another user, whose run died, and cannot be removed" in said
    with pytest.raises(FileNotFoundError):
        Lock(shared / "none" / "run.lock")


@pytest.mark.parametrize("name", ["checkpoints", "pieces", "."])
def test_what_cannot_be_written_into_is_found_before_the_work(shared: Path, name: str) -> None:
    for folder in ("checkpoints", "pieces"):
        (shared / "run" / folder).mkdir(parents=True, mode=0o777)
        (shared / "run" / folder).chmod(0o777)
    (shared / "run").chmod(0o777)
    locked = shared / "run" / name
    locked.chmod(0o555)
    said = by_another(Folder(str(shared / "run")).unwritable)
    assert said == f"'{locked}: cannot be written into'"
    locked.chmod(0o777)
    assert by_another(lambda: RunDirectory(str(shared / "run"), True).release()) == "None"


def test_a_run_says_so_before_its_work_but_a_finished_one_that_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("input.yaml").write_text("lattice: {shape: [4, 4]}\nloading: {target: 0.1}\n")
    words = ["run", "input.yaml", "--quiet", "--output", "run", "--continue"]
    more = ["--set", "loading.target=0.2"]
    assert main(words) == 0
    monkeypatch.setattr(Folder, "unwritable", lambda _: "run/pieces: cannot be written into")
    assert (main(words), main([*words, *more])) == (3, 2)
    said = capfd.readouterr().err
    assert "run: cannot be used for output: run/pieces: cannot be written into; ask its" in said
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert main([*words, *more]) == 0


def test_a_run_file_in_a_sticky_directory(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shared / "run.h5").write_text("of somebody")
    shared.chmod(0o1777)
    folder, ours = Folder(str(shared)), os.geteuid()
    assert folder.unwritable() is None
    monkeypatch.setattr(os, "geteuid", lambda: ours + 1)
    assert f"{shared / 'run.h5'}: is another user's" in str(folder.unwritable())
    shared.chmod(0o777)
    assert folder.unwritable() is None
    monkeypatch.undo()
    if ours == 0:
        shared.chmod(0o1777)
        assert f"{shared / 'run.h5'}: is another user's" in by_another(folder.unwritable)
        os.chown(shared / "run.h5", NOBODY, NOBODY)
        assert by_another(folder.unwritable) == "None"


def test_check_says_what_a_run_would(shared: Path) -> None:
    class Read:
        class settings:  # noqa: N801
            class output:  # noqa: N801
                directory = str(shared / "linked")

    read: Any = Read
    (shared / "linked").symlink_to("gone")
    said = refusal(read, None)  # type: ignore[arg-type]
    assert said is not None and f"{shared / 'linked'}: is a link to gone, and leads nowhere" in said
    with pytest.raises(DirectoryUnusable, match="is a link to gone, and leads nowhere; name ano"):
        RunDirectory(str(shared / "linked"), False)
    (shared / "gone").mkdir()
    (shared / "gone" / "pieces").symlink_to(shared)
    assert "pieces: is a link, and a run writes in" in str(refusal(read, None))  # type: ignore[arg-type]


def test_a_folder_that_may_not_be_entered_is_not_called_empty(
    shared: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = shared / "run"
    (shared / "input.yaml").write_text("lattice: {shape: [4, 4]}\nloading: {target: 0.1}\n")
    words = [[name, str(run)] for name in ("status", "summarize", "plot", "report", "pack")]
    words.append(
        ["sweep", str(shared / "input.yaml"), "seed=1..2", "--output", str(run), "--dry-run"]
    )
    for line in words:
        main(line)  # loads modules, which another user need not be able to read
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir()
    run.chmod(0o000)
    try:
        assert by_another(lambda: no_run(run)) == f"'{run / 'run.h5'}: Permission denied'"
        for line in words:
            assert by_another(partial(main, line)) == "2", line
    finally:
        run.chmod(0o700)
    said = capfd.readouterr().err
    assert said.count("Permission denied") == len(words) and "should not happen" not in said


@pytest.mark.parametrize("command", ["report", "pack", "plot", "summarize", "verify", "status"])
def test_a_circle_of_links(tmp_path: Path, command: str, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert main([command, str(tmp_path / "a")]) in (1, 2)
    said = capfd.readouterr().err
    assert "symbolic links" in said and "should not happen" not in said and "Errno" not in said


def test_a_lock_that_is_shared_by_a_hard_link_is_none(tmp_path: Path) -> None:
    """As after ``cp -al`` of the directory of a run that is at work, or was killed."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first = Lock(tmp_path / "a" / "run.lock")
    os.link(first.path, tmp_path / "b" / "run.lock")
    second = Lock(tmp_path / "b" / "run.lock")
    first.claim.check()
    second.claim.check()
    with pytest.raises(InUse):
        Lock(tmp_path / "b" / "run.lock")
    second.release()
    os.link(first.path, tmp_path / "b" / "run.lock")
    there = holder_of(first.path)
    assert holder_of(tmp_path / "b" / "run.lock") is None and there is not None and there.alive
    (tmp_path / "a").rename(tmp_path / "c")
    os.link(tmp_path / "c" / "run.lock", tmp_path / "other")
    with pytest.raises(InUse):  # of a directory that was renamed
        Lock(tmp_path / "c" / "run.lock")
    first.release()


def fails(error: Exception) -> Callable[..., Any]:
    def fail(*_: object) -> None:
        raise error

    return fail


def test_who_cannot_hold_a_lock_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.lock"
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fails(RuntimeError("can't start new thread")))
        with pytest.raises(OSError, match="ulimit -u"):
            Lock(path)
    assert not path.exists()
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", fails(OSError(errno.EFBIG, "File too large")))
        with pytest.raises(OSError, match="too large"):
            Lock(path)
    assert not path.exists()


def test_a_process_that_is_hidden_is_no_dead_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with hidepid, or where a kernel that cannot lock serves two containers."""
    lock = Lock(tmp_path / "run.lock")
    monkeypatch.setattr(module, "_flock", lambda _: None)
    monkeypatch.setattr(module, "_began", lambda _: None)
    beats = threading.Timer(0.3, os.utime, (lock.path,))
    beats.start()
    with pytest.raises(InUse):
        Lock(lock.path, patience=2)
    beats.join()

    monkeypatch.setattr(os, "kill", fails(PermissionError()))
    for error in (PermissionError, FileNotFoundError):  # hidepid=1, and 2
        with monkeypatch.context() as patch:
            patch.setattr(Path, "read_bytes", fails(error()))
            held = holder_of(lock.path)
        assert held is not None and held.alive
    lock.release()


def test_over_nfs_what_may_only_be_read_shows_its_holder(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There an exclusive lock takes a descriptor that can write."""
    flock = fcntl.flock

    def as_nfs(descriptor: int, kind: int) -> None:
        readable = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
        if kind & fcntl.LOCK_EX and readable:
            raise OSError(errno.EBADF, "Bad file descriptor")
        flock(descriptor, kind)

    monkeypatch.setattr(fcntl, "flock", as_nfs)
    lock = Lock(shared / "run.lock")
    lock.path.chmod(0o444)
    monkeypatch.setattr(module, "_is_running", lambda _: False)  # stopped, on another machine say
    assert "InUse" in by_another(lambda: taken(lock.path))
    lock.claim.check()
    lock.release()
    assert by_another(lambda: taken(left_lock(shared))).startswith("'process 9999")


def test_who_may_not_write_here_keeps_nobody_off(shared: Path) -> None:
    path = left_lock(shared)
    shared.chmod(0o555)
    begun = time.monotonic()
    assert "PermissionError" in by_another(lambda: Lock(path, patience=60))
    assert time.monotonic() - begun < 30
    shared.chmod(0o777)


def test_a_container_is_another_machine() -> None:
    assert os.readlink("/proc/self/ns/pid") in module._boot()
    assert stat.S_ISREG(os.stat("/proc/sys/kernel/random/boot_id").st_mode)
