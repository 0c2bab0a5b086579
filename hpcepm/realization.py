"""Realizations of one glass, sheared one after the other: for ensembles of lattices so small that making ready counts."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .dynamics import Dynamics
from .lattice import Lattice
from .observables import RECORD, Snapshot, measure, measure_profiles, profile_dtype
from .preparation import Glass
from .state import KINDS
from .step_loop import Why


class Stop(NamedTuple):
    """A strain at which a run records, takes a snapshot, or both."""

    strain: float
    record: bool = True
    snapshot: bool = False


class Sheared(NamedTuple):
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
        self, lattice: Lattice, glass: Glass, engine: str, stops: Sequence[Stop], field_names: Sequence[str] = ()
    ) -> None:
        self.stops = stops
        self.field_names = field_names
        self.dynamics = Dynamics(lattice, glass, engine)

    def shear(self, realization: int, interrupted: Callable[[], bool] = never) -> Sheared | None:
        """Shear a realization from strain 0 to the last stop. Collective.

        ``interrupted`` is asked at each stop, and must answer alike on all ranks; after a yes there is no result.
        """
        dynamics, lattice = self.dynamics, self.dynamics.lattice
        dynamics.begin(dynamics.glass._replace(realization=realization))
        n_records, n_snapshots = sum(stop.record for stop in self.stops), sum(stop.snapshot for stop in self.stops)
        records, profiles = np.zeros(n_records, RECORD), np.zeros(n_records, profile_dtype(lattice.shape))
        avalanches = []
        fields = {name: np.zeros((n_snapshots, *lattice.shape), KINDS.get(name, "f8")) for name in self.field_names}
        k = m = 0
        for stop in self.stops:
            while dynamics.shear(stop.strain) is Why.TABLE_FULL:
                avalanches.append(dynamics.take_avalanches())
            snapshot = Snapshot(dynamics, stop.strain)
            if stop.record:
                records[k], profiles[k] = measure(snapshot)[0], measure_profiles(snapshot)[0]
                k += 1
            if stop.snapshot:
                for name, maps in fields.items():
                    maps[m] = lattice.all_rows(getattr(snapshot, name))
                m += 1
            snapshot.release()
            if interrupted():
                return None
        return Sheared(records, profiles, np.concatenate([*avalanches, dynamics.take_avalanches()]), fields)
