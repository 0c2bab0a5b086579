"""Time in steps, as Maxwell sites need it: the face of `Timing`, without Poisson points."""

from math import ceil, inf
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hpcepm.model.loading import Loading, Sine
from hpcepm.model.state import State, by_name

from .maxwell import Maxwell
from .times import NEVER
from .timing import TIMED_AVALANCHE
from .trigger import Still

ROUNDING: Final = 1e-12
"""A time that is beyond a step by less is at the step."""


class Steps:
    """The time of a run of Maxwell sites: a whole number of steps.

    Attributes
    ----------
    clock
        The clock.
    unit
        A step, in time.
    stop, end
        The step at which to stop, and at which a segment ends that is held.
    """

    def __init__(self, clock: Maxwell, loading: Loading) -> None:
        self.clock, self.unit, self.arrays = clock, clock.dt, Still()
        self.stop = self.end = NEVER
        if isinstance(loading, Sine):
            self.in_cycle = loading.steps(clock.dt)
            self.unit = 1 / (loading.frequency * self.in_cycle)

    def begin(self, state: State) -> None:
        """Begin with a state."""
        self._state = state
        self._numbers = by_name(state.clock)

    def begin_segment(self, segment: Loading, direction: float) -> None:
        """Begin, or go on with, a segment of the loading: after `turn`."""
        self.direction, self.end = direction, NEVER
        if isinstance(segment, Sine):
            self.end = self._begun + segment.cycles * self.in_cycle
        elif segment.hold:
            self.end = self._begun + self._steps(segment.hold)
        self.stop_at(inf)

    def turn(self) -> None:
        """Note that a segment begins where the loop stopped; its load is known."""
        now, macro = self._state.clock[0], self._state.macro[0]
        now.begun_whole, now.begun_load = now.whole, macro.load
        now.begun_avalanches = macro.segment

    def stop_at(self, time: float) -> None:
        """Let the loop stop at the first step from a time on, or at the end of the segment."""
        self.stop = min(self._steps(time), self.end)

    def _steps(self, time: float) -> int:
        steps = time / self.unit
        return ceil(steps - ROUNDING * max(1.0, steps)) if steps < NEVER else NEVER

    @property
    def step(self) -> int:
        """How many steps there were."""
        return int(self._numbers.whole[0])

    def step_on(self) -> None:
        """Count a step."""
        self._numbers.whole[0] += 1

    @property
    def begun_load(self) -> float:
        """The load at which the present segment began."""
        return float(self._numbers.begun_load[0])

    @property
    def _begun(self) -> int:
        return int(self._numbers.begun_whole[0])

    @property
    def since_begun(self) -> int:
        """How many steps there were since the present segment began."""
        return self.step - self._begun

    @property
    def is_at_end(self) -> bool:
        """Whether the loop stopped where a segment that is held ends."""
        return self.step >= self.end

    @property
    def now(self) -> float:
        """The time."""
        return self.step * self.unit

    reached = now

    @property
    def begun(self) -> float:
        """The time at which the present segment began."""
        return self._begun * self.unit

    def with_times(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return no rows: there are no avalanches."""
        return np.zeros(0, TIMED_AVALANCHE)

    nbytes = 0
