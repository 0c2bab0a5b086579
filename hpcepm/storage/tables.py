"""Tables that grow by rows and survive whatever happens to the run.

Kept by rank 0 in closed, immutable pieces.

HDF5 files die with their writer, so none is kept open: a piece is built in memory, written whole
under another name, synced and renamed. The last piece is replaced as it grows; when it is large
enough the next one begins.
"""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import h5py
import numpy as np
from numpy.typing import NDArray

from .checksum import SEAL_BYTES, broken_seal_alone, sealed
from .fields import fsync_and_rename, preallocate

PIECE_BYTES = 8 * 2**20


def write_small_file(path: Path, build: Callable[[h5py.File], None]) -> None:
    """Write an HDF5 file of moderate size in one instant.

    Whoever opens it sees the old one or the new one, complete.

    Raises
    ------
    OSError
        The bytes could not be written; the old file is untouched.
    """
    memory = io.BytesIO()
    with h5py.File(memory, "w", userblock_size=SEAL_BYTES) as file:
        build(file)
    image = memory.getvalue()
    partial = path.with_name(path.name + ".partial")
    with open(partial, "wb") as out:
        preallocate(out.fileno(), len(image))
        out.write(sealed(image))
    fsync_and_rename(partial, path)


@contextmanager
def in_one_instant(path: Path) -> Iterator[TextIO]:
    """Write a text file: whoever opens it sees the old one or the new one, complete."""
    partial = path.with_name(path.name + ".partial")
    with open(partial, "w", encoding="utf-8", newline="") as out:
        yield out
    fsync_and_rename(partial, path)


class DamagedOutput(Exception):
    """A piece of the output is missing or unreadable; the message names it."""


class Table:
    """Rows of a structured dtype, in pieces ``name-<first row>.h5`` with a dataset for each column.

    Parameters
    ----------
    folder, name
        Where the pieces lie and what they are called.
    dtype
        Of a row; a column may have a shape of its own.
    rows
        How many rows of those on disk still hold: a run that goes on from a checkpoint takes up
        there.

    Raises
    ------
    DamagedOutput
        Those rows are not all there.
    """

    def __init__(self, folder: Path, name: str, dtype: np.dtype[Any], rows: int = 0) -> None:
        self.folder = folder
        self.name = name
        self.dtype = dtype
        self.size = rows
        self.first_of: list[int] = []
        """First row of each piece."""
        self._parts: list[NDArray[Any]] = []  # of the last piece
        self._saved = rows
        self._take_up(rows)

    def piece(self, first: int) -> Path:
        """Return the file of the piece that begins with a row."""
        return self.folder / f"{self.name}-{first:012d}.h5"

    def _take_up(self, rows: int) -> None:
        self.first_of = [first for first in self._on_disk() if first < rows]
        if rows > 0 and self.first_of[:1] != [0]:
            raise DamagedOutput(f"{self.piece(0)}: is missing")
        for first, end, name in self.pieces():
            problem = broken_seal_alone(self.folder / name)
            if problem is not None:
                raise DamagedOutput(problem)
            self._parts = [self._rows_of_piece(self.folder / name, end - first)]
        self._seal_if_large()

    def _on_disk(self) -> list[int]:
        """Return the first rows of all pieces that there are, ascending."""
        return sorted(
            int(path.stem.rsplit("-", 1)[1]) for path in self.folder.glob(f"{self.name}-*.h5")
        )

    def truncate(self) -> None:
        """Remove pieces that begin after the last row.

        Of a run that had gone on after the checkpoint it is taken up from.
        """
        for first in self._on_disk():
            if first >= self.size:
                self.piece(first).unlink()

    def _rows_of_piece(self, path: Path, n: int) -> NDArray[Any]:
        rows = np.zeros(n, self.dtype)
        try:
            with h5py.File(path, "r") as file:
                for column in self._columns():
                    if len(file[column]) < n:
                        raise DamagedOutput(
                            f"{path}: has {len(file[column])} rows of {column}; {n} are wanted"
                        )
                    rows[column] = file[column][:n]
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise DamagedOutput(f"{path}: cannot be read ({error})") from None
        return rows

    def _columns(self) -> tuple[str, ...]:
        return self.dtype.names or ()

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows; they reach the disk with the next `save`."""
        if len(rows):
            self._parts.append(rows)
            self.size += len(rows)

    def save(self) -> None:
        """Bring all rows to disk.

        Raises
        ------
        OSError
            They could not be written; what was saved before is untouched.
        """
        if self._saved == self.size:
            return
        first = self.size - sum(map(len, self._parts))
        if first not in self.first_of:
            self.first_of.append(first)
        write_small_file(self.piece(first), self._fill)
        self._saved = self.size
        self._seal_if_large()

    def _seal_if_large(self) -> None:
        if sum(part.nbytes for part in self._parts) >= PIECE_BYTES:
            self._parts = []

    def _fill(self, file: h5py.File) -> None:
        self._parts = [np.concatenate(self._parts)]
        for column in self._columns():
            file.create_dataset(column, data=self._parts[0][column], fletcher32=True, chunks=True)

    def pieces(self) -> list[tuple[int, int, str]]:
        """Return first row, row after the last, and file name of each saved piece."""
        ends = [*self.first_of, self._saved][1:]
        return [
            (first, end, self.piece(first).name)
            for first, end in zip(self.first_of, ends, strict=True)
        ]

    def read(self) -> NDArray[Any]:
        """Return all saved rows."""
        pieces = [
            self._rows_of_piece(self.folder / name, end - first)
            for first, end, name in self.pieces()
        ]
        return np.concatenate([np.zeros(0, self.dtype), *pieces])


def remove_partial_files(folder: Path) -> None:
    """Remove what an interrupted write left."""
    for path in folder.glob("*.partial"):
        os.unlink(path)
