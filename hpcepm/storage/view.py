"""How ``run.h5`` shows tables: named axes, described columns, and pieces as one dataset."""

import re
from collections.abc import Iterator, Mapping

import h5py
import numpy as np

from hpcepm.layout import NO_UNIT

from .tables import PieceTable, Table


def show_virtual(
    group: h5py.Group, table: Table, column: str, shown: tuple[int, ...]
) -> h5py.Dataset:
    """Present a column of a table in pieces as one dataset."""
    assert isinstance(table, PieceTable)
    base, inner = table.dtype[column].base, table.dtype[column].shape
    shape, n = (*shown, *inner), int(np.prod(shown))
    if n == 0:
        return group.create_dataset(column, shape, base)
    layout = h5py.VirtualLayout(shape, base)
    for first, end, piece in table.shown():
        name = f"pieces/{table.path(piece).name}"
        source = h5py.VirtualSource(name, column, (end - first, *inner), base)
        # The slice is for HDF5: a source that is taken whole cannot be read any more once its
        # piece has grown.
        for start, stop, there in _blocks(first, min(end, n), shown):
            layout[there] = source[start - first : stop - first]
    missing = -1 if base.kind == "i" else np.nan
    return group.create_virtual_dataset(column, layout, fillvalue=missing)


def _blocks(
    first: int, end: int, shown: tuple[int, ...]
) -> Iterator[tuple[int, int, tuple[int | slice, ...]]]:
    """Cut rows, counted through, into blocks of a table of that shape: from, to, and where."""
    if len(shown) == 1:
        yield first, end, (slice(first, end),)
        return
    n = shown[1]
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
