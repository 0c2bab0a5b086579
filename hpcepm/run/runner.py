"""Shears one realization after the other, with tables, buffers and loops that are made once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, Final, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from hpcepm.layout import TIMED_OBSERVABLES, snapshot_name
from hpcepm.model.clock import Clock
from hpcepm.model.cycles import add_avalanches, end_segment
from hpcepm.model.dynamics import STRAIN_CONTROL
from hpcepm.model.glass import Glass
from hpcepm.model.loading import Loading
from hpcepm.model.loop import LoopExit
from hpcepm.model.maxwell import dynamics_of
from hpcepm.model.observables import Series, measure, measure_profiles
from hpcepm.model.snapshot import Snapshot
from hpcepm.parallel.rows import Lattice
from hpcepm.schedule import Cadence, SavePoint
from hpcepm.storage.checkpoint import UnderWay
from hpcepm.storage.fields import write_fields
from hpcepm.storage.lock import Claim
from hpcepm.storage.plan import MARKS, Plan, Rows, snapshots_are_large

from .cadences import Cadences

MEASURED_TOGETHER: Final = 2**17
"""Sites of the snapshots that are measured together: about as many as fit into the L2 cache."""

AS_MANY_AS_IT_TAKES: Final = 2**62


Pause = Callable[[bool], int]
"""Called after each save point, and (with True) after each full stretch of steps; returns for how
many steps to go on at the most. May raise."""


def no_pause(_: bool) -> int:
    """Go on for as many steps as it takes."""
    return AS_MANY_AS_IT_TAKES


class Destination(NamedTuple):
    """Where large snapshots are written: the folder, attributes of each, and whose it is."""

    folder: Path
    about: Mapping[str, Any]
    claim: Claim


class Runner:
    """Shears any realization of a glass, and keeps its rows until they are taken.

    A realization has the bits that it would have alone, whichever were sheared before.

    Parameters
    ----------
    lattice, glass, engine
        As for `Dynamics`; which realization the glass is does not matter. Collective.
    points
        Where to save, in order; the last is where to stop. None if that is not known beforehand.
    plan
        What is kept.
    destination
        Of large snapshots; None keeps them in memory.
    cadences
        How often to save, where there are no points.

    Attributes
    ----------
    realization
        The one under way or sheared last; None at first.
    """

    def __init__(
        self,
        lattice: Lattice,
        glass: Glass,
        engine: str,
        points: Sequence[SavePoint] | None,
        plan: Plan,
        destination: Destination | None = None,
        loading: Loading = STRAIN_CONTROL,
        cadences: Cadences | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.points = points
        self.plan = plan
        self.destination = destination if snapshots_are_large(plan) else None
        self.realization: int | None = None
        self.dynamics = dynamics_of(lattice, glass, engine, loading=loading, clock=clock)
        if plan.events:
            self.dynamics.keep_events()
        self.cadences = cadences or Cadences(Cadence(1.0))
        self._records = _Records(lattice, glass.shear_modulus, plan)

    def begin(self, realization: int, before: UnderWay | None = None) -> None:
        """Prepare a realization, or go on where it was. Collective."""
        glass = self.dynamics.glass._replace(realization=realization)
        self.dynamics.begin(glass, before.state if before else None)
        self.realization = realization
        self.reached = 0.0  # the load at the last stop
        self.n_records, self.n_snapshots = (before.records, before.snapshots) if before else (0, 0)
        self._records.clear()
        self._taken: list[Rows] = [before.rows] if before else []
        self._forget_new()
        self.n_cycles = self.dynamics.state.cycles

    def shear(
        self, pause: Pause = no_pause, steps: int = AS_MANY_AS_IT_TAKES
    ) -> Iterator[Snapshot]:
        """Shear to the last save point; yield the glass at each record. Collective.

        Parameters
        ----------
        pause
            See `Pause`.
        steps
            Of the first stretch.
        """
        if self.points is None:
            yield from self._watch_on(pause, steps)
        else:
            yield from self._shear_to(self._points_ahead(self.points), pause, steps)

    def _shear_to(
        self, points: Sequence[SavePoint], pause: Pause, steps: int
    ) -> Iterator[Snapshot]:
        """Shear to one save point after the other."""
        dynamics = self.dynamics
        for point in points:
            while point.segment > (segment := int(dynamics.state.macro[0].segment)):
                load = dynamics.loading.segments[segment].target
                steps = self._reach(load, pause, steps)
                self._end_segment(load)
                dynamics.turn(load)
            steps = self._reach(point.strain, pause, steps)
            snapshot = Snapshot(dynamics, point.strain)
            if point.snapshot:
                self._add_fields(snapshot)
            if point.record:
                self._add_record(snapshot)
            if point is points[-1]:
                self._end_segment(point.strain)
            steps = pause(False)
            if point.record:
                yield snapshot
            snapshot.release(goes_on=point is not points[-1])

    def _watch_on(self, pause: Pause, steps: int) -> Iterator[Snapshot]:
        """Shear until a target or a rule ends it, and save what comes due on the way."""
        dynamics = self.dynamics
        while True:
            load, why = self._next_stop(pause, steps)
            self.reached = load
            timing = dynamics.timing
            time = timing.reached if why is LoopExit.REACHED else timing.now
            snapshot = Snapshot(dynamics, load, time)
            found = self.cadences.look(dynamics, snapshot, why, self.n_records, self.n_snapshots)
            if found.reached:
                found = self.cadences.after_cycle(found, self._end_segment(load), dynamics)
            if found.snapshot and self.plan.field_names:
                self._add_fields(snapshot)
            if found.record:
                self._add_record(snapshot, found.ended)
                yield snapshot
            snapshot.release(goes_on=not found.ended)
            if found.ended:
                return
            if found.over:
                dynamics.turn(load)
            steps = pause(False)

    def _next_stop(self, pause: Pause, steps: int) -> tuple[float, LoopExit]:
        """Shear to where something may be due; return the load, and why there. Collective."""
        dynamics, macro = self.dynamics, self.dynamics.state.macro[0]
        if self.n_records > 0 and self.cadences.is_over(dynamics):
            return float(macro.load), LoopExit.PASSED
        while True:
            stop = self.cadences.watch(dynamics, self.n_records)
            if self.n_records == 0 and dynamics.one_by_one:
                return stop, LoopExit.REACHED
            why = dynamics.shear(stop, steps)
            self._take_avalanches()
            if why is LoopExit.REACHED:
                return float(dynamics.watch[0].reached), why
            if why is LoopExit.PASSED:
                return float(macro.load), why
            if why is LoopExit.PAUSED:
                steps = pause(True)

    def _add_record(self, snapshot: Snapshot, ended: int = 0) -> None:
        """Measure a snapshot; say of a counted one what was before it. Collective."""
        timed = (snapshot.time, snapshot.persistence) if self.plan.clock else ()
        self._records.add(snapshot, (*timed, self.n_snapshots, self.n_cycles, ended))
        self.n_records += 1

    def _reach(self, strain: float, pause: Pause, steps: int) -> int:
        """Shear to a strain; return for how many steps to go on at the most."""
        while (why := self.dynamics.shear(strain, steps)) is not LoopExit.REACHED:
            self._take_avalanches()
            if why is LoopExit.PAUSED:
                steps = pause(True)
        return steps

    def _take_avalanches(self) -> None:
        """Keep the avalanches that have ended, all events, and the cycles of a sine."""
        if self.plan.events:
            self._new["events"].append(self.dynamics.take_events())
        rows = self.dynamics.take_avalanches()
        if self.plan.turns:
            add_avalanches(self.dynamics.state, rows)
        self._new["avalanches"].append(rows)
        cycles = self.dynamics.take_cycles()
        self._new["cycles"] += cycles
        self.n_cycles += len(cycles)

    def _end_segment(self, load: float) -> int:
        """Note where the load turns, and the end of a cycle; return its period if it has come back.

        Collective.
        """
        if not self.plan.turns:
            return 0
        self._take_avalanches()
        row = end_segment(self.dynamics, load)
        self._new["cycles"].append(row)
        self.n_cycles += len(row)
        return int(self.dynamics.state.cycle[0].period)

    def sheared(self, realization: int) -> Rows:
        """Return all rows of a realization, sheared from strain 0. Collective."""
        self.begin(realization)
        for _ in self.shear():
            pass
        return self.take_rows()

    def _points_ahead(self, points: Sequence[SavePoint]) -> Sequence[SavePoint]:
        """Return the save points, without what is recorded already."""
        if self.n_records == self.n_snapshots == 0:
            return points
        of_records = accumulate(point.record for point in points)
        of_snapshots = accumulate(point.snapshot for point in points)
        ahead = [
            SavePoint(
                point.strain,
                point.record and records > self.n_records,
                point.snapshot and snapshots > self.n_snapshots,
                point.segment,
            )
            for point, records, snapshots in zip(points, of_records, of_snapshots, strict=True)
        ]
        return [point for point in ahead if point.record or point.snapshot]

    def _add_fields(self, snapshot: Snapshot) -> None:
        """Keep the fields of a snapshot, or write them. Collective."""
        lattice = self.dynamics.lattice
        fields = {  # rounded, if the input wants it so
            name: getattr(snapshot, name).astype(kind, copy=False)
            for name, kind in self.plan.kinds.items()
        }
        if self.destination is None:
            row = np.zeros(1, self.plan.fields)
            for name, field in fields.items():
                row[name][0] = lattice.all_rows(field)
            for name, value in self._place_of(snapshot).items():
                row[name] = value
        else:
            row = np.zeros(1, np.dtype([]))
            assert self.realization is not None
            number = self.realization * len(self.plan.snapshots) + self.n_snapshots
            folder, about, claim = self.destination
            path = folder / snapshot_name(number)

            def describe(file: h5py.File) -> None:
                file.attrs.update({**about, "table": "fields", "first": number, "number": number})
                file.attrs["strain"] = snapshot.strain
                for name, value in self._place_of(snapshot).items():
                    file[name] = np.array([value])

            check = claim.check
            write_fields(path, lattice.ranks, lattice, fields, describe, before=(1,), check=check)
        self._new["fields"].append(row)
        self.n_snapshots += 1

    def _place_of(self, snapshot: Snapshot) -> dict[str, float]:
        """Return what says where on the way a snapshot is, if that is not known beforehand."""
        place = {"strain": snapshot.strain} if self.plan.counted else {}
        return {**place, "time": snapshot.time} if self.plan.clock else place

    def take_rows(self) -> Rows:
        """Return all rows that were not taken yet. Collective."""
        rows = self.rows()
        self._taken.clear()
        return rows

    def rows(self) -> Rows:
        """Return all rows that were not taken yet, and keep them. Collective."""
        self._take_avalanches()
        observables, profiles = self._records.measured()
        fields = self.plan.fields if self.destination is None else np.dtype([])
        kinds = {**self.plan.tables, "fields": fields}
        others = [np.concatenate([np.zeros(0, kinds[n]), *new]) for n, new in self._new.items()]
        new = Rows(observables, profiles, *others)
        self._forget_new()
        both = [*self._taken, new]
        self._taken = (
            [Rows(*map(np.concatenate, zip(*both, strict=True)))] if self._taken else [new]
        )
        return self._taken[0]

    def _forget_new(self) -> None:
        self._new: dict[str, list[NDArray[Any]]] = {name: [] for name in Rows._fields[2:]}

    def under_way(self) -> UnderWay:
        """Return all that a checkpoint needs. Collective."""
        assert self.realization is not None
        rows, state = self.rows(), self.dynamics.complete_state()
        return UnderWay.of(self.realization, state, rows, self.n_records, self.n_snapshots)


class _Records:
    """Records and profiles; snapshots are kept until there are enough to be measured together."""

    def __init__(self, lattice: Lattice, shear_modulus: float, plan: Plan) -> None:
        at_once = max(1, MEASURED_TOGETHER // lattice.n_sites)
        if not plan.counted:
            at_once = min(at_once, len(plan.records))
        self._kinds, self._counted, self._timed = plan.tables, plan.counted, plan.clock
        self._at_once = at_once
        self._kept = Series.blank(lattice, shear_modulus, at_once) if at_once > 1 else None
        self.clear()

    def clear(self) -> None:
        """Forget all."""
        self._waiting = 0
        self._marks: list[tuple[float, ...]] = []
        self._records = [np.zeros(0, self._kinds["observables"])]
        self._profiles = [np.zeros(0, self._kinds["profiles"])]

    def add(self, snapshot: Snapshot, mark: tuple[float, ...]) -> None:
        """Keep a snapshot, or measure it; counted records are marked by the `MARKS`.

        And by `TIMED_OBSERVABLES` before these, if there is a clock.

        Collective, as are the others.
        """
        self._marks.append(mark)
        if self._kept is None:
            self._measure(Series.of(snapshot))
            return
        self._kept.put(self._waiting, snapshot)
        self._waiting += 1
        if self._waiting == self._at_once:
            self._measure_waiting()

    def _measure_waiting(self) -> None:
        assert self._kept is not None
        self._measure(self._kept.first(self._waiting))
        self._waiting = 0

    def _measure(self, series: Series) -> None:
        records, profiles = measure(series), measure_profiles(series)
        if self._counted:
            records = _with_columns(records, self._kinds["observables"])
            names = (*(TIMED_OBSERVABLES if self._timed else ()), *MARKS)
            for name, values in zip(names, np.transpose(self._marks), strict=True):
                records[name] = values
            profiles = _with_columns(profiles, self._kinds["profiles"])
            profiles["strain"] = series.numbers["strain"]
            if self._timed:
                profiles["time"] = records["time"]
        self._marks.clear()
        self._records.append(records)
        self._profiles.append(profiles)

    def measured(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return all records and profiles since the last call."""
        if self._waiting:
            self._measure_waiting()
        result = np.concatenate(self._records), np.concatenate(self._profiles)
        self.clear()
        return result


def _with_columns(rows: NDArray[Any], kind: np.dtype[Any]) -> NDArray[Any]:
    """Return rows that have further columns."""
    wider = np.zeros(len(rows), kind)
    for name in rows.dtype.names or ():
        wider[name] = rows[name]
    return wider
