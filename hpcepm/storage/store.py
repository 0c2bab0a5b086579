"""What a run keeps: tables in order of realizations, and ``run.h5``, a view of them.

Rows arrive from whoever shears a realization. Those of the first realization that is not finished
enter the tables as they come, later ones when all before them have: so tables do not depend on who
did what, and when. `Store` keeps all in memory; `FileStore` is the same with a directory.

``run.h5`` is small, and replaced whole each time there is something new: it can be opened at any
moment, and a crash leaves the last complete one. Its datasets are virtual ones over ``pieces/``;
when a run is finished the curves are copied in.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, Final, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from hpcepm.files import PARTIAL, hdf5_image, remove, write_hdf5
from hpcepm.layout import (
    AVALANCHE,
    AVALANCHE_COLUMNS,
    FIELDS,
    LAYOUT_VERSION,
    NO_UNIT,
    PIECE_NAME,
    PROFILES,
    number_of_piece,
)
from hpcepm.model.observables import OBSERVABLES, profile_dtype, record_dtype
from hpcepm.model.state import KINDS
from hpcepm.reading import BadFile, count, names_in, open_hdf5, own_names, parse_json

from .directory import RunDirectory
from .tables import LargeRows, Piece, PieceTable, Table, check_piece
from .view import add_axes, describe, show_virtual

LARGE_SNAPSHOT: Final = 2**20
"""Bytes from which the fields of a snapshot are a file of their own, written by its ranks."""


class Plan(NamedTuple):
    """What a run will keep of each realization."""

    shape: tuple[int, int]
    record_strains: tuple[float, ...]
    snapshot_strains: tuple[float, ...]
    field_names: tuple[str, ...]
    avalanches: bool

    @property
    def fields(self) -> np.dtype[Any]:
        """A row of the table of fields: a snapshot."""
        return np.dtype([(name, KINDS.get(name, "f8"), self.shape) for name in self.field_names])

    @property
    def tables(self) -> dict[str, np.dtype[Any]]:
        """The dtype of a row of each table."""
        profiles = profile_dtype(self.shape)
        rows = (record_dtype(), profiles, AVALANCHE, self.fields)
        return dict(zip(Rows._fields, rows, strict=True))


class Rows(NamedTuple):
    """Rows of a realization, the same on all ranks that shear it."""

    observables: NDArray[Any]  # record_dtype
    profiles: NDArray[Any]  # profile_dtype
    avalanches: NDArray[Any]  # AVALANCHE
    fields: NDArray[Any]  # Plan.fields, or rows without columns if the fields are in files already

    @classmethod
    def none(cls, plan: Plan) -> "Rows":
        """Return no rows."""
        return cls(*(np.zeros(0, kind) for kind in plan.tables.values()))


class Progress(NamedTuple):
    """How many realizations are finished, and how many rows the tables have."""

    realizations: int = 0
    observables: int = 0
    profiles: int = 0
    avalanches: int = 0
    fields: int = 0

    @classmethod
    def parse(cls, text: str) -> "Progress":
        """Return it from JSON.

        Raises
        ------
        ValueError
            The text is something else.
        """
        values = parse_json(text)
        if not isinstance(values, dict) or set(values) != set(cls._fields):
            raise ValueError("is no number of realizations and rows")
        if any(type(n) is not int or not 0 <= n < 2**62 for n in values.values()):
            raise ValueError("counts what cannot be counted")
        return cls(**values)

    def text(self) -> str:
        """Return it as JSON."""
        return json.dumps(self._asdict())


class Start(NamedTuple):
    """From where the tables of a run go on."""

    progress: Progress = Progress()
    avalanches_of_done: int = 0  # how many rows of avalanches are of finished realizations
    pieces: Mapping[str, Sequence[Piece]] = {}
    shown: Progress = Progress()  # what the ``run.h5`` shows that is there


class Store:
    """The tables of a run in memory. On rank 0 of the run.

    Parameters
    ----------
    plan
        What is kept.
    provenance
        Root attributes of ``run.h5``.
    """

    def __init__(self, plan: Plan, provenance: Mapping[str, Any]) -> None:
        self.plan = plan
        self.provenance = dict(provenance)
        self.finished = False
        self.n_done = 0
        self.avalanches_of_done = 0
        self.early: dict[int, Rows] = {}  # finished before one with a lower number
        self.tables = self._make_tables()

    def _make_tables(self) -> dict[str, Table]:
        return {name: Table(dtype) for name, dtype in self.plan.tables.items()}

    def add(self, realization: int, rows: Rows, finished: bool) -> None:
        """Add rows of a realization: more of the first unfinished one, or all of a finished one."""
        if realization > self.n_done:
            assert finished
            self.early[realization] = rows
            return
        self._append(rows)
        if finished:
            self._count_done()
        while (due := self.early.pop(self.n_done, None)) is not None:
            self._append(due)
            self._count_done()

    def _append(self, rows: Rows) -> None:
        for name, those in rows._asdict().items():
            if name != "avalanches" or self.plan.avalanches:
                self.tables[name].append(those)

    def _count_done(self) -> None:
        self.n_done += 1
        self.avalanches_of_done = self.tables["avalanches"].size

    @property
    def progress(self) -> Progress:
        """How far the tables have come."""
        return Progress(self.n_done, *(self.tables[name].size for name in Progress._fields[1:]))

    @property
    def whole(self) -> Progress:
        """How far they have come with finished realizations alone."""
        return whole_realizations(self.plan, self.n_done, self.avalanches_of_done)

    def save(self) -> None:
        """Bring all that was added to disk, if there is one."""

    def image(self) -> bytes:
        """Return the bytes of ``run.h5`` with all data in it."""
        return hdf5_image(self._fill, self._template)

    @cached_property
    def _template(self) -> bytes:
        """What each ``run.h5`` begins with."""
        return hdf5_image(lambda file: file.attrs.update(self.provenance))

    def _fill(self, file: h5py.File) -> None:
        file.attrs["layout_version"] = LAYOUT_VERSION
        file.attrs["finished"] = self.finished
        file.attrs["progress"], file.attrs["rows"] = self.whole.text(), self.progress.text()
        plan, (nx, ny) = self.plan, self.plan.shape
        columns = {o.name: (o.units, o.description) for o in OBSERVABLES}
        self._fill_series(file, "observables", "record", plan.record_strains, columns, {})
        axes = {"x": nx, "y": ny}
        self._fill_series(file, "profiles", "record", plan.record_strains, PROFILES, axes)
        if plan.field_names:
            named = {name: FIELDS[name] for name in plan.field_names}
            self._fill_series(file, "fields", "snapshot", plan.snapshot_strains, named, axes)
        if plan.avalanches:
            group, table = file.create_group("avalanches"), self.tables["avalanches"]
            add_axes(group, {"avalanche": table.size})
            show = self._columns(group, table, (table.size,))
            for name, (units, description) in AVALANCHE_COLUMNS.items():
                describe(show(name), units, description, ("avalanche",))

    def _fill_series(
        self,
        file: h5py.File,
        name: str,
        along: str,
        strains: tuple[float, ...],
        columns: Mapping[str, tuple[str, str]],
        axes: Mapping[str, int],
    ) -> None:
        """Show a table of one row for each realization and strain."""
        group, table = file.create_group(name, track_order=True), self.tables[name]
        shown = (self.n_done, len(strains)) if self.n_done else (1, table.size)
        add_axes(group, {"realization": shown[0], along: shown[1], **axes})
        strain = group.create_dataset("strain", data=np.array(strains[: shown[1]], np.float64))
        describe(strain, NO_UNIT, "macroscopic strain", (along,))
        group.attrs["coordinates"] = "strain"
        show = self._columns(group, table, shown)
        for column, (units, description) in columns.items():
            dataset = show(column)
            inner = {"profiles": (column[-1],), "fields": ("x", "y")}.get(name, ())
            describe(dataset, units, description, ("realization", along, *inner))

    def _columns(
        self, group: h5py.Group, table: Table, shown: tuple[int, ...]
    ) -> Callable[[str], h5py.Dataset]:
        """Return what makes a dataset of a column: the first rows, in a shape of its own."""
        rows = table.read()[: int(np.prod(shown))]

        def show(column: str) -> h5py.Dataset:
            values = rows[column]
            return group.create_dataset(column, data=values.reshape(*shown, *values.shape[1:]))

        return show


class FileStore(Store):
    """The tables of a run in its directory.

    Parameters
    ----------
    directory
        Held by this run.
    plan, provenance
        As for `Store`.
    start
        From where it goes on.

    Raises
    ------
    BadFile
        The rows of the start are not all there.
    """

    def __init__(
        self,
        directory: RunDirectory,
        plan: Plan,
        provenance: Mapping[str, Any],
        start: Start = Start(),  # noqa: B008 (a tuple)
    ) -> None:
        self.directory, self._start = directory, start
        super().__init__(plan, provenance)
        self.n_done = start.progress.realizations
        self.avalanches_of_done = start.avalanches_of_done

    def _make_tables(self) -> dict[str, Table]:
        tables: dict[str, Table] = {}
        for name, dtype in self.plan.tables.items():
            large = name == "fields" and snapshots_are_large(self.plan)
            kind, start = LargeRows if large else PieceTable, self._start
            those, rows = start.pieces.get(name, ()), getattr(start.progress, name)
            folder, check = self.directory.pieces, self.directory.claim.check
            tables[name] = kind(folder, name, dtype, self.provenance, those, rows, check)
        return tables

    @property
    def is_behind(self) -> bool:
        """Whether ``run.h5`` shows rows, of an earlier part of the run, that are not there yet."""
        ahead = zip(self.progress, self._start.shown, strict=True)
        return not self.finished and any(ours < shown for ours, shown in ahead)

    def save(self) -> None:
        """Bring all that was added to disk, and ``run.h5`` up to date.

        It is left as it is as long as it shows more: going on takes nothing away.

        Raises
        ------
        OSError
            The disk is full or gone, or the directory another's; what was saved before is
            untouched.
        """
        self.directory.claim.check()
        for table in reversed(self.tables.values()):  # others have all that observables count on
            table.save()
        if self.is_behind:
            return
        try:
            check = self.directory.claim.check
            write_hdf5(self.directory.run_file, self._fill, self._template, check)
        except BadFile as error:  # of a piece that is read again at the end
            raise OSError(str(error)) from None

    def remove_unused(self, needed: Collection[str]) -> None:
        """Remove pieces of this run that nothing counts on, neither ``run.h5`` nor a checkpoint.

        ``needed`` has the names of those that checkpoints count on. What cannot be removed stays.
        """
        if self.is_behind:
            return
        folder, used = self.directory.pieces, set(needed)
        for name, table in self.tables.items():
            assert isinstance(table, PieceTable)
            used |= {table.path(piece).name for piece in table.pieces}
            for unused in set(names_in(folder, name)) - used:
                with suppress(BadFile):
                    with open_hdf5(folder / unused) as file:
                        piece = Piece(count(file, "first"), number_of_piece(unused))
                        check_piece(file, self.provenance["run"], name, piece)
                    remove(folder / unused, self.directory.claim.check)
        for left in own_names(folder, rf"(?!fields-\d{{12}})(?:{PIECE_NAME}){PARTIAL}"):
            remove(folder / left, self.directory.claim.check)

    def _columns(
        self, group: h5py.Group, table: Table, shown: tuple[int, ...]
    ) -> Callable[[str], h5py.Dataset]:
        if self.finished and group.name == "/observables":
            return super()._columns(group, table, shown)
        return lambda column: show_virtual(group, table, column, shown)


def snapshots_are_large(plan: Plan) -> bool:
    """Return whether the fields of a snapshot are a file of their own."""
    return plan.fields.itemsize >= LARGE_SNAPSHOT


def whole_realizations(plan: Plan, n: int, avalanches: int) -> Progress:
    """Return the progress of a run that has done n realizations with so many avalanches."""
    records, snapshots = n * len(plan.record_strains), n * len(plan.snapshot_strains)
    return Progress(n, records, records, avalanches, snapshots if plan.field_names else 0)
