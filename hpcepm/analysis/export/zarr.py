"""A run as a Zarr store of version 2: folders, JSON, and a file for each block of numbers.

Every Zarr library reads it, and none is needed to write it.
"""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcepm.analysis.results import Results

from .closed import attributes
from .source import Column, Groups, How, block_shape, coordinates

Meta = dict[str, Any]


def write_zarr(run: Results, groups: Groups, folder: Path, how: How) -> None:
    """Write a run into an empty folder. Raises `OSError` if that cannot be done."""
    about = attributes(run, how.part)
    told = {name: v.item() if isinstance(v, np.generic) else v for name, v in about.items()}
    meta: Meta = {".zgroup": {"zarr_format": 2}, ".zattrs": told}
    for name, columns in groups.items():
        meta[f"{name}/.zgroup"] = {"zarr_format": 2}
        places = coordinates(name, columns)
        meta[f"{name}/.zattrs"] = {"coordinates": places} if places else {}
        for column in columns.values():
            place = f"{name}/{column.name}"
            (folder / place).mkdir(parents=True)
            meta[f"{place}/.zarray"] = _array(column, how.gzip)
            meta[f"{place}/.zattrs"] = {
                "_ARRAY_DIMENSIONS": column.axes,
                "units": column.units,
                "description": column.description,
            }
            _write_blocks(column, folder / place, how.gzip)
    for place, content in meta.items():
        _write_json(folder / place, content)
    _write_json(folder / ".zmetadata", {"metadata": meta, "zarr_consolidated_format": 1})


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")


def _array(column: Column, gzip: bool) -> Meta:
    """Return what describes an array."""
    kind = column.dtype.newbyteorder("<")
    return {
        "zarr_format": 2,
        "shape": column.shape,
        "chunks": block_shape(column.shape, kind.itemsize),
        "dtype": kind.str,
        "compressor": {"id": "zlib", "level": 4} if gzip else None,
        "fill_value": None,
        "order": "C",
        "filters": [{"id": "shuffle", "elementsize": kind.itemsize}] if gzip else None,
    }


def _write_blocks(column: Column, folder: Path, gzip: bool) -> None:
    shape = block_shape(column.shape, column.dtype.itemsize)
    for where, values in column.blocks():
        name = ".".join(str(s.start // n) for s, n in zip(where, shape, strict=True))
        (folder / name).write_bytes(_encoded(values, shape, gzip))


def _encoded(values: NDArray[Any], shape: tuple[int, ...], gzip: bool) -> bytes:
    """Return the bytes of a block, filled up to the shape that all blocks have."""
    whole = np.zeros(shape, values.dtype.newbyteorder("<"))
    whole[tuple(slice(0, n) for n in values.shape)] = values
    if not gzip:
        return whole.tobytes()
    by_byte = whole.view(np.uint8).reshape(-1, whole.itemsize).T  # "shuffle"
    return zlib.compress(by_byte.tobytes(), 4)
