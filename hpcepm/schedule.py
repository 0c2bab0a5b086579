"""Where a run records and takes snapshots (docs/model.md, section 5).

Along a path of strain all strains of records are known beforehand. Elsewhere they are found as the
run goes on.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

from .layout import SAME_STRAIN


class Cadence(NamedTuple):
    """A record at each multiple of a variable, at some strains, or so many per decade of time."""

    every: float  # infinity: at no multiple
    of: str = "strain"
    at: tuple[float, ...] = ()
    per_decade: int = 0  # 0: at multiples
    first: float = 1.0  # the time at which decades begin

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> "Cadence":
        """Return it from the resolved input; those of before had no ``of`` and no ``at``."""
        every, at = content["every"], content.get("at") or ()
        multiples = math.inf if every is None else every, content.get("of", "strain")
        return cls(*multiples, tuple(at), content.get("per_decade", 0), content.get("from", 1.0))

    def around(self, value: float, near: float = 0.0) -> tuple[float, float]:
        """Return the marks before and after a value; those ``near`` it are the value itself.

        Marks are multiples; or, of the time since a segment began, so many per decade.
        """
        if self.per_decade:
            return self._in_decades(value, max(near, SAME_STRAIN * value))
        near = max(near, min(SAME_STRAIN, 1e-3 * self.every))
        before, after = (value - near) / self.every, (value + near) / self.every
        return (math.ceil(before) - 1) * self.every, (math.floor(after) + 1) * self.every

    def _in_decades(self, value: float, near: float) -> tuple[float, float]:
        """Return the marks of decades around a time; −∞ is before the first."""
        return self._mark(self._last(value - near)), self._mark(self._last(value + near) + 1)

    def _last(self, value: float) -> int:
        """Return the number of the last mark of decades up to a value; −1 if there is none."""
        if value < self.first:
            return -1
        k = round(self.per_decade * math.log10(value / self.first))
        return k - (self._mark(k) > value)

    def _mark(self, k: int) -> float:
        """Return a mark of decades; always computed so, it has the same bits everywhere."""
        return self.first * 10 ** (k / self.per_decade) if k >= 0 else -math.inf


class SavePoint(NamedTuple):
    """A strain at which a run records, takes a snapshot, or both."""

    strain: float
    record: bool = True
    snapshot: bool = False
    segment: int = 0  # between which turning points of the load


MOST_TURNS: Final = 1_000_000

MOST_RECORDS: Final = 10_000_000

ROUNDING_OF_TIME: Final = 2.0**-50
"""Times since the run began that differ by such a part of them are one."""


def is_known(settings: Mapping[str, Any]) -> bool:
    """Return whether all strains of records follow from the resolved input alone.

    They do not where there is a clock: sites yield when chance wants it.
    """
    if settings.get("clock") is not None:
        return False
    loading, output = settings["loading"], settings["output"]
    parts = [loading] if isinstance(loading, Mapping) else loading
    cadences = [Cadence.parse(one) for one in (output["observables"], output["fields"]) if one]
    return all(part["control"] == "strain" and not part.get("until") for part in parts) and all(
        cadence.of in ("strain", "cycle") for cadence in cadences
    )


def turns_of(loading: Any) -> Sequence[float]:
    """Return the turning points of the load, and its target, by the resolved input.

    Raises
    ------
    ValueError
        They are more than `MOST_TURNS`.
    """
    if not isinstance(loading, Mapping):
        return [segment.get("target", math.inf) for segment in loading]
    if "cycle" in loading:
        if not 0 <= len(loading["cycle"]) * loading["cycles"] <= MOST_TURNS:
            raise ValueError(f"has more than {MOST_TURNS} turning points")
        return [*loading["cycle"]] * loading["cycles"]
    return [loading.get("target", math.inf)]


def travelled(turns: Sequence[float]) -> float:
    """Return how far the load goes, there and back."""
    return sum(abs(after - before) for before, after in pairwise([0.0, *turns]))


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


def save_points_of(settings: Mapping[str, Any]) -> list[SavePoint]:
    """Return the save points of a run by its resolved input, in the order of the path.

    Raises
    ------
    ValueError
        They are more than `MOST_RECORDS`.
    """
    loading, output = settings["loading"], settings["output"]
    records = Cadence.parse(output["observables"])
    snapshots = Cadence.parse(output["fields"]) if output["fields"] else None
    turns = turns_of(loading)
    for one in filter(None, (records, snapshots)):
        if one.of == "strain" and travelled(turns) / one.every > MOST_RECORDS:
            raise ValueError(f"asks for more than {MOST_RECORDS} records")
    return save_points(turns, records, snapshots, turns_in_cycle(loading))


def turns_in_cycle(loading: Any) -> int:
    """Return how many turning points a cycle has; 1 of what is none."""
    return len(loading["cycle"]) if isinstance(loading, Mapping) and "cycle" in loading else 1


def save_points(
    turns: Sequence[float], records: Cadence, snapshots: Cadence | None, in_cycle: int = 1
) -> list[SavePoint]:
    """Return the save points of a run, in the order in which they are reached.

    ``turns`` are the strains at which the load turns, and where it ends: it begins at 0.
    ``in_cycle`` of them are a cycle. All of them are save points, but where cycles are counted.
    A snapshot within 1e-9 of a record is taken with it.
    """
    points, start = [], 0.0
    for segment, end in enumerate(turns):
        wanted = []
        for cadence, record in ((records, True), (snapshots, False)):
            if cadence is None:
                continue
            if cadence.of == "cycle":
                strains = _turning_points(cadence, segment, end, in_cycle, len(turns))
            else:
                strains = _along(cadence, segment, start, end)
            wanted += [SavePoint(strain, record, not record, segment) for strain in strains]
        points += _merged(sorted(wanted, reverse=end < start), segment)
        start = end
    return points


def _along(cadence: Cadence, segment: int, start: float, end: float) -> list[float]:
    """Return the strains of a segment at multiples and at its end; and at those that are listed."""
    way, strains = 1 if end > start else -1, []
    if cadence.every < math.inf:
        strains = _strains_between(cadence.every, start, end)
        if segment == 0:
            strains = [way * strain for strain in strains_of(cadence.every, abs(end))]
    first = way * start - SAME_STRAIN if segment == 0 else way * start + SAME_STRAIN
    listed = [e for e in cadence.at if first <= way * e <= way * end + SAME_STRAIN]
    return strains + list(_without(listed, sorted(strains)))


def _without(listed: Iterable[float], strains: Sequence[float]) -> Iterable[float]:
    """Leave out of a list what is among strains, which rise."""
    for one in listed:
        k = bisect_left(strains, one - SAME_STRAIN)
        if k == len(strains) or strains[k] > one + SAME_STRAIN:
            yield one


def _turning_points(
    cadence: Cadence, segment: int, end: float, in_cycle: int, n: int
) -> list[float]:
    """Return the strain at the end of a segment, if its cycle is one that is recorded."""
    begin = [0.0] if segment == 0 else []
    return [*begin, end] if counts(cadence, segment, in_cycle, n) else begin


def counts(cadence: Cadence, segment: int, in_cycle: int, n: int) -> bool:
    """Return whether the end of a segment is in one of each so many cycles, or the last."""
    cycle = segment // in_cycle + 1
    return cycle % int(cadence.every) == 0 or segment == n - 1


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
