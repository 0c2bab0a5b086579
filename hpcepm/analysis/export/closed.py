"""One closed HDF5 file that holds all of a run, or what was chosen of it.

It is laid out as ``run.h5``, and so is read by all that reads a run; and it is netCDF-4.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hpcepm.analysis.results import Results
from hpcepm.analysis.shape import GROUPS
from hpcepm.files import hdf5_written
from hpcepm.layout import PACKED

from .source import Column, Groups, How, Part, block_shape, coordinates


def write_closed(run: Results, groups: Groups, path: Path, how: How) -> None:
    """Write the file.

    Parameters
    ----------
    run, groups
        An open run, and what is written of it.
    path
        Where; an older file is replaced in one instant.
    how
        What was chosen, and whether columns are compressed.

    Raises
    ------
    OSError
        It cannot be written; an older file is untouched.
    """
    size = 0 if how.gzip else sum(c.nbytes for group in groups.values() for c in group.values())
    with hdf5_written(path, size, how.check) as (file, heed):
        file.attrs.update(attributes(run, how.part))
        for name, columns in groups.items():
            group = file.create_group(name, track_order=True)
            if places := coordinates(name, columns):
                group.attrs["coordinates"] = places
            for column in sorted(columns.values(), key=lambda one: not one.is_axis):
                _add_column(group, column, how.gzip, heed)


def attributes(run: Results, part: Part) -> dict[str, Any]:
    """Return what a run says of itself, and what of it was chosen; netCDF has no truth values."""
    told = {n: np.int8(v) if isinstance(v, np.bool_) else v for n, v in run.file.attrs.items()}
    return {**told, PACKED: json.dumps([*run.chosen, part.told()])}


def _add_column(group: h5py.Group, column: Column, gzip: bool, heed: Callable[[], None]) -> None:
    """Write a column, block by block; its axes are there already."""
    packing: dict[str, Any] = {}
    gzip &= not column.is_axis
    if gzip and column.nbytes and len(column.axes) >= len(GROUPS[group.name.strip("/")]):
        chunks = block_shape(column.shape, column.dtype.itemsize)
        packing = {"chunks": chunks, "compression": "gzip", "shuffle": True}
    data = group.create_dataset(column.name, column.shape, column.dtype, **packing)
    for where, values in column.blocks():
        data[where] = values
        heed()
    data.attrs.update({"units": column.units, "description": column.description})
    if column.is_axis:
        data.make_scale(column.name)
        return
    data.attrs["long_name"] = column.description.partition(":")[0]
    for axis, name in enumerate(column.axes):
        data.dims[axis].attach_scale(group[name])
