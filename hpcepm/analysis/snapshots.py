"""Which record a map belongs to, and where on the way it was taken."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hpcepm.schedule import save_points_of, turns_of

from .protocol import is_extremal, strains_of_maps, turns_back
from .results import Results

TOLD_BY: Final = {"epsilon_p": "plastic_strain", "sigma": "stress"}
"""Fields whose mean is an observable: these tell one time from another where a strain returns."""

Floats = NDArray[np.float64]


def records_of_maps(run: Results, realization: int, snapshots: Sequence[int]) -> list[int]:
    """Return the record that each of some snapshots was taken with, or that is nearest to it.

    With a clock in time; of turning points that are known beforehand along the way of the load;
    else in strain, and where that comes back in what maps and records both tell.
    """
    if run.has_clock:
        away = _in_time(run, realization, snapshots)
    elif turns_back(run) and not run.counted and not run.is_cut:
        away = _on_the_way(run, snapshots)
    elif turns_back(run) or is_extremal(run):
        away = _in_state(run, realization, snapshots)
    else:
        away = _in_strain(run, realization, snapshots)
    return [int(one.argmin()) for one in away]


def _in_strain(run: Results, realization: int, snapshots: Sequence[int]) -> Iterator[Floats]:
    """Yield how far the records are from each snapshot, (record,)."""
    records = run.strains[realization, : run.records_of(realization)]
    yield from (np.abs(records - one) for one in strains_of_maps(run, realization)[[*snapshots]])


def _in_time(run: Results, realization: int, snapshots: Sequence[int]) -> Iterator[Floats]:
    records = run.times[realization, : run.records_of(realization)]
    times = run.file["fields/time"][realization][[*snapshots]]
    for time, away in zip(times, _in_strain(run, realization, snapshots), strict=True):
        late = np.abs(records - time)
        away[late > late.min()] = np.inf  # a load that moves at once has several records of a time
        yield away


def _on_the_way(run: Results, snapshots: Sequence[int]) -> Iterator[Floats]:
    points = save_points_of(run.settings)
    turns = np.array([0.0, *turns_of(run.settings["loading"])])
    gone = np.concatenate([[0.0], np.abs(np.diff(turns)).cumsum()])
    ways = [(one, gone[one.segment] + abs(one.strain - turns[one.segment])) for one in points]
    records = np.array([way for one, way in ways if one.record][: run.strain.size])
    maps = [way for one, way in ways if one.snapshot]
    yield from (np.abs(records - maps[k]) for k in snapshots)


def _in_state(run: Results, realization: int, snapshots: Sequence[int]) -> Iterator[Floats]:
    n, fields, first = run.records_of(realization), run.file["fields"], 0
    told = [
        (fields[field], run.observable(name)[realization, :n])
        for field, name in TOLD_BY.items()
        if field in fields
    ]
    for k, away in zip(snapshots, _in_strain(run, realization, snapshots), strict=True):
        for maps, records in told:
            away = away + np.abs(records - maps[realization, k].mean()) / (np.ptp(records) or 1.0)
        if not told:  # their order is all that is known
            away[:first] = np.inf
            first = int(away.argmin())
        yield away
