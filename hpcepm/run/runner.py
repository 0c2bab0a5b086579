"""Shears one realization after the other, with tables, buffers and loops that are made once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, Final, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from hpcepm.layout import AVALANCHE, snapshot_name
from hpcepm.model.dynamics import STRAIN_CONTROL, Dynamics
from hpcepm.model.glass import Glass
from hpcepm.model.loading import Loading
from hpcepm.model.loop import LoopExit
from hpcepm.model.observables import (
    Series,
    Snapshot,
    measure,
    measure_profiles,
    profile_dtype,
    record_dtype,
)
from hpcepm.parallel.rows import Lattice
from hpcepm.schedule import SavePoint
from hpcepm.storage.checkpoint import UnderWay
from hpcepm.storage.fields import write_fields
from hpcepm.storage.lock import Claim
from hpcepm.storage.store import Plan, Rows, snapshots_are_large

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
        Where to save, ascending; the last is where to stop.
    plan
        What is kept.
    destination
        Of large snapshots; None keeps them in memory.

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
        points: Sequence[SavePoint],
        plan: Plan,
        destination: Destination | None = None,
        loading: Loading = STRAIN_CONTROL,
    ) -> None:
        self.points = points
        self.plan = plan
        self.destination = destination if snapshots_are_large(plan) else None
        self.realization: int | None = None
        self.dynamics = Dynamics(lattice, glass, engine, loading=loading)
        self._records = _Records(lattice, glass.shear_modulus, len(plan.record_strains))

    def begin(self, realization: int, before: UnderWay | None = None) -> None:
        """Prepare a realization, or go on where it was. Collective."""
        glass = self.dynamics.glass._replace(realization=realization)
        self.dynamics.begin(glass, before.state if before else None)
        self.realization = realization
        self.n_records, self.n_snapshots = (before.records, before.snapshots) if before else (0, 0)
        self._records.clear()
        self._taken: list[Rows] = [before.rows] if before else []
        self._avalanches: list[NDArray[Any]] = []
        self._fields: list[NDArray[Any]] = []

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
        dynamics = self.dynamics
        for point in self._points_ahead():
            while point.segment > (segment := int(dynamics.state.macro[0].segment)):
                steps = self._reach(dynamics.loading.turns[segment], pause, steps)
                dynamics.turn()
            steps = self._reach(point.strain, pause, steps)
            snapshot = Snapshot(dynamics, point.strain)
            if point.snapshot:
                self._add_fields(snapshot)
            if point.record:
                self._records.add(snapshot)
                self.n_records += 1
            steps = pause(False)
            if point.record:
                yield snapshot
            snapshot.release()

    def _reach(self, strain: float, pause: Pause, steps: int) -> int:
        """Shear to a strain; return for how many steps to go on at the most."""
        while (why := self.dynamics.shear(strain, steps)) is not LoopExit.REACHED:
            self._avalanches.append(self.dynamics.take_avalanches())
            if why is LoopExit.PAUSED:
                steps = pause(True)
        return steps

    def sheared(self, realization: int) -> Rows:
        """Return all rows of a realization, sheared from strain 0. Collective."""
        self.begin(realization)
        for _ in self.shear():
            pass
        return self.take_rows()

    def _points_ahead(self) -> Sequence[SavePoint]:
        """Return the save points, without what is recorded already."""
        if self.n_records == self.n_snapshots == 0:
            return self.points
        of_records = accumulate(point.record for point in self.points)
        of_snapshots = accumulate(point.snapshot for point in self.points)
        ahead = [
            SavePoint(
                point.strain,
                point.record and records > self.n_records,
                point.snapshot and snapshots > self.n_snapshots,
                point.segment,
            )
            for point, records, snapshots in zip(self.points, of_records, of_snapshots, strict=True)
        ]
        return [point for point in ahead if point.record or point.snapshot]

    def _add_fields(self, snapshot: Snapshot) -> None:
        """Keep the fields of a snapshot, or write them. Collective."""
        lattice = self.dynamics.lattice
        fields = {name: getattr(snapshot, name) for name in self.plan.field_names}
        if self.destination is None:
            row = np.zeros(1, self.plan.fields)
            for name, field in fields.items():
                row[name][0] = lattice.all_rows(field)
        else:
            row = np.zeros(1, np.dtype([]))
            assert self.realization is not None
            number = self.realization * len(self.plan.snapshot_strains) + self.n_snapshots
            folder, about, claim = self.destination
            path = folder / snapshot_name(number)

            def describe(file: h5py.File) -> None:
                file.attrs.update({**about, "table": "fields", "first": number, "number": number})
                file.attrs["strain"] = snapshot.strain

            check = claim.check
            write_fields(path, lattice.ranks, lattice, fields, describe, before=(1,), check=check)
        self._fields.append(row)
        self.n_snapshots += 1

    def take_rows(self) -> Rows:
        """Return all rows that were not taken yet. Collective."""
        rows = self.rows()
        self._taken.clear()
        return rows

    def rows(self) -> Rows:
        """Return all rows that were not taken yet, and keep them. Collective."""
        self._avalanches.append(self.dynamics.take_avalanches())
        observables, profiles = self._records.measured()
        fields = self.plan.fields if self.destination is None else np.dtype([])
        new = Rows(
            observables,
            profiles,
            np.concatenate([np.zeros(0, AVALANCHE), *self._avalanches]),
            np.concatenate([np.zeros(0, fields), *self._fields]),
        )
        self._avalanches, self._fields = [], []
        both = [*self._taken, new]
        self._taken = (
            [Rows(*map(np.concatenate, zip(*both, strict=True)))] if self._taken else [new]
        )
        return self._taken[0]

    def under_way(self) -> UnderWay:
        """Return all that a checkpoint needs. Collective."""
        assert self.realization is not None
        rows, state = self.rows(), self.dynamics.complete_state()
        return UnderWay.of(self.realization, state, rows, self.n_records, self.n_snapshots)


class _Records:
    """Records and profiles; snapshots are kept until there are enough to be measured together."""

    def __init__(self, lattice: Lattice, shear_modulus: float, n: int) -> None:
        at_once = min(n, max(1, MEASURED_TOGETHER // lattice.n_sites))
        self._shape = lattice.shape
        self._at_once = at_once
        self._kept = Series.blank(lattice, shear_modulus, at_once) if at_once > 1 else None
        self._waiting = 0
        self.clear()

    def clear(self) -> None:
        """Forget all."""
        self._waiting = 0
        self._records = [np.zeros(0, record_dtype())]
        self._profiles = [np.zeros(0, profile_dtype(self._shape))]

    def add(self, snapshot: Snapshot) -> None:
        """Keep a snapshot, or measure it. Collective, as are the others."""
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
        self._records.append(measure(series))
        self._profiles.append(measure_profiles(series))

    def measured(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return all records and profiles since the last call."""
        if self._waiting:
            self._measure_waiting()
        result = np.concatenate(self._records), np.concatenate(self._profiles)
        self.clear()
        return result
