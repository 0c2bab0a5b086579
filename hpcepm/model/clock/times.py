"""Times: whole units and a fraction, so that none is too large to be told from the next.

A time is a pair ``(whole, fraction)`` in units of the clock, 0 ≤ fraction < 1.
"""

from typing import Final

import numpy as np

from hpcepm.model.rng import BELOW_ONE
from hpcepm.parallel.compiled import compiled, inlined

NEVER: Final = 2**62
"""Whole units of what never comes."""

LONGEST: Final = 2.0**52
"""Units of the longest time that a run may take."""


@inlined
def earlier(whole: int, fraction: float, other_whole: int, other_fraction: float) -> bool:
    """Return whether a time is before another."""
    return whole < other_whole or (whole == other_whole and fraction < other_fraction)


@inlined
def as_number(whole: int, fraction: float) -> float:
    """Return a time as one number; of two times the earlier is never the larger."""
    return float(whole) + fraction


@inlined
def between(begun_whole: int, begun_fraction: float, whole: int, fraction: float) -> float:
    """Return how long it is from one time to another."""
    return float(whole - begun_whole) + (fraction - begun_fraction)


@compiled
def later(whole: int, fraction: float, after: float) -> tuple[int, float]:
    """Return the time that is ``after`` ≥ 0 units later; `NEVER` if that is too long."""
    if not after < LONGEST:
        return NEVER, 0.0
    units = np.floor(after)
    fraction += after - units
    if fraction >= 1.0:
        fraction -= 1.0
        units += 1.0
    return whole + int(units), min(fraction, BELOW_ONE)
