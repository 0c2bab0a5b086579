"""At which strains a run records and takes snapshots (SPEC 5)."""

import math
from typing import Final, NamedTuple

from .input import Input

SAME_STRAIN: Final = 1e-9


class Stop(NamedTuple):
    """A strain at which the run records, takes a snapshot, or both."""

    strain: float
    record: bool
    snapshot: bool


def strains_of(every: float, target: float) -> list[float]:
    """Return 0, every, 2·every, … and the target; a multiple within 1e-9 of the target is the target."""
    n = math.ceil((target - SAME_STRAIN) / every)
    return [k * every for k in range(n)] + [target]


def schedule(settings: Input) -> list[Stop]:
    """Return the stops of a run, in order of strain."""
    target = settings.loading.target
    records = set(strains_of(settings.output.observables.every, target))
    snapshots = set(strains_of(settings.output.fields.every, target)) if settings.output.fields else set()
    return [Stop(strain, strain in records, strain in snapshots) for strain in sorted(records | snapshots)]
