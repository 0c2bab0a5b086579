"""Arrays in files of other programs: a dataset ``f.h5:/path``, or ``f.npy``.

They are a stranger's: nothing is believed before it was checked, and no other file is read.
"""

import math
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from io import BufferedReader
from tokenize import TokenError
from typing import Any, Final, TypeAlias

import h5py
import numpy as np
from numpy.typing import NDArray

from hpcepm.files import open_regular, told
from hpcepm.reading import MOST_IN_CHUNK

from .csv_files import BadFile
from .problems import shorten

MOST_COMPRESSED: Final = 1100
"""How far HDF5's compression can shrink zeros: deflate to a thousandth."""

LONGEST_HEADER: Final = 10_000

_OF_HEADERS: Final = (
    *(ValueError, KeyError, TypeError, EOFError),
    *(SyntaxError, TokenError, RecursionError, MemoryError),  # numpy parses it as Python
)


class NpyArray:
    """An array of a ``.npy`` file, of which some rows can be read.

    Attributes
    ----------
    shape, dtype, size
        As of any array.
    """

    def __init__(self, file: BufferedReader, path: str) -> None:
        self._file, self._path = file, path
        try:
            version = np.lib.format.read_magic(file)
            read = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            self.shape, self._by_columns, self.dtype = read(file, LONGEST_HEADER)
        except _OF_HEADERS:
            raise BadFile(f"{path}: is no file as numpy.save writes it; save it anew") from None
        if any(length < 0 for length in self.shape):
            raise BadFile(f"{path}: declares the shape {self.shape}")
        self.size = math.prod(self.shape)
        self._start = file.tell()
        stored = os.fstat(file.fileno()).st_size - self._start
        if self.dtype.kind not in "fiu":
            raise BadFile(f"{path}: {_not_numbers(self.dtype)}")
        if self.size * self.dtype.itemsize > stored:
            raise BadFile(f"{path}: declares {self.size} values but stores only {stored} bytes")

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        """Return some rows, by a slice, or all, by ()."""
        order: Any = "F" if self._by_columns else "C"
        if rows == ():
            return self._read(0, self.size).reshape(self.shape, order=order)
        start, stop, _ = rows.indices(self.shape[0])
        n, of_row = stop - start, self.size // max(1, self.shape[0])
        if self._by_columns:  # rows are strewn over the file: a part of each column is read
            values = self._read(start, n, of_row, self.shape[0])
        else:
            values = self._read(start * of_row, n * of_row)
        return values.reshape((n, *self.shape[1:]), order=order)

    def _read(self, first: int, count: int, times: int = 1, every: int = 0) -> NDArray[Any]:
        """Return ``count`` numbers from the ``first`` on, and so again ``every`` numbers later."""
        size, at = self.dtype.itemsize, self._start
        values = np.empty((times, count), self.dtype)
        for k, part in enumerate(values):
            self._file.seek(at + (first + k * every) * size)
            if self._file.readinto(part.view(np.uint8)) < count * size:
                raise BadFile(f"{self._path}: was cut off while it was read")
        return values.ravel()


Array: TypeAlias = "h5py.Dataset | NpyArray"
"""What can be read, whole or some rows at a time."""


def opened(path: str, dataset: str) -> AbstractContextManager[Array]:
    """Open a dataset of an HDF5 file, or a ``.npy`` file, which has no parts."""
    if path.endswith(".npy"):
        if dataset:
            raise BadFile(f"{path}: is one array; write {os.path.basename(path)} alone")
        return _opened_npy(path)
    if path.endswith(".npz"):
        raise BadFile(f"{path}: may hold several arrays; save one by numpy.save as .npy")
    if path.endswith((".csv", ".txt", ".dat")):
        said = "is no array; save one by numpy.save as .npy, or in HDF5, and write f.h5:/path"
        raise BadFile(f"{path}: {said}")
    return _opened_hdf5(path, dataset)


@contextmanager
def _opened_npy(path: str) -> Iterator[NpyArray]:
    try:
        file = open_regular(path)
    except OSError as error:
        raise BadFile(told(path, error)) from None
    with file:
        yield NpyArray(file, path)


@contextmanager
def _opened_hdf5(path: str, dataset: str) -> Iterator[h5py.Dataset]:
    """Open a dataset that lies whole in its own file."""
    if not dataset:
        raise BadFile(f"{path}: name the dataset too, as {os.path.basename(path)}:/path")
    try:
        with open_regular(path) as file:
            if not file.read(1):  # as of /proc, of which some let HDF5 wait for more
                raise BadFile(f"{path}: is empty")
    except OSError as error:
        raise BadFile(told(path, error)) from None
    try:
        file = h5py.File(path, "r", locking=False)
    except OSError:
        said = "is not a readable HDF5 file; look whether it was copied whole"
        raise BadFile(f"{path}: {said}") from None
    with file:
        try:
            yield _dataset_in(file, path, dataset)
        except (OSError, RuntimeError, KeyError, MemoryError):
            said = "cannot be read: it is damaged, or compressed in a way that is not known here"
            raise BadFile(f"{path}:/{dataset}: {said}") from None


def _not_numbers(dtype: Any) -> str:
    hint = " that are real; store the real part" if dtype.kind == "c" else ""
    return f"holds {dtype}, not numbers{hint}"


def _dataset_in(file: h5py.File, path: str, dataset: str) -> h5py.Dataset:
    """Return a dataset of numbers.

    Links and storage elsewhere could show other files of this machine.
    """
    here: h5py.Group | h5py.Dataset = file
    for part in dataset.strip("/").split("/"):
        if part in ("", "."):
            raise BadFile(f"{path}: name a dataset, not /{dataset}")
        link = here.get(part, getlink=True) if isinstance(here, h5py.Group) else None
        if isinstance(link, h5py.ExternalLink | h5py.SoftLink):
            raise BadFile(f"{path}:/{dataset}: is a link; only data in the file itself are read")
        if link is None:
            raise BadFile(f"{path}: has no dataset /{dataset}{_others(here)}")
        here = here[part]
    if not isinstance(here, h5py.Dataset):
        raise BadFile(f"{path}:/{dataset}: is a group, not a dataset{_others(here)}")
    if here.shape is None:
        raise BadFile(f"{path}:/{dataset}: is empty")
    if here.external or here.is_virtual:
        said = "keeps its data in other files; only data in the file itself are read"
        raise BadFile(f"{path}:/{dataset}: {said}")
    if here.dtype.kind not in "fiu":
        raise BadFile(f"{path}:/{dataset}: {_not_numbers(here.dtype)}")
    in_chunk = math.prod(here.chunks or ()) * here.dtype.itemsize  # which is read as a whole
    if in_chunk > max(MOST_IN_CHUNK, 2 * here.nbytes):
        raise BadFile(f"{path}:/{dataset}: has {here.size} values in chunks of {in_chunk} bytes")
    stored = here.id.get_storage_size()
    if stored * (MOST_COMPRESSED if here.compression else 1) < here.nbytes:
        said = f"declares {here.size} values but stores only {stored} bytes"
        raise BadFile(f"{path}:/{dataset}: {said}")
    return here


def _others(group: h5py.Group | h5py.Dataset) -> str:
    """Return what else is there, in brackets."""
    names = list(group)[:8] if isinstance(group, h5py.Group) else []
    return f" (there: {shorten(', '.join(names), 100)})" if names else ""
