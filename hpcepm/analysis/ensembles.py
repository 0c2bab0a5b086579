"""Realizations of one run on one axis, wherever each of them has its records."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hpcepm.schedule import Cadence, counts, turns_in_cycle, turns_of

from .protocol import is_extremal, is_held, turns_back
from .results import Results
from .statistics import Floats, first_branch

Curve = tuple[Floats, Floats]
"""Where the records of a realization lie, and what was measured; each (record,)."""


class Ensemble(NamedTuple):
    """Curves on one axis."""

    x: Floats
    """Where, (record,)."""

    values: Floats
    """What was measured, (realization, record)."""


def ensemble_of(curves: Sequence[Curve]) -> Ensemble | None:
    """Return curves on one axis; None if one of them goes back, or they have no part in common.

    Curves with records at other places are interpolated on straight lines, as far as the shortest
    goes.
    """
    x = curves[0][0]
    if all(np.array_equal(x, other) for other, _ in curves):
        return Ensemble(x, np.array([y for _, y in curves], np.float64))
    if any((np.diff(x) < 0).any() for x, _ in curves):
        return None
    begin, end = max(x[0] for x, _ in curves), min(x[-1] for x, _ in curves)
    if not begin < end:
        return None
    grid = np.linspace(begin, end, max(x.size for x, _ in curves))
    return Ensemble(grid, np.array([np.interp(grid, x, y) for x, y in curves]))


def _still(strain: Floats) -> int:
    """Return the last record before the strain first moves."""
    return int(np.argmax(np.diff(strain) != 0)) if strain.size > 1 else 0


def goes_backward(run: Results) -> bool:
    """Whether the load goes backward first: what `over_strain` returns then counts along it."""
    strain = next(iter(run.curves("stress")), (np.zeros(1),))[0]
    return bool(strain[_still(strain) :][:2][-1] < strain[0])


def _before_the_turn(run: Results) -> int:
    """Return how many records at known strains there are before the load turns.

    Of every second cycle, say, their strains do not tell of turns in between.
    """
    cadence = Cadence.parse(run.settings["output"]["observables"])
    if cadence.of != "cycle":  # each turning point is a record
        return run.strain.size
    turns, in_cycle = turns_of(run.settings["loading"]), turns_in_cycle(run.settings["loading"])
    way = np.diff(turns, prepend=0.0)
    back = np.flatnonzero(way * way[np.argmax(way != 0)] < 0)
    before = int(back[0]) if back.size else len(turns)
    return 1 + sum(counts(cadence, k, in_cycle, len(turns)) for k in range(before))


def over_strain(run: Results, name: str) -> Ensemble | None:
    """Return an observable over strain, until the load turns; None if it is no function of it.

    Of a load that goes backward first, both change sign: what a glass does is the same.
    """
    if is_extremal(run) or is_held(run) or ((run.counted or run.is_cut) and turns_back(run)):
        return None
    curves = list(run.curves(name))
    if run.has_clock:  # aged first
        curves = [(x[(at := _still(x)) :], y[at:]) for x, y in curves]
    found = ensemble_of(curves)
    if found is None or found.x.size < 2:
        return None
    branch = first_branch(found.x)
    if not run.counted and not run.is_cut:
        branch = min(branch, _before_the_turn(run))
    if run.has_clock and (stands := np.flatnonzero(np.diff(found.x) == 0)).size:
        branch = min(branch, int(stands[0]) + 1)  # held: what follows is no function of strain
    strain, values = found.x[:branch], found.values[:, :branch]
    if strain[-1] == strain[0]:  # with a clock also of one record
        return None
    if strain[-1] < 0:
        return Ensemble(-strain, -values if name in ("stress", "plastic_strain") else values)
    return Ensemble(strain, values)
