"""Poisson points: what decides when a site yields (docs/model.md, section 11).

A site owns points (t, u) of unit density in the strip of all times t and heights u > 0. It yields
at the first point under the curve of its rate, u < λ(x(t)). Which points it owns depends on seed,
realization and site alone: so no order of events, no bound and no rank has a part in it.

Heights are cut in strips k: u in (2^(−k−1), 2^(−k)], the last one, k = 56, having all below. A
strip is cut in cells of such a duration that each has one point on average.
"""

from math import factorial
from typing import Final

import numpy as np

from hpcepm.model.rng import BELOW_ONE, philox, uniform
from hpcepm.parallel.compiled import compiled, inlined

from .times import earlier

FORWARD: Final = 4
"""The purpose of the counter for points of events forward; that of backward is one more."""

LAST: Final = 56
"""The strip of all heights up to 2^(−56)."""

LOWEST: Final = -10
"""The lowest strip: no rate is above 2^10."""

MIDDLE, FAR = 2, 8
"""Strips from so many on above that of a level are looked at rarely: when what they have next is
kept, it holds four times, or some hundred times, as long as the next point of all."""


def _numbers() -> list[int]:
    """Return the integers ⌊2^64 e^(−1) Σ 1/l!⌋, m = 0 … 20, by the series of 1/e and e."""
    n = factorial(60)
    inverse_e = sum((-1) ** k * (n // factorial(k)) for k in range(60))
    sums = (sum(n // factorial(k) for k in range(m + 1)) for m in range(21))
    return [(inverse_e * one << 64) // n**2 for one in sums]


_AT_MOST: Final = np.array(_numbers(), np.uint64)
"""How likely 0, at most 1, at most 2, … points in a cell are, in units of 2^(−64)."""

_ZEROTH: Final = 64
_POWERS: Final = 2.0 ** np.arange(-_ZEROTH, _ZEROTH)


@inlined
def power(m: int) -> float:
    """Return 2^m, −64 ≤ m < 64: the function of the C library takes far longer."""
    return _POWERS[m + _ZEROTH]


@inlined
def _duration_of(k: int) -> int:
    """Return the m of the duration 2^m of a cell of strip k."""
    return LAST if k == LAST else k + 1


@inlined
def _cell_at(whole: int, fraction: float, m: int) -> int:
    """Return the cell that a time lies in, where cells take 2^m."""
    return whole >> m if m >= 0 else (whole << -m) + int(fraction * power(-m))


@inlined
def _begin_of(cell: int, m: int) -> tuple[int, float]:
    """Return when a cell begins."""
    if m >= 0:
        return cell << m, 0.0
    return cell >> -m, float(cell & ((1 << -m) - 1)) * power(m)


@inlined
def _time_of(cell: int, word: int, m: int) -> tuple[int, float]:
    """Return the time (c + v) 2^m, v = ((word >> 11) + ½) 2^(−53), of a point of a cell."""
    if m <= 0:
        whole, begin = _begin_of(cell, m)
        return whole, min(begin + uniform(word) * power(m), BELOW_ONE)
    odd = int(((np.uint64(word) >> np.uint64(11)) << np.uint64(1)) + np.uint64(1))  # v 2^54
    if m >= 54:
        return (cell << m) + (odd << (m - 54)), 0.0
    below = 54 - m
    return (cell << m) + (odd >> below), float(odd & ((1 << below) - 1)) * power(-below)


@inlined
def _height_of(word: int, k: int) -> float:
    """Return u of a point of strip k."""
    if k == LAST:
        return uniform(word) * power(-LAST)
    return (1.0 + uniform(word)) * power(-k - 1)


@inlined
def _count_of(word: int) -> int:
    """Return how many points a cell has."""
    n = 0
    while n < _AT_MOST.size and _AT_MOST[n] <= np.uint64(word):
        n += 1
    return n


@inlined
def next_in_strip(
    site: int,
    purpose: int,
    k: int,
    after: tuple[int, float, bool],
    best: tuple[int, float, float],
    seed: int,
    realization: int,
) -> tuple[int, float, float]:
    """Return the first point of a strip after a time, or the best so far if that is before it.

    Parameters
    ----------
    site, purpose, k
        Global index; `FORWARD`, or the number after it; the strip.
    after
        The time, and whether a point at that very time counts, too.
    best
        Time and height of the best point so far.
    seed, realization
        The key.
    """
    whole, fraction, inclusive = after
    m = _duration_of(k)
    cell, counter, found = _cell_at(whole, fraction, m), purpose + 256 * (k + 128), False
    while not found:
        begin, begin_fraction = _begin_of(cell, m)
        if not earlier(begin, begin_fraction, best[0], best[1]):
            break
        number, time_0, height_0, _ = philox(site, cell, counter, 0, seed, realization)
        time_1, height_1 = time_0, height_0
        for point in range(_count_of(number)):
            if point % 2 == 1:
                block = (point + 1) // 2
                time_0, height_0, time_1, height_1 = philox(
                    site, cell, counter, block, seed, realization
                )
            elif point > 0:
                time_0, height_0 = time_1, height_1
            at, at_fraction = _time_of(cell, time_0, m)
            is_ahead = earlier(whole, fraction, at, at_fraction) or (
                inclusive and at == whole and at_fraction == fraction
            )
            if is_ahead:
                found = True
                if earlier(at, at_fraction, best[0], best[1]):
                    best = at, at_fraction, _height_of(height_0, k)
        cell += 1
    return best


@compiled
def next_point(
    site: int,
    purpose: int,
    strips: tuple[int, int],
    after: tuple[int, float, bool],
    best: tuple[int, float, float],
    seed: int,
    realization: int,
) -> tuple[int, float, float]:
    """Return the first point of some strips, from one up to before another; see `next_in_strip`."""
    for k in range(strips[0], strips[1]):
        best = next_in_strip(site, purpose, k, after, best, seed, realization)
    return best
