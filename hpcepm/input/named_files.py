"""The files that an input may name: samples and fields.

They are a stranger's, and treated as such. Numbers follow from them: so what was read of each has a
digest, which is kept with the input.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from hashlib import file_digest, sha256
from typing import Any, Final, get_type_hints

import numpy as np
from numpy.typing import NDArray

from hpcepm.files import open_regular
from hpcepm.model.registry import FileName
from hpcepm.names import expanded
from hpcepm.parallel.rows import Lattice, LocalField

from .arrays import opened
from .csv_files import MOST_SAMPLES, BadFile, read_column
from .problems import shorten

MOST_OF_BLOCK: Final = 2**22  # values
LARGEST: Final = 1e12
IN_A_FILE: Final = re.compile(r"(.+\.\w+):([^/:]+)")
"""A file, and what is named in it."""


@dataclass
class Statistics:
    """What is known of the values of a file, which may come in blocks.

    Attributes
    ----------
    count, not_positive
        How many values there are, and how many of them are 0 or less.
    mean, lowest
        Of all values.
    square
        The sum of squared differences from the mean.
    """

    count: int = 0
    not_positive: int = 0
    mean: float = 0.0
    square: float = 0.0
    lowest: float = np.inf

    def add(self, values: NDArray[np.float64]) -> None:
        """Take in more values: means of parts are put together (Chan, Golub and LeVeque, 1983)."""
        n, mean = values.size, float(values.mean())
        apart, total = mean - self.mean, self.count + n
        self.square += float(((values - mean) ** 2).sum()) + apart**2 * self.count * n / total
        self.mean += apart * n / total
        self.count, self.lowest = total, min(self.lowest, float(values.min()))
        self.not_positive += int((values <= 0).sum())

    @property
    def std(self) -> float:
        """The standard deviation."""
        return float((self.square / max(self.count, 1)) ** 0.5)


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
    digests, statistics
        Of what was read, by the name in the input.
    """

    folder: str
    shape: tuple[int, int]
    digests: dict[str, str] = field(default_factory=dict)
    statistics: dict[str, Statistics] = field(default_factory=dict)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return the values of ``f.csv``, ``f.npy`` or ``f.h5:/path`` as one row."""
        values = read_samples(name, self.folder)
        self.digests[name] = _digest(values.shape, [values])
        self.statistics[name] = Statistics()
        self.statistics[name].add(values)
        return values

    def array(self, name: str) -> NDArray[np.float64]:
        """Return ``f.npy`` or the dataset ``f.h5:/path``, of any shape."""
        with opened(*split_name(name, self.folder)) as found:
            values = np.asarray(found[()], np.float64)
        self.digests[name] = _digest(values.shape, [values])
        return values

    def of_lattice(self, name: str) -> NDArray[np.float64]:
        """Return ``f.npy`` or ``f.h5:/path``, which must have a finite value for each site."""
        blocks = list(_checked_blocks(name, self.folder, self.shape, "value at"))
        self.digests[name] = _digest(self.shape, blocks)
        return np.concatenate(blocks)

    def check_field(self, name: str) -> float:
        """Check that an array has a finite value for each site, without reading it whole.

        Returns the lowest.
        """
        known = self.statistics[name] = Statistics()

        def blocks() -> Iterator[NDArray[np.float64]]:
            for block in _checked_blocks(name, self.folder, self.shape):
                known.add(block)
                yield block

        self.digests[name] = _digest(self.shape, blocks())
        return known.lowest

    def unread(self, section: Any) -> str:
        """Return the key of the first file that a section names and that was not read."""
        named = _names_in(section).items()
        return next((key for key, name in named if name and name not in self.digests), "file")

    def add_unread(self, section: Any) -> None:
        """Add the files that a section names and a plug-in has read in its own way, by bytes."""
        for name in _names_in(section).values():
            if name and name not in self.digests:
                with open_regular(split_name(name, self.folder)[0]) as file:
                    self.digests[name] = file_digest(file, "sha256").hexdigest()


def _digest(shape: tuple[int, ...], blocks: Iterable[NDArray[np.float64]]) -> str:
    """Return the digest of an array that comes in blocks."""
    digest = sha256(repr(shape).encode())
    for block in blocks:
        digest.update(np.ascontiguousarray(block, "<f8").data)
    return digest.hexdigest()


def _names_in(section: Any) -> dict[str, str | None]:
    """Return what a section says for its keys that are names of files."""
    if not is_dataclass(section):
        return {}
    hints = get_type_hints(type(section), include_extras=True)
    named = [f.name for f in fields(section) if hints[f.name] in (FileName, FileName | None)]
    return {key: getattr(section, key) for key in named}


def split_name(name: str, folder: str) -> tuple[str, str]:
    """Return the path of a file, and what is named in it.

    That is the dataset of ``f.h5:/path``, or the column of ``f.csv:sigma_c``. Relative paths start
    at ``folder``.

    Raises
    ------
    ValueError
        It is no such name; the message says why.
    """
    file, colon, part = name.rpartition(":/")
    if not colon:
        found = IN_A_FILE.fullmatch(name)
        file, part = (found[1], found[2]) if found else (name, "")
        if part and file.endswith((".h5", ".hdf5")):
            raise BadFile(f"{shorten(name)}: write {shorten(f'{file}:/{part}')}")
    elif file.endswith((".csv", ".txt", ".dat")):
        raise BadFile(f"{shorten(name)}: write {shorten(f'{file}:{part}')}")
    return os.path.join(folder, expanded(file)), part


def read_samples(name: str, folder: str) -> NDArray[np.float64]:
    """Return the values of a column of a CSV file, or of an array, as one row."""
    path, part = split_name(name, folder)
    if ":/" in name or path.endswith((".h5", ".hdf5", ".npy", ".npz")):
        with opened(path, part) as found:
            if found.size is not None and found.size > MOST_SAMPLES:
                raise BadFile(
                    f"{path}: has {found.size} values; at most {MOST_SAMPLES} can be used"
                )
            values = np.asarray(found[()], np.float64).ravel()
    else:
        values = read_column(path, part)
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
    name: str, folder: str, shape: tuple[int, int], what: str = "value of site"
) -> Iterator[NDArray[np.float64]]:
    """Yield an array some rows at a time; check that each site has one finite value."""
    path, dataset = split_name(name, folder)
    whole = f"{path}:/{dataset}" if dataset else path
    n_rows = max(1, MOST_OF_BLOCK // shape[1])
    with opened(path, dataset) as found:
        if found.shape != shape:
            raise BadFile(f"{whole}: has shape {found.shape}, but lattice.shape is {shape}")
        for start in range(0, shape[0], n_rows):
            values = np.asarray(found[start : start + n_rows], np.float64)
            bad = _first_bad(values)
            if bad is not None:
                x, y = divmod(start * shape[1] + bad, shape[1])
                said = f"the {what} ({x}, {y}) is {values.ravel()[bad]}"
                limit = f"it must be a number of at most {LARGEST:g}"
                raise BadFile(f"{whole}: {said}; {limit}")
            yield values


def read_field_rows(name: str, folder: str, lattice: Lattice) -> LocalField:
    """Return the rows of this rank of a checked field file."""
    path, dataset = split_name(name, folder)
    with opened(path, dataset) as found:
        return lattice.local_rows(found).astype(np.float64)


def _first_bad(values: NDArray[np.float64]) -> int | None:
    """Return the index of the first value that is NaN, infinite or absurd, if any."""
    bad = np.flatnonzero(~(np.abs(values) <= LARGEST))
    return int(bad[0]) if bad.size else None
