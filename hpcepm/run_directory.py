"""The directory that a run owns: what may be in it, and who holds it."""

import fcntl
import json
import os
import socket
import time
from errno import EACCES, EAGAIN, ENOLCK, ENOSYS, EOPNOTSUPP
from pathlib import Path
from typing import Any, Final

import h5py

NO_LOCKS: Final = (ENOLCK, ENOSYS, EOPNOTSUPP)  # what file systems answer that cannot lock


class DirectoryTaken(Exception):
    """The directory is in use, or holds a run that must not be touched."""


class DirectoryUnusable(Exception):
    """The directory cannot be made or written."""


class RunDirectory:
    """``run.h5``, its pieces and the checkpoints, held by one run at a time. On rank 0.

    The lock is the kernel's (flock on ``run.lock``): it ends with its holder, however that dies.

    Parameters
    ----------
    path
        As the user named it.
    go_on
        Whether a run that is there may be taken up.

    Attributes
    ----------
    locks
        False on a file system that has no locks: the user must see to it that no second run begins there.

    Raises
    ------
    DirectoryTaken
        Another run is at work there, or one is there and ``go_on`` is False, or something else is. Nothing was touched.
    DirectoryUnusable
        It cannot be made.
    """

    def __init__(self, path: str, go_on: bool) -> None:
        self.path = Path(path)
        self.locks = True
        try:
            self._refuse_taken(go_on)
            for folder in (self.path, self.pieces, self.checkpoints):
                folder.mkdir(parents=True, exist_ok=True)
            self._lock = self._hold()
        except (OSError, ValueError) as error:  # ValueError: a name that no file can have
            raise DirectoryUnusable(f"{self.path}: cannot be used for output: {getattr(error, 'strerror', error)}") from None
        os.ftruncate(self._lock, 0)
        started = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
        os.write(self._lock, f"process {os.getpid()} on {socket.gethostname()}, since {started}\n".encode())

    @property
    def pieces(self) -> Path:
        """Where closed pieces of the output lie."""
        return self.path / "pieces"

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints lie."""
        return self.path / "checkpoints"

    @property
    def run_file(self) -> Path:
        """The file that users open."""
        return self.path / "run.h5"

    @property
    def _lock_file(self) -> Path:
        return self.path / "run.lock"

    def _refuse_taken(self, go_on: bool) -> None:
        if self._lock_file.exists():
            probe = os.open(self._lock_file, os.O_RDWR | os.O_CLOEXEC)
            try:
                self._lock_or_refuse(probe)
            finally:
                os.close(probe)
        if self.run_file.exists() and read_identity(self.run_file) is None:
            raise DirectoryTaken(f"{self.run_file}: is no output of hpcepm, and it was not touched.")
        holds_run = self.run_file.exists() or any(self.checkpoints.glob("*.h5"))
        if holds_run and not go_on:
            raise DirectoryTaken(
                f"{self.path}: holds a run already, and it was not touched. Add --continue to go on with it, "
                "choose another directory with --output DIR, or remove it."
            )

    def _hold(self) -> int:
        """Return the descriptor of the locked lock file."""
        while True:
            descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self._lock_or_refuse(descriptor)
            try:
                if os.path.samestat(os.fstat(descriptor), os.stat(self._lock_file)):
                    return descriptor
            except FileNotFoundError:
                pass  # its last holder removed it while we took hold of it: take the next
            os.close(descriptor)

    def _lock_or_refuse(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (EAGAIN, EACCES):
                raise DirectoryTaken(self._in_use()) from None
            if error.errno not in NO_LOCKS:
                raise
            self.locks = False

    def _in_use(self) -> str:
        try:
            holder = self._lock_file.read_text(errors="replace").strip()[:200]
        except OSError:
            holder = ""
        return f"{self.path}: is in use by another run ({holder or 'unknown'}); it was not touched."

    def release(self) -> None:
        """Let others have the directory."""
        self._lock_file.unlink(missing_ok=True)
        os.close(self._lock)


class Identity:
    """What a ``run.h5`` says of the run that it belongs to."""

    def __init__(self, file: h5py.File) -> None:
        self.settings: dict[str, Any] = json.loads(file.attrs["input_resolved"])
        self.finished = bool(file.attrs["finished"])
        self.created = str(file.attrs["created"])


def read_identity(run_file: Path) -> Identity | None:
    """Return which run a ``run.h5`` belongs to; None if it is not one of ours."""
    try:
        with h5py.File(run_file, "r") as file:
            return Identity(file)
    except (OSError, KeyError, ValueError, TypeError):
        return None
