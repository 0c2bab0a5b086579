"""What time it is in a run: the clock, as `hpcepm.model.dynamics` deals with it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcepm.layout import AVALANCHE, EVENT_ROW, TIMED
from hpcepm.model.engines.base import Engine
from hpcepm.model.glass import Glass
from hpcepm.model.loading import Loading
from hpcepm.model.state import State, mark_of
from hpcepm.parallel.rows import Lattice

from .base import Clock
from .table import ALWAYS, Poisson, forget_all, make_poisson
from .times import NEVER, as_number, earlier, later
from .trigger import Still

TIMED_AVALANCHE = np.dtype((np.record, AVALANCHE.descr + TIMED.descr))
TIMED_EVENT = np.dtype((np.record, [*EVENT_ROW.descr, ("time", "f8")]))


class Timing:
    """The time of a run; without a clock there is none, and all times are 0.

    Times are since the beginning of the run, in units of time. ``arrays`` is for the compiled loop.

    Parameters
    ----------
    clock, lattice, glass, engine
        As for `Dynamics`.
    rows
        Of the table of avalanches.
    """

    def __init__(
        self, clock: Clock | None, lattice: Lattice, glass: Glass, engine: Engine, rows: int
    ) -> None:
        self.clock, self.unit = clock, clock.unit if clock else 1.0
        self.arrays: Still | Poisson = Still()
        if clock is not None:
            sides = 2 if glass.yielding.two_sides else 1
            rise = engine.rise() * glass.slip.mean(glass.renewal)
            self.arrays = make_poisson(clock, lattice, sides, rise, rows)
            self._first_pace = self.arrays.pace.copy()
        self._engine = engine

    def begin(self, state: State) -> None:
        """Begin with a state; before the engine loads it."""
        self._state = state
        if isinstance(self.arrays, Poisson):
            self.arrays = self.arrays._replace(time=state.clock)
            self.arrays.pace[...] = self._first_pace
            self._stopped_at(*self._last)
            forget_all(self.arrays)
            self._engine.ahead[...] = ALWAYS

    def begin_segment(self, segment: Loading, direction: float) -> None:
        """Begin, or go on with, a segment of the loading: after `turn`."""
        if not isinstance(self.arrays, Poisson):
            return
        motion, now = self.arrays.motion[0], self._state.clock[0]
        motion.at_once = segment.rate is None and not segment.hold
        motion.rate = 0.0 if segment.rate is None else direction * segment.rate * self.unit
        self._end = NEVER, 0.0
        if segment.hold:
            begun = now.begun_whole, now.begun_fraction
            self._end = later(*begun, segment.hold / self.unit)
        self.stop_at(np.inf)

    def turn(self) -> None:
        """Note that a segment begins where the loop stopped; its load is known."""
        if not isinstance(self.arrays, Poisson):
            return
        motion, macro, now = self.arrays.motion[0], self._state.macro[0], self._state.clock[0]
        begun, last = (motion.reached_whole, motion.reached_fraction), self._last
        if earlier(*begun, *last):  # a rule was met by an event, after the last stop
            begun = last
        if earlier(*last, *begun):  # points before are those of another load
            now.whole, now.fraction, now.site = *begun, -1
        now.begun_whole, now.begun_fraction = begun
        now.begun_load, now.begun_avalanches = macro.load, macro.avalanches - macro.in_avalanche
        if macro.in_avalanche:  # its events so far are of the segment before
            of = self._state.fields.last_avalanche
            of[of == mark_of(macro.avalanches)] *= -1
        self._stopped_at(*begun)

    @property
    def _last(self) -> tuple[int, float]:
        """The time of the last event, or that at which the segment began if there was none."""
        now = self._state.clock[0]
        begun, last = (now.begun_whole, now.begun_fraction), (now.whole, now.fraction)
        return begun if earlier(*last, *begun) else last

    def _stopped_at(self, whole: int, fraction: float) -> None:
        assert isinstance(self.arrays, Poisson)
        motion = self.arrays.motion[0]
        motion.reached_whole, motion.reached_fraction = whole, fraction

    def stop_at(self, time: float) -> None:
        """Let the loop stop at a time, or at the end of the segment if that comes first."""
        if isinstance(self.arrays, Poisson):
            motion = self.arrays.motion[0]
            stop = min(later(0, 0.0, time / self.unit), self._end)
            motion.stop_whole, motion.stop_fraction = stop

    @property
    def is_at_end(self) -> bool:
        """Whether the loop stopped where a segment that is held ends."""
        if not isinstance(self.arrays, Poisson):
            return False
        motion = self.arrays.motion[0]
        return (motion.reached_whole, motion.reached_fraction) == self._end

    @property
    def now(self) -> float:
        """The time of the last event."""
        now = self._state.clock[0]
        return as_number(now.whole, now.fraction) * self.unit

    @property
    def reached(self) -> float:
        """The time at which the loop stopped last, on an elastic branch."""
        if not isinstance(self.arrays, Poisson):
            return 0.0
        motion = self.arrays.motion[0]
        return as_number(motion.reached_whole, motion.reached_fraction) * self.unit

    @property
    def begun(self) -> float:
        """The time at which the present segment began."""
        now = self._state.clock[0]
        return as_number(now.begun_whole, now.begun_fraction) * self.unit

    def with_times(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return rows of avalanches with the times of their triggers, if there are times."""
        if not isinstance(self.arrays, Poisson):
            return rows
        timed = np.zeros(len(rows), TIMED_AVALANCHE)
        for name in AVALANCHE.names or ():
            timed[name] = rows[name]
        for name in TIMED.names or ():
            timed[name] = self.arrays.rows[name][: len(rows)]
        return timed

    def with_times_of(
        self, events: NDArray[Any], of: NDArray[np.int64], finished: int
    ) -> NDArray[Any]:
        """Return rows of events with the times of their avalanches, if there are times.

        ``of`` numbers these: those that are finished, as in the table of avalanches, or the one
        after them, which is under way.
        """
        if not isinstance(self.arrays, Poisson):
            return events
        timed = np.zeros(len(events), TIMED_EVENT)
        for name in EVENT_ROW.names or ():
            timed[name] = events[name]
        timed["time"] = np.append(self.arrays.rows["time"][:finished], self.now)[of]
        return timed

    @property
    def nbytes(self) -> int:
        """Memory of its tables on this rank, in bytes."""
        return sum(a.nbytes for a in self.arrays if isinstance(a, np.ndarray))
