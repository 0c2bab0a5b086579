"""The files that an input may name: samples and fields of thresholds.

They are a stranger's, and treated as such.
"""

import csv
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from hpcepm.parallel.rows import Lattice, LocalField

from .problems import shorten

MOST_SAMPLES = 50_000_000
LARGEST = 1e12
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?(nan|inf|infinity)", re.IGNORECASE)
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
    """

    folder: str
    shape: tuple[int, int]

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return the values of ``f.csv`` or ``f.h5:/path`` as one row."""
        return read_samples(name, self.folder)

    def array(self, name: str) -> NDArray[np.float64]:
        """Return the dataset ``f.h5:/path``, of any shape."""
        with _opened(*split_name(name, self.folder)) as found:
            return np.asarray(found[()], np.float64)

    def check_field(self, name: str) -> None:
        """Check that ``f.h5:/path`` has a finite value for each site, without reading it whole."""
        check_field_file(name, self.folder, self.shape)


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


def check_field_file(name: str, folder: str, shape: tuple[int, int]) -> None:
    """Check that ``f.h5:/path`` has one finite value for each site, without reading it whole."""
    path, dataset = split_name(name, folder)
    with _opened(path, dataset) as found:
        if found.shape != shape:
            raise BadFile(
                f"{path}:/{dataset}: has shape {found.shape}, but lattice.shape is {shape}"
            )
        for start in range(0, shape[0], 256):
            values = np.asarray(found[start : start + 256], np.float64)
            bad = _first_bad(values)
            if bad is not None:
                x, y = divmod(start * shape[1] + bad, shape[1])
                told = f"the threshold of site ({x}, {y}) is {values.ravel()[bad]}"
                limit = f"it must be a number of at most {LARGEST:g}"
                raise BadFile(f"{path}:/{dataset}: {told}; {limit}")


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
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            for number, row in enumerate(csv.reader(file), 1):
                if not row or row[0].lstrip().startswith("#"):
                    continue
                if len(row) > 1:
                    raise BadFile(f"{path}:{number}: has {len(row)} columns; one is expected")
                if NUMBER.fullmatch(row[0].strip()):
                    values.append(float(row[0]))
                elif not heading_allowed or not HEADING.match(row[0].strip()):
                    raise BadFile(f"{path}:{number}: '{shorten(row[0])}' is not a number")
                heading_allowed = False
                if len(values) > MOST_SAMPLES:
                    raise BadFile(
                        f"{path}: has more than {MOST_SAMPLES} values; so many cannot be used"
                    )
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror or error}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadFile(f"{path}: is not a CSV file: {error}") from None
    return np.array(values)


@contextmanager
def _opened(path: str, dataset: str) -> Iterator[h5py.Dataset]:
    """Open a dataset that lies whole in its own file.

    Links and storage elsewhere could show other files of this machine.
    """
    if not dataset:
        raise BadFile(f"{path}: name the dataset too, as {os.path.basename(path)}:/path")
    if not os.path.exists(path):
        raise BadFile(f"{path}: No such file or directory")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise BadFile(f"{path}: is not a readable HDF5 file ({shorten(str(error), 80)})") from None
    with file:
        here: h5py.Group | h5py.Dataset = file
        for part in dataset.strip("/").split("/"):
            if part in ("", "."):
                raise BadFile(f"{path}: name a dataset, not /{dataset}")
            link = here.get(part, getlink=True) if isinstance(here, h5py.Group) else None
            if isinstance(link, h5py.ExternalLink | h5py.SoftLink):
                raise BadFile(
                    f"{path}:/{dataset}: is a link; only data in the file itself are read"
                )
            if link is None:
                raise BadFile(f"{path}: has no dataset /{dataset}")
            here = here[part]
        if not isinstance(here, h5py.Dataset):
            raise BadFile(f"{path}:/{dataset}: is a group, not a dataset")
        if here.shape is None:
            raise BadFile(f"{path}:/{dataset}: is empty")
        if here.external or here.is_virtual:
            raise BadFile(
                f"{path}:/{dataset}: keeps its data in other files; "
                "only data in the file itself are read"
            )
        if here.dtype.kind not in "fiu":
            raise BadFile(f"{path}:/{dataset}: holds {here.dtype}, not numbers")
        stored = here.id.get_storage_size()
        if stored < here.size * here.dtype.itemsize and here.compression is None:
            raise BadFile(
                f"{path}:/{dataset}: declares {here.size} values but stores only {stored} bytes"
            )
        try:
            yield here
        except OSError as error:
            raise BadFile(
                f"{path}:/{dataset}: cannot be read ({shorten(str(error), 80)})"
            ) from None
