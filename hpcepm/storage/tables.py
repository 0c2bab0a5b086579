"""Tables that grow by rows: in memory, or on disk in closed pieces that survive whatever happens.

HDF5 files die with their writer, so none is kept open: a piece is built in memory and written in
one instant. The last piece is replaced as it grows; when it is large enough the next one begins.
No piece of an earlier part of the run is written again: going on from a checkpoint begins a new
piece, and what the checkpoint, or ``run.h5``, counts on stays as it is.
"""

import os
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from hpcepm.files import Check, hdf5_image, no_check, write_hdf5
from hpcepm.identity import require_run
from hpcepm.layout import piece_name, snapshot_name
from hpcepm.reading import BadFile, attribute, count, dataset, open_hdf5

PIECE_BYTES: Final = 8 * 2**20


class Piece(NamedTuple):
    """A file with rows of a table: the first of them, and the number in the file's name."""

    first: int
    serial: int


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
    """Rows on disk, in pieces ``name-<number>.h5`` with a dataset for each column.

    Parameters
    ----------
    folder, name
        Where the pieces lie and what they are called.
    dtype
        As for `Table`.
    about
        Attributes of each piece: what the run is (`hpcepm.identity`).
    pieces, rows
        The pieces that the run has so far, and how many of their rows count.
    check
        See `hpcepm.files.Check`.

    Raises
    ------
    BadFile
        Those rows are not all there.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        dtype: np.dtype[Any],
        about: Mapping[str, Any],
        pieces: Sequence[Piece] = (),
        rows: int = 0,
        check: Check = no_check,
    ) -> None:
        super().__init__(dtype)
        self.folder, self.name, self.about, self._check = folder, name, about, check
        self.size = self._saved = rows
        self.pieces = [piece for piece in pieces if piece.first < rows]
        self._open()

    def _open(self) -> None:
        """Check all pieces, and load the last one if it is small: it goes on in another file."""
        if self._saved and (not self.pieces or self.pieces[0].first != 0):
            raise BadFile(f"{self.folder}: the first rows of {self.name} are missing")
        self._serial = max((piece.serial for piece in self.pieces), default=0)
        self._growing = False  # whether the last piece is of this part of the run
        shown = self.shown()
        for first, end, piece in shown[:-1]:
            with open_hdf5(self.path(piece)) as file:
                self._columns(file, piece, end - first)
        self._parts = [self._rows_of(piece, end - first) for first, end, piece in shown[-1:]]
        self._close_if_large()

    def path(self, piece: Piece) -> Path:
        """Return the file of a piece."""
        return self.folder / piece_name(self.name, piece.serial)

    def shown(self) -> list[tuple[int, int, Piece]]:
        """Return first row, row after the last, and piece of all saved rows."""
        ends = [*(piece.first for piece in self.pieces), self._saved][1:]
        return [(p.first, end, p) for p, end in zip(self.pieces, ends, strict=True)]

    def _columns(self, file: h5py.File, piece: Piece, n: int) -> dict[str, h5py.Dataset]:
        """Return the columns of an open piece, which must have n rows."""
        check_piece(file, self.about["run"], self.name, piece)
        columns = {}
        for name in self.dtype.names or ():
            kind = self.dtype[name]
            columns[name] = dataset(file, name, kind.base, (None, *kind.shape))
            if (there := len(columns[name])) < n:
                said = f"has {there} rows of {name}; {n} are wanted"
                raise BadFile(f"{file.filename}: {said}")
        return columns

    def _rows_of(self, piece: Piece, n: int) -> NDArray[Any]:
        """Return the first n rows of a piece."""
        rows = np.zeros(n, self.dtype)
        with open_hdf5(self.path(piece)) as file:
            for name, column in self._columns(file, piece, n).items():
                rows[name] = column[:n]
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
        piece = Piece(first, self._serial if self._growing else self._next_serial())
        self._parts = [np.concatenate(self._parts)]
        fill, check = partial(self._fill, piece=piece), self._check
        write_hdf5(self.path(piece), fill, self._template, check)
        self.pieces = [*(p for p in self.pieces if p.first < first), piece]
        self._serial, self._growing, self._saved = piece.serial, True, self.size
        self._close_if_large()

    def _close_if_large(self) -> None:
        if sum(part.nbytes for part in self._parts) >= PIECE_BYTES:
            self._parts, self._growing = [], False

    @cached_property
    def _template(self) -> bytes:
        """What all pieces begin with: to write attributes takes longer than to write rows."""
        about = {**self.about, "table": self.name}
        return hdf5_image(lambda file: file.attrs.update(about))

    def _next_serial(self) -> int:
        """Return a number above all of this part, and of no file that lies there."""
        serial = self._serial + 1
        while os.path.lexists(self.path(Piece(0, serial))):
            serial += 1
        return serial

    def _fill(self, file: h5py.File, piece: Piece) -> None:
        file.attrs["first"], file.attrs["number"] = piece
        for column in self.dtype.names or ():
            file.create_dataset(column, data=self._parts[0][column], fletcher32=True, chunks=True)

    def read(self) -> NDArray[Any]:
        """Return all saved rows."""
        pieces = [self._rows_of(piece, end - first) for first, end, piece in self.shown()]
        return np.concatenate([np.zeros(0, self.dtype), *pieces])


class LargeRows(PieceTable):
    """Rows so large that each is a piece, which its ranks have written when it is appended."""

    def _open(self) -> None:
        self.pieces = [Piece(k, k) for k in range(self.size)]  # all ranks have checked them

    def path(self, piece: Piece) -> Path:
        """Return the file of a snapshot."""
        return self.folder / snapshot_name(piece.serial)

    def append(self, rows: NDArray[Any]) -> None:
        """Add rows that are on disk already."""
        self.pieces += [Piece(k, k) for k in range(self.size, self.size + len(rows))]
        self.size = self._saved = self.size + len(rows)


def check_snapshot(file: h5py.File, run: str, number: int, strains: Sequence[float]) -> None:
    """Refuse a large snapshot of another run, realization or strain.

    ``strains`` are those of the snapshots of one realization, if they are known. Raises as
    `check_piece`.
    """
    check_piece(file, run, "fields", Piece(number, number))
    strain = attribute(file, "strain", float)
    if strains and strain != strains[number % len(strains)]:
        raise BadFile(f"{file.filename}: is of another strain than the input asks for")


def check_piece(file: h5py.File, run: str, table: str, piece: Piece) -> None:
    """Refuse a piece of another run, or of other rows, or under another name than its own.

    Raises
    ------
    BadFile
        It is such a one.
    """
    require_run(file, run)
    there = attribute(file, "table", str), Piece(count(file, "first"), count(file, "number"))
    if there != (table, piece):
        said = f"is piece {there[1].serial} of {there[0]}, with rows from {there[1].first} on"
        raise BadFile(f"{file.filename}: {said}, and not the one that is wanted here")
