"""At which strains a run records and takes snapshots (docs/model.md, section 5)."""

import math
from typing import NamedTuple

from .layout import SAME_STRAIN


class SavePoint(NamedTuple):
    """A strain at which a run records, takes a snapshot, or both."""

    strain: float
    record: bool = True
    snapshot: bool = False


def strains_of(every: float, target: float) -> list[float]:
    """Return 0, every, 2·every, … and the target; a multiple within 1e-9 of it is the target."""
    n = max(1, math.ceil((target - SAME_STRAIN) / every))
    return [k * every for k in range(n)] + [target]


def save_points(
    target: float, records_every: float, snapshots_every: float | None
) -> list[SavePoint]:
    """Return the save points of a run, in order of strain.

    A snapshot within 1e-9 of a record is taken with it.
    """
    snapshots = strains_of(snapshots_every, target) if snapshots_every else []
    points: list[SavePoint] = []
    for point in sorted(
        [SavePoint(s, True, False) for s in strains_of(records_every, target)]
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


def common(before: tuple[float, ...], now: tuple[float, ...]) -> int:
    """Return how many strains two lists have in common from their beginning on, to the last bit."""
    pairs = enumerate(zip(before, now, strict=False))
    return next((k for k, (a, b) in pairs if a != b), min(len(before), len(now)))
