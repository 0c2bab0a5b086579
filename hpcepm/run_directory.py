"""The directory that a run owns: what may be in it, and who holds it."""

import fcntl
import os
import socket
import time
from pathlib import Path


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

    Raises
    ------
    DirectoryTaken
        Another run is at work there, or one is there and ``go_on`` is False. Nothing was touched.
    DirectoryUnusable
        It cannot be made.
    """

    def __init__(self, path: str, go_on: bool) -> None:
        self.path = Path(path)
        self._refuse_taken(go_on)
        try:
            for folder in (self.path, self.pieces, self.checkpoints):
                folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise DirectoryUnusable(f"{self.path}: cannot be used for output: {error.strerror}") from None
        if not _locked(self._lock):
            raise DirectoryTaken(self._in_use())
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
            try:
                probe = os.open(self._lock_file, os.O_RDWR | os.O_CLOEXEC)
            except OSError as error:
                raise DirectoryUnusable(f"{self._lock_file}: {error.strerror}") from None
            try:
                if not _locked(probe):
                    raise DirectoryTaken(self._in_use())
            finally:
                os.close(probe)
        holds_run = self.run_file.exists() or any(self.checkpoints.glob("*.h5"))
        if holds_run and not go_on:
            raise DirectoryTaken(
                f"{self.path}: holds a run already, and it was not touched. Add --continue to go on with it, "
                "choose another directory with --output DIR, or remove it."
            )

    def _in_use(self) -> str:
        try:
            holder = self._lock_file.read_text().strip()[:200]
        except OSError:
            holder = ""
        return f"{self.path}: is in use by another run ({holder or 'unknown'}); it was not touched."

    def release(self) -> None:
        """Let others have the directory."""
        self._lock_file.unlink(missing_ok=True)
        os.close(self._lock)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
