"""What a ``run.h5`` and the pieces that it shows must look like, before a number is taken.

Whoever made the file: afterwards every dataset has the shape that its group says, every value is
stored, and none comes from another run or from outside the directory.
"""

import re
from collections.abc import Callable, Mapping
from functools import reduce
from math import isfinite, prod
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np

from hpcepm.files import told
from hpcepm.identity import Identity, require_run
from hpcepm.layout import FIELDS, HARMONICS, LAYOUT_VERSION, LISTS, PACKED, PIECE_NAME
from hpcepm.reading import (
    BadFile,
    attribute,
    count,
    dataset,
    group,
    json_of,
    member,
    names,
    open_hdf5,
    truth,
)
from hpcepm.schedule import is_known, turns_of

GROUPS: Final = {
    "observables": ("realization", "record"),
    "profiles": ("realization", "record"),
    "fields": ("realization", "snapshot"),
    "avalanches": ("avalanche",),
    "cycles": ("realization", "cycle"),
    "events": ("event",),
}
"""The groups, and the axes of their datasets: before those of the lattice, if they have these."""

COUNTS: Final = {
    "observables": "records",
    "profiles": "records",
    "fields": "snapshots",
    "cycles": "cycles",
}
"""Which dataset says how many rows a realization has, where that is not known beforehand."""


OF_EACH: Final = {
    "turn": ("stress", "plastic_strain"),
    "harmonic": ("in_phase", "out_of_phase"),
}
"""Columns of cycles that are of each turning point, or of each harmonic of a sine."""

PLACES: Final = ("strain", "time")
"""The columns that say where on the way a row is."""


Columns = dict[str, tuple[np.dtype[Any], tuple[int, ...]]]
"""The dtypes and shapes of the columns of a piece."""


def _is_positive(value: Any) -> bool:
    return type(value) in (int, float) and isfinite(value) and value > 0


def _is_cadence(value: Any) -> bool:
    if not isinstance(value.get("of", ""), str):
        return False
    if value.get("per_decade") is not None:
        n = value["per_decade"]
        return type(n) is int and 0 < n <= 1000 and _is_positive(value.get("from", 1.0))
    whole = value.get("of") != "cycle" or float(value["every"]).is_integer()
    return _is_positive(value["every"]) and whole


def _is_at(value: Any) -> bool:
    fine = isinstance(value, list) and len(value) > 0
    return fine and all(type(one) in (int, float) and isfinite(one) for one in value)


def _is_fields(value: Any) -> bool:
    if value is None:
        return True
    known = isinstance(value, dict) and isinstance(value.get("names"), list)
    listed = value.get("at") is not None  # those of before had no such key
    if not known or (listed and not _is_at(value["at"])):
        return False
    cadence = _is_cadence({**value, "every": 1.0} if listed and value["every"] is None else value)
    return cadence and set(value["names"]) <= set(FIELDS)


def _is_loading(value: Any) -> bool:
    turns = turns_of(value)
    parts = [value] if isinstance(value, dict) else value
    named = all(isinstance(part["control"], str) for part in parts)
    fine = all(type(turn) in (int, float) and turn == turn for turn in turns)
    return named and fine and len(turns) > 0


def _is_clock(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and isinstance(value.get("type"), str))


def _is_packed(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, dict) and {"only", "strain"} <= set(one) for one in value
    )


SETTINGS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "lattice.shape": lambda v: len(v) == 2 and all(type(n) is int and 0 < n < 2**31 for n in v),
    "elasticity.shear_modulus": _is_positive,
    "kernel.type": lambda v: isinstance(v, str),
    "loading": _is_loading,
    "realizations": lambda v: type(v) is int and 0 < v < 2**31,
    "seed": lambda v: type(v) is int,
    "output.observables": _is_cadence,
    "output.fields": _is_fields,
    "output.avalanches": lambda v: isinstance(v, bool),
}
"""What whoever reads a run uses of its input, and what it must be."""


def check_run(file: h5py.File, wanted: tuple[str, ...]) -> tuple[dict[str, Any], bool]:
    """Check an open ``run.h5``; return its input and whether the run is finished.

    Parameters
    ----------
    file
        Its checksum has been compared.
    wanted
        The groups whose pieces are checked too; all if none is named.

    Raises
    ------
    BadFile
        It is none; or a piece is missing, damaged, or of another run.
    """
    if file.attrs.get("layout_version") != LAYOUT_VERSION:
        raise BadFile(f"{file.filename}: is no run.h5, or not of this version of hpcepm")
    identity, finished = Identity.of(file), truth(file, "finished")
    settings = identity.settings
    for key, fine in SETTINGS.items():
        if not fine(reduce(lambda inside, name: inside[name], key.split("."), settings)):
            raise BadFile(f"{file.filename}: its input has no sound {key}")
    if not _is_clock(settings.get("clock")):
        raise BadFile(f"{file.filename}: its input has no sound clock")
    if is_known(settings) and not all(map(isfinite, turns_of(settings["loading"]))):
        raise BadFile(f"{file.filename}: its input has no sound loading")
    if PACKED in file.attrs and not _is_packed(json_of(file, PACKED)):
        raise BadFile(f"{file.filename}: does not say what of its run was packed")
    pieces: dict[str, Columns] = {}
    timed = settings.get("clock") is not None
    for name in names(file, "|".join(GROUPS)):
        if timed and "time" not in group(file, name):
            raise BadFile(f"{file.filename}: {name} has no time")
        for shown in _datasets(group(file, name), settings):
            if shown.is_virtual and (not wanted or name in wanted):
                _check_sources(shown, identity.run, pieces, _rows_of(file, name, settings))
    always = {"observables"} if PACKED in file.attrs else {"observables", "profiles"}
    if missing := always - set(file):
        raise BadFile(f"{file.filename}: has no {min(missing)}")
    return settings, finished


def _datasets(owner: h5py.Group, settings: dict[str, Any]) -> list[h5py.Dataset]:
    """Return the datasets of a group that hold numbers, all of the right shape."""
    name, (nx, ny), known = owner.name.strip("/"), settings["lattice"]["shape"], is_known(settings)
    lengths = {axis: member(owner, axis).shape[0] for axis in GROUPS[name]}
    first = tuple(lengths.values())
    if name in ("profiles", "fields"):
        lengths |= {"x": nx, "y": ny}
    if name == "cycles":
        inner_axis = "turn" if "cycle" in settings["loading"] else "harmonic"
        lengths[inner_axis] = len(settings["loading"].get("cycle", HARMONICS))
    inner = {"profiles": ((nx,), (ny,)), "fields": ((nx, ny),)}.get(name, ((),))
    found = []
    for column in owner:
        dtype = member(owner, column).dtype
        if dtype.kind not in "fi" or dtype.itemsize > 8:
            raise BadFile(f"{owner.file.filename}: {name}/{column} holds {dtype}, not numbers")
        if column in lengths:
            dataset(owner, column, np.int64, (lengths[column],))
        elif column == COUNTS.get(name) and not known:
            dataset(owner, column, np.int64, first[:1])
        elif column == "strain" and name not in LISTS and known:
            strain = dataset(owner, column, np.float64, first[1:])[()]
            turns = turns_of(settings["loading"])
            goes_on = len(turns) > 1 or (np.diff(strain) * np.sign(turns[0]) > 0).all()
            if not np.isfinite(strain).all() or not goes_on:
                raise BadFile(f"{owner.file.filename}: {name}/strain does not go on to its target")
        else:
            shapes = [(*first, *more) for more in (inner if column not in PLACES else [()] * 2)]
            if name == "cycles" and column in OF_EACH[inner_axis]:
                shapes = [(*first, lengths[inner_axis])]
            which = shapes[column == "along_y"] if name == "profiles" else shapes[0]
            found.append(dataset(owner, column, dtype, which, True, PACKED in owner.file.attrs))
    if first[0] > settings["realizations"] and name not in LISTS:
        raise BadFile(f"{owner.file.filename}: has more realizations than its input")
    return found


def _rows_of(file: h5py.File, name: str, settings: dict[str, Any]) -> list[int] | None:
    """Return how many rows there are at the end of each realization, where they are counted.

    They are at most as many as the axis is long.
    """
    if is_known(settings) or name not in COUNTS:
        return None
    owner = group(file, name)
    (realizations, most) = (member(owner, axis).shape[0] for axis in GROUPS[name])
    counts = dataset(owner, COUNTS[name], np.int64, (realizations,))[()]
    if ((counts < 0) | (counts > most)).any():
        raise BadFile(f"{file.filename}: {name}/{COUNTS[name]} counts more than there are")
    return [int(end) for end in np.cumsum(counts)]


def _check_sources(
    shown: h5py.Dataset, run: str, pieces: dict[str, Columns], counted: list[int] | None
) -> None:
    """Check what a dataset shows: pieces of the same run, and all of its values."""
    folder, (table, column) = Path(shown.file.filename).parent, shown.name.strip("/").split("/")
    parts: list[tuple[int, int]] = []
    for source in list(shown.virtual_sources()):  # an iterator would outlive its file in an error
        name = source.file_name
        if not re.fullmatch(f"pieces/(?:{PIECE_NAME})", name, re.ASCII):
            raise BadFile(f"{shown.file.filename}: {shown.name} shows a file that is none of a run")
        (begin, *_), (last, *_) = source.src_space.get_select_bounds()
        row = _row(source.vspace.get_select_bounds(), shown, table, counted)
        if name not in pieces:
            pieces[name] = _columns_in(folder / name, run, table, row - begin)
        dtype, (n, *inner) = pieces[name].get(column, (None, (0,)))
        if source.dset_name.lstrip("/") != column:
            raise BadFile(f"{shown.file.filename}: {shown.name} shows {source.dset_name}")
        if (
            dtype != shown.dtype
            or n <= last
            or tuple(inner) != shown.shape[len(shown.shape) - len(inner) :]
        ):
            raise BadFile(f"{folder / name}: has not all rows of {column} that run.h5 shows")
        parts.append((row, source.vspace.get_select_npoints() // prod(inner)))
    ends = [0, *(row + size for row, size in sorted(parts))]
    rows = prod(shown.shape[: len(GROUPS[table])]) if counted is None else counted[-1]
    if [row for row, _ in sorted(parts)] != ends[:-1] or ends[-1] != rows:
        raise BadFile(f"{shown.file.filename}: {shown.name} declares more than is stored")


def _row(
    bounds: tuple[tuple[int, ...], tuple[int, ...]],
    shown: h5py.Dataset,
    table: str,
    counted: list[int] | None,
) -> int:
    """Return the row of a table at which a part of a dataset begins."""
    start, last = bounds
    if table in LISTS:
        return start[0]
    if counted is None:
        return start[0] * shown.shape[1] + start[1]
    begin, end = [0, *counted][start[0]], counted[start[0]]
    if last[0] != start[0] or begin + last[1] >= end:
        raise BadFile(f"{shown.file.filename}: {shown.name} shows rows of another realization")
    return begin + start[1]


def _columns_in(path: Path, run: str, table: str, first: int) -> Columns:
    """Return the columns of a piece of a run, which must begin with a row of a table."""
    try:
        there = path.is_file()
    except OSError as error:
        raise BadFile(told(path, error)) from None
    if not there:
        raise BadFile(f"{path}: is missing: copy the whole directory")
    with open_hdf5(path) as file:
        require_run(file, run)
        if (attribute(file, "table", str), count(file, "first")) != (table, first):
            raise BadFile(f"{path}: has not the rows of {table} from {first} on")
        found = {name: member(file, name) for name in file}
        columns = {name: (column.dtype, column.shape) for name, column in found.items()}
        for name, (dtype, shape) in columns.items():
            dataset(file, name, dtype, shape)
        return columns
