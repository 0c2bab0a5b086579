"""A run as an ``xarray.DataTree``; `hpcepm.open`."""

import os
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from hpcepm.faults import NoRun
from hpcepm.names import place_of
from hpcepm.reading import reading
from hpcepm.text import shorten

from .results import open_run
from .shape import PLACES

if TYPE_CHECKING:
    from xarray import Dataset, DataTree


def open_tree(path: str | os.PathLike[str]) -> "DataTree":
    """Open a run as an ``xarray.DataTree`` with the groups of ``run.h5``; `hpcepm.open`.

    Its arrays are read when they are used: of the run that was opened, or not at all.

    Parameters
    ----------
    path
        The directory of a run, its ``run.h5``, or a file that ``hpcepm pack`` made.

    Returns
    -------
    xarray.DataTree
        Observables and profiles, and as the run has them avalanches, events, fields and cycles,
        with units (docs/model.md, section 5).

    Raises
    ------
    NoRun
        There is no run, or it cannot be used; or xarray or h5netcdf is not installed. Also from an
        array that is used when the directory is gone, or holds another run.
    """
    require_xarray()
    from .lazy import Source, lazy

    try:
        path = place_of(path)
    except ValueError as error:
        raise NoRun(f"{shorten(repr(path))}: {error}") from None
    with open_run(path) as run:
        name, source = run.file.filename, Source(run.file)
    with reading(Path(name)):
        tree = _tree_of(name)
        try:
            for group, node in tree.children.items():
                node.dataset = _by_place(lazy(source, group, node.to_dataset()))
        finally:
            tree.close()
    return tree


def tree_in_memory(image: bytes) -> "DataTree":
    """Return the tree of the bytes of a ``run.h5`` that has all data in it."""
    require_xarray()
    with _tree_of(BytesIO(image)) as tree:  # open, it would outlive the interpreter
        for node in tree.children.values():
            node.dataset = _by_place(node.to_dataset().load())
    return tree


def _tree_of(source: str | IO[bytes]) -> "DataTree":
    """Return the ``xarray.DataTree`` of an HDF5 file laid out as ``run.h5``, or of its bytes.

    It is to be closed: to read it later, the file is looked for by its name.
    """
    from xarray import open_datatree

    try:
        tree = open_datatree(source, engine="h5netcdf")
    except OSError:  # a file system without locks
        tree = open_datatree(source, engine="h5netcdf", driver_kwds={"locking": False})
    for name, value in tree.attrs.items():
        if isinstance(value, np.bool_):  # of a run of before; netCDF has no truth values
            tree.attrs[name] = np.int8(value)
    return tree


def _by_place(data: "Dataset") -> "Dataset":
    """Let records and snapshots be selected by strain, or else by time, if each has its own.

    Then their numbers are no coordinate: selection and arithmetic go by strain, or time, alone. Not
    so where realizations have places of their own, be it one: records of two seeds would be taken
    for those of one place by chance, and lost elsewhere.
    """
    for name in (name for name in PLACES if name in data.coords):
        place = data.coords[name]
        steps = np.diff(place.values, axis=-1)
        if place.ndim == 1 and ((steps > 0).all() or (steps < 0).all()):
            return data.drop_vars(str(place.dims[0])).set_xindex(name)
    return data


def require_xarray() -> None:
    """Find out whether a tree can be made, before anything else is done.

    Raises
    ------
    NoRun
        xarray or h5netcdf is not installed.
    """
    try:
        import_module("h5netcdf")  # without it xarray complains in many words
        import_module("xarray")
    except ImportError as error:
        said = f"this needs xarray and h5netcdf: pip install 'hpcepm[xarray]' ({error})"
        raise NoRun(said) from None
