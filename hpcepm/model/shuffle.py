"""Which value of G comes to which site, where they are shuffled at each event.

The sites around an event have the numbers x = 0 … n − 1, n = nx ny − 1: a site that is (i, j) away,
both counted from 0 and across the boundaries, has i·ny + j − 1. It gets the value that site π(x)
would get. π is a bijection that depends on the number of the event alone, so that each value is
used once: their sum stays zero, and every rank knows the site of each.

π is made of rounds on the numbers below a power of two, m ≥ n, each of which can be undone: an
addition and a multiplication by an odd number, modulo m, and an exclusive-or with the upper half of
the bits. The four words of Philox are the keys of four rounds. A number that does not come out
below n goes through them again (cycle walking: Black and Rogaway, "Ciphers with arbitrary finite
domains", CT-RSA 2002). A site takes a few nanoseconds, a Philox for each would take many more.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hpcepm.parallel.compiled import compiled, inlined

from .rng import SHUFFLE, philox

FEWEST_BITS: Final = 10
"""Of m: on fewer, four rounds do not mix well."""

Keys = tuple[int, int, int, int]
Numbers = NDArray[np.uint64]


@compiled
def keys_of_event(event: int, seed: int, realization: int) -> Keys:
    """Return the keys of the bijection of an event, which is numbered from 0."""
    return philox(0, event, SHUFFLE, 0, seed, realization)


@compiled
def shuffle(numbers: Numbers, n: int, keys: Keys, left: NDArray[np.int64]) -> None:
    """Replace numbers x < n by π(x).

    Parameters
    ----------
    numbers, n
        The numbers of some sites, and how many sites there are.
    keys
        What `keys_of_event` says of the event.
    left
        As long as ``numbers``: scratch space for the indices of those that are not yet below n.
    """
    bits = FEWEST_BITS
    while (1 << bits) < n:
        bits += 1
    mask, half, end = np.uint64((1 << bits) - 1), np.uint64((bits + 1) // 2), np.uint64(n)
    for k in range(numbers.size):
        numbers[k] = _mixed(numbers[k], keys, mask, half)
    n_left = 0
    for k in range(numbers.size):  # without a branch that cannot be foreseen
        left[n_left] = k
        n_left += numbers[k] >= end
    while n_left > 0:
        still = 0
        for k in range(n_left):
            place = left[k]
            numbers[place] = _mixed(numbers[place], keys, mask, half)
            left[still] = place
            still += numbers[place] >= end
        n_left = still


@inlined
def _mixed(x: Any, keys: Keys, mask: Any, half: Any) -> Any:
    for r in range(4):
        x = ((x + (keys[r] >> np.uint64(32))) * (keys[r] | np.uint64(1))) & mask
        x = x ^ (x >> half)
    return x
