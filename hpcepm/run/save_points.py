"""At which strains a run records and takes snapshots (docs/model.md, section 5)."""

import math
from typing import NamedTuple

from hpcepm.input import Input
from hpcepm.layout import SAME_STRAIN
from hpcepm.storage.store import Plan


class SavePoint(NamedTuple):
    """A strain at which a run records, takes a snapshot, or both."""

    strain: float
    record: bool = True
    snapshot: bool = False


def strains_of(every: float, target: float) -> list[float]:
    """Return 0, every, 2·every, … and the target; a multiple within 1e-9 of it is the target."""
    n = max(1, math.ceil((target - SAME_STRAIN) / every))
    return [k * every for k in range(n)] + [target]


def save_points(settings: Input) -> list[SavePoint]:
    """Return the save points of a run, in order of strain.

    A snapshot within 1e-9 of a record is taken with it.
    """
    target = settings.loading.target
    records = strains_of(settings.output.observables.every, target)
    fields = settings.output.fields
    snapshots = strains_of(fields.every, target) if fields else []
    points: list[SavePoint] = []
    for point in sorted(
        [SavePoint(s, True, False) for s in records]
        + [SavePoint(s, False, True) for s in snapshots]
    ):
        before = points[-1] if points else None
        near = before is not None and point.strain - before.strain <= SAME_STRAIN
        if before is not None and near and before.record != point.record:
            strain = before.strain if before.record else point.strain
            points[-1] = SavePoint(strain, True, True)
        else:
            points.append(point)
    return points


def plan_of(settings: Input) -> Plan:
    """Return what a run keeps of each realization."""
    points, (nx, ny) = save_points(settings), settings.lattice.shape
    return Plan(
        (nx, ny),
        tuple(point.strain for point in points if point.record),
        tuple(point.strain for point in points if point.snapshot),
        tuple(settings.output.fields.names) if settings.output.fields else (),
        settings.output.avalanches,
    )
