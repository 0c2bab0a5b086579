"""Random numbers that depend on where and when an event happens and on nothing else.

This is docs/model.md, section 3. Philox4x64-10 of Salmon et al., "Parallel random numbers: as easy
as 1, 2, 3" (SC'11), is a bijection of a counter under a key. The counter is ``(site, n, purpose,
0)`` and the key is ``(seed, realization)``, so a draw depends neither on ranks nor on the order of
events nor on restarts, and no state of a generator is kept.

==================  ===========  ==================  ==================  ===================
purpose             n            word 0              word 1              word 2
==================  ===========  ==================  ==================  ===================
``YIELDING``        0            initial threshold                       that of the other way
``YIELDING``        m ≥ 1        renewed threshold   slip of event m     that of the other way
``INITIAL_STRESS``  0            normal deviate
``WELL``            zigzag(m)    threshold forward   slip from m to m+1  threshold backward
``STROBE``          zigzag(m)    a hash of the wells: words 0 and 1
``FLOW``            step         does a Maxwell site turn plastic, or elastic
``SHUFFLE``         event        where `hpcepm.model.shuffle` puts what an event does; site 0
4 or 5 + 256 m      cell         points of `hpcepm.model.clock.points`, forward or backward
==================  ===========  ==================  ==================  ===================

Points have all four words, and need more: of block b of a cell the fourth number is b, not 0. The
m of a strip k is k + 128.

A well m is an integer: zigzag(m) = 2m for m ≥ 0, −2m − 1 below. The events of a run are numbered
from 0, those of a step in the order of their sites.
"""

from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import types

from hpcepm.parallel.compiled import compiled, generated, inlined

YIELDING: Final = 0
INITIAL_STRESS: Final = 1
WELL: Final = 2
STROBE: Final = 3
FLOW: Final = 6
SHUFFLE: Final = 8

_MULTIPLIER_0 = np.uint64(0xD2E7470EE14C6C93)
_MULTIPLIER_1 = np.uint64(0xCA5A826395121157)
_WEYL_0 = np.uint64(0x9E3779B97F4A7C15)
_WEYL_1 = np.uint64(0xBB67AE8584CAA73B)
_ROUNDS = 10
_HALF_SPACING = 2.0**-53
BELOW_ONE = 1 - 2.0**-53

DROPPED = np.uint64(11)
"""The last bits of a word, which `uniform` does not see."""


@generated(lambda a, b: np.uint64(int(a) * int(b) >> 64))
def _high_word(typing_context: Any, a: Any, b: Any) -> Any:
    """Return the upper 64 bits of the 128-bit product of two uint64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(builder.zext(arguments[0], wide), builder.zext(arguments[1], wide))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), generate


@compiled
def philox(c0: int, c1: int, c2: int, c3: int, k0: int, k1: int) -> tuple[int, int, int, int]:
    """Return the four words of Philox4x64-10 for counter ``c`` and key ``k`` (all uint64)."""
    x0, x1, x2, x3 = np.uint64(c0), np.uint64(c1), np.uint64(c2), np.uint64(c3)
    key0, key1 = np.uint64(k0), np.uint64(k1)
    for _ in range(_ROUNDS):
        high0, low0 = _high_word(_MULTIPLIER_0, x0), _MULTIPLIER_0 * x0
        high1, low1 = _high_word(_MULTIPLIER_1, x2), _MULTIPLIER_1 * x2
        x0, x1, x2, x3 = high1 ^ x1 ^ key0, low1, high0 ^ x3 ^ key1, low0
        key0 += _WEYL_0
        key1 += _WEYL_1
    return x0, x1, x2, x3  # type: ignore[return-value]


_HALF = np.uint64(32)
_LOWER = np.uint64(2**32 - 1)
_LANES = 4
_FIVE = np.uint64(_ROUNDS // 2)


@compiled
def _product(a: Any, x: Any) -> tuple[Any, Any]:
    """Return both words of the product of two uint64, by products that vector registers have."""
    a0, a1, x0, x1 = a & _LOWER, a >> _HALF, x & _LOWER, x >> _HALF
    low = a0 * x0
    middle = a1 * x0 + (low >> _HALF)
    cross = a0 * x1 + (middle & _LOWER)
    return a1 * x1 + (middle >> _HALF) + (cross >> _HALF), (cross << _HALF) | (low & _LOWER)


@compiled
def _round(x: Any, key0: Any, key1: Any) -> tuple[Any, Any, Any, Any]:
    """Return the four words after a round of `philox`."""
    high0, low0 = _product(_MULTIPLIER_0, x[0])
    high1, low1 = _product(_MULTIPLIER_1, x[2])
    return high1 ^ x[1] ^ key0, low1, high0 ^ x[3] ^ key1, low0


@inlined
def _five_rounds(x: Any, y: Any, key0: Any, key1: Any) -> tuple[Any, Any]:
    """Return the words of two counters after five rounds.

    Written out, because the compiler makes vectors of no loop in a loop; of two counters, because
    the products of one wait for each other.
    """
    x, y = _round(x, key0, key1), _round(y, key0, key1)
    key0, key1 = key0 + _WEYL_0, key1 + _WEYL_1
    x, y = _round(x, key0, key1), _round(y, key0, key1)
    key0, key1 = key0 + _WEYL_0, key1 + _WEYL_1
    x, y = _round(x, key0, key1), _round(y, key0, key1)
    key0, key1 = key0 + _WEYL_0, key1 + _WEYL_1
    x, y = _round(x, key0, key1), _round(y, key0, key1)
    key0, key1 = key0 + _WEYL_0, key1 + _WEYL_1
    return _round(x, key0, key1), _round(y, key0, key1)


def room_for_words(n: int) -> int:
    """Return how long arrays of `first_words` must be for n sites."""
    return -(-n // (2 * _LANES)) * 2 * _LANES


@compiled
def first_words(
    first: int,
    sites: Any,
    n: int,
    number: int,
    purpose: int,
    seed: int,
    realization: int,
    words: Any,
) -> None:
    """Put word 0 of `philox` of sites ``first + sites[k]``, k < n, into ``words``: many at once.

    Both arrays have at least `room_for_words` (n) entries; what lies beyond n means nothing.
    """
    half = (n + 2 * _LANES - 1) // (2 * _LANES) * _LANES
    c1, c2, c3 = np.uint64(number), np.uint64(purpose), np.uint64(0)
    key0, key1 = np.uint64(seed), np.uint64(realization)
    later0, later1 = key0 + _FIVE * _WEYL_0, key1 + _FIVE * _WEYL_1
    for k in range(half):
        x = np.uint64(first + sites[np.uint64(k)]), c1, c2, c3
        y = np.uint64(first + sites[np.uint64(half + k)]), c1, c2, c3
        x, y = _five_rounds(x, y, key0, key1)
        x, y = _five_rounds(x, y, later0, later1)
        words[np.uint64(k)], words[np.uint64(half + k)] = x[0], y[0]


@compiled
def uniform(word: int) -> float:
    """Return the point of (0, 1) that a word stands for: never 0, never 1.

    Points in the upper half are rounded to even. The last would be rounded to 1, where quantiles
    are infinite: it is the double below 1.
    """
    return min(float((np.uint64(word) >> DROPPED) + 0.5) * _HALF_SPACING, BELOW_ONE)


def words_below(chance: float) -> np.uint64:
    """Return how many words without the bits that are `DROPPED` have a `uniform` below a chance.

    So ``word >> DROPPED`` is less than this if and only if ``uniform(word) < chance``.
    """
    low, high = 0, 2**53
    while low < high:
        middle = (low + high) // 2
        if uniform(np.uint64(middle) << DROPPED) < chance:
            low = middle + 1
        else:
            high = middle
    return np.uint64(low)


@compiled
def draw(site: int, n: int, purpose: int, seed: int, realization: int) -> tuple[float, float]:
    """Return two uniform deviates for the ``n``-th use of a site.

    Parameters
    ----------
    site
        Global index i·ny + j.
    n
        Which event of the site; 0 before the first.
    purpose
        Such as `YIELDING`.
    seed, realization
        The key.
    """
    word0, word1, _, _ = philox(site, n, purpose, 0, seed, realization)
    return uniform(word0), uniform(word1)


@compiled
def draw3(
    site: int, n: int, purpose: int, seed: int, realization: int
) -> tuple[float, float, float]:
    """Return three uniform deviates; see `draw`."""
    word0, word1, word2, _ = philox(site, n, purpose, 0, seed, realization)
    return uniform(word0), uniform(word1), uniform(word2)


@compiled
def zigzag(m: int) -> int:
    """Return a number that is not negative for each well."""
    return 2 * m if m >= 0 else -2 * m - 1
