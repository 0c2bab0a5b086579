"""Maps as VTK and XDMF have them: x runs fastest. Sites are cells; the first is centred at (0, 0).

VTK: a ``.vti`` file for each snapshot, and a ``.pvd`` for each realization that lists them.
XDMF: one file of XML, and the numbers in an HDF5 file beside it.
"""

from base64 import b64encode
from collections.abc import Iterable, Iterator
from itertools import chain, product, zip_longest
from pathlib import Path
from typing import Any, Final, NamedTuple
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from hpcepm.analysis.results import Results
from hpcepm.faults import NoRun
from hpcepm.files import hdf5_written, write_bytes

from .closed import attributes
from .source import BLOCK, Column, Groups, How

Element = ElementTree.Element
Sub: Final = ElementTree.SubElement

VTK_TYPES: Final = {"f8": "Float64", "f4": "Float32", "i4": "Int32", "i8": "Int64"}


HERE: Final = "@numbers@"
"""Where the numbers of a field belong."""


class Map(NamedTuple):
    """A snapshot of a realization."""

    realization: int
    snapshot: int
    strain: float
    time: float  # or the strain, if it rises; else the number of the snapshot
    fields: list[Column]
    clock: float | None = None  # the time of the clock, whatever readers take for the time

    @property
    def told(self) -> dict[str, float]:
        """What is written of it beside its fields."""
        return {"strain": self.strain} | ({} if self.clock is None else {"time": self.clock})

    @property
    def name(self) -> str:
        """Its file, without the end."""
        return f"r{self.realization:06d}-s{self.snapshot:06d}"

    def strips(self, field: Column) -> Iterator[NDArray[Any]]:
        """Yield the rows of a field, (some y, x), from the lowest y on."""
        nx, ny = field.shape[2:]
        at_once = max(1, BLOCK // (nx * field.dtype.itemsize))
        here = slice(self.realization, self.realization + 1)
        this = slice(self.snapshot, self.snapshot + 1)
        for y in range(0, ny, at_once):
            part = field.read((here, this, slice(0, nx), slice(y, min(y + at_once, ny))))
            yield np.ascontiguousarray(part[0, 0].T)


def maps_of(run: Results, groups: Groups) -> list[list[Map]]:
    """Return the snapshots of each realization.

    Raises
    ------
    NoRun
        There are none.
    """
    if "fields" not in groups:
        said = "has no maps; they are kept where the input has output.fields: {every: 0.05}"
        if "fields" in run.file:
            said = "its maps were not chosen: add fields to --only"
        elif not run.is_whole:
            said = "is a part of a run, without its maps"
        raise NoRun(f"{run.file.filename}: {said}")
    columns = groups["fields"]
    fields = [one for one in columns.values() if len(one.axes) == 4]
    strains = columns["strain"].values()
    strains = np.broadcast_to(strains, (fields[0].shape[0], strains.shape[-1]))
    times = columns["time"].values() if "time" in columns else strains
    found = []
    for r, (row, clock) in enumerate(zip(strains, times, strict=True)):
        row, clock = row[np.isfinite(row)], clock[np.isfinite(row)]
        time = clock if (np.diff(clock) > 0).all() else np.arange(row.size)
        told = clock.tolist() if "time" in columns else [None] * row.size
        both = enumerate(zip(row.tolist(), time.tolist(), told, strict=True))
        found.append([Map(r, k, strain, at, fields, clock) for k, (strain, at, clock) in both])
    if not any(found):
        raise NoRun(f"{run.file.filename}: has no map yet, or none between these strains")
    return found


def write_vtk(run: Results, groups: Groups, folder: Path, _how: How) -> None:
    """Write maps into an empty folder.

    Raises
    ------
    NoRun
        There are none.
    OSError
        They cannot be written.
    """
    for maps in maps_of(run, groups):
        root = Element("VTKFile", type="Collection", version="1.0", byte_order="LittleEndian")
        listed = Sub(root, "Collection")
        for one in maps:
            _write_vti(folder / f"{one.name}.vti", one)
            Sub(listed, "DataSet", timestep=repr(one.time), part="0", file=f"{one.name}.vti")
        if maps:
            (folder / f"{maps[0].name.partition('-')[0]}.pvd").write_bytes(_xml(root))


def _write_vti(path: Path, one: Map) -> None:
    """Write a snapshot: XML, with the numbers in base64, which all readers of VTK can read."""
    nx, ny = one.fields[0].shape[2:]
    extent = f"0 {nx} 0 {ny} 0 1"  # OVITO wants three dimensions
    about = {"version": "1.0", "byte_order": "LittleEndian", "header_type": "UInt64"}
    root = Element("VTKFile", {"type": "ImageData", **about})
    place = {"WholeExtent": extent, "Origin": "-0.5 -0.5 -0.5", "Spacing": "1 1 1"}
    image = Sub(root, "ImageData", place)
    numbers = Sub(image, "FieldData")
    for name, value in {"TimeValue": one.time, **one.told}.items():
        shown = {"type": "Float64", "Name": name, "NumberOfTuples": "1", "format": "ascii"}
        Sub(numbers, "DataArray", shown).text = repr(value)
    cells = Sub(Sub(image, "Piece", Extent=extent), "CellData", Scalars=one.fields[0].name)
    for field in one.fields:
        told = {"type": VTK_TYPES[field.dtype.str[1:]], "Name": field.name, "format": "binary"}
        Sub(cells, "DataArray", told).text = HERE
    between = _xml(root).split(HERE.encode())
    with open(path, "xb") as out:
        for before, field in zip_longest(between, one.fields):
            out.write(before)
            if field is not None:
                size = np.array([nx * ny * field.dtype.itemsize], "<u8")
                out.writelines(_in_base64(chain([size], one.strips(field))))


def _in_base64(parts: Iterable[NDArray[Any]]) -> Iterator[bytes]:
    """Yield the bytes of arrays one after the other, in base64: three bytes are four letters."""
    left = b""
    for part in parts:
        content = left + part.astype(part.dtype.newbyteorder("<"), copy=False).tobytes()
        whole = len(content) // 3 * 3
        yield b64encode(content[:whole])
        left = content[whole:]
    yield b64encode(left)


def _xml(root: Element) -> bytes:
    ElementTree.indent(root)
    return ElementTree.tostring(root, "utf-8", xml_declaration=True)


def write_xdmf(run: Results, groups: Groups, path: Path, how: How) -> None:
    """Write maps into an HDF5 file, ``path`` with ``.h5`` added, and what describes it.

    Raises
    ------
    NoRun
        There are none.
    OSError
        They cannot be written.
    """
    numbers = numbers_of(path)
    of_each = maps_of(run, groups)
    those = [*chain.from_iterable(of_each)]
    nx, ny = those[0].fields[0].shape[2:]
    size = sum(nx * ny * field.dtype.itemsize for one in those for field in one.fields)
    with hdf5_written(numbers, size, how.check) as (file, heed):
        file.attrs.update(attributes(run, how.part))
        for one, field in product(those, those[0].fields):
            data = file.create_dataset(f"{one.name}/{field.name}", (1, ny, nx), field.dtype)
            data.attrs.update({"units": field.units, "description": field.description})
            y = 0
            for strip in one.strips(field):
                data[0, y : y + len(strip)] = strip
                y += len(strip)
                heed()
    root = Element("Xdmf", Version="3.0")
    domain = Sub(root, "Domain")
    for maps in of_each:
        if maps:
            told = {"Name": maps[0].name.partition("-")[0], "GridType": "Collection"}
            series = Sub(domain, "Grid", {**told, "CollectionType": "Temporal"})
            for one in maps:
                _add_grid(series, one, numbers.name)
    write_bytes(path, _xml(root))


def numbers_of(path: Path) -> Path:
    """Return the HDF5 file of an XDMF file."""
    return path.with_name(f"{path.name}.h5")


def _add_grid(series: Element, one: Map, numbers: str) -> None:
    """Describe a snapshot: XDMF names the slowest axis first."""
    nx, ny = one.fields[0].shape[2:]
    grid = Sub(series, "Grid", Name=one.name, GridType="Uniform")
    Sub(grid, "Time", Value=repr(one.time))
    for name, value in one.told.items():
        Sub(grid, "Information", Name=name, Value=repr(value))
    Sub(grid, "Topology", TopologyType="3DCoRectMesh", Dimensions=f"2 {ny + 1} {nx + 1}")
    geometry = Sub(grid, "Geometry", GeometryType="ORIGIN_DXDYDZ")
    for of_axes in ("-0.5 -0.5 -0.5", "1 1 1"):
        Sub(geometry, "DataItem", Dimensions="3", Format="XML").text = of_axes
    for field in one.fields:
        shown = {"Name": field.name, "AttributeType": "Scalar", "Center": "Cell"}
        kind = {"f": "Float", "i": "Int"}[field.dtype.kind]
        told = {"NumberType": kind, "Precision": str(field.dtype.itemsize), "Format": "HDF"}
        item = Sub(
            Sub(grid, "Attribute", shown), "DataItem", {**told, "Dimensions": f"1 {ny} {nx}"}
        )
        item.text = f"{numbers}:/{one.name}/{field.name}"
