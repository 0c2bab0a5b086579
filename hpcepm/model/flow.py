"""A step of Maxwell sites (`hpcepm.model.maxwell`), compiled: who turns, and how far who slips."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.parallel.compiled import compiled, inlined
from hpcepm.parallel.rows import LocalField

from .distributions import quantile
from .rng import DROPPED, FLOW, YIELDING, draw, first_words

BELOW_ALL = -np.inf
"""A limit that each stress is above."""


class Flowing(NamedTuple):
    """What the compiled loop needs of the sites."""

    epsilon_p: LocalField
    sigma_c: LocalField
    plastic: LocalField
    n_events: LocalField
    last_avalanche: LocalField
    limit: LocalField  # |σ| above which a site is looked at: σ_c, `BELOW_ALL` if plastic
    row: NDArray[np.int32]  # of my rows, their numbers in the lattice
    found: NDArray[np.uint32]  # (room_for_words(ny),): columns of such sites
    drawn: NDArray[np.uint64]  # the same shape: the word that was drawn for each
    sums: NDArray[np.float64]  # (rows, 2): slips, and sites that turned plastic
    above: NDArray[np.uint64]  # (ny,): 1 for such sites: of the width of what is compared
    renewal_kind: int
    renewal: NDArray[np.float64]
    seed: Any  # uint64
    realization: Any  # uint64
    chances: NDArray[np.uint64]  # (2,): `words_below` that of a step to turn if elastic, if plastic
    slip_a_stress: float  # of a step


@compiled
def flow(
    sites: Flowing,
    stress: LocalField,
    before: LocalField,
    now: float,
    middle: float,
    step: int,
    segment: int,
) -> None:
    """Let sites turn plastic or elastic, and slip.

    ``stress`` and ``before`` are what slips have left now and a step ago, ``now`` and ``middle``
    are Σ at the beginning and in the middle of the step.
    """
    rows, ny = stress.shape
    found, drawn = sites.found, sites.drawn
    for i in range(rows):
        n = _find(stress[i], sites.limit[i], now, sites.above, found)
        first = np.int64(sites.row[i]) * ny
        first_words(first, found, n, step, FLOW, sites.seed, sites.realization, drawn)
        sites.sums[i, 1] = _turn(sites, i, n, segment)
        sites.sums[i, 0] = _slip(sites, i, n, stress[i], before[i], middle)


@inlined
def _find(
    stress: NDArray[np.float64],
    limit: NDArray[np.float64],
    now: float,
    above: NDArray[np.uint64],
    found: NDArray[np.uint32],
) -> int:
    """Put the columns of a row where |σ| is above the limit into ``found``; return how many."""
    n = np.uint64(0)
    for j in range(stress.size):
        above[j] = abs(now + stress[j]) > limit[j]
    for j in range(stress.size):
        found[n] = j
        n += above[j]
    return np.int64(n)  # type: ignore[return-value]


@inlined
def _turn(sites: Flowing, i: int, n: int, segment: int) -> int:
    """Let sites of a row turn; return how many turned plastic. Few turn: the branch is foreseen."""
    turned, largest = 0, max(sites.chances[0], sites.chances[1])
    for k in range(n):
        if sites.drawn[k] >> DROPPED < largest:
            j = np.uint64(sites.found[k])
            is_plastic = sites.limit[i, j] == BELOW_ALL
            if sites.drawn[k] >> DROPPED >= sites.chances[np.uint64(is_plastic)]:
                continue
            if is_plastic:
                _turn_elastic(sites, i, np.int64(j))
            else:
                _turn_plastic(sites, i, j, segment)
                turned += 1
    return turned


@inlined
def _slip(
    sites: Flowing,
    i: int,
    n: int,
    stress: NDArray[np.float64],
    before: NDArray[np.float64],
    middle: float,
) -> float:
    """Let the plastic sites of a row slip; return the sum. No branch: any of n may be plastic."""
    slipped = 0.0
    for k in range(n):
        j = np.uint64(sites.found[k])
        slip = sites.slip_a_stress * (middle + (1.5 * stress[j] - 0.5 * before[j]))
        slip = slip if sites.limit[i, j] == BELOW_ALL else 0.0
        sites.epsilon_p[i, j] += slip
        slipped += slip
    return slipped


@inlined
def _turn_plastic(sites: Flowing, i: int, j: int, segment: int) -> None:
    sites.plastic[i, j] = 1
    sites.limit[i, j] = BELOW_ALL
    sites.n_events[i, j] += 1
    sites.last_avalanche[i, j] = segment


@inlined
def _turn_elastic(sites: Flowing, i: int, j: int) -> None:
    """Let a site have a new threshold."""
    site, n = sites.row[i] * sites.limit.shape[1] + j, sites.n_events[i, j]
    u, _ = draw(site, n, YIELDING, sites.seed, sites.realization)
    sites.plastic[i, j] = 0
    sites.sigma_c[i, j] = sites.limit[i, j] = quantile(sites.renewal_kind, sites.renewal, u)
