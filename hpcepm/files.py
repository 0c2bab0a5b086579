"""Files that are complete or not there, and that certify themselves.

A file is built beside its place, synced, and renamed: whoever opens it sees the old one or the new
one, complete. An HDF5 file ends in a checksum of all before it, where HDF5 does not look, so that
it begins with the signature that other programs know it by. HDF5's own checksums guard the raw
data of datasets alone: a flipped bit in the rest can give a wrong number, or hang the library. So
a file is checked before HDF5 opens it.

Nothing here knows of ranks. How they write one file together: `hpcepm.storage.fields`.
"""

import io
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final, TextIO

import h5py

CHECKSUM_BYTES: Final = 128
CHUNK: Final = 2**24
"""A checksum is the digest of the digests of so many bytes each, so that ranks can share it."""

ALTERED: Final = "is truncated, altered or not of this program (its checksum is wrong)"


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
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            content = size - CHECKSUM_BYTES
            starts = range(0, content, CHUNK)
            digests = [sha256(file.read(min(CHUNK, content - k))).digest() for k in starts]
            whole = content >= 0 and file.read() == checksum_line(size, digests)
    except OSError as error:
        return told(path, error)
    return None if whole else f"{path}: {ALTERED}"


def told(path: Path, error: OSError) -> str:
    """Return a failure in words."""
    return f"{path}: {error.strerror or error}"


def write_hdf5(path: Path, build: Callable[[h5py.File], None]) -> None:
    """Write an HDF5 file of moderate size in one instant.

    It is laid out in memory: inside HDF5 a full disk is a crash at exit.

    Raises
    ------
    OSError
        The bytes could not be written; the old file is untouched.
    """
    content = with_checksum(hdf5_image(build))
    partial = path.with_name(path.name + ".partial")
    with open(partial, "wb") as out:
        preallocate(out.fileno(), len(content))
        out.write(content)
    fsync_and_rename(partial, path)


def hdf5_image(build: Callable[[h5py.File], None]) -> bytes:
    """Return the bytes of an HDF5 file."""
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        build(file)
    return memory.getvalue()


@contextmanager
def write_text(path: Path) -> Iterator[TextIO]:
    """Write a text file in one instant."""
    partial = path.with_name(path.name + ".partial")
    with open(partial, "w", encoding="utf-8", newline="") as out:
        yield out
    fsync_and_rename(partial, path)


def preallocate(descriptor: int, size: int) -> None:
    """Reserve the bytes of a file, so that a full disk is found out before anything is written."""
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        said = f"no room for {size / 2**20:.1f} MiB: {error.strerror}"
        raise OSError(error.errno, said) from None


def fsync_and_rename(partial: Path, path: Path) -> None:
    """Give a closed file its name, once its bytes are on disk."""
    with open(partial, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(partial, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
