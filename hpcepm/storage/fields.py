"""HDF5 files of whole fields, written by all ranks at once and readable on any number of them.

HDF5 makes the skeleton of a file in memory: its groups, attributes and small datasets, and where
the rows of each field will lie. Ranks write their rows to those places themselves, so no
MPI-enabled HDF5 is needed, and a full disk or a lost server is an error that each rank sees and
all agree on, where inside HDF5 it would be a crash, or ranks that wait for ever. The file gets its
name when it is complete, read again, compared, and its checksum is on disk.
"""

import contextlib
import errno
import io
import os
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any, Final, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from hpcepm.files import (
    ALTERED,
    CHECKSUM_BYTES,
    CHUNK,
    Check,
    checksum_line,
    create,
    fsync_and_rename,
    no_check,
    open_regular,
    partial_of,
    preallocate,
    told,
)
from hpcepm.parallel.ranks import ProblemOnRank, Ranks
from hpcepm.parallel.rows import Lattice

Describe = Callable[[h5py.File], None]
Kinds = Mapping[str, np.dtype[Any]]

PAGE: Final = 4096
BYTES_AT_A_TIME: Final = 2**24


class Skeleton(NamedTuple):
    """A file without the rows of its fields."""

    size: int
    pages: list[tuple[int, bytes]]  # where they lie, and what they are
    start_of: dict[str, int]  # where the rows of each field begin


def write_fields(
    path: Path,
    ranks: Ranks,
    lattice: Lattice,
    fields: Mapping[str, NDArray[Any]],
    describe: Describe,
    kinds: Kinds | None = None,
    before: tuple[int, ...] = (),
    check: Check = no_check,
) -> None:
    """Write fields as datasets of the whole lattice. Collective on ``ranks``.

    Parameters
    ----------
    path
        Where; an older file of this name is replaced in one instant.
    ranks
        All that write the file: those of the lattice, or several groups with a lattice each.
    lattice
        Whose local rows the fields are.
    fields
        By name of the dataset, each (rows, ny).
    describe
        Adds attributes and small datasets; called with the open file, on rank 0.
    kinds
        On rank 0: names and dtypes of the fields of all groups, if there are several.
    before
        Axes of length 1 of the datasets, before those of the lattice.
    check
        On rank 0: see `hpcepm.files.Check`.

    Raises
    ------
    ProblemOnRank
        The disk is full or gone; an older file of this name is untouched.
    """
    partial, place, skeleton = ranks.bcast(partial_of(path)), None, None
    kinds = {name: field.dtype for name, field in fields.items()} if kinds is None else kinds
    try:
        with ranks.collective_errors(f"{partial}: cannot be written"):
            if ranks.is_root:
                check()
                skeleton = _skeleton((*before, *lattice.shape), kinds, describe)
                place = _write_skeleton(partial, skeleton)
        start_of, size = ranks.bcast((skeleton.start_of, skeleton.size) if skeleton else ({}, 0))
        place = ranks.bcast(place)
        with ranks.collective_errors(f"{partial}: cannot be written"):
            _write_rows(partial, place, lattice, fields, start_of)
        with ranks.collective_errors(f"{partial}: cannot be read again"):
            _compare_rows(partial, lattice, fields, start_of)
        _write_checksum(partial, size, ranks)
        with ranks.collective_errors(f"{path}: cannot be written"):
            if ranks.is_root:
                fsync_and_rename(partial, path, check)
    except ProblemOnRank:
        if ranks.is_root:
            with contextlib.suppress(OSError):
                partial.unlink()
        raise


def damage_seen_together(path: Path, ranks: Ranks) -> str | None:
    """Return what `hpcepm.files.damage` does, the ranks sharing the reading. Collective."""
    size, problem = 0, None
    try:
        size = path.stat().st_size
    except OSError as error:
        problem = told(path, error)
    size, problem = ranks.bcast((size, problem))
    if problem is not None:
        return problem
    if size < CHECKSUM_BYTES:
        return f"{path}: {ALTERED}"
    digests, problem = _digests(path, size - CHECKSUM_BYTES, ranks)
    if problem is None and ranks.is_root:
        try:
            with open_regular(path) as file:
                file.seek(size - CHECKSUM_BYTES)
                if file.read() != checksum_line(size, digests):
                    problem = f"{path}: {ALTERED}"
        except OSError as error:
            problem = told(path, error)
    return ranks.bcast(problem)


def _digests(path: Path, size: int, ranks: Ranks) -> tuple[Iterator[bytes], str | None]:
    """Return the digests of the chunks of a file, and what went wrong. Collective."""
    own, problem = [], None
    try:
        with open_regular(path) as file:
            for start in range(ranks.rank * CHUNK, size, ranks.size * CHUNK):
                file.seek(start)
                own.append(sha256(file.read(min(CHUNK, size - start))).digest())
    except OSError as error:
        problem = told(path, error)
    in_turn = chain.from_iterable(zip_longest(*ranks.allgather(own), fillvalue=b""))
    return in_turn, ranks.first_not_none(problem)


def _write_checksum(path: Path, size: int, ranks: Ranks) -> None:
    """Write the end of a file. Collective."""
    digests, problem = _digests(path, size - CHECKSUM_BYTES, ranks)
    ranks.raise_together(problem)
    with ranks.collective_errors(f"{path}: cannot be written"):
        if ranks.is_root:
            with open(os.open(path, os.O_RDWR | os.O_NOFOLLOW), "rb+") as file:
                file.seek(size - CHECKSUM_BYTES)
                file.write(checksum_line(size, digests))


def _skeleton(shape: tuple[int, ...], kinds: Kinds, describe: Describe) -> Skeleton:
    """Let HDF5 lay out a file in memory; the places of the rows stay holes there."""
    memory = _SparseFile()
    with h5py.File(memory, "w", alignment_threshold=PAGE, alignment_interval=PAGE) as file:
        start_of = {name: _place_for(file, name, shape, kind) for name, kind in kinds.items()}
        describe(file)
    pages = sorted((PAGE * k, bytes(page)) for k, page in memory.pages.items())
    return Skeleton(memory.size + CHECKSUM_BYTES, pages, start_of)


class _SparseFile(io.RawIOBase):
    """A file in memory of which only the pages written to exist: no limit on files concerns it."""

    def __init__(self) -> None:
        self.pages: dict[int, bytearray] = {}
        self.size = self._place = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self.size}[whence]
        self._place = start + offset
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
        """Cut the next bytes by pages: their start, the page, the place in it, their number."""
        here = 0
        while here < n_bytes:
            page, start = divmod(self._place + here, PAGE)
            n = min(PAGE - start, n_bytes - here)
            yield here, page, start, n
            here += n


def _place_for(file: h5py.File, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Make a dataset whose rows lie in one piece; return where."""
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_layout(h5py.h5d.CONTIGUOUS)
    layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    group, _, leaf = name.rpartition("/")
    owner = file.require_group(group) if group else file
    space, kind = h5py.h5s.create_simple(shape), h5py.h5t.py_create(dtype)
    return int(h5py.h5d.create(owner.id, leaf.encode(), kind, space, layout).get_offset())


def _write_skeleton(path: Path, skeleton: Skeleton) -> int:
    """Make the file; return its inode, by which other ranks know that theirs is the same."""
    with create(path) as file:
        preallocate(file.fileno(), skeleton.size)
        for start, page in skeleton.pages:
            _write_at(file.fileno(), memoryview(page)[: skeleton.size - start], start)
        return os.fstat(file.fileno()).st_ino


def _local_bytes(
    lattice: Lattice, fields: Mapping[str, NDArray[Any]], start_of: Mapping[str, int]
) -> Iterator[tuple[int, memoryview]]:
    """Return the bytes of this rank's rows, and where in the file they belong."""
    for name, field in fields.items():
        row = lattice.ny * field.itemsize
        for s in lattice.strips_of(lattice.ranks.rank):
            rows = field[s.here : s.here + s.rows].reshape(-1).view(np.uint8).data
            for k in range(0, len(rows), BYTES_AT_A_TIME):
                yield start_of[name] + s.start * row + k, rows[k : k + BYTES_AT_A_TIME]


def _write_rows(
    path: Path,
    inode: int | None,
    lattice: Lattice,
    fields: Mapping[str, NDArray[Any]],
    start_of: Mapping[str, int],
) -> None:
    with open(os.open(path, os.O_RDWR | os.O_NOFOLLOW), "rb+", buffering=0) as file:
        if os.fstat(file.fileno()).st_ino != inode:
            raise OSError(errno.ESTALE, "is another file on this rank")
        for start, rows in _local_bytes(lattice, fields, start_of):
            _write_at(file.fileno(), rows, start)
        os.fsync(file.fileno())  # each rank: its node may hold what it wrote


def _write_at(descriptor: int, data: memoryview, start: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, start)
        data, start = data[written:], start + written


def _compare_rows(
    path: Path,
    lattice: Lattice,
    fields: Mapping[str, NDArray[Any]],
    start_of: Mapping[str, int],
) -> None:
    with open_regular(path) as file:
        for start, rows in _local_bytes(lattice, fields, start_of):
            there = np.frombuffer(os.pread(file.fileno(), len(rows), start), np.uint8)
            if not np.array_equal(there, rows):
                raise OSError(errno.EIO, "other bytes than were written")
