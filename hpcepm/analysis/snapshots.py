"""Which record a map belongs to."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.schedule import save_points_of, turns_of

from .protocol import is_extremal, strains_of_maps, turns_back
from .results import Results
from .statistics import Floats

TOLD_BY: Final[dict[str, tuple[str, Callable[[Any], Any]]]] = {
    "n_events": ("events", np.sum),
    "epsilon_p": ("plastic_strain", np.mean),
    "sigma": ("stress", np.mean),
}
"""What maps and records both tell, the first best: events only become more."""


def records_of_maps(run: Results, realization: int, snapshots: Sequence[int]) -> list[int]:
    """Return the record that each of some snapshots was taken with, or that is nearest to it.

    With a clock in time; of turning points that are known beforehand along the way of the load;
    else in strain. Where that comes back, what maps and records both tell decides which time it
    was; or their order, if nothing does.
    """
    if run.has_clock:
        return [int(one.argmin()) for one in _in_time(run, realization, snapshots)]
    if not turns_back(run) and not is_extremal(run):
        return [int(one.argmin()) for one in _in_strain(run, realization, snapshots)]
    return _on_the_way(run, snapshots) or _in_state(run, realization, snapshots)


def _in_strain(run: Results, realization: int, snapshots: Sequence[int]) -> Iterator[Floats]:
    """Yield how far the records are from each snapshot, (record,)."""
    records = run.strains[realization, : run.records_of(realization)]
    yield from (np.abs(records - one) for one in strains_of_maps(run, realization)[[*snapshots]])


def _in_time(run: Results, realization: int, snapshots: Sequence[int]) -> Iterator[Floats]:
    records = run.file["observables/time"][realization, : run.records_of(realization)]
    times = run.file["fields/time"][realization][[*snapshots]]
    for time, away in zip(times, _in_strain(run, realization, snapshots), strict=True):
        late = np.abs(records - time)
        away[late > late.min()] = np.inf  # a load that moves at once has several records of a time
        yield away


def _on_the_way(run: Results, snapshots: Sequence[int]) -> list[int]:
    """Return the records nearest along the way of the load; none if it is not known."""
    if run.counted or run.is_cut:
        return []
    points = save_points_of(run.settings)
    turns = np.array([0.0, *turns_of(run.settings["loading"])])
    gone = np.concatenate([[0.0], np.abs(np.diff(turns)).cumsum()])
    ways = [(one, gone[one.segment] + abs(one.strain - turns[one.segment])) for one in points]
    records = np.array([way for one, way in ways if one.record][: run.strain.size])
    maps = [way for one, way in ways if one.snapshot]
    if records.size < run.strain.size or len(maps) < strains_of_maps(run).size:
        return []  # a file of which the input says something else
    middles = (records[1:] + records[:-1]) / 2
    return [int(k) for k in np.searchsorted(middles, [maps[k] for k in snapshots])]


def _in_state(run: Results, realization: int, snapshots: Sequence[int]) -> list[int]:
    """Return the records that are like maps, and go forward as these do."""
    told = _told(run, realization)
    if told is None:
        snapshots, asked = range(max(snapshots) + 1), snapshots  # all: their order is what is known
    strain = run.strains[realization, : run.records_of(realization)]
    at, steps, before = strains_of_maps(run, realization)[[*snapshots]], list[_Step](), None
    for number, away in enumerate(_in_strain(run, realization, snapshots)):
        passes = _passes(strain, away)
        unlike = away[passes] / (np.ptp(strain) or 1.0)
        if told is not None:
            unlike += told(snapshots[number])[passes]
        came_back = number > 0 and bool(at[number] == at[number - 1])
        before = _Step.after(before, passes, unlike, came_back)
        steps.append(before)
    found = _cheapest(steps)
    return found if told is not None else [found[k] for k in asked]


def _told(run: Results, realization: int) -> Callable[[int], Floats] | None:
    """Return what tells how unlike a map the records are, in what both tell; None if nothing."""
    fields = run.file["fields"]
    field = next(
        (one for one in TOLD_BY if one in fields and TOLD_BY[one][0] in run.observables), ""
    )
    if not field:
        return None
    name, total = TOLD_BY[field]
    records = run.observable(name)[realization, : run.records_of(realization)]
    width = np.ptp(records) or 1.0
    return lambda k: np.abs(records - total(fields[field][realization, k])) / width


class _Step(NamedTuple):
    """The records that a map may belong to, and the cheapest way to each from the first map on."""

    records: NDArray[np.int64]
    cost: Floats
    previous: NDArray[np.int64]  # which of those of the map before

    @classmethod
    def after(
        cls, before: "_Step | None", records: NDArray[np.int64], unlike: Floats, later: bool
    ) -> "_Step":
        """Return the next: no record goes back, and ``later`` if none may stay either."""
        if before is None:
            return cls(records, unlike, np.zeros_like(records))
        lowest = np.minimum.accumulate(before.cost)
        lower = before.cost < np.append(np.inf, lowest[:-1])
        where = np.maximum.accumulate(np.where(lower, np.arange(lower.size), 0))
        last = np.searchsorted(before.records, records, "left" if later else "right") - 1
        if (last < 0).all():  # there are fewer records than maps
            last[:] = lowest.size - 1
        cost = np.where(last < 0, np.inf, unlike + lowest[last])
        return cls(records, cost, where[last])


def _cheapest(steps: Sequence[_Step]) -> list[int]:
    """Return the records on the cheapest way."""
    at, found = int(steps[-1].cost.argmin()), list[int]()
    for step in reversed(steps):
        found.append(int(step.records[at]))
        at = int(step.previous[at])
    return found[::-1]


def _passes(strain: Floats, away: Floats) -> NDArray[np.int64]:
    """Return where records come nearest to a strain, each time that they pass it."""
    step = np.abs(np.diff(strain))
    near = np.maximum(np.append(step, 0.0), np.insert(step, 0, 0.0))
    before, after = np.insert(away[:-1], 0, np.inf), np.append(away[1:], np.inf)
    found = np.flatnonzero((away <= before) & (away <= after) & (away <= near))
    return found if found.size else np.array([int(away.argmin())])
