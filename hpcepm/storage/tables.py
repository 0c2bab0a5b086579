"""Tables that grow by rows: in memory, or on disk in closed pieces that survive whatever happens.

HDF5 files die with their writer, so none is kept open: a piece is built in memory and written in
one instant. The last piece is replaced as it grows; when it is large enough the next one begins.
"""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from hpcepm.files import damage, write_hdf5

PIECE_BYTES: Final = 8 * 2**20


class DamagedOutput(Exception):
    """A piece of the output is missing or unreadable; the message names it."""


class Table:
    """Rows of a structured dtype, in memory.

    Parameters
    ----------
    dtype
        Of a row; a column may have a shape of its own.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.size = 0
        self._parts: list[NDArray[Any]] = []

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows."""
        if len(rows):
            self._parts.append(rows)
            self.size += len(rows)

    def read(self) -> NDArray[Any]:
        """Return all rows."""
        return np.concatenate([np.zeros(0, self.dtype), *self._parts])

    def save(self) -> None:
        """Bring all rows to disk, if there is one."""


class PieceTable(Table):
    """Rows on disk, in pieces ``name-<first row>.h5`` with a dataset for each column.

    Parameters
    ----------
    folder, name
        Where the pieces lie and what they are called.
    dtype
        As for `Table`.
    rows
        How many rows of those on disk count: a run that is continued goes on from there.

    Raises
    ------
    DamagedOutput
        Those rows are not all there.
    """

    def __init__(self, folder: Path, name: str, dtype: np.dtype[Any], rows: int = 0) -> None:
        super().__init__(dtype)
        self.folder = folder
        self.name = name
        self.size = self._saved = rows
        self.first_of = [first for first in self._on_disk() if first < rows]
        """First row of each piece."""
        if rows > 0 and self.first_of[:1] != [0]:
            raise DamagedOutput(f"{self.piece(0)}: is missing")
        self._open()

    def _open(self) -> None:
        """Check all pieces, and load the last one, which may grow."""
        for first, end, name in self.pieces():
            problem = damage(self.folder / name)
            if problem is not None:
                raise DamagedOutput(problem)
            self._parts = [self._rows_of_piece(self.folder / name, end - first)]
        self._close_if_large()

    def piece(self, first: int) -> Path:
        """Return the file of the piece that begins with a row."""
        return self.folder / f"{self.name}-{first:012d}.h5"

    def _on_disk(self) -> list[int]:
        """Return the first rows of all pieces that there are, ascending."""
        names = (path.stem for path in self.folder.glob(f"{self.name}-*.h5"))
        ours = (re.fullmatch(rf"{self.name}-(\d{{12,}})", name) for name in names)
        return sorted(int(found[1]) for found in ours if found)

    def truncate(self, keep: Collection[int] = ()) -> None:
        """Remove the pieces beyond the last row, but for some: of a run that had got further."""
        for first in self._on_disk():
            if first >= self.size and first not in keep:
                self.piece(first).unlink()

    def _rows_of_piece(self, path: Path, n: int) -> NDArray[Any]:
        rows = np.zeros(n, self.dtype)
        try:
            with h5py.File(path, "r") as file:
                for column in self.dtype.names or ():
                    if len(file[column]) < n:
                        said = f"has {len(file[column])} rows of {column}; {n} are wanted"
                        raise DamagedOutput(f"{path}: {said}")
                    rows[column] = file[column][:n]
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise DamagedOutput(f"{path}: cannot be read ({error})") from None
        return rows

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
        write_hdf5(self.piece(first), self._fill)
        self._saved = self.size
        self._close_if_large()

    def _close_if_large(self) -> None:
        if sum(part.nbytes for part in self._parts) >= PIECE_BYTES:
            self._parts = []

    def _fill(self, file: h5py.File) -> None:
        self._parts = [np.concatenate(self._parts)]
        for column in self.dtype.names or ():
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


class LargeRows(PieceTable):
    """Rows so large that each is a piece, which its ranks have written when it is appended."""

    def _open(self) -> None:
        self.first_of = list(range(self.size))
        for first in self.first_of:
            if not self.piece(first).is_file():
                raise DamagedOutput(f"{self.piece(first)}: is missing")

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows that are on disk already."""
        self.first_of += range(self.size, self.size + len(rows))
        self.size = self._saved = self.size + len(rows)
