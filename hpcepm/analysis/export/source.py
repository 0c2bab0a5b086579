"""What of a run is exported: groups and columns, cut to what was chosen, read block by block."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from math import isfinite, prod
from pathlib import Path
from typing import Any, Final, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from hpcepm.analysis.results import Results
from hpcepm.analysis.shape import COUNTS, GROUPS, OF_EACH, PLACES
from hpcepm.faults import NoRun
from hpcepm.files import Check, no_check
from hpcepm.layout import LISTS, SAME_STRAIN
from hpcepm.reading import BadFile, reading

BLOCK: Final = 2**20
"""So many bytes of a column are read at a time, or one number: memory does not depend on N."""

NAME: Final = r"[A-Za-z]\w*"

Slices = tuple[slice, ...]
Read = Callable[[Slices], NDArray[Any]]

INNER: Final = {
    ("profiles", "along_x"): ("x",),
    ("profiles", "along_y"): ("y",),
    **{("cycles", name): (axis,) for axis, names in OF_EACH.items() for name in names},
}
"""Axes that a column has besides those of its group."""


AXES: Final = (
    *("realization", "record", "snapshot", "avalanche", "event", "cycle", "turn", "harmonic"),
    *("x", "y"),
)
"""Columns that number what lies along an axis."""


class Part(NamedTuple):
    """What of a run is wanted."""

    only: tuple[str, ...] = ()
    """Groups; all if none is named. Observables are always there."""

    strain: tuple[float, float] | None = None
    """Records, snapshots, avalanches and events from one strain to another."""

    float32: bool = False
    """Whether fields are rounded."""

    def told(self) -> dict[str, Any]:
        """Return it as JSON can have it: strains without a bound are None."""
        strain = [e if isfinite(e) else None for e in self.strain] if self.strain else None
        return {**self._asdict(), "strain": strain}


class How(NamedTuple):
    """How a run is written: what of it, whether compressed, and a check before it gets its name."""

    part: Part = Part()
    gzip: bool = False
    check: Check = no_check


class Column(NamedTuple):
    """Numbers under one name, with names for their axes."""

    name: str
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    units: str
    description: str
    read: Read

    @property
    def is_axis(self) -> bool:
        """Whether it numbers what lies along an axis."""
        return self.axes == (self.name,)

    @property
    def nbytes(self) -> int:
        """Its size."""
        return prod(self.shape) * self.dtype.itemsize

    def values(self) -> NDArray[Any]:
        """Return all of it; for small ones."""
        return self.read(tuple(slice(0, n) for n in self.shape))

    def blocks(self) -> Iterator[tuple[Slices, NDArray[Any]]]:
        """Yield where a block is and its numbers, one after the other."""
        for where in blocks(self.shape, block_shape(self.shape, self.dtype.itemsize)):
            yield where, self.read(where)


def coordinates(group: str, columns: Mapping[str, Column]) -> str:
    """Return the columns that say where on the way the rows of a group are."""
    return "" if group in LISTS else " ".join(name for name in PLACES if name in columns)


def block_shape(shape: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """Return the shape of blocks of at most `BLOCK` bytes: whole along the last axes."""
    room, lengths = max(1, BLOCK // itemsize), []
    for n in reversed(shape):
        lengths.append(max(1, min(n, room)))
        room //= lengths[-1]
    return tuple(reversed(lengths))


def blocks(shape: Sequence[int], block: Sequence[int]) -> Iterator[Slices]:
    """Cut a shape into blocks, in the order of its numbers."""
    cuts = [
        [slice(k, min(k + part, n)) for k in range(0, n, part)]
        for n, part in zip(shape, block, strict=True)
    ]
    yield from product(*cuts)


Groups = dict[str, dict[str, Column]]


def groups_of(run: Results, part: Part, possible: tuple[str, ...] = ()) -> Groups:
    """Return the columns of all groups that were chosen, and are possible if any are named.

    Raises
    ------
    NoRun
        The run has no such group, or nothing between these strains.
    """
    if missing := [name for name in part.only if name not in run.file]:
        has = ", ".join(name for name in GROUPS if name in run.file)
        raise NoRun(f"{run.file.filename}: has no {missing[0]} (it has {has})")
    wanted = {"observables", *part.only} if part.only else set(run.file)
    wanted &= set(possible or GROUPS)
    found = {name: _columns(run, name, part) for name in GROUPS if name in wanted}
    records = found.get("observables")  # maps alone have strains of their own
    if part.strain is not None and records is not None and records["strain"].nbytes == 0:
        low, high = part.strain
        raise NoRun(f"{run.file.filename}: has no record with strain from {low:g} to {high:g}")
    return found


def _columns(run: Results, name: str, part: Part) -> dict[str, Column]:
    """Return the columns of a group."""
    group = run.file[name]
    picked = _picked(run, name, part)
    found = {}
    for column, data in group.items():
        if not re.fullmatch(NAME, column):
            raise BadFile(f"{run.file.filename}: {name} has a column {column[:60]!r}")
        axes = _axes(name, column, data.ndim)
        rounded = part.float32 and name == "fields" and data.dtype == np.float64 and data.ndim > 2
        dtype = np.dtype(np.float32) if rounded else data.dtype
        shape, read = data.shape, _reader(data, dtype)
        if picked is not None and column == COUNTS.get(name):
            shape, read = data.shape, _of_array(picked.counts)
        elif picked is not None and picked.axis in axes:
            shape, read = picked.cut(data, axes, dtype)
        told = [str(data.attrs.get(key, "")) for key in ("units", "description")]
        read = _checked(read, Path(run.file.filename))
        found[column] = Column(column, axes, shape, dtype, told[0], told[1], read)
    return found


def _axes(group: str, column: str, ndim: int) -> tuple[str, ...]:
    """Return the names of the axes of a column."""
    outer = GROUPS[group]
    if column in AXES:
        return outer if group in LISTS else (column,)
    if column == COUNTS.get(group) and ndim == 1:
        return outer[:1]
    if ndim == 1 and column == "strain":
        return outer[-1:]
    if group == "fields" and ndim > len(outer):
        return (*outer, "x", "y")
    return (*outer, *INNER.get((group, column), ()))


def _reader(data: h5py.Dataset, dtype: np.dtype[Any]) -> Read:
    return lambda where: data[where].astype(dtype, copy=False)


def _checked(read: Read, path: Path) -> Read:
    """Name the run where it cannot be read."""

    def checked(where: Slices) -> NDArray[Any]:
        with reading(path):
            return read(where)

    return checked


def _of_array(values: NDArray[Any]) -> Read:
    return lambda where: values[where]


class _Picked(NamedTuple):
    """Which rows of a group lie between two strains."""

    axis: str
    kept: list[NDArray[np.int64]]  # of each realization, or of all alike
    alike: bool

    @property
    def n(self) -> int:
        return max((len(rows) for rows in self.kept), default=0)

    @property
    def counts(self) -> NDArray[np.int64]:
        return np.array([len(rows) for rows in self.kept], np.int64)

    def cut(
        self, data: h5py.Dataset, axes: tuple[str, ...], dtype: np.dtype[Any]
    ) -> tuple[tuple[int, ...], Read]:
        """Return shape and reader of what is left of a column."""
        place = axes.index(self.axis)
        shape = (*data.shape[:place], self.n, *data.shape[place + 1 :])
        if len(axes) == 1 and not self.alike:  # the numbers of records, where each has its own
            return shape, _of_array(np.arange(self.n))

        def read(where: Slices) -> NDArray[Any]:
            if place == 0:
                return _rows(data, (), self.kept[0][where[0]], where[1:]).astype(dtype, copy=False)
            lengths = [s.stop - s.start for s in where]
            found = np.full(lengths, -1 if dtype.kind == "i" else np.nan, dtype)
            for k in range(lengths[0]):
                realization = where[0].start + k
                rows = self.kept[0 if self.alike else realization][where[1]]
                found[k, : len(rows)] = _rows(data, (realization,), rows, where[2:])
            return found

        return shape, read


def _rows(
    data: h5py.Dataset, before: tuple[int, ...], rows: NDArray[np.int64], inner: Slices
) -> NDArray[Any]:
    """Return some rows, which rise, by runs of neighbours."""
    runs = np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1)
    found = [data[(*before, slice(run[0], run[-1] + 1), *inner)] for run in runs if run.size]
    empty = np.zeros((0, *(s.stop - s.start for s in inner)), data.dtype)
    return np.concatenate([empty, *found])


def _picked(run: Results, name: str, part: Part) -> _Picked | None:
    """Return which rows of a group are wanted; None: all. Cycles have no strain."""
    if part.strain is None or "strain" not in run.file[name]:
        return None
    low, high = part.strain
    strain, axis = run.file[name]["strain"], GROUPS[name][-1]

    def inside(values: NDArray[Any]) -> NDArray[np.int64]:
        return np.flatnonzero((values >= low - SAME_STRAIN) & (values <= high + SAME_STRAIN))

    if strain.ndim == 2:
        return _Picked(axis, [inside(row) for row in strain], alike=False)
    step = BLOCK // 8
    firsts = range(0, strain.size, step)
    parts = [first + inside(strain[first : first + step]) for first in firsts]
    return _Picked(axis, [np.concatenate([np.zeros(0, np.int64), *parts])], alike=True)
