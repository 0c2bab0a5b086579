"""Files on disk: one way to open them, one way to write them, and what certifies them.

What is read is a regular file: a pipe would wait for ever, and a device has no end. What is written
is built beside its place, synced, and renamed: whoever opens it sees the old one or the new one,
complete; no link is followed. An HDF5 file ends in a checksum of all before it, where HDF5 does not
look, so that it begins with the signature that other programs know it by. HDF5's own checksums
guard the raw data of datasets alone: a flipped bit in the rest can give a wrong number, or hang the
library. So a file is checked before HDF5 opens it: `hpcepm.reading`.

Nothing here knows of ranks. How they write one file together: `hpcepm.storage.fields`.
"""

import errno
import io
import os
import secrets
import signal
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import h5py

from .text import memory

CHECKSUM_BYTES: Final = 128
CHUNK: Final = 2**24
"""A checksum is the digest of the digests of so many bytes each, so that ranks can share it."""

ALTERED: Final = "is truncated, altered or not of this program (its checksum is wrong)"

Name = str | os.PathLike[str]

Check = Callable[[], None]
"""Called just before a file gets its name or goes; raises `OSError` if that must not be."""

PARTIAL: Final = r"\.[0-9a-f]{8}\.partial"
"""How the name ends under which a file is built; digits made at random for each process."""

_TAG: Final = secrets.token_hex(4)


def no_check() -> None:
    """Allow everything."""


def open_regular(path: Name) -> io.BufferedReader:
    """Open a regular file to read its bytes.

    Raises
    ------
    OSError
        There is none, or it is a directory, pipe, socket or device.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        number = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
        said = "is a directory" if stat.S_ISDIR(mode) else "is a pipe or a device, not a file"
        raise OSError(number, said, os.fspath(path))
    return os.fdopen(descriptor, "rb")


LIMITS: Final = {
    errno.EFBIG: " (ulimit -f limits the size of files)",
    errno.EMFILE: " (ulimit -n limits how many)",
}
"""What a failure does not say that a limit on this process has caused."""


def reason(error: Exception) -> str:
    """Return in words why something failed."""
    if isinstance(error, MemoryError):
        return f"not enough memory (ulimit -v limits it){': ' * bool(str(error))}{error}"
    limit = LIMITS.get(getattr(error, "errno", None) or 0, "")
    return f"{getattr(error, 'strerror', None) or error}{limit}"


def told(path: Name, error: Exception) -> str:
    """Return a failure in words."""
    return f"{path}: {reason(error)}"


def checksum_line(size: int, digests: Iterable[bytes]) -> bytes:
    """Return the end of a file of ``size`` bytes, from the digests of the chunks before it."""
    digest = sha256(b"".join(digests)).hexdigest()
    return f"\nhpcepm checksum\nbytes {size}\nsha256 {digest}\n".encode().rjust(CHECKSUM_BYTES)


def with_checksum(image: bytes) -> bytes:
    """Return the bytes of a file, its checksum added."""
    digests = (sha256(image[k : k + CHUNK]).digest() for k in range(0, len(image), CHUNK))
    return image + checksum_line(len(image) + CHECKSUM_BYTES, digests)


def damage(path: Path) -> str | None:
    """Return what is wrong with a file that ends in a checksum; None if it is as it was written."""
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            content = size - CHECKSUM_BYTES
            starts = range(0, content, CHUNK)
            digests = [sha256(file.read(min(CHUNK, content - k))).digest() for k in starts]
            whole = content >= 0 and file.read() == checksum_line(size, digests)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        return told(path, error)
    return None if whole else f"{path}: {ALTERED}"


def hdf5_image(build: Callable[[h5py.File], None], template: bytes = b"") -> bytes:
    """Return the bytes of an HDF5 file; ``template`` is one that has something in it already."""
    memory = io.BytesIO(template)
    with h5py.File(memory, "r+" if template else "w") as file:
        build(file)
    return memory.getvalue()


def write_hdf5(
    path: Path,
    build: Callable[[h5py.File], None],
    template: bytes = b"",
    check: Check = no_check,
) -> None:
    """Write an HDF5 file of moderate size in one instant; see `hdf5_image`.

    It is laid out in memory: inside HDF5 a full disk is a crash at exit.

    Raises
    ------
    OSError
        The bytes could not be written; the old file is untouched.
    """
    write_bytes(path, with_checksum(hdf5_image(build, template)), check)


@contextmanager
def hdf5_written(
    path: Path, size: int = 0, check: Check = no_check
) -> Iterator[tuple[h5py.File, Callable[[], None]]]:
    """Write an HDF5 file of any size, in one instant when it is complete; see `write_hdf5`.

    It is built on the disk, and HDF5 is not told when that is full. Room for ``size`` bytes is
    reserved first. With the file comes what to call now and then, as of `interrupts_held`.

    Raises
    ------
    OSError
        The bytes could not be written; the old file is untouched.
    """
    with _written(path, size, check) as out, interrupts_held() as heed:
        disk = _PatientDisk(out)
        try:
            with h5py.File(disk, "w") as file:
                yield file, heed
        finally:
            disk.finish()
        out.seek(0)
        digests = [sha256(part).digest() for part in iter(lambda: out.read(CHUNK), b"")]
        out.write(checksum_line(out.tell() + CHECKSUM_BYTES, digests))


@contextmanager
def interrupts_held() -> Iterator[Callable[[], None]]:
    """Hold back a Ctrl-C, and raise it when what this yields is called, or at the end.

    A file of ours is called from inside HDF5: what is raised there is dropped, and a write with it.
    """
    heard: list[Any] = []
    handler = signal.getsignal(signal.SIGINT)

    def heed() -> None:
        if heard and callable(handler):
            handler(*heard.pop())

    if not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield heed  # nothing is raised here
        return
    signal.signal(signal.SIGINT, lambda *told: heard.append(told))
    try:
        yield heed
    finally:
        signal.signal(signal.SIGINT, handler)
    heed()


class PlacedFile(io.RawIOBase):
    """A file that HDF5 writes, and that knows its size and place itself."""

    def __init__(self) -> None:
        self.size = self._place = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a place; return it."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self.size}[whence]
        self._place = start + offset
        return self._place

    def tell(self) -> int:
        """Return the place."""
        return self._place

    def truncate(self, size: int | None = None) -> int:
        """Set the size; return it."""
        self.size = self._place if size is None else size
        return self.size


class _PatientDisk(PlacedFile):
    """A file as HDF5 sees it: what fails is kept, for inside HDF5 it would be a crash at exit.

    It is as long as what was written, and not as the room that is reserved for it.
    """

    def __init__(self, file: io.BufferedRandom) -> None:
        super().__init__()
        self._file = file
        self._problem: OSError | None = None

    def finish(self) -> None:
        """Bring all to the disk; raise what went wrong, if anything did."""
        if self._problem is None:
            self._try(lambda: self._file.truncate(self.size))
        if self._problem is not None:
            raise self._problem

    def _try(self, do: Callable[[], int]) -> int:
        try:
            return do() if self._problem is None else 0
        except OSError as error:
            self._problem = error
            return 0

    def _at_place(self) -> io.BufferedRandom:
        self._file.seek(self._place)
        return self._file

    def readinto(self, buffer: Any) -> int:
        data = memoryview(buffer).cast("B")[: max(0, self.size - self._place)]
        n = self._try(lambda: self._at_place().readinto(data))
        self._place += n
        return n

    def write(self, data: Any) -> int:
        n = memoryview(data).nbytes
        self._try(lambda: self._at_place().write(data))
        self._place += n
        self.size = max(self.size, self._place)
        return n


def write_bytes(path: Path, content: bytes, check: Check = no_check) -> None:
    """Write a file in one instant; see `write_hdf5`."""
    with _written(path, len(content), check) as out:
        out.write(content)


def write_told(path: Path, content: bytes, remedy: str = "") -> Path:
    """Write a file in one instant, and return its path; what goes wrong is told with its name.

    Raises
    ------
    OSError
        It cannot be written; an older one is untouched.
    """
    try:
        write_bytes(path, content)
    except OSError as error:
        raise OSError(f"{told(path, error)}{remedy}") from None
    return path


@contextmanager
def _written(path: Path, size: int, check: Check) -> Iterator[io.BufferedRandom]:
    """Open a file that has its name, and room for its bytes, once they are all there."""
    partial = partial_of(path)
    try:
        with create(partial) as out:
            preallocate(out.fileno(), size)
            yield out
        fsync_and_rename(partial, path, check)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


def partial_of(path: Path) -> Path:
    """Return the name under which this process builds a file."""
    return path.with_name(f"{path.name}.{_TAG}.partial")


def create(path: Path) -> io.BufferedRandom:
    """Open a new file to write; what an interrupted write left there, or a link, goes first."""
    with suppress(FileNotFoundError):
        path.unlink()
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o666), "r+b")


def preallocate(descriptor: int, size: int) -> None:
    """Reserve the bytes of a file, so that a full disk is found out before anything is written."""
    if size == 0:
        return
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        said = f"no room for {memory(size)}: {error.strerror}"
        raise OSError(error.errno, said) from None


def fsync_and_rename(partial: Path, path: Path, check: Check) -> None:
    """Give a closed file its name, once its bytes are on disk."""
    descriptor = os.open(partial, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    check()
    os.replace(partial, path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    except OSError as error:  # some network and FUSE file systems cannot, and need not
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(folder)


def remove(path: Path, check: Check) -> None:
    """Remove a file; what cannot be removed stays. Raises what the check raises."""
    check()
    with suppress(OSError):
        path.unlink()
