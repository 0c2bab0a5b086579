"""At which strains a run records and takes snapshots (docs/model.md, section 5)."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from .layout import SAME_STRAIN


class SavePoint(NamedTuple):
    """A strain at which a run records, takes a snapshot, or both."""

    strain: float
    record: bool = True
    snapshot: bool = False
    segment: int = 0  # between which turning points of the load


MOST_TURNS: Final = 1_000_000


def turns_of(loading: Any) -> Sequence[float]:
    """Return the turning points of the load, and its target, by the resolved input.

    Raises
    ------
    ValueError
        They are more than `MOST_TURNS`.
    """
    if not isinstance(loading, Mapping):
        return [segment["target"] for segment in loading]
    if "cycle" in loading:
        if not 0 <= len(loading["cycle"]) * loading["cycles"] <= MOST_TURNS:
            raise ValueError(f"has more than {MOST_TURNS} turning points")
        return [*loading["cycle"]] * loading["cycles"]
    return [loading["target"]]


def strains_of(every: float, target: float) -> list[float]:
    """Return 0, every, 2·every, … and the target; a multiple within 1e-9 of it is the target."""
    n = max(1, math.ceil((target - SAME_STRAIN) / every))
    return [k * every for k in range(n)] + [target]


def _strains_between(every: float, start: float, end: float) -> list[float]:
    """Return the multiples of a strain on the way to another, and that; not where it starts."""
    way = 1 if end > start else -1
    first, last = way * start + SAME_STRAIN, way * end - SAME_STRAIN
    n = range(math.floor(first / every) + 1, math.ceil(last / every))
    return [way * k * every for k in n] + [end]


def save_points(
    turns: Sequence[float], records_every: float, snapshots_every: float | None
) -> list[SavePoint]:
    """Return the save points of a run, in the order in which they are reached.

    ``turns`` are the strains at which the load turns, and where it ends: it begins at 0. All of
    them are save points. A snapshot within 1e-9 of a record is taken with it.
    """
    points, start = [], 0.0
    for segment, end in enumerate(turns):
        wanted = []
        for every, record in ((records_every, True), (snapshots_every, False)):
            if every is None:
                continue
            strains = strains_of(every, abs(end)) if segment == 0 else []
            if segment == 0 and end < 0:
                strains = [-strain for strain in strains]
            for strain in strains or _strains_between(every, start, end):
                wanted.append(SavePoint(strain, record, not record, segment))
        points += _merged(sorted(wanted, reverse=end < start), segment)
        start = end
    return points


def _merged(wanted: list[SavePoint], segment: int) -> list[SavePoint]:
    """Take a record and a snapshot at the same strain together."""
    points: list[SavePoint] = []
    for point in wanted:
        before = points[-1] if points else None
        near = before is not None and abs(point.strain - before.strain) <= SAME_STRAIN
        if before is not None and near and before.record != point.record:
            strain = before.strain if before.record else point.strain
            points[-1] = SavePoint(strain, True, True, segment)
        else:
            points.append(point)
    return points


def common(before: tuple[float, ...], now: tuple[float, ...]) -> int:
    """Return how many strains two lists have in common from their beginning on, to the last bit."""
    pairs = enumerate(zip(before, now, strict=False))
    return next((k for k, (a, b) in pairs if a != b), min(len(before), len(now)))
