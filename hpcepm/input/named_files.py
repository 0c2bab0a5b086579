"""The files that an input may name: samples and fields of thresholds.

They are a stranger's, and treated as such. Numbers follow from them: so what was read of each has a
digest, which is kept with the input.
"""

import csv
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from functools import partial
from hashlib import file_digest, sha256
from io import TextIOWrapper
from typing import Any, Final, get_type_hints

import h5py
import numpy as np
from numpy.typing import NDArray

from hpcepm.files import open_regular, told
from hpcepm.model.registry import FileName
from hpcepm.parallel.rows import Lattice, LocalField

from .problems import shorten

MOST_LINE: Final = 100_000  # characters
MOST_SAMPLES = 50_000_000
MOST_OF_BLOCK: Final = 2**22  # values
MOST_COMPRESSED: Final = 1100
"""How far HDF5's compression can shrink zeros: deflate to a thousandth."""

LARGEST = 1e12
NUMBER = re.compile(
    r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?|[-+]?(nan|inf|infinity)", re.IGNORECASE
)
HEADING = re.compile(
    r"[^\W\d]|[\"'(\[{<⟨$\\]"
)  # a letter or a bracket; what begins as a number should be one


class BadFile(ValueError):
    """A named file that is missing, malformed or of the wrong shape; the message names it."""


@dataclass(frozen=True)
class NamedFiles:
    """The files that an input names, for the ``read_files`` of a section.

    A method raises `ValueError`, with a message for the user, if a file is not as it should be.

    Attributes
    ----------
    folder
        Where relative names begin.
    shape
        (nx, ny) of the lattice.
    digests
        Of what was read, by the name in the input.
    """

    folder: str
    shape: tuple[int, int]
    digests: dict[str, str] = field(default_factory=dict)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return the values of ``f.csv`` or ``f.h5:/path`` as one row."""
        values = read_samples(name, self.folder)
        self.digests[name] = _digest(values.shape, [values])
        return values

    def array(self, name: str) -> NDArray[np.float64]:
        """Return the dataset ``f.h5:/path``, of any shape."""
        with _opened(*split_name(name, self.folder)) as found:
            values = np.asarray(found[()], np.float64)
        self.digests[name] = _digest(values.shape, [values])
        return values

    def check_field(self, name: str) -> None:
        """Check that ``f.h5:/path`` has a finite value for each site, without reading it whole."""
        blocks = _checked_blocks(name, self.folder, self.shape)
        self.digests[name] = _digest(self.shape, blocks)

    def add_unread(self, section: Any) -> None:
        """Add the files that a section names and a plug-in has read in its own way, by bytes."""
        for name in _names_in(section):
            if name and name not in self.digests:
                with open_regular(split_name(name, self.folder)[0]) as file:
                    self.digests[name] = file_digest(file, "sha256").hexdigest()


def _digest(shape: tuple[int, ...], blocks: Iterable[NDArray[np.float64]]) -> str:
    """Return the digest of an array that comes in blocks."""
    digest = sha256(repr(shape).encode())
    for block in blocks:
        digest.update(np.ascontiguousarray(block, "<f8").data)
    return digest.hexdigest()


def _names_in(section: Any) -> list[str]:
    """Return what a section says for its keys that are names of files."""
    if not is_dataclass(section):
        return []
    hints = get_type_hints(type(section), include_extras=True)
    return [getattr(section, f.name) for f in fields(section) if hints[f.name] == FileName]


def split_name(name: str, folder: str) -> tuple[str, str]:
    """Return the path of a file and, of ``f.h5:/path``, the dataset in it.

    Relative paths start at ``folder``.
    """
    file, colon, dataset = name.rpartition(":/")
    if not colon:
        file, dataset = name, ""
    return os.path.join(folder, file), dataset


def read_samples(name: str, folder: str) -> NDArray[np.float64]:
    """Return the values of ``f.csv`` or ``f.h5:/path`` as one row.

    A CSV file has one column and may have a heading; a dataset may have any shape.
    """
    path, dataset = split_name(name, folder)
    if dataset or path.endswith((".h5", ".hdf5")):
        with _opened(path, dataset) as found:
            if found.size is not None and found.size > MOST_SAMPLES:
                raise BadFile(
                    f"{path}:/{dataset}: has {found.size} values; "
                    f"at most {MOST_SAMPLES} can be used"
                )
            values = np.asarray(found[()], np.float64).ravel()
    else:
        values = _read_column(path)
    if values.size == 0:
        raise BadFile(f"{path}: holds no values")
    bad = _first_bad(values)
    if bad is not None:
        raise BadFile(
            f"{path}: value {bad + 1} is {values[bad]}; "
            f"thresholds must be numbers of at most {LARGEST:g}"
        )
    return values


def _checked_blocks(
    name: str, folder: str, shape: tuple[int, int]
) -> Iterator[NDArray[np.float64]]:
    """Yield ``f.h5:/path`` some rows at a time; check that each site has one finite value."""
    path, dataset = split_name(name, folder)
    n_rows = max(1, MOST_OF_BLOCK // shape[1])
    with _opened(path, dataset) as found:
        if found.shape != shape:
            raise BadFile(
                f"{path}:/{dataset}: has shape {found.shape}, but lattice.shape is {shape}"
            )
        for start in range(0, shape[0], n_rows):
            values = np.asarray(found[start : start + n_rows], np.float64)
            bad = _first_bad(values)
            if bad is not None:
                x, y = divmod(start * shape[1] + bad, shape[1])
                said = f"the threshold of site ({x}, {y}) is {values.ravel()[bad]}"
                limit = f"it must be a number of at most {LARGEST:g}"
                raise BadFile(f"{path}:/{dataset}: {said}; {limit}")
            yield values


def read_field_rows(name: str, folder: str, lattice: Lattice) -> LocalField:
    """Return the rows of this rank of a checked field file."""
    path, dataset = split_name(name, folder)
    with _opened(path, dataset) as found:
        return lattice.local_rows(found).astype(np.float64)


def _first_bad(values: NDArray[np.float64]) -> int | None:
    """Return the index of the first value that is NaN, infinite or absurd, if any."""
    bad = np.flatnonzero(~(np.abs(values) <= LARGEST))
    return int(bad[0]) if bad.size else None


def _read_column(path: str) -> NDArray[np.float64]:
    values: list[float] = []
    heading_allowed = True
    for number, row in csv_rows(path):
        if len(row) > 1:
            raise BadFile(f"{path}:{number}: has {len(row)} columns; one is expected")
        if NUMBER.fullmatch(row[0]):
            values.append(float(row[0]))
        elif not heading_allowed or not HEADING.match(row[0]):
            raise BadFile(f"{path}:{number}: '{shorten(row[0])}' is not a number")
        heading_allowed = False
        if len(values) > MOST_SAMPLES:
            raise BadFile(f"{path}: has more than {MOST_SAMPLES} values; so many cannot be used")
    return np.array(values)


def csv_rows(path: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the cells of each line of a CSV file but for blank and # lines.

    It is read a line at a time: a quote that nothing closes does not take in the lines after it.

    Raises
    ------
    BadFile
        It cannot be read, or is not a CSV file.
    """
    try:
        with TextIOWrapper(open_regular(path), "utf-8-sig", newline="") as file:
            for number, line in enumerate(iter(partial(file.readline, MOST_LINE), ""), 1):
                if len(line) == MOST_LINE:
                    raise BadFile(f"{path}:{number}: is longer than {MOST_LINE} characters")
                row = line.strip()
                if row and not row.startswith("#"):
                    quoted = '"' in row  # else there is nothing that takes a parser, and its time
                    cells = next(csv.reader([row], strict=True)) if quoted else row.split(",")
                    yield number, [cell.strip() for cell in cells]
    except OSError as error:
        raise BadFile(told(path, error)) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadFile(f"{path}: is not a CSV file: {error}") from None


@contextmanager
def _opened(path: str, dataset: str) -> Iterator[h5py.Dataset]:
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
    except OSError as error:
        raise BadFile(f"{path}: is not a readable HDF5 file ({shorten(str(error), 80)})") from None
    with file:
        try:
            yield _dataset_in(file, path, dataset)
        except (OSError, RuntimeError, KeyError, MemoryError) as error:
            said = shorten(str(error), 80)
            raise BadFile(f"{path}:/{dataset}: cannot be read ({said})") from None


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
            raise BadFile(f"{path}: has no dataset /{dataset}")
        here = here[part]
    if not isinstance(here, h5py.Dataset):
        raise BadFile(f"{path}:/{dataset}: is a group, not a dataset")
    if here.shape is None:
        raise BadFile(f"{path}:/{dataset}: is empty")
    if here.external or here.is_virtual:
        said = "keeps its data in other files; only data in the file itself are read"
        raise BadFile(f"{path}:/{dataset}: {said}")
    if here.dtype.kind not in "fiu":
        raise BadFile(f"{path}:/{dataset}: holds {here.dtype}, not numbers")
    stored = here.id.get_storage_size()
    if stored * (MOST_COMPRESSED if here.compression else 1) < here.nbytes:
        said = f"declares {here.size} values but stores only {stored} bytes"
        raise BadFile(f"{path}:/{dataset}: {said}")
    return here
