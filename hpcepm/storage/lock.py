"""One run at a time in a directory: a lock that ends with its holder, however that dies.

The kernel's own lock (flock) does this, where the file system carries it to other machines. Not all
do, and some pretend. So the lock file also says who holds it, and its holder touches it every few
seconds: a heartbeat. Whoever finds the lock of another machine watches for one before taking it
over; clocks of two machines are not compared. A holder that slept through this has lost the lock:
before it writes anything it must ask whether the lock is still its own (`Claim`).
"""

import contextlib
import errno
import fcntl
import json
import os
import secrets
import socket
import stat
import threading
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

from hpcepm.text import utc

NO_LOCKS: Final = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, 524)
"""What file systems answer that cannot lock; 524 is ENOTSUPP of the Linux kernel."""

HEARTBEAT: Final = 3.0
PATIENCE: Final = 4 * HEARTBEAT
"""Seconds without a heartbeat after which a holder is taken for dead."""

CLOCKS_APART: Final = 60.0
"""Seconds since the last heartbeat by the clock of this machine, for a lock held on another."""

DEAD: Final = ("Z", "X")
"""States of a process that is over, but for its parent, who has not asked how it ended."""

MOST_BYTES: Final = 4096


class InUse(Exception):
    """Another run holds the lock; the message says which."""


class Claim(NamedTuple):
    """What a holder's lock file must say as long as the lock is its own. On any rank."""

    path: Path
    token: str

    def check(self) -> None:
        """Find out whether the lock is still held.

        Raises
        ------
        OSError
            It is not: the directory was removed, renamed or taken over.
        """
        holder: dict[str, Any] = {}
        with contextlib.suppress(FileNotFoundError):
            descriptor = _opened(self.path, os.O_RDONLY)
            try:
                holder = _parsed(os.pread(descriptor, MOST_BYTES, 0))
            finally:
                os.close(descriptor)
        if holder.get("token") != self.token:
            who = f"by {_told(holder)}" if holder else "or removed"
            raise OSError(errno.ESTALE, f"the directory was taken over {who}; nothing was written")


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
    claim
        To ask later whether the lock is still held.

    Raises
    ------
    InUse
        It is held by a living run.
    OSError
        The file cannot be made.
    """

    def __init__(self, path: Path, patience: float = PATIENCE) -> None:
        self.path = path.absolute()
        self.claim = Claim(self.path, secrets.token_hex(16))
        self.taken_over: str | None = None
        self._patience = patience
        self._descriptor = self._take()
        self._over = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True, name="heartbeat of the lock")
        try:
            self._heart.start()
        except RuntimeError:
            self._let_go()
            said = "no thread can be started (ulimit -u limits how many)"
            raise OSError(errno.EAGAIN, said) from None

    def release(self) -> None:
        """Let others have it; a lock that was lost is left to its new holder."""
        self._over.set()
        self._heart.join()
        self._let_go()

    def _let_go(self) -> None:
        with contextlib.suppress(OSError):
            if self._is_ours():
                self.path.unlink()
        os.close(self._descriptor)

    def _is_ours(self) -> bool:
        """Return whether the lock file says so, read anew if a descriptor is left for that."""
        try:
            self.claim.check()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                return False
            holder = _parsed(os.pread(self._descriptor, MOST_BYTES, 0))
            there = os.path.samestat(os.fstat(self._descriptor), os.lstat(self.path))
            return there and holder.get("token") == self.claim.token
        return True

    def _take(self) -> int:
        """Return the descriptor of the locked file, which says from now on that it is ours."""
        while True:
            descriptor, is_anothers = self._opened()
            try:
                holder = _parsed(os.pread(descriptor, MOST_BYTES, 0))
                if _is_linked_from_another(self.path, os.fstat(descriptor), holder):
                    self._remove("is shared with another directory")
                else:
                    self._refuse_if_alive(descriptor)
                    if os.path.samestat(os.fstat(descriptor), os.lstat(self.path)):
                        if not is_anothers:
                            self._say_whose(descriptor)
                            return descriptor
                        self._remove("is of another user, whose run died")
            except FileNotFoundError:
                pass  # its last holder removed it while we took hold of it: take the next
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def _opened(self) -> tuple[int, bool]:
        """Return a descriptor of the file, and whether it is another user's, to be read alone."""
        try:
            return _opened(self.path, os.O_RDWR | os.O_CREAT), False
        except PermissionError:
            if not os.access(self.path.parent, os.W_OK | os.X_OK):
                raise  # whoever cannot write here keeps nobody off
        try:
            return _opened(self.path, os.O_RDONLY), True
        except FileNotFoundError:  # its holder ended meanwhile
            return _opened(self.path, os.O_RDWR | os.O_CREAT), False

    def _say_whose(self, descriptor: int) -> None:
        """Say that it is ours; a file that cannot say so is not left behind."""
        try:
            _write_holder(descriptor, {"token": self.claim.token, "folder": _folder_of(self.path)})
        except OSError:
            if os.path.samestat(os.fstat(descriptor), os.lstat(self.path)):
                self.path.unlink()
            raise

    def _remove(self, why: str) -> None:
        try:
            self.path.unlink()
        except PermissionError as error:
            said = f"{self.path.name} {why}, and cannot be removed: {error.strerror}"
            raise OSError(error.errno, said) from None

    def _refuse_if_alive(self, descriptor: int) -> None:
        holder = _parsed(os.pread(descriptor, MOST_BYTES, 0))
        ours = _flock(descriptor)
        if ours is False:
            raise InUse(_told(holder))
        if os.fstat(descriptor).st_size == 0:
            return
        here = holder.get("boot") == _boot()
        # On another machine, whatever the kernel says: its locks may end at this one.
        if not (here and ours) and ((here and _is_running(holder)) or self._beats(descriptor)):
            raise InUse(_told(holder))
        self.taken_over = _told(holder)

    def _beats(self, descriptor: int) -> bool:
        """Return whether someone touches the file while we watch."""
        before, give_up = os.fstat(descriptor).st_mtime_ns, time.monotonic() + self._patience
        while time.monotonic() < give_up:
            time.sleep(0.2)
            if os.stat(self.path).st_mtime_ns != before:
                return True
        return False

    def _beat(self) -> None:
        while not self._over.wait(HEARTBEAT):
            with contextlib.suppress(OSError):  # whoever writes next will report it
                self.claim.check()
                os.utime(self._descriptor)


class Holder(NamedTuple):
    """Who holds a lock, by what its file says."""

    told: str
    alive: bool
    host: object = None
    pid: object = None


def holder_of(path: Path) -> Holder | None:
    """Return who holds a lock, without touching it; None if nobody does.

    A lock of this machine is that of a living process which the kernel knows to lock this file, or
    which touched it a moment ago: a copy of the file is no lock. One of another machine is held as
    long as it is touched, clocks of machines being as far apart as `CLOCKS_APART`.
    """
    try:
        descriptor = _opened(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        holder, status = _parsed(os.pread(descriptor, MOST_BYTES, 0)), os.fstat(descriptor)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    with contextlib.suppress(OSError):
        if _is_linked_from_another(path, status, holder):
            return None
    untouched = time.time() - status.st_mtime
    if (holder.get("host"), holder.get("boot")) == (socket.gethostname(), _boot()):
        locked = _is_running(holder) and (untouched < PATIENCE or _kernel_locks(status.st_ino))
    else:
        locked = abs(untouched) < CLOCKS_APART
    return Holder(_told(holder), locked, holder.get("host"), holder.get("pid"))


def _kernel_locks(inode: int) -> bool:
    """Return whether the kernel knows of a lock on a file of this machine."""
    with contextlib.suppress(OSError):
        words = Path("/proc/locks").read_text().split()
        return any(word.endswith(f":{inode}") for word in words)
    return False


def _opened(path: Path, flags: int) -> int:
    """Return the descriptor of a regular file."""
    flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, f"{path.name} is a link; remove it") from None
        if error.errno == errno.EISDIR:
            raise OSError(errno.EISDIR, f"{path.name} is a directory; remove it") from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, f"{path.name} is no file; remove it")
    return descriptor


def _flock(descriptor: int) -> bool | None:
    """Return whether we have the kernel's lock now; None if this file system has no locks."""
    for kind in (fcntl.LOCK_EX, fcntl.LOCK_SH):
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno == errno.EBADF and kind == fcntl.LOCK_EX:
                continue  # over NFS of what we may only read: the other kind sees its holder, too
            if error.errno in NO_LOCKS:
                return None
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            return False
        return True if kind == fcntl.LOCK_EX else None
    return None


def _folder_of(path: Path) -> int:
    """Return what tells the folder of a file from others of its file system, on any machine."""
    return path.parent.stat().st_ino


def _is_linked_from_another(path: Path, about: os.stat_result, holder: dict[str, Any]) -> bool:
    """Return whether a lock file is that of another folder, by a hard link as after ``cp -al``."""
    if about.st_nlink < 2 or not os.path.samestat(about, os.lstat(path)):
        return False
    return holder.get("folder") not in (None, _folder_of(path))


def _write_holder(descriptor: int, more: dict[str, Any]) -> None:
    holder = {
        "host": socket.gethostname(),
        "boot": _boot(),
        "pid": os.getpid(),
        "began": _began(os.getpid()),
        "job": os.environ.get("SLURM_JOB_ID") or os.environ.get("PBS_JOBID"),
        "since": utc(),
        **more,
    }
    text = json.dumps(holder).encode()
    # One write, padded: whoever reads meanwhile sees the old holder or the new one.
    os.pwrite(descriptor, text.ljust(max(MOST_BYTES // 4, len(text))) + b"\n", 0)
    os.ftruncate(descriptor, max(MOST_BYTES // 4, len(text)) + 1)


def _parsed(content: bytes) -> dict[str, Any]:
    """Return what a lock file says of its holder; nothing if it says nothing that can be read."""
    try:
        holder = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _told(holder: dict[str, Any]) -> str:
    if not holder:
        return "unknown"
    job = f", job {holder['job']}" if holder.get("job") else ""
    pid, host, since = (holder.get(key, "?") for key in ("pid", "host", "since"))
    return f"process {pid} on {host}{job}, since {since}"[:200]


def _is_running(holder: dict[str, Any]) -> bool:
    """Return whether a process of this machine is there, or one of another user that is hidden."""
    pid = holder.get("pid")
    if not isinstance(pid, int) or not 0 < pid < 2**31:
        return False
    return _is_hidden(pid) or _began(pid) == holder.get("began") is not None


def _is_hidden(pid: int) -> bool:
    """Return whether a process is there of which /proc does not tell us (hidepid)."""
    try:
        Path(f"/proc/{pid}/stat").read_bytes()
    except PermissionError:
        return True
    except OSError:
        try:
            os.kill(pid, 0)
        except PermissionError:
            return True
        except OSError:
            return False
    return False


def _began(pid: int) -> str | None:
    """Return when a process of this machine began, in ticks; None if there is none, or it died."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if words[0] in DEAD else words[19]
    except (OSError, IndexError, ValueError):
        return None


def _boot() -> str:
    """Return what tells this machine, since it was started, from all others.

    A container in which processes have other numbers is another machine.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return socket.gethostname()
    with contextlib.suppress(OSError):
        boot += f" {os.readlink('/proc/self/ns/pid')}"
    return boot
