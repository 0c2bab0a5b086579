"""The tables of a clock: the next point of each site, and which is the earliest."""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.layout import TIMED, record
from hpcepm.model.engines.base import smallest
from hpcepm.model.state import CLOCK
from hpcepm.parallel.compiled import compiled, inlined
from hpcepm.parallel.rows import Lattice

from .base import Clock
from .points import FAR, FORWARD, LAST, LOWEST, MIDDLE, next_point, power
from .times import NEVER, as_number, earlier

ALWAYS: Final = 1e30
"""More than any strength: one that is never, or always, above a level."""

LOOK: Final = 0.2
"""What it costs to look at a site at the end of its level, where to try a point costs 1."""

SIDE: Final = 8  # of a cell of sites that have their earliest in common
REJECTED_AT_ONCE: Final = 4096
NO_LEVEL: Final = -128

MOTION: Final = record(
    at_once="i8",
    rate="f8",
    stop_whole="i8",
    stop_fraction="f8",
    reached_whole="i8",
    reached_fraction="f8",
)
"""How the load moves in this segment: faster than time, or by so much per unit; at which time to
stop; and where the loop stopped last."""

NEXT: Final = record(
    whole="i8",
    fraction="f8",
    height="f8",
    middle="f8",
    far="f8",
    middle_level="i2",
    far_level="i2",
    level="i4",
)
"""Of a site: time and height of its next point; times of its next point in strips from
``middle_level`` on, and from ``far_level`` on; and its level."""

REJECTED: Final = record(side="i8", i="i8", j="i8", whole="i8", fraction="f8", height="f8")
"""A point at which a site did not yield, as long as nothing changes before it."""


class Poisson(NamedTuple):
    """A clock of Poisson points, for the compiled loop.

    The level k of a site says that its rate is at most 2^(−k), so that only points in strips from k
    on matter. So it is as long as its strength is above ``reach`` of that level. Which level a site
    has changes no number of the run, only what it costs.

    The first index of tables is the side: forward and, of two sides, backward. ``next`` has the
    shape (sides, rows, ny); in ``when``, times are together cell by cell, for a search reads them.
    """

    instant: bool  # unstable sites yield at once
    kind: int  # of the law
    numbers: NDArray[np.float64]  # of the law
    unit: float  # of time
    reach: NDArray[np.float64]  # of levels from LOWEST on; the last one has the rate 0
    lowest: int  # level that is chosen
    motion: NDArray[Any]  # (1,) MOTION
    time: NDArray[Any]  # (1,) CLOCK, of the state
    # (2,): mean time between events, and by how much a bound rises at one: for what costs least
    pace: NDArray[np.float64]
    # (3,): sites looked at, points tried, and those that a bound ruled out
    counts: NDArray[np.int64]
    next: NDArray[Any]  # NEXT
    # (sides, rows of cells, columns of cells, SIDE²): time of the next point, as a number
    when: NDArray[np.float64]
    earliest: NDArray[np.float64]  # (sides, rows of cells, columns of cells): earliest of a cell
    earliest_of_row: NDArray[np.float64]  # (sides, rows of cells)
    found: NDArray[np.int64]  # scratch: local indices of sites
    rejected: NDArray[Any]  # scratch: (REJECTED_AT_ONCE,) REJECTED
    n_rejected: NDArray[np.int64]  # (1,)
    rows: NDArray[Any]  # TIMED: what the table of avalanches has besides


def make_poisson(clock: Clock, lattice: Lattice, sides: int, rise: float, rows: int) -> Poisson:
    """Return the tables of a clock, to be `forget_all`.

    ``rise`` is by how much bounds rise at an event, ``rows`` those of the table of avalanches.
    """
    shape = sides, lattice.rows, lattice.ny
    cells = sides, -(-lattice.rows // SIDE), -(-lattice.ny // SIDE)
    levels = range(LOWEST, LAST + 1)
    reach = np.array([clock.strength_of(2.0**-k) for k in levels] + [clock.strength_of(0.0)])
    lowest = max((k for k, x in zip(levels, reach, strict=False) if x == -np.inf), default=LOWEST)
    reach[lowest - LOWEST] = -np.inf
    return Poisson(
        instant=clock.instant,
        kind=clock.kind,
        numbers=clock.numbers,
        unit=clock.unit,
        reach=np.clip(reach, -ALWAYS, ALWAYS),
        lowest=lowest,
        motion=np.zeros(1, MOTION),
        time=np.zeros(1, CLOCK),
        pace=np.array([1.0 / lattice.n_sites, rise]),
        counts=np.zeros(3, np.int64),
        next=np.zeros(shape, NEXT),
        when=np.zeros((*cells, SIDE * SIDE)),
        earliest=np.zeros(cells),
        earliest_of_row=np.zeros(cells[:2]),
        found=np.zeros(max(4096, lattice.ny), np.int64),
        rejected=np.zeros(REJECTED_AT_ONCE, REJECTED),
        n_rejected=np.zeros(1, np.int64),
        rows=np.zeros(rows, TIMED),
    )


def forget_all(clock: Poisson) -> None:
    """Forget the next point of each site."""
    clock.next[...] = (NEVER, 0.0, 0.0, 0.0, 0.0, NO_LEVEL, NO_LEVEL, 0)
    for times in (clock.when, clock.earliest, clock.earliest_of_row):
        times[...] = float(NEVER)


@inlined
def level_for(clock: Any, x: float, margin: float) -> int:
    """Return the level that costs least, for a site of a strength that is known to a margin."""
    low, high = clock.lowest, LAST + 1
    while low < high:  # the highest level whose reach is below the strength
        middle = (low + high + 1) // 2
        if clock.reach[middle - LOWEST] < x - margin:
            low = middle
        else:
            high = middle - 1
    best, least, k = low, np.inf, low
    mean_time, rise = clock.pace
    while k >= clock.lowest:
        trials = 0.0 if k > LAST else mean_time * power(-k)
        if trials >= least:
            break
        cost = trials
        if k > clock.lowest:
            cost += LOOK * rise / (x - margin - clock.reach[k - LOWEST])
        if cost < least:
            best, least = k, cost
        k -= 1
    return best


@inlined
def find_next(
    clock: Any, side: int, i: int, j: int, site: int, after: Any, parameters: Any
) -> None:
    """Find the next point of a site at its level; for ``after`` see `next_in_strip`."""
    its, purpose, never = clock.next[side, i, j], FORWARD + side, (NEVER, 0.0, 0.0)
    seed, realization, k = parameters.seed, parameters.realization, its.level
    best = never
    if k <= LAST:
        now = as_number(after[0], after[1])
        if its.far_level < k or its.far_level > k + 2 * FAR or not its.far > now:
            its.far_level = min(k + FAR, LAST + 1)
            strips = its.far_level, LAST + 1
            best = next_point(site, purpose, strips, after, never, seed, realization)
            its.far = as_number(best[0], best[1])
        far_level, far = its.far_level, its.far
        if its.middle_level < k or its.middle_level > k + 3 * MIDDLE or not its.middle > now:
            its.middle_level = min(k + MIDDLE, far_level)
            strips = its.middle_level, far_level
            best = next_point(site, purpose, strips, after, never, seed, realization)
            its.middle = min(as_number(best[0], best[1]), far)
        middle_level, middle = its.middle_level, its.middle
        best = next_point(site, purpose, (k, middle_level), after, never, seed, realization)
        if not as_number(best[0], best[1]) < middle:  # then it is one of those, or at the same time
            strips = middle_level, far_level
            best = next_point(site, purpose, strips, after, best, seed, realization)
            if not as_number(best[0], best[1]) < far:
                strips = far_level, LAST + 1
                best = next_point(site, purpose, strips, after, best, seed, realization)
    set_next(clock, side, i, j, best)


@inlined
def _in_cell(i: int, j: int) -> int:
    """Return the index of a site in its cell."""
    return i % SIDE * SIDE + j % SIDE


@inlined
def set_next(clock: Any, side: int, i: int, j: int, point: tuple[int, float, float]) -> None:
    """Set the next point of a site, and who is the earliest."""
    its, cell_i, cell_j = clock.next[side, i, j], i // SIDE, j // SIDE
    its.whole, its.fraction, its.height = point
    when = clock.when[side, cell_i, cell_j]
    before, now = when[_in_cell(i, j)], as_number(point[0], point[1])
    when[_in_cell(i, j)] = now
    least = clock.earliest[side, cell_i, cell_j]
    if now <= least:
        clock.earliest[side, cell_i, cell_j] = now
        clock.earliest_of_row[side, cell_i] = min(clock.earliest_of_row[side, cell_i], now)
    elif before == least:
        clock.earliest[side, cell_i, cell_j] = smallest(when)
        if clock.earliest_of_row[side, cell_i] == least:
            clock.earliest_of_row[side, cell_i] = smallest(clock.earliest[side, cell_i])


@compiled
def earliest_site(clock: Any, row: NDArray[np.int32]) -> tuple[int, int, int]:
    """Return side and local indices of the site whose next point is the first; side −1 for none.

    Of points at the same time that of the lowest site, forward before backward. ``row`` has the
    numbers of the rows in the lattice.
    """
    least = np.inf
    for side in range(clock.earliest.shape[0]):
        least = min(least, smallest(clock.earliest_of_row[side]))
    best = (-1, 0, 0)
    if not least < float(NEVER):
        return best
    whole, fraction, number, ny = NEVER, 0.0, 0, clock.next.shape[2]
    for side in range(clock.earliest.shape[0]):
        for cell_i in range(clock.earliest.shape[1]):
            if clock.earliest_of_row[side, cell_i] != least:
                continue
            for cell_j in range(clock.earliest.shape[2]):
                if clock.earliest[side, cell_i, cell_j] != least:
                    continue
                when = clock.when[side, cell_i, cell_j]
                for k in range(when.size):
                    if when[k] != least:
                        continue
                    i, j = cell_i * SIDE + k // SIDE, cell_j * SIDE + k % SIDE
                    its, n = clock.next[side, i, j], 2 * (row[i] * ny + j) + side
                    same = its.whole == whole and its.fraction == fraction and n < number
                    if earlier(its.whole, its.fraction, whole, fraction) or same:
                        best, number = (side, i, j), n
                        whole, fraction = its.whole, its.fraction
    return best
