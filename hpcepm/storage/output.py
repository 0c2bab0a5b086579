"""The output of a run: tables and snapshots in closed pieces, and ``run.h5``, a view of all of them (SPEC 5).

``run.h5`` is small, and replaced whole each time there is something new: it can be opened at any moment, and a crash leaves the
last complete one. It holds the observables themselves; avalanches, profiles and fields lie in ``pieces/`` and appear in it as
virtual datasets, so a run is copied as a directory.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from hpcepm.model.observables import (
    NO_UNIT,
    OBSERVABLES,
    RECORD,
    STRESS_UNIT,
    Series,
    Snapshot,
    measure,
    measure_profiles,
    profile_dtype,
)
from hpcepm.model.state import AVALANCHE
from hpcepm.parallel.rows import Lattice

from .directory import RunDirectory
from .fields import write_fields
from .tables import DamagedOutput, Table, remove_partial_files, write_small_file

LAYOUT_VERSION: Final = 1

FIELDS: Final = {
    "sigma": (STRESS_UNIT, "local shear stress"),
    "epsilon_p": (NO_UNIT, "local plastic strain"),
    "sigma_c": (STRESS_UNIT, "local yield stress"),
    "n_events": (NO_UNIT, "how many times a site has yielded"),
}
SNAPSHOT: Final = np.dtype([("strain", "f8")] + [(name, "u1") for name in FIELDS])
"""A row of the table of snapshots: the strain, and which fields were written."""

NONE_YET: Final = -1.0
"""The strain of the last record when there is none."""

AVALANCHE_COLUMNS: Final = {
    "realization": (NO_UNIT, "realization"),
    "strain": (NO_UNIT, "macroscopic strain at the trigger"),
    "stress": (STRESS_UNIT, "macroscopic stress at the trigger"),
    "stress_drop": (STRESS_UNIT, "macroscopic stress lost in the avalanche, 2 mu slip/(nx ny)"),
    "slip": (NO_UNIT, "sum of the slips of all events"),
    "events": (NO_UNIT, "events"),
    "sites": (NO_UNIT, "distinct sites that yielded"),
    "duration": (NO_UNIT, "synchronous steps"),
    "x": ("cells", "row of the trigger site"),
    "y": ("cells", "column of the trigger site"),
}
PROFILES: Final = {
    "along_x": (NO_UNIT, "plastic strain of each x, averaged over y"),
    "along_y": (NO_UNIT, "plastic strain of each y, averaged over x"),
}


class Output:
    """All that a run writes besides checkpoints. Every rank has one; rank 0 keeps the tables.

    Parameters
    ----------
    lattice
        The lattice.
    directory
        Rank 0's hold on the run directory; None elsewhere.
    field_names
        Which fields a snapshot holds.
    avalanches
        Whether the avalanche table is kept.
    provenance
        Root attributes of ``run.h5``.
    place
        Where to take up: rows of each table and number of snapshots, as `place` gave them.

    Raises
    ------
    ProblemOnRank
        What is to be taken up is not all there. Making one is Collective.
    """

    def __init__(
        self,
        lattice: Lattice,
        directory: RunDirectory | None,
        field_names: tuple[str, ...],
        avalanches: bool,
        provenance: Mapping[str, Any],
        place: Mapping[str, Any] | None = None,
    ) -> None:
        self.lattice = lattice
        self.directory = directory
        self.field_names = field_names
        self.keeps_avalanches = avalanches
        self.provenance = dict(provenance)
        self.finished = False
        place = place or {}
        self.n_records, self.last_record = (
            place.get("records", 0),
            place.get("last_record", NONE_YET),
        )
        self.n_snapshots, self.last_snapshot = (
            place.get("snapshots", 0),
            place.get("last_snapshot", NONE_YET),
        )
        problem = None
        try:
            self._take_up(place)
        except DamagedOutput as error:
            problem = (
                f"{error}. Without it the run cannot go on; begin it anew in another directory"
            )
        lattice.ranks.raise_together(problem)

    def _take_up(self, place: Mapping[str, Any]) -> None:
        lattice, directory = self.lattice, self.directory
        if directory is not None:
            self.records = Table(directory.pieces, "observables", RECORD, self.n_records)
            self.profiles = Table(
                directory.pieces, "profiles", profile_dtype(lattice.shape), self.n_records
            )
            self.avalanches = Table(
                directory.pieces, "avalanches", AVALANCHE, place.get("avalanches", 0)
            )
            self.snapshots = Table(directory.pieces, "snapshots", SNAPSHOT, self.n_snapshots)
            for number in range(self.n_snapshots):
                if not (path := self._piece_of_snapshot(number)).is_file():
                    raise DamagedOutput(f"{path}: is missing")

    @property
    def _tables(self) -> tuple[Table, ...]:
        return self.records, self.profiles, self.avalanches, self.snapshots

    def _piece_of_snapshot(self, number: int) -> Path:
        assert self.directory is not None
        return self.directory.pieces / f"fields-{number:06d}.h5"

    def truncate(self) -> None:
        """Remove what a run wrote after the checkpoint that it is taken up from, once ``run.h5`` no longer shows it."""
        if self.directory is None:
            return
        remove_partial_files(self.directory.pieces)
        for table in self._tables:
            table.truncate()
        for path in self.directory.pieces.glob("fields-*.h5"):
            if int(path.stem.split("-")[1]) >= self.n_snapshots:
                path.unlink()

    def place(self) -> dict[str, Any]:
        """Return how far the output has come; all of it is on disk after `save`.

        Means something on rank 0 alone.
        """
        return {
            "records": self.n_records,
            "last_record": self.last_record,
            "snapshots": self.n_snapshots,
            "last_snapshot": self.last_snapshot,
            "avalanches": self.avalanches.size if self.directory is not None else 0,
        }

    def add_avalanches(self, rows: NDArray[Any]) -> None:
        """Add finished avalanches."""
        if self.keeps_avalanches and self.directory is not None:
            self.avalanches.append(rows)

    def add_record(self, snapshot: Snapshot) -> NDArray[np.void]:
        """Measure and add a record; return its row. Collective."""
        series = Series.of(snapshot)
        row, profiles = measure(series), measure_profiles(series)
        self.n_records, self.last_record = self.n_records + 1, snapshot.strain
        if self.directory is not None:
            self.records.append(row)
            self.profiles.append(profiles)
        return row

    def add_snapshot(self, snapshot: Snapshot) -> None:
        """Write the fields at this moment. Collective."""
        fields = {name: getattr(snapshot, name) for name in self.field_names}
        path = self.lattice.ranks.bcast(
            self._piece_of_snapshot(self.n_snapshots) if self.directory else None
        )
        assert path is not None

        def name_strain(file: h5py.File) -> None:
            file.attrs["strain"] = snapshot.strain

        write_fields(path, self.lattice, fields, name_strain)
        self.n_snapshots, self.last_snapshot = self.n_snapshots + 1, snapshot.strain
        if self.directory is not None:
            row = np.zeros(1, SNAPSHOT)
            row["strain"] = snapshot.strain
            row[list(fields)] = 1
            self.snapshots.append(row)

    def save(self) -> None:
        """Bring the tables to disk and ``run.h5`` up to date. On rank 0; does nothing elsewhere.

        Raises
        ------
        OSError
            The disk is full or gone; what was saved before is untouched.
        """
        if self.directory is None:
            return
        for table in self._tables:
            table.save()
        write_small_file(self.directory.run_file, self._fill)

    def _fill(self, file: h5py.File) -> None:
        """Build the view."""
        file.attrs.update(self.provenance)
        file.attrs["layout_version"] = LAYOUT_VERSION
        file.attrs["finished"] = self.finished
        self._fill_observables(file.create_group("observables"))
        if self.keeps_avalanches or self.avalanches.size:
            self._fill_avalanches(file.create_group("avalanches"))
        if self.field_names or self.n_snapshots:
            self._fill_fields(file.create_group("fields"))
        self._fill_profiles(file.create_group("profiles"))

    def _fill_observables(self, group: h5py.Group) -> None:
        rows = self.records.read()
        coordinates(group, {"realization": 1, "record": len(rows)})
        strain_coordinate(group, "record", rows["strain"])
        for observable in OBSERVABLES:
            values = np.ascontiguousarray(rows[observable.name][None])
            dataset = group.create_dataset(observable.name, data=values)
            describe(dataset, observable.units, observable.description, ("realization", "record"))

    def _fill_avalanches(self, group: h5py.Group) -> None:
        coordinates(group, {"avalanche": self.avalanches.size})
        for column, (units, description) in AVALANCHE_COLUMNS.items():
            dataset = view_of_table(group, self.avalanches, column, ())
            describe(dataset, units, description, ("avalanche",))

    def _fill_profiles(self, group: h5py.Group) -> None:
        nx, ny = self.lattice.shape
        coordinates(group, {"realization": 1, "record": self.profiles.size, "x": nx, "y": ny})
        strain_coordinate(group, "record", self.records.read()["strain"])
        for column, (units, description) in PROFILES.items():
            dataset = view_of_table(group, self.profiles, column, (1,))
            describe(dataset, units, description, ("realization", "record", column[-1]))

    def _fill_fields(self, group: h5py.Group) -> None:
        nx, ny = self.lattice.shape
        rows = self.snapshots.read()
        coordinates(group, {"realization": 1, "snapshot": len(rows), "x": nx, "y": ny})
        strain_coordinate(group, "snapshot", rows["strain"])
        for name, (units, description) in FIELDS.items():
            if name not in self.field_names and not rows[name].any():
                continue
            dtype = np.dtype(np.int32 if name == "n_events" else np.float64)
            dataset = self._view_of_snapshots(
                group, name, np.flatnonzero(rows[name]).tolist(), (1, len(rows), nx, ny), dtype
            )
            describe(dataset, units, description, ("realization", "snapshot", "x", "y"))

    def _view_of_snapshots(
        self,
        group: h5py.Group,
        name: str,
        numbers: list[int],
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
    ) -> h5py.Dataset:
        """Present a field of some snapshots as one dataset; in the others it is missing."""
        if not numbers:
            return group.create_dataset(
                name, shape, dtype, fillvalue=_missing(dtype), maxshape=shape
            )
        layout = h5py.VirtualLayout(shape, dtype)
        for number in numbers:
            source = f"pieces/{self._piece_of_snapshot(number).name}"
            layout[0, number] = h5py.VirtualSource(source, name, shape=shape[2:], dtype=dtype)
        return group.create_virtual_dataset(name, layout, fillvalue=_missing(dtype))


def view_of_table(
    group: h5py.Group, table: Table, column: str, before: tuple[int, ...] = ()
) -> h5py.Dataset:
    """Present a column of a table as one dataset, with axes of length 1 ``before`` that of the rows."""
    base, inner = table.dtype[column].base, table.dtype[column].shape
    shape = (*before, table.size, *inner)
    if table.size == 0:
        return group.create_dataset(column, shape, base)
    layout = h5py.VirtualLayout(shape, base)
    for first, end, name in table.pieces():
        source = h5py.VirtualSource(
            f"pieces/{name}", column, shape=(end - first, *inner), dtype=base
        )
        # The slice is for HDF5: a source that is taken whole cannot be read any more once its piece
        # has grown.
        layout[(*(0 for _ in before), slice(first, end))] = source[: end - first]
    return group.create_virtual_dataset(column, layout, fillvalue=_missing(base))


def _missing(dtype: np.dtype[Any]) -> float | int:
    """Return what stands for a value whose piece is not there."""
    return -1 if dtype.kind == "i" else np.nan


def coordinates(group: h5py.Group, lengths: Mapping[str, int]) -> None:
    """Give the axes of a group their names."""
    for name, length in lengths.items():
        scale = group.create_dataset(name, data=np.arange(length))
        scale.make_scale(name)
        scale.attrs["units"] = "cells" if name in ("x", "y") else NO_UNIT
        scale.attrs["description"] = f"{name}, counted from 0"


def strain_coordinate(group: h5py.Group, along: str, strains: NDArray[np.float64]) -> None:
    """Give an axis of a group its strains."""
    strain = group.create_dataset("strain", data=np.ascontiguousarray(strains))
    describe(strain, NO_UNIT, "macroscopic strain", (along,))
    group.attrs["coordinates"] = "strain"


def describe(
    dataset: h5py.Dataset, units: str, description: str, dimensions: tuple[str, ...]
) -> None:
    """Say what a dataset is, and name its axes."""
    dataset.attrs["units"] = units
    dataset.attrs["description"] = description
    dataset.attrs["long_name"] = re.sub(r":.*", "", description)
    for axis, name in enumerate(dimensions):
        dataset.dims[axis].attach_scale(dataset.parent[name])
