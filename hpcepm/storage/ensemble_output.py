"""The output of an ensemble: tables of which a row is a realization, and ``run.h5``, a view of them (SPEC 5)."""

import json
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from hpcepm.input import Input
from hpcepm.model.observables import OBSERVABLES, RECORD
from hpcepm.model.state import AVALANCHE, KINDS
from hpcepm.run.realization import RealizationResult, Realizations

from .directory import RunDirectory
from .output import (
    AVALANCHE_COLUMNS,
    FIELDS,
    LAYOUT_VERSION,
    PROFILES,
    coordinates,
    describe,
    strain_coordinate,
    view_of_table,
)
from .tables import Table, remove_partial_files, write_small_file


class EnsembleOutput:
    """What an ensemble keeps, in order of realizations, whatever the order in which they are done.

    On rank 0.

    Parameters
    ----------
    directory, settings
        Where, and what was asked for.
    many
        Says at which stops realizations are measured.
    provenance
        Root attributes of ``run.h5``.
    place
        Where to take up, as ``run.h5`` has it: finished realizations, and rows of the table of
        avalanches.

    Raises
    ------
    DamagedOutput
        What is to be taken up is not all there.
    """

    def __init__(
        self,
        directory: RunDirectory,
        settings: Input,
        many: Realizations,
        provenance: Mapping[str, Any],
        place: Mapping[str, int],
    ) -> None:
        self.directory = directory
        self.settings = settings
        self.provenance = dict(provenance)
        self.finished = False
        self.n_done: int = place.get("realizations", 0)
        self._early: dict[int, RealizationResult] = {}  # done before one with a lower number
        self._records = [stop.strain for stop in many.stops if stop.record]
        self._snapshots = [stop.strain for stop in many.stops if stop.snapshot]
        n, m, (nx, ny) = len(self._records), len(self._snapshots), settings.lattice.shape
        observables = np.dtype(
            [(name, RECORD[name], (n,)) for name in RECORD.names or () if name != "strain"]
        )
        profiles = np.dtype([("along_x", "f8", (n, nx)), ("along_y", "f8", (n, ny))])
        fields = np.dtype([(name, KINDS.get(name, "f8"), (m, nx, ny)) for name in many.field_names])
        pieces = directory.pieces
        self.tables = {
            "observables": Table(pieces, "observables", observables, self.n_done),
            "profiles": Table(pieces, "profiles", profiles, self.n_done),
            "avalanches": Table(pieces, "avalanches", AVALANCHE, place.get("avalanches", 0)),
        }
        if many.field_names:
            self.tables["fields"] = Table(pieces, "fields", fields, self.n_done)
        remove_partial_files(pieces)
        for table in self.tables.values():
            table.truncate()

    def keep(self, realization: int, sheared: RealizationResult) -> None:
        """Keep a realization; it reaches the disk with the next `save` after all before it."""
        self._early[realization] = sheared
        while (due := self._early.pop(self.n_done, None)) is not None:
            self._append(
                "observables",
                {name: due.records[name] for name in self.tables["observables"].dtype.names or ()},
            )
            self._append("profiles", {name: due.profiles[name] for name in PROFILES})
            if "fields" in self.tables:
                self._append("fields", due.fields)
            if self.settings.output.avalanches:
                self.tables["avalanches"].append(due.avalanches)
            self.n_done += 1

    def _append(self, name: str, columns: Mapping[str, Any]) -> None:
        row = np.zeros(1, self.tables[name].dtype)
        for column, values in columns.items():
            row[column][0] = values
        self.tables[name].append(row)

    def save(self) -> None:
        """Bring what is kept to disk, and ``run.h5`` up to date.

        Raises
        ------
        OSError
            The disk is full or gone; what was saved before is untouched.
        """
        for table in self.tables.values():
            table.save()
        write_small_file(self.directory.run_file, self._fill)

    def _fill(self, file: h5py.File) -> None:
        """Build the view."""
        file.attrs.update(self.provenance)
        file.attrs["layout_version"] = LAYOUT_VERSION
        file.attrs["finished"] = self.finished
        file.attrs["place"] = json.dumps(
            {"realizations": self.n_done, "avalanches": self.tables["avalanches"].size}
        )
        (nx, ny), done = self.settings.lattice.shape, self.n_done
        group = file.create_group("observables")
        coordinates(group, {"realization": done, "record": len(self._records)})
        strain_coordinate(group, "record", np.array(self._records))
        for observable in OBSERVABLES:
            dataset = view_of_table(group, self.tables["observables"], observable.name)
            describe(dataset, observable.units, observable.description, ("realization", "record"))
        group = file.create_group("profiles")
        coordinates(group, {"realization": done, "record": len(self._records), "x": nx, "y": ny})
        strain_coordinate(group, "record", np.array(self._records))
        for column, (units, description) in PROFILES.items():
            dataset = view_of_table(group, self.tables["profiles"], column)
            describe(dataset, units, description, ("realization", "record", column[-1]))
        if self.settings.output.avalanches:
            group = file.create_group("avalanches")
            coordinates(group, {"avalanche": self.tables["avalanches"].size})
            for column, (units, description) in AVALANCHE_COLUMNS.items():
                describe(
                    view_of_table(group, self.tables["avalanches"], column),
                    units,
                    description,
                    ("avalanche",),
                )
        if "fields" in self.tables:
            group = file.create_group("fields")
            coordinates(
                group, {"realization": done, "snapshot": len(self._snapshots), "x": nx, "y": ny}
            )
            strain_coordinate(group, "snapshot", np.array(self._snapshots))
            for name in self.tables["fields"].dtype.names or ():
                dataset = view_of_table(group, self.tables["fields"], name)
                describe(dataset, *FIELDS[name], ("realization", "snapshot", "x", "y"))
