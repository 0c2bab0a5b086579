"""Realizations of one glass, sheared one after the other: for ensembles of lattices so small that making ready counts."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .dynamics import Dynamics
from .lattice import Lattice
from .observables import RECORD, Snapshot, measure, measure_profiles, profile_dtype
from .preparation import Glass
from .step_loop import Why


class Sheared(NamedTuple):
    """What is kept of a realization; the same on all ranks."""

    records: NDArray[Any]  # (strains,) RECORD
    profiles: NDArray[Any]  # (strains,) profile_dtype
    avalanches: NDArray[Any]  # AVALANCHE


class Realizations:
    """Shears any realization of a glass, with tables, buffers and compiled loops that are made once.

    A realization has the bits that it would have alone, whichever were sheared before.

    Parameters
    ----------
    lattice, glass, engine
        As for `Dynamics`; which realization the glass is does not matter. Making it is Collective.
    strains
        Where to measure, ascending; the last is where to stop.
    """

    def __init__(self, lattice: Lattice, glass: Glass, engine: str, strains: Sequence[float]) -> None:
        self.strains = strains
        self.dynamics = Dynamics(lattice, glass, engine)

    def shear(self, realization: int) -> Sheared:
        """Shear a realization from strain 0 to the last strain. Collective."""
        dynamics, n = self.dynamics, len(self.strains)
        dynamics.begin(dynamics.glass._replace(realization=realization))
        records, profiles = np.zeros(n, RECORD), np.zeros(n, profile_dtype(dynamics.lattice.shape))
        avalanches = []
        for k, strain in enumerate(self.strains):
            while dynamics.shear(strain) is Why.TABLE_FULL:
                avalanches.append(dynamics.take_avalanches())
            snapshot = Snapshot(dynamics, strain)
            records[k], profiles[k] = measure(snapshot)[0], measure_profiles(snapshot)[0]
            snapshot.release()
        return Sheared(records, profiles, np.concatenate([*avalanches, dynamics.take_avalanches()]))
