"""HDF5 files of whole fields, written by all ranks at once and readable on any number of them.

HDF5 makes the skeleton of a file in memory: its groups, attributes and small datasets, and where
the rows of each field will lie. Ranks write their rows to those places themselves. So a full disk
or a lost server is an error that each rank sees and all agree on, where inside HDF5 it would be a
crash, or ranks that wait for ever. The file gets its name when it is complete, read again,
compared, sealed and on disk.
"""

import contextlib
import errno
import io
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import h5py
import numpy as np

from hpcepm.parallel.ranks import ProblemOnRank
from hpcepm.parallel.rows import Lattice, LocalField

from .checksum import SEAL_BYTES, seal

Describe = Callable[[h5py.File], None]

PAGE: Final = 4096
BYTES_AT_A_TIME: Final = 2**24


class Skeleton(NamedTuple):
    """A file without the rows of its fields."""

    size: int
    pages: list[tuple[int, bytes]]  # where they lie, and what they are
    start_of: dict[str, int]  # where the rows of each field begin


def write_fields(
    path: Path, lattice: Lattice, fields: Mapping[str, LocalField], describe: Describe
) -> None:
    """Write fields, each (rows, ny) here, as datasets (nx, ny). Collective.

    Parameters
    ----------
    path
        Where; an older file of this name is replaced in one instant.
    lattice
        Whose slabs they are.
    fields
        By name of the dataset.
    describe
        Adds attributes and small datasets; called with the open file, on rank 0.

    Raises
    ------
    ProblemOnRank
        The disk is full or gone; an older file of this name is untouched.
    """
    ranks, partial = lattice.ranks, path.with_name(path.name + ".partial")
    start_of: dict[str, int] = {}
    try:
        with ranks.collective_errors(f"{partial}: cannot be written"):
            if ranks.is_root:
                skeleton = _skeleton(lattice.shape, fields, describe)
                start_of = skeleton.start_of
                _write_skeleton(partial, skeleton)
        start_of = ranks.bcast(start_of)
        with ranks.collective_errors(f"{partial}: cannot be written"):
            _write_rows(partial, lattice, fields, start_of)
        with ranks.collective_errors(f"{partial}: cannot be read again"):
            _compare_rows(partial, lattice, fields, start_of)
        seal(partial, ranks)
        with ranks.collective_errors(f"{path}: cannot be written"):
            if ranks.is_root:
                fsync_and_rename(partial, path)
    except ProblemOnRank:
        if ranks.is_root:
            with contextlib.suppress(OSError):
                partial.unlink()
        raise


def read_local_field(dataset: h5py.Dataset, lattice: Lattice) -> LocalField:
    """Return this rank's rows of a dataset (nx, ny)."""
    field = lattice.field(dataset.dtype)
    for s in lattice.strips_of(lattice.ranks.rank):
        field[s.here : s.here + s.rows] = dataset[s.start : s.start + s.rows]
    return field


def preallocate(descriptor: int, size: int) -> None:
    """Reserve the bytes of a file, so that a full disk is found out before anything is written."""
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        raise OSError(
            error.errno, f"no room for {size / 2**20:.1f} MiB: {error.strerror}"
        ) from None


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


def _skeleton(
    shape: tuple[int, int], fields: Mapping[str, LocalField], describe: Describe
) -> Skeleton:
    """Let HDF5 lay out a file in memory; the places of the rows stay holes there."""
    memory = _SparseFile()
    with h5py.File(
        memory, "w", userblock_size=SEAL_BYTES, alignment_threshold=PAGE, alignment_interval=PAGE
    ) as file:
        start_of = {
            name: _place_for(file, name, shape, field.dtype) for name, field in fields.items()
        }
        describe(file)
    return Skeleton(
        memory.size, sorted((PAGE * k, bytes(page)) for k, page in memory.pages.items()), start_of
    )


class _SparseFile(io.RawIOBase):
    """A file in memory of which only the pages written to exist.

    No limit of the system on files concerns it.
    """

    def __init__(self) -> None:
        self.pages: dict[int, bytearray] = {}
        self.size = self._place = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._place = (
            offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self.size}[whence]
        )
        return self._place

    def tell(self) -> int:
        return self._place

    def truncate(self, size: int | None = None) -> int:
        self.size = self._place if size is None else size
        return self.size

    def write(self, data: Any) -> int:
        data = memoryview(data).cast("B")
        for here, page, start, n in self._spans(len(data)):
            self.pages.setdefault(page, bytearray(PAGE))[start : start + n] = data[here : here + n]
        self._place += len(data)
        self.size = max(self.size, self._place)
        return len(data)

    def readinto(self, buffer: Any) -> int:
        data = memoryview(buffer).cast("B")[: max(0, self.size - self._place)]
        for here, page, start, n in self._spans(len(data)):
            data[here : here + n] = self.pages.get(page, bytes(PAGE))[start : start + n]
        self._place += len(data)
        return len(data)

    def _spans(self, n_bytes: int) -> Iterator[tuple[int, int, int, int]]:
        """Cut the next bytes by pages.

        Where they begin among them, the page, where they begin in it, and how many.
        """
        here = 0
        while here < n_bytes:
            page, start = divmod(self._place + here, PAGE)
            n = min(PAGE - start, n_bytes - here)
            yield here, page, start, n
            here += n


def _place_for(file: h5py.File, name: str, shape: tuple[int, int], dtype: np.dtype[Any]) -> int:
    """Make a dataset whose rows lie in one piece; return where."""
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_layout(h5py.h5d.CONTIGUOUS)
    layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    space, kind = h5py.h5s.create_simple(shape), h5py.h5t.py_create(dtype)
    return int(h5py.h5d.create(file.id, name.encode(), kind, space, layout).get_offset())


def _write_skeleton(path: Path, skeleton: Skeleton) -> None:
    with open(path, "wb") as file:
        preallocate(file.fileno(), skeleton.size)
        for start, page in skeleton.pages:
            _write_at(file.fileno(), memoryview(page)[: skeleton.size - start], start)


def _pieces(
    lattice: Lattice, fields: Mapping[str, LocalField], start_of: Mapping[str, int]
) -> Iterator[tuple[int, memoryview]]:
    """Return the bytes of this rank's rows, and where in the file they belong."""
    for name, field in fields.items():
        row = lattice.ny * field.itemsize
        for s in lattice.strips_of(lattice.ranks.rank):
            rows = field[s.here : s.here + s.rows].reshape(-1).view(np.uint8).data
            for k in range(0, len(rows), BYTES_AT_A_TIME):
                yield start_of[name] + s.start * row + k, rows[k : k + BYTES_AT_A_TIME]


def _write_rows(
    path: Path, lattice: Lattice, fields: Mapping[str, LocalField], start_of: Mapping[str, int]
) -> None:
    with open(path, "rb+", buffering=0) as file:
        for start, rows in _pieces(lattice, fields, start_of):
            _write_at(file.fileno(), rows, start)
        os.fsync(file.fileno())  # each rank: its machine may hold what it wrote


def _write_at(descriptor: int, data: memoryview, start: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, start)
        data, start = data[written:], start + written


def _compare_rows(
    path: Path, lattice: Lattice, fields: Mapping[str, LocalField], start_of: Mapping[str, int]
) -> None:
    with open(path, "rb", buffering=0) as file:
        for start, rows in _pieces(lattice, fields, start_of):
            if not np.array_equal(
                np.frombuffer(os.pread(file.fileno(), len(rows), start), np.uint8), rows
            ):
                raise OSError(errno.EIO, "other bytes than were written")
