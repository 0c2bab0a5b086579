"""At which strains a run records and takes snapshots (SPEC 5)."""

import math
from typing import Final

from hpcepm.input import Input

from .realization import SavePoint

SAME_STRAIN: Final = 1e-9


def strains_of(every: float, target: float) -> list[float]:
    """Return 0, every, 2·every, … and the target.

    A multiple within 1e-9 of the target is the target.
    """
    n = max(1, math.ceil((target - SAME_STRAIN) / every))
    return [k * every for k in range(n)] + [target]


def schedule(settings: Input) -> list[SavePoint]:
    """Return the stops of a run, in order of strain.

    A snapshot within 1e-9 of a record is taken with it.
    """
    target = settings.loading.target
    records = strains_of(settings.output.observables.every, target)
    snapshots = strains_of(settings.output.fields.every, target) if settings.output.fields else []
    stops: list[SavePoint] = []
    for stop in sorted(
        [SavePoint(s, True, False) for s in records]
        + [SavePoint(s, False, True) for s in snapshots]
    ):
        before = stops[-1] if stops else None
        if before and stop.strain - before.strain <= SAME_STRAIN and before.record != stop.record:
            stops[-1] = SavePoint(before.strain if before.record else stop.strain, True, True)
        else:
            stops.append(stop)
    return stops
