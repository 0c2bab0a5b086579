"""Thermal and rate clocks once more: every site at every point, in the plainest way.

Written from the contract alone; it shares no line, table or random number code with hpcepm, and is
what its tests compare it with. A site fires at its first Poisson point that lies below its rate.
After each event the stress of all sites is made anew, and of each site its next point is looked for
again (`strips.first_point`).
"""

import math
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .points_glass import Floats, Glass, PointsCase
from .strips import Moment, first_point, rate

EVENT: Final = np.dtype(
    [
        ("whole", "i8"),
        ("fraction", "f8"),
        ("site", "i8"),
        ("side", "i8"),
        ("x", "f8"),
        ("slip", "f8"),
    ]
)


class Load:
    """The macroscopic stress as a function of time, and when it ends."""

    def __init__(self, case: PointsCase) -> None:
        strain = case.control == "strain"
        self.factor = 2.0 * case.mu if strain else 1.0
        self.relief = 2.0 * case.mu / (case.shape[0] * case.shape[1]) if strain else 0.0
        self.way = 1 if case.target >= 0.0 else -1
        self.start, self.slope, self.end = case.target, 0.0, case.until
        if case.rate is not None:
            speed = case.rate * case.unit
            self.start, self.slope = 0.0, self.way * self.factor * speed
            self.end = min(self.end, abs(case.target) / speed)

    def base(self, total: float) -> float:
        """Return the stress at time 0 that would lead to that of now, after slips of this sum."""
        return self.factor * self.start - self.relief * total

    def stress(self, total: float, now: Moment) -> float:
        """Return the stress."""
        return self.base(total) + self.slope * (now.whole + now.fraction)


def moment(after: Moment, time: float) -> Moment:
    """Return the moment so much later, before all sites."""
    rest = after.fraction + time
    return Moment(after.whole + math.floor(rest), rest - math.floor(rest), -1, 0)


class Course:
    """What happens, event by event."""

    def __init__(self, case: PointsCase) -> None:
        self.case, self.glass, self.load = case, Glass(case), Load(case)
        self.now = Moment(0, 0.0, -1, 0)

    def strengths(self) -> Floats:
        """Return x of all sides of all sites: (sides, sites)."""
        stress = self.load.stress(self.glass.total, self.now)
        return self.glass.yields_at() - self.glass.ways * stress

    def fire(self, which: list[tuple[int, int]]) -> Iterator[tuple[Any, ...]]:
        """Let these (site, side) slip at once."""
        x = self.strengths()
        slips = self.glass.fire(which)
        for (site, side), slip in zip(which, slips, strict=True):
            way = -1 if side else 1
            yield self.now.whole, self.now.fraction, site, way, x[side, site], slip

    def relax(self) -> Iterator[tuple[Any, ...]]:
        """Let all unstable sites slip, again and again until none is unstable."""
        while len(unstable := np.argwhere(self.strengths().T <= 0.0)):
            yield from self.fire([(int(site), int(side)) for site, side in unstable])

    def trigger(self) -> tuple[Moment, int, int] | None:
        """Return when the load alone has a site slip at once, and which; None if it never has."""
        side = 0 if self.load.way > 0 else 1
        x = self.strengths()
        if self.case.unstable == "rate" or self.load.slope == 0.0 or side == len(x):
            return None
        site = int(np.argmin(x[side]))
        return moment(self.now, max(x[side, site], 0.0) / abs(self.load.slope)), site, side

    def window(self, end: Moment) -> Moment:
        """Return where to stop looking; any time up to the end would do.

        Where the load moves, no more than eight points of a site are below its rate until then.
        """
        span = end.whole - self.now.whole + (end.fraction - self.now.fraction)
        x, moved = self.strengths(), self.glass.ways * self.load.slope
        if self.load.slope == 0.0:
            return end
        while span * rate(self.case.rates, (x - moved * span).min()) > 8.0:
            span /= 2.0
        return min(end, moment(self.now, span))

    def next_one(self) -> tuple[int, int] | None:
        """Go on to the next event; return its site and side, or None at the end of all."""
        last = moment(Moment(0, 0.0, -1, 0), self.load.end)
        while self.now < last:
            trigger = self.trigger()
            end = self.window(min(last, trigger[0]) if trigger else last)
            y, base = self.glass.yields_at(), self.load.base(self.glass.total)
            law, key = self.case.rates, self.case.key
            self.now = first_point(y, base, self.load.slope, law, key, self.now, end)
            if self.now.site >= 0:
                return self.now.site, self.now.side
            if trigger and trigger[0] == end < last:
                return trigger[1:]
        return None

    def events(self) -> Iterator[tuple[Any, ...]]:
        """Yield all of them."""
        instant = self.case.unstable == "instant"
        if instant:
            yield from self.relax()
        while which := self.next_one():
            yield from self.fire([which])
            if instant:
                yield from self.relax()


def events_of(case: PointsCase) -> NDArray[np.void]:
    """Return the events of a case, in their order.

    Times are in units of `PointsCase.unit`, in whole units and a fraction; `side` is 1 forward and
    −1 backward; `x` is σ_c − σ just before the event.
    """
    course = Course(case).events()
    return np.array(list(islice(course, case.events)), dtype=EVENT)
