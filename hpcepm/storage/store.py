"""What a run keeps: tables in order of realizations, and ``run.h5``, a view of them.

Rows arrive from whoever shears a realization. Those of the first realization that is not finished
enter the tables as they come, later ones when all before them have: so tables do not depend on who
did what, and when. `Store` keeps all in memory; `FileStore` is the same with a directory.

``run.h5`` is small, and replaced whole each time there is something new: it can be opened at any
moment, and a crash leaves the last complete one. Its datasets are virtual ones over ``pieces/``;
when a run is finished the curves are copied in.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any

import h5py
import numpy as np

from hpcepm.files import PARTIAL, hdf5_image, remove, write_hdf5
from hpcepm.layout import (
    AVALANCHE_COLUMNS,
    CYCLES,
    ENDINGS,
    EVENT_COLUMNS,
    FIELDS,
    HARMONICS,
    LAYOUT_VERSION,
    LISTS,
    NO_UNIT,
    OSCILLATION,
    PIECE_NAME,
    PROFILES,
    TARGET,
    TIMED_COLUMNS,
    TIMED_OBSERVABLES,
    number_of_piece,
)
from hpcepm.model.observables import OBSERVABLES
from hpcepm.reading import BadFile, count, names_in, open_hdf5, own_names

from .directory import RunDirectory
from .plan import (
    NOTHING,
    End,
    Lists,
    Plan,
    Progress,
    Rows,
    Start,
    ends_in,
    snapshots_are_large,
    whole_realizations,
)
from .tables import LargeRows, Piece, PieceTable, Table, check_piece
from .view import Shown, add_axes, describe, show_virtual


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
        self.of_done = Lists()
        self.ends: list[End] = []  # of each finished realization, where rows are counted
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
        if self.plan.counted:
            before, begin = (self.ends or [NOTHING])[-1], self.tables["observables"].size
            self.ends += [
                End(
                    begin + end.records,
                    before.snapshots + end.snapshots,
                    before.cycles + end.cycles,
                    end.why,
                )
                for end in ends_in(rows.observables)
            ]
        for name, those in rows._asdict().items():
            if name not in LISTS or getattr(self.plan, name):
                self.tables[name].append(those)

    def _count_done(self) -> None:
        self.n_done += 1
        self.of_done = self.progress.lists

    @property
    def progress(self) -> Progress:
        """How far the tables have come."""
        return Progress(self.n_done, *(self.tables[name].size for name in Progress._fields[1:]))

    @property
    def whole(self) -> Progress:
        """How far they have come with finished realizations alone."""
        if not self.plan.counted:
            return whole_realizations(self.plan, self.n_done, self.of_done)
        end = (self.ends or [NOTHING])[-1]
        avalanches, events = self.of_done
        rows = end.records, end.records, avalanches, end.snapshots, end.cycles, events
        return Progress(self.n_done, *rows)

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
        file.attrs["finished"] = np.int8(self.finished)  # netCDF has no truth values
        file.attrs["progress"], file.attrs["rows"] = self.whole.text(), self.progress.text()
        plan, (nx, ny) = self.plan, self.plan.shape
        columns = {o.name: (o.units, o.description) for o in OBSERVABLES}
        if plan.clock:
            columns |= {name: told for name, told in TIMED_OBSERVABLES.items() if name != "time"}
        self._fill_series(file, "observables", "record", plan.record_strains, columns, {})
        axes = {"x": nx, "y": ny}
        self._fill_series(file, "profiles", "record", plan.record_strains, PROFILES, axes)
        if plan.field_names:
            named = {name: FIELDS[name] for name in plan.field_names}
            self._fill_series(file, "fields", "snapshot", plan.snapshot_strains, named, axes)
        if plan.avalanches:
            timed = TIMED_COLUMNS if plan.clock else {}
            self._fill_list(file, "avalanches", {**AVALANCHE_COLUMNS, **timed})
        if plan.has_cycles:
            self._fill_cycles(file)
        if plan.events:
            time = {"time": TIMED_OBSERVABLES["time"]} if plan.clock else {}
            self._fill_list(file, "events", {**EVENT_COLUMNS, **time})
        if self.finished:
            file.attrs["ended_by"] = self.ended_by

    @property
    def ended_by(self) -> str:
        """Why the loading ended: its target or a rule; of several realizations, each and how often.

        Those whose strains are known all reach the target.
        """
        often = Counter(ENDINGS[end.why] for end in self.ends)
        if len(often) == 1:
            return next(iter(often))
        return ", ".join(f"{why} × {n}" for why, n in often.items()) or ENDINGS[TARGET]

    def _fill_list(
        self, file: h5py.File, name: str, columns: Mapping[str, tuple[str, str]]
    ) -> None:
        """Show a table of one row after the other, whichever the realization."""
        group, table, axis = file.create_group(name), self.tables[name], LISTS[name]
        add_axes(group, {axis: table.size})
        show = self._columns(group, table, Shown((table.size,)))
        for column, (units, description) in columns.items():
            describe(show(column), units, description, (axis,))

    def _fill_series(
        self,
        file: h5py.File,
        name: str,
        along: str,
        strains: tuple[float, ...] | None,
        columns: Mapping[str, tuple[str, str]],
        axes: Mapping[str, int],
    ) -> None:
        """Show a table of one row for each realization and record, or snapshot."""
        group, table = file.create_group(name, track_order=True), self.tables[name]
        shown = self._shown(name, table)
        (realizations, n), told = shown.shape, (NO_UNIT, "macroscopic strain")
        add_axes(group, {"realization": realizations, along: n, **axes})
        group.attrs["coordinates"] = "strain time" if self.plan.clock else "strain"
        show = self._columns(group, table, shown)
        if strains is not None:
            strain = group.create_dataset("strain", data=np.array(strains[:n], np.float64))
            describe(strain, *told, (along,))
        else:
            describe(show("strain"), *told, ("realization", along))
            counts = group.create_dataset(f"{along}s", data=np.diff([0, *shown.ends]))
            describe(counts, NO_UNIT, f"how many {along}s a realization has", ("realization",))
        if self.plan.clock:
            describe(show("time"), *TIMED_OBSERVABLES["time"], ("realization", along))
        for column, (units, description) in columns.items():
            dataset = show(column)
            inner = {"profiles": (column[-1],), "fields": ("x", "y")}.get(name, ())
            describe(dataset, units, description, ("realization", along, *inner))

    def _fill_cycles(self, file: h5py.File) -> None:
        """Show the table of one row for each realization and cycle, of turning points or a sine."""
        sine = self.plan.oscillation
        group = file.create_group("cycles", track_order=True)
        table, inner = self.tables["cycles"], "harmonic" if sine else "turn"
        shown = self._shown("cycles", table)
        realizations, n = shown.shape
        add_axes(group, {"realization": realizations, "cycle": n})
        if sine:
            harmonic = group.create_dataset("harmonic", data=np.array(HARMONICS))
            harmonic.make_scale("harmonic")
            describe(harmonic, NO_UNIT, "multiple of the frequency of the load", ())
        else:
            add_axes(group, {"turn": self.plan.turns})
        if self.plan.counted:
            counts = group.create_dataset("cycles", data=np.diff([0, *shown.ends]))
            describe(counts, NO_UNIT, "how many cycles a realization has", ("realization",))
        show, columns = self._columns(group, table, shown), OSCILLATION if sine else CYCLES
        for k, (column, (units, description)) in enumerate(columns.items()):
            of_each = (inner,) if k < 2 else ()
            describe(show(column), units, description, ("realization", "cycle", *of_each))

    def _shown(self, name: str, table: Table) -> Shown:
        """Return in which shape a table is shown: finished realizations, or the first at work."""
        if self.n_done == 0:
            return Shown((1, table.size), [table.size])
        if not self.plan.counted:
            return Shown((self.n_done, getattr(self.whole, name) // self.n_done))
        of = {"fields": "snapshots", "cycles": "cycles"}.get(name, "records")
        ends = [getattr(end, of) for end in self.ends]
        return Shown((self.n_done, max(np.diff([0, *ends]))), ends)

    def _columns(
        self, group: h5py.Group, table: Table, shown: Shown
    ) -> Callable[[str], h5py.Dataset]:
        """Return what makes a dataset of a column: the first rows, in a shape of its own."""
        rows = table.read()[: shown.rows]

        def show(column: str) -> h5py.Dataset:
            return group.create_dataset(column, data=shown.arrange(rows[column]))

        return show

    def virtual(
        self, group: h5py.Group, table: Table, shown: Shown
    ) -> Callable[[str], h5py.Dataset]:
        """Return what presents a column of pieces as one dataset."""
        name = group.name.strip("/")
        return lambda column: show_virtual(
            group, table, column, shown, self.plan.shape_of(name, column)
        )


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
        start: Start,
    ) -> None:
        self.directory, self._start = directory, start
        super().__init__(plan, provenance)
        self.n_done = start.progress.realizations
        self.of_done = start.of_done
        if plan.counted:
            self.ends = ends_in(self.tables["observables"].read())
            if len(self.ends) != self.n_done:
                said = f"has records of {len(self.ends)} realizations that ended"
                raise BadFile(f"{directory.pieces}: {said}, and not of {self.n_done}")

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
        self, group: h5py.Group, table: Table, shown: Shown
    ) -> Callable[[str], h5py.Dataset]:
        if self.finished and group.name == "/observables":
            return super()._columns(group, table, shown)
        return self.virtual(group, table, shown)
