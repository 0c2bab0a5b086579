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
==================  ===========  ==================  ==================  ===================

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
_BELOW_ONE = 1 - 2.0**-53


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


@inlined
def _high_word_by_halves(a: Any, x: Any) -> Any:
    """Return what `_high_word` does, by products that vector registers have."""
    a0, a1, x0, x1 = a & _LOWER, a >> _HALF, x & _LOWER, x >> _HALF
    low = a1 * x0 + ((a0 * x0) >> _HALF)
    middle = a0 * x1 + (low & _LOWER)
    return a1 * x1 + (low >> _HALF) + (middle >> _HALF)


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
    """Put word 0 of `philox` of sites ``first + sites[k]``, k < n, into ``words``: many at once."""
    for k in range(n):
        x0, x1 = np.uint64(first + sites[np.uint64(k)]), np.uint64(number)
        x2, x3 = np.uint64(purpose), np.uint64(0)
        key0, key1 = np.uint64(seed), np.uint64(realization)
        for _ in range(_ROUNDS):
            high0, low0 = _high_word_by_halves(_MULTIPLIER_0, x0), _MULTIPLIER_0 * x0
            high1, low1 = _high_word_by_halves(_MULTIPLIER_1, x2), _MULTIPLIER_1 * x2
            x0, x1, x2, x3 = high1 ^ x1 ^ key0, low1, high0 ^ x3 ^ key1, low0
            key0 += _WEYL_0
            key1 += _WEYL_1
        words[np.uint64(k)] = x0


@compiled
def uniform(word: int) -> float:
    """Return the point of (0, 1) that a word stands for: never 0, never 1.

    Points in the upper half are rounded to even. The last would be rounded to 1, where quantiles
    are infinite: it is the double below 1.
    """
    return min(float((np.uint64(word) >> np.uint64(11)) + 0.5) * _HALF_SPACING, _BELOW_ONE)


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
        `YIELDING` or `INITIAL_STRESS`.
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
