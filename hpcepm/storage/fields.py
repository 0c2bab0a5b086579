"""HDF5 files of whole fields, written by all ranks at once and readable on any number of them.

HDF5 makes the skeleton of a file in memory: its groups, attributes and small datasets, and where
the rows of each field will lie. Ranks hand each other their rows, so that each piece of the file is
written by one of them (`hpcepm.storage.pieces`). No MPI-enabled HDF5 is needed, and a full disk or
a lost server is an error that each rank sees and all agree on, where inside HDF5 it would be a
crash, or ranks that wait for ever. The file gets its name when it is complete, read again,
compared, and its checksum is on disk.
"""

import contextlib
import errno
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import chain, zip_longest
from math import prod
from operator import itemgetter
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
    PlacedFile,
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

from .pieces import Bytes, Segments, pieces
from .writers import writers_in

Describe = Callable[[h5py.File], None]
Kinds = Mapping[str, np.dtype[Any]]

PAGE: Final = 4096


class Skeleton(NamedTuple):
    """A file without the rows of its fields."""

    size: int
    start_of: dict[str, int]  # where the rows of each field begin
    between: Segments  # all that lies between the fields


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
    partial, place, skeleton = ranks.bcast(partial_of(path)), 0, Skeleton(0, {}, [])
    kinds = {name: field.dtype for name, field in fields.items()} if kinds is None else kinds
    try:
        with ranks.collective_errors(f"{partial}: cannot be written"):
            if ranks.is_root:
                check()
                skeleton = _skeleton((*before, *lattice.shape), kinds, describe)
                place = _create(partial, skeleton.size)
        place, size, start_of = ranks.bcast((place, skeleton.size, skeleton.start_of))
        those = writers_in(path.parent, ranks).ranks
        own = sorted(
            [*skeleton.between, *_local_bytes(lattice, fields, start_of)], key=itemgetter(0)
        )
        with ranks.collective_errors(f"{partial}: cannot be written"):
            mine = pieces(ranks.comm, those, size, own)
            _for_each(mine, _write_at, partial, place, sync=True)
        with ranks.collective_errors(f"{partial}: cannot be read again"):
            others = pieces(ranks.comm, those, size, own, shift=1)
            _for_each(others, _compare_piece, partial, place)
        _write_checksum(partial, size, ranks, those)
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
    digests, problem = _digests(path, size - CHECKSUM_BYTES, ranks, range(ranks.size))
    if problem is None and ranks.is_root:
        try:
            with open_regular(path) as file:
                file.seek(size - CHECKSUM_BYTES)
                if file.read() != checksum_line(size, digests):
                    problem = f"{path}: {ALTERED}"
        except OSError as error:
            problem = told(path, error)
    return ranks.bcast(problem)


def _digests(
    path: Path, size: int, ranks: Ranks, those: Sequence[int]
) -> tuple[Iterator[bytes], str | None]:
    """Return the digests of the chunks of a file, and what went wrong. Collective.

    The file is read by ``those`` ranks.
    """
    own, problem = [], None
    try:
        if ranks.rank in those:
            with open_regular(path) as file:
                for start in range(those.index(ranks.rank) * CHUNK, size, len(those) * CHUNK):
                    file.seek(start)
                    own.append(sha256(file.read(min(CHUNK, size - start))).digest())
    except OSError as error:
        problem = told(path, error)
    of_rank = ranks.allgather(own)
    in_turn = zip_longest(*(of_rank[rank] for rank in those), fillvalue=b"")
    return chain.from_iterable(in_turn), ranks.first_not_none(problem)


def _write_checksum(path: Path, size: int, ranks: Ranks, those: Sequence[int]) -> None:
    """Write the end of a file, as rank 0 did the last piece. Collective."""
    digests, problem = _digests(path, size - CHECKSUM_BYTES, ranks, those)
    ranks.raise_together(problem)
    with ranks.collective_errors(f"{path}: cannot be written"):
        if ranks.is_root:
            with open(os.open(path, os.O_RDWR | os.O_NOFOLLOW), "rb+", buffering=0) as file:
                line = memoryview(checksum_line(size, digests))
                _write_at(file.fileno(), line, size - CHECKSUM_BYTES)


def _skeleton(shape: tuple[int, ...], kinds: Kinds, describe: Describe) -> Skeleton:
    """Let HDF5 lay out a file in memory; the places of the rows stay holes there."""
    memory = _SparseFile()
    with h5py.File(memory, "w", alignment_threshold=PAGE, alignment_interval=PAGE) as file:
        start_of = {name: _place_for(file, name, shape, kind) for name, kind in kinds.items()}
        describe(file)
    extent = [(start, prod(shape) * kinds[name].itemsize) for name, start in start_of.items()]
    ends = [0, *(start + n for start, n in sorted(extent))]
    starts = [*(start for start, _ in sorted(extent)), memory.size]
    between = [(end, memory.bytes_of(end, start)) for end, start in zip(ends, starts, strict=True)]
    return Skeleton(memory.size + CHECKSUM_BYTES, start_of, between)


class _SparseFile(PlacedFile):
    """A file in memory of which only the pages written to exist: no limit on files concerns it."""

    def __init__(self) -> None:
        super().__init__()
        self.pages: dict[int, bytearray] = {}

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

    def bytes_of(self, start: int, end: int) -> Bytes:
        """Return what is there from one place to another."""
        self.seek(start)
        return np.frombuffer(self.read(end - start), np.uint8)

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


def _create(path: Path, size: int) -> int:
    """Make the file; return its inode, by which other ranks know that theirs is the same."""
    with create(path) as file:
        preallocate(file.fileno(), size)
        return os.fstat(file.fileno()).st_ino


def _local_bytes(
    lattice: Lattice, fields: Mapping[str, NDArray[Any]], start_of: Mapping[str, int]
) -> Iterator[tuple[int, Bytes]]:
    """Return the bytes of this rank's rows, and where in the file they belong."""
    for name, field in fields.items():
        row = lattice.ny * field.itemsize
        for s in lattice.strips_of(lattice.ranks.rank):
            rows = field[s.here : s.here + s.rows].reshape(-1).view(np.uint8)
            yield start_of[name] + s.start * row, rows


def _for_each(
    those: Iterable[tuple[int, Bytes]],
    do: Callable[[int, memoryview, int], None],
    path: Path,
    inode: int,
    sync: bool = False,
) -> None:
    """Do something with each piece of this rank. Collective, as the pieces are.

    What fails is raised when the pieces of all ranks were handed out.
    """
    with contextlib.ExitStack() as stack:
        file, failed = None, None
        for start, piece in those:
            if failed is not None:
                continue
            try:
                file = file or stack.enter_context(_open_same(path, inode))
                do(file.fileno(), piece.data, start)
            except OSError as error:
                failed = error
        if failed is not None:
            raise failed
        if file is not None and sync:
            os.fsync(file.fileno())  # each rank: its machine may hold what it wrote


def _open_same(path: Path, inode: int) -> io.FileIO:
    """Open the file that rank 0 made."""
    file = io.FileIO(os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC), "r+")
    if os.fstat(file.fileno()).st_ino != inode:
        file.close()
        raise OSError(errno.ESTALE, "is another file on this rank")
    return file


def _write_at(descriptor: int, data: memoryview, start: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, start)
        data, start = data[written:], start + written


def _compare_piece(descriptor: int, piece: memoryview, start: int) -> None:
    there = os.pread(descriptor, len(piece), start)
    if there != bytes(piece):  # the fastest comparison there is
        raise OSError(errno.EIO, "other bytes than were written")
