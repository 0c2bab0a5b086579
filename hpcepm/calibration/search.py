"""From starting values to a fit: points, emulator, least squares; again in a smaller box."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import scipy.stats.qmc
from numpy.typing import NDArray

from hpcepm.analysis.statistics import Floats

from .emulator import Box, fit_emulator, monomials
from .fit import Fit, fit_keys, modes_of
from .statistics import Goal

Observe = Callable[[Floats, int], Floats]
"""Returns the observables at points (P, p), for each group of realizations: (P, G, S).

The second number is the round.
"""

MOST_ROUNDS: Final = 6
POINTS_PER_COEFFICIENT: Final = 2.5
SHRINK_AT_MOST: Final = 0.4  # a round's optimum is no surer than this
MARGIN: Final = 1.5  # a box is this much wider than the confidence interval


@dataclass(frozen=True)
class Found:
    """A fit and what led to it.

    Attributes
    ----------
    fit
        Of the last round, with its emulator.
    points, values
        All that was simulated: (P, p) and (P, G, S).
    rounds
        How many there were.
    settled
        Whether a smaller box would have been of no use; if not, the search ran out of rounds.
    at_bound
        Which keys ended at a bound, (p,).
    """

    fit: Fit
    points: Floats
    values: Floats
    rounds: int
    settled: bool
    at_bound: NDArray[np.bool_]


def search(start: Floats, bounds: Box, goal: Goal, confidence: float, observe: Observe) -> Found:
    """Return the keys within bounds that meet a goal.

    Parameters
    ----------
    start
        A first guess, (p,).
    bounds
        The whole range of the keys: the box of the first round.
    goal
        What is to be met.
    confidence
        Of the intervals by which boxes are measured.
    observe
        The model. It must use the same random numbers at each point.
    """
    box, rounds, settled = bounds, 0, False
    guess, points, values = start, np.empty((0, start.size)), None
    while not settled and rounds < MOST_ROUNDS:
        rounds += 1
        new = _new_points(box, start[None] if rounds == 1 else points)
        new = np.concatenate([start[None], new]) if rounds == 1 else new
        seen = observe(new, rounds)
        points = np.concatenate([points, new])
        values = seen if values is None else np.concatenate([values, seen])
        near = box.holds(points)
        emulator = fit_emulator(box, points[near], values[near])
        nearest = _nearest(points[near], values[near], goal)
        fit = fit_keys(emulator, goal, np.array([guess, box.centre, nearest]), box)
        if rounds == 1:
            goal = replace(goal, modes=modes_of(emulator, goal, fit.best))
        guess = fit.best
        following = _next_box(box, bounds, fit, confidence)
        settled = rounds > 1 and _is_settled(fit, box, following, bounds, confidence)
        box = following
    assert values is not None
    return Found(fit, points, values, rounds, settled, _at_edge(fit.best, bounds))


def most_points(p: int) -> int:
    """Return how many points a search over p keys simulates at the most."""
    return 1 + MOST_ROUNDS * _enough(p)


def _enough(p: int) -> int:
    return int(np.ceil(POINTS_PER_COEFFICIENT * len(monomials(p, 2))))


def _new_points(box: Box, points: Floats) -> Floats:
    """Return Sobol points that make up enough in a box, (new, p).

    Always some, so that each round learns something.
    """
    p = points.shape[1]
    wanted = max(_enough(p) - int(box.holds(points).sum()), _enough(p) // 3)
    sequence = scipy.stats.qmc.Sobol(p, scramble=False)
    sequence.fast_forward(len(points))  # never a corner, never the same again
    return box.low + sequence.random(wanted) * (box.high - box.low)


def _nearest(points: Floats, values: Floats, goal: Goal) -> Floats:
    """Return the simulated point nearest to the goal."""
    off = ((values.mean(axis=1) - goal.values) / goal.errors) ** 2
    return points[np.argmin(off.sum(axis=1))]


def _at_edge(point: Floats, box: Box) -> NDArray[np.bool_]:
    return np.abs(box.scaled(point)) > 1 - 1e-4


def _is_settled(fit: Fit, box: Box, following: Box, bounds: Box, confidence: float) -> bool:
    """Return whether a smaller box is of no use.

    The error forbids it, or polynomials are exact in a box that has shrunk.
    """
    half = fit.half_widths(confidence)
    inner_edge = _at_edge(fit.best, box) & ~_at_edge(fit.best, bounds)
    if np.any(inner_edge) or np.any(half > bounds.half):
        return False
    exact = np.all(half < 1.1 * fit.half_widths(confidence, attainable=True))
    return bool(
        np.all(following.half >= 0.7 * box.half)
        or (exact and np.all(box.half <= SHRINK_AT_MOST * bounds.half))
    )


def _next_box(box: Box, bounds: Box, fit: Fit, confidence: float) -> Box:
    """Return the next box: around the optimum, as wide as the attainable error asks.

    Where the optimum is at an edge of the box, the box stays as wide as it is.
    """
    half = np.clip(
        MARGIN * fit.half_widths(confidence, attainable=True), SHRINK_AT_MOST * box.half, box.half
    )
    half = np.where(_at_edge(fit.best, box) & ~_at_edge(fit.best, bounds), box.half, half)
    return Box(fit.best - half, fit.best + half).within(bounds)
