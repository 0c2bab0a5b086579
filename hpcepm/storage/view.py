"""How ``run.h5`` shows tables: named axes, described columns, and pieces as one dataset."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from hpcepm.layout import NO_UNIT

from .tables import PieceTable, Table


class Shown(NamedTuple):
    """In which shape the rows of a table are shown.

    Attributes
    ----------
    shape
        (rows,), or (realizations, rows of each).
    ends
        How many rows there are at the end of each realization, if these have not all as many.
    """

    shape: tuple[int, ...]
    ends: Sequence[int] = ()

    @property
    def rows(self) -> int:
        """How many rows are shown."""
        return self.ends[-1] if self.ends else prod(self.shape)

    def arrange(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the rows of a column in this shape; what is not there is `missing`."""
        inner = values.shape[1:]
        if not self.ends:
            return values.reshape(*self.shape, *inner)
        shown = np.full((*self.shape, *inner), missing(values.dtype), values.dtype)
        for start, stop, there in self.blocks(0, self.rows):
            shown[there] = values[start:stop]
        return shown

    def blocks(self, first: int, end: int) -> Iterator[tuple[int, int, tuple[int | slice, ...]]]:
        """Cut rows, counted through, into blocks of the shape: from, to, and where."""
        if len(self.shape) == 1:
            yield first, end, (slice(first, end),)
        elif self.ends:
            yield from _by_ends(first, end, self.ends)
        else:
            yield from _by_length(first, end, self.shape[1])


def _by_ends(
    first: int, end: int, ends: Sequence[int]
) -> Iterator[tuple[int, int, tuple[int | slice, ...]]]:
    for row in range(bisect_right(ends, first), len(ends)):
        begin = ends[row - 1] if row else 0
        start, stop = max(first, begin), min(end, ends[row])
        if start < stop:
            yield start, stop, (row, slice(start - begin, stop - begin))
        if stop == end:
            return


def _by_length(first: int, end: int, n: int) -> Iterator[tuple[int, int, tuple[int | slice, ...]]]:
    while first < end:
        row, k = divmod(first, n)
        if k or end - first < n:
            stop = min(end, (row + 1) * n)
            yield first, stop, (row, slice(k, k + stop - first))
        else:
            whole = (end - first) // n
            stop = first + whole * n
            yield first, stop, (slice(row, row + whole), slice(0, n))
        first = stop


def missing(kind: np.dtype[Any]) -> float:
    """Return what stands for a value that is not there."""
    return -1 if kind.kind == "i" else np.nan


def show_virtual(
    group: h5py.Group, table: Table, column: str, shown: Shown, inner: tuple[int, ...]
) -> h5py.Dataset:
    """Present a column of a table in pieces as one dataset, with elements of a shape."""
    assert isinstance(table, PieceTable)
    base = table.dtype[column].base
    shape, n = (*shown.shape, *inner), shown.rows
    if n == 0:
        return group.create_dataset(column, shape, base)
    layout = h5py.VirtualLayout(shape, base)
    for first, end, piece in table.shown():
        name = f"pieces/{table.path(piece).name}"
        source = h5py.VirtualSource(name, column, (end - first, *inner), base)
        # The slice is for HDF5: a source that is taken whole cannot be read any more once its
        # piece has grown.
        for start, stop, there in shown.blocks(first, min(end, n)):
            layout[there] = source[start - first : stop - first]
    return group.create_virtual_dataset(column, layout, fillvalue=missing(base))


def add_axes(group: h5py.Group, lengths: Mapping[str, int]) -> None:
    """Give the axes of a group their names."""
    for name, length in lengths.items():
        scale = group.create_dataset(name, data=np.arange(length))
        scale.make_scale(name)
        scale.attrs["units"] = "cells" if name in ("x", "y") else NO_UNIT
        scale.attrs["description"] = f"{name}, counted from 0"


def describe(dataset: h5py.Dataset, units: str, description: str, axes: tuple[str, ...]) -> None:
    """Say what a dataset is, and name its axes."""
    dataset.attrs["units"] = units
    dataset.attrs["description"] = description
    dataset.attrs["long_name"] = re.sub(r":.*", "", description)
    for axis, name in enumerate(axes):
        dataset.dims[axis].attach_scale(dataset.parent[name])
