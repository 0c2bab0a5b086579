"""Philox4x64-10, and the Poisson points that the contract draws from it.

Philox is written down from its definition: Salmon, Moraes, Dror and Shaw, "Parallel random numbers:
as easy as 1, 2, 3" (2011). All that is compiled is in this one file, for the cache of numba
looks at one file alone.
"""

from fractions import Fraction
from math import exp, floor, sqrt
from typing import Final, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

compiled = numba.njit(cache=True)

Words = tuple[np.uint64, np.uint64, np.uint64, np.uint64]
Key = tuple[np.uint64, np.uint64]


class Law(NamedTuple):
    """The rate at which a site fires, as a function of its strength x.

    `kind` is `THERMAL`, exp(−x^exponent/scale) and 1 for x ≤ 0; `UNIFORM`, 1 for x ≤ 0; or `SQRT`,
    √(|x|/scale) for x ≤ 0.
    """

    kind: int
    scale: float = 1.0
    exponent: float = 1.5


class Moment(NamedTuple):
    """A place in the order of all points; one of the load alone has site −1, before all sites."""

    whole: int
    fraction: float
    site: int
    side: int
    """0 forward, 1 backward."""


THERMAL: Final = 0
UNIFORM: Final = 1
SQRT: Final = 2

LAST: Final = 56
"""The strip of u in (0, 2^−56]; any other strip k has u in (2^(−k−1), 2^−k]."""
FIRST: Final = -128
FORWARD: Final = 4
"""The purpose of points forward; of those backward one more."""

MULTIPLIERS: Final = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
WEYL: Final = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)
HALF: Final = np.uint64(32)
LOW: Final = np.uint64(0xFFFFFFFF)


def poisson_limits() -> NDArray[np.uint64]:
    """Return ⌊2^64 e^−1 Σ_{l ≤ m} 1/l!⌋ for m = 0, 1, … up to the first that is 2^64 − 1.

    e lies between the sum of its series to 1/40! and that sum plus 2/41!; both must give one floor.
    """
    term, low, partial = Fraction(1), Fraction(0), []
    for order in range(1, 42):
        low += term
        partial.append(low)
        term /= order
    limits: list[int] = []
    while not limits or limits[-1] < 2**64 - 1:
        above = floor(2**64 * partial[len(limits)] / low)
        if floor(2**64 * partial[len(limits)] / (low + 2 * term)) != above:
            raise ArithmeticError("the series of e is too short")
        limits.append(above)
    return np.array(limits, dtype=np.uint64)


LIMITS: Final = poisson_limits()


@compiled
def multiply(a: np.uint64, b: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Return the upper and the lower 64 bits of a product."""
    a_low, a_high, b_low, b_high = a & LOW, a >> HALF, b & LOW, b >> HALF
    middle = a_high * b_low + (a_low * b_low >> HALF)
    other = a_low * b_high + (middle & LOW)
    return a_high * b_high + (middle >> HALF) + (other >> HALF), a * b


@compiled
def philox(c0: np.uint64, c1: np.uint64, c2: np.uint64, c3: np.uint64, key: Key) -> Words:
    """Return the four words of a counter."""
    k0, k1 = key
    for _ in range(10):
        high0, low0 = multiply(MULTIPLIERS[0], c0)
        high1, low1 = multiply(MULTIPLIERS[1], c2)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = k0 + WEYL[0], k1 + WEYL[1]
    return c0, c1, c2, c3


@compiled
def uniform(word: np.uint64) -> float:
    """Return a number between 0 and 1."""
    return (np.float64(word >> np.uint64(11)) + 0.5) * 2.0**-53


@compiled
def count(word: np.uint64) -> int:
    """Return how many points a cell has."""
    n = 0
    while n < LIMITS.size and LIMITS[n] <= word:
        n += 1
    return n


@compiled
def block_of(site: int, side: int, strip: int, cell: int, block: int, key: Key) -> Words:
    """Return the words of a block of a cell."""
    purpose = FORWARD + side + 256 * (strip + 128)
    return philox(np.uint64(site), np.uint64(cell), np.uint64(purpose), np.uint64(block), key)


@compiled
def height(strip: int, word: np.uint64) -> float:
    """Return u of a point."""
    if strip == LAST:
        return 2.0**-LAST * uniform(word)
    return 2.0 ** (-strip - 1) * (1.0 + uniform(word))


@compiled
def exponent_of(strip: int) -> int:
    """Return log2 of the duration of a cell."""
    return LAST if strip == LAST else strip + 1


@compiled
def cell_at(strip: int, whole: int, fraction: float) -> int:
    """Return the cell that a time lies in."""
    power = exponent_of(strip)
    if power >= 0:
        return whole >> power
    return (whole << -power) + floor(fraction * 2.0**-power)


@compiled
def time_in(strip: int, cell: int, part: float) -> tuple[int, float]:
    """Return the time at which this part of a cell is over, in whole units and a fraction."""
    power = exponent_of(strip)
    if power >= 0:
        whole, rest = cell << power, part * 2.0**power
    else:
        whole = cell >> -power
        rest = (cell - (whole << -power) + part) * 2.0**power
    return whole + floor(rest), rest - floor(rest)


@compiled
def points_of(
    site: int, side: int, strip: int, cell: int, key: Key
) -> list[tuple[int, float, float]]:
    """Return the points of a cell, each as whole units, fraction and height."""
    number, in_time, in_height, _ = block_of(site, side, strip, cell, 0, key)
    points = []
    for point in range(count(number)):
        if point > 0:
            words = block_of(site, side, strip, cell, (point + 1) // 2, key)
            in_time, in_height = words[0:2] if point % 2 else words[2:4]
        whole, fraction = time_in(strip, cell, uniform(in_time))
        points.append((whole, fraction, height(strip, in_height)))
    return points


@compiled
def rate(law: Law, x: float) -> float:
    """Return λ(x)."""
    if law.kind == THERMAL:
        return 1.0 if x <= 0.0 else exp(-(x**law.exponent) / law.scale)
    if x > 0.0:
        return 0.0
    return 1.0 if law.kind == UNIFORM else sqrt(-x / law.scale)


@compiled
def strength(y: float, side: int, base: float, slope: float, whole: int, fraction: float) -> float:
    """Return x at a time; the macroscopic stress is ``base + slope t``."""
    stress = base + slope * (whole + fraction)
    return y + stress if side else y - stress


@compiled
def first_of_site(
    site: int,
    side: int,
    y: float,
    base: float,
    slope: float,
    law: Law,
    key: Key,
    now: Moment,
    end: Moment,
) -> Moment:
    """Return the first moment after `now` at which the site fires, or `end` if that comes before.

    The stress moves one way, so that the rate is highest at one of the two ends. A point that is
    higher fires nowhere between them, nor does any of a strip that is higher as a whole.
    """
    highest = max(
        rate(law, strength(y, side, base, slope, now.whole, now.fraction)),
        rate(law, strength(y, side, base, slope, end.whole, end.fraction)),
    )
    if highest == 0.0:
        return end
    for strip in range(LAST, FIRST - 1, -1):
        if strip != LAST and 2.0 ** (-strip - 1) >= highest:
            break
        cell = cell_at(strip, now.whole, now.fraction)
        while time_in(strip, cell, 0.0) <= (end.whole, end.fraction):
            for whole, fraction, u in points_of(site, side, strip, cell, key):
                point = Moment(whole, fraction, site, side)
                if now < point < end and u < rate(
                    law, strength(y, side, base, slope, whole, fraction)
                ):
                    end = point
            cell += 1
    return end


@compiled
def first_point(
    y: NDArray[np.float64],
    base: float,
    slope: float,
    law: Law,
    key: Key,
    now: Moment,
    end: Moment,
) -> Moment:
    """Return the first moment after `now` at which any site fires, or `end`.

    Parameters
    ----------
    y : array (sides, sites)
        Forward σ⁺ − s, backward σ⁻ + s, s being the stress of the site less the macroscopic one.
    base, slope : float
        Macroscopic stress at time 0, and how fast it moves.
    law : Law
        Of the clock.
    key : tuple
        Seed and realization.
    now, end : Moment
        Where to look.
    """
    for site in range(y.shape[1]):
        for side in range(y.shape[0]):
            end = first_of_site(site, side, y[side, site], base, slope, law, key, now, end)
    return end
