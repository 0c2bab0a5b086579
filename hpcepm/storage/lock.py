"""One run at a time in a directory: a lock that ends with its holder, however that dies.

The kernel's own lock (flock) does this, where the file system carries it to other machines. Not all
do, and some pretend. So the lock file also says who holds it, and its holder touches it every few
seconds: a heartbeat. Whoever finds the lock of another machine watches for one before taking it
over.
"""

import contextlib
import fcntl
import json
import os
import socket
import threading
import time
from errno import EACCES, EAGAIN, ENOLCK, ENOSYS, EOPNOTSUPP
from pathlib import Path
from typing import Any, Final

NO_LOCKS: Final = (ENOLCK, ENOSYS, EOPNOTSUPP)  # what file systems answer that cannot lock
HEARTBEAT: Final = 3.0
PATIENCE: Final = 4 * HEARTBEAT
"""Seconds without a heartbeat after which a holder is taken for dead."""

SURELY_DEAD: Final = 600.0
"""Age of the last heartbeat, in seconds, that no difference between clocks explains."""


class InUse(Exception):
    """Another run holds the lock; the message says which."""


class Lock:
    """A lock on a file, held from its making until `release`.

    Parameters
    ----------
    path
        The lock file.
    patience
        How long to watch for the heartbeat of a holder on another machine, in seconds.

    Attributes
    ----------
    taken_over
        The dead holder, in words, whose lock this was; None if it was free.

    Raises
    ------
    InUse
        It is held by a living run.
    OSError
        The file cannot be made.
    """

    def __init__(self, path: Path, patience: float = PATIENCE) -> None:
        self.path = path
        self.taken_over: str | None = None
        self._patience = patience
        self._descriptor = self._take()
        self._over = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True, name="heartbeat of the lock")
        self._heart.start()

    def release(self) -> None:
        """Let others have it."""
        self._over.set()
        self._heart.join()
        with contextlib.suppress(OSError):
            self.path.unlink()
        os.close(self._descriptor)

    def _take(self) -> int:
        """Return the descriptor of the locked file, which says from now on that it is ours."""
        while True:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                self._refuse_if_alive(descriptor)
                if os.path.samestat(os.fstat(descriptor), os.stat(self.path)):
                    _write_holder(descriptor)
                    return descriptor
            except FileNotFoundError:
                pass  # its last holder removed it while we took hold of it: take the next
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def _refuse_if_alive(self, descriptor: int) -> None:
        holder = _holder(descriptor)
        ours = _flock(descriptor)
        if ours is False:
            raise InUse(_told(holder))
        if not holder:
            return
        here = holder.get("host") == socket.gethostname()
        # On another machine, whatever the kernel says: its locks may end at this one.
        if (ours is None and _is_running(holder)) if here else self._beats(descriptor):
            raise InUse(_told(holder))
        self.taken_over = _told(holder)

    def _beats(self, descriptor: int) -> bool:
        """Return whether someone touches the file while we watch."""
        if time.time() - os.fstat(descriptor).st_mtime > SURELY_DEAD:
            return False
        before, give_up = os.fstat(descriptor).st_mtime_ns, time.monotonic() + self._patience
        while time.monotonic() < give_up:
            time.sleep(0.2)
            if os.stat(self.path).st_mtime_ns != before:
                return True
        return False

    def _beat(self) -> None:
        while not self._over.wait(HEARTBEAT):
            with contextlib.suppress(
                OSError
            ):  # a directory that is gone is for the next write to report
                os.utime(self._descriptor)


def _flock(descriptor: int) -> bool | None:
    """Return whether we have the kernel's lock now; None if this file system has no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in NO_LOCKS:
            return None
        if error.errno not in (EAGAIN, EACCES):
            raise
        return False
    return True


def _write_holder(descriptor: int) -> None:
    holder = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "began": _began(os.getpid()),
        "job": os.environ.get("SLURM_JOB_ID") or os.environ.get("PBS_JOBID"),
        "since": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(holder).encode() + b"\n", 0)


def _holder(descriptor: int) -> dict[str, Any]:
    """Return what the lock file says of its holder; nothing if it says nothing that can be read."""
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _told(holder: dict[str, Any]) -> str:
    if not holder:
        return "unknown"
    job = f", job {holder['job']}" if holder.get("job") else ""
    pid, host, since = (holder.get(key, "?") for key in ("pid", "host", "since"))
    return f"process {pid} on {host}{job}, since {since}"[:200]


def _is_running(holder: dict[str, Any]) -> bool:
    return _began(holder.get("pid")) == holder.get("began") is not None


def _began(pid: object) -> str | None:
    """Return when a process of this machine began, in ticks; None if there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None
