"""Realizations of one glass, sheared one after the other.

For ensembles of lattices so small that making ready counts.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.model.dynamics import Dynamics
from hpcepm.model.glass import Glass
from hpcepm.model.loop import LoopExit
from hpcepm.model.observables import (
    RECORD,
    Series,
    Snapshot,
    measure,
    measure_profiles,
    profile_dtype,
)
from hpcepm.model.state import KINDS
from hpcepm.parallel.rows import Lattice


class SavePoint(NamedTuple):
    """A strain at which a run records, takes a snapshot, or both."""

    strain: float
    record: bool = True
    snapshot: bool = False


MEASURED_TOGETHER: Final = 2**17
"""Sites of the snapshots that are measured together: about as many as fit into the second cache."""


class RealizationResult(NamedTuple):
    """What is kept of a realization; the same on all ranks."""

    records: NDArray[Any]  # (records,) RECORD
    profiles: NDArray[Any]  # (records,) profile_dtype
    avalanches: NDArray[Any]  # AVALANCHE
    fields: dict[str, NDArray[Any]]  # (snapshots, nx, ny) each


def never() -> bool:
    """Do not interrupt."""
    return False


class Realizations:
    """Shears any realization of a glass, with tables, buffers and compiled loops that are made once.

    A realization has the bits that it would have alone, whichever were sheared before.

    Parameters
    ----------
    lattice, glass, engine
        As for `Dynamics`; which realization the glass is does not matter. Making it is Collective.
    stops
        Where to measure, ascending; the last is where to stop.
    field_names
        Of what to take snapshots.
    """

    def __init__(
        self,
        lattice: Lattice,
        glass: Glass,
        engine: str,
        stops: Sequence[SavePoint],
        field_names: Sequence[str] = (),
    ) -> None:
        self.stops = stops
        self.field_names = field_names
        self.dynamics = Dynamics(lattice, glass, engine)

    def shear(
        self, realization: int, interrupted: Callable[[], bool] = never
    ) -> RealizationResult | None:
        """Shear a realization from strain 0 to the last stop. Collective.

        ``interrupted`` is asked at each stop, and must answer alike on all ranks; after a yes there
        is no result.
        """
        dynamics, lattice = self.dynamics, self.dynamics.lattice
        dynamics.begin(dynamics.glass._replace(realization=realization))
        records = _Records(
            lattice, dynamics.glass.shear_modulus, sum(stop.record for stop in self.stops)
        )
        avalanches = []
        n_snapshots = sum(stop.snapshot for stop in self.stops)
        fields = {
            name: np.zeros((n_snapshots, *lattice.shape), KINDS.get(name, "f8"))
            for name in self.field_names
        }
        m = 0
        for stop in self.stops:
            while dynamics.shear(stop.strain) is LoopExit.TABLE_FULL:
                avalanches.append(dynamics.take_avalanches())
            snapshot = Snapshot(dynamics, stop.strain)
            if stop.record:
                records.add(snapshot)
            if stop.snapshot:
                for name, maps in fields.items():
                    maps[m] = lattice.all_rows(getattr(snapshot, name))
                m += 1
            if interrupted():
                return None
        return RealizationResult(
            *records.finished(), np.concatenate([*avalanches, dynamics.take_avalanches()]), fields
        )


class _Records:
    """The records and profiles of one realization.

    Its snapshots are kept until there are enough to be measured together.
    """

    def __init__(self, lattice: Lattice, shear_modulus: float, n: int) -> None:
        at_once = min(n, max(1, MEASURED_TOGETHER // lattice.n_sites))
        self._kept = Series.blank(lattice, shear_modulus, at_once)
        self._waiting = self._measured = 0
        self._records, self._profiles = (
            np.zeros(n, RECORD),
            np.zeros(n, profile_dtype(lattice.shape)),
        )

    def add(self, snapshot: Snapshot) -> None:
        """Keep a snapshot. Collective, as are the others."""
        self._kept.put(self._waiting, snapshot)
        self._waiting += 1
        if self._waiting == len(self._kept.numbers):
            self._measure()

    def _measure(self) -> None:
        new = slice(self._measured, self._measured + self._waiting)
        together = self._kept.first(self._waiting)
        self._records[new], self._profiles[new] = measure(together), measure_profiles(together)
        self._measured, self._waiting = new.stop, 0

    def finished(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return all records and profiles."""
        if self._waiting:
            self._measure()
        return self._records, self._profiles
