"""Which sites yield: what the lazy engine looks at in a search."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compiled import compiled, compiled_minimum, inlined
from ..lattice import Share
from ..state import Fields
from .base import bind, unstable_sites, weakest_site
from .lazy_arrays import ROUNDING, LazyArrays, at, rounded_down
from .lazy_pool import sum_together
from .lazy_sums import sum_of_pending, take_up


@bind(unstable_sites, LazyArrays)
@compiled
def _unstable_sites(engine: Any, fields: Fields, stress: float, found: NDArray[np.int64], share: Share) -> int:
    yields_at, ny = fields.yields_at, fields.yields_at.shape[1]
    limit = _reach(engine, stress)
    n_blocks = _list_blocks(engine, limit)
    n = block = 0
    while True:
        n_known, block = _evaluate_blocks(engine, fields, block, n_blocks, limit, share)
        for k in range(n_known):
            if yields_at[engine.known[k] // ny, engine.known[k] % ny] <= stress:
                if n < found.size:
                    found[n] = engine.known[k]
                n += 1
        if block == n_blocks:
            return n


@bind(weakest_site, LazyArrays)
@compiled
def weakest_below(engine: Any, fields: Fields, stress: float, share: Share) -> tuple[float, int]:
    """Answer `weakest_site`. Collective."""
    yields_at, ny = fields.yields_at, fields.yields_at.shape[1]
    limit = _reach(engine, stress)
    n_blocks = _list_blocks(engine, limit)
    lowest, site, block = np.inf, -1, 0
    while True:
        n_known, block = _evaluate_blocks(engine, fields, block, n_blocks, limit, share)
        for k in range(n_known):
            value = yields_at[engine.known[k] // ny, engine.known[k] % ny]
            if value <= stress and (value < lowest or (value == lowest and engine.known[k] < site)):
                lowest, site = value, engine.known[k]
        if block == n_blocks:
            return lowest, site


@inlined
def _reach(engine: Any, stress: float) -> Any:
    """Return up to where a lower bound must be for the site to be looked at: bounds are rounded."""
    return np.float32(stress + engine.slack[1] + (abs(stress) + engine.slack[0] + engine.slack[1]) * ROUNDING)


@inlined
def _list_blocks(engine: Any, limit: Any) -> int:
    """List the blocks whose lower bound is up to a limit; return how many there are."""
    lowest, bound, reached = engine.lowest, engine.bound, engine.reached
    columns = lowest.shape[1]
    n = 0
    for block_i in range(lowest.shape[0]):
        in_row = np.int32(0)  # a count as wide as what it counts fills vector registers
        for j in range(columns):
            in_row = np.int32(in_row + np.int32(lowest[at(block_i), at(j)] - bound[at(block_i), at(j)] <= limit))
        if in_row > 0:
            for j in range(columns):  # without a branch: no processor can predict which they are
                reached[at(n)] = block_i * columns + j
                n += lowest[at(block_i), at(j)] - bound[at(block_i), at(j)] <= limit
    return n


@inlined
def _evaluate_blocks(engine: Any, fields: Fields, block: int, n_blocks: int, limit: Any, share: Share) -> tuple[int, int]:
    """Evaluate the sites with a lower bound up to a limit, of listed blocks from one on. Collective on the machine at the first.

    Returns how many they are, in ``known``, and the block to go on from, for there may be more than the list holds.
    """
    n_due, n_known, following = _list_due(engine, fields, block, n_blocks, limit, share)
    last, ny = engine.n_pending[0], fields.yields_at.shape[1]
    pool, due, sums = engine.pool, engine.pool.due[engine.pool.rank], engine.pool.sums[engine.pool.rank]
    together = block == 0 and pool.size > 1
    if together:
        sum_together(engine, n_due, share.nx, ny)
    for k in range(n_due):
        i, j = share.here[due[k].site // ny], due[k].site % ny
        if not together:
            sums[k] = sum_of_pending(engine, share.row[i], j, due[k].first, last, share.nx, ny)
        block_i, block_j = i // engine.block, j // engine.block
        bound = engine.bound[block_i, block_j]
        take_up(engine, fields, i, j, sums[k], bound)
        engine.lowest[block_i, block_j] = min(engine.lowest[block_i, block_j], rounded_down(fields.yields_at[i, j] + bound))
        engine.known[n_known + k] = i * ny + j
    return n_known + n_due, following


@inlined
def _list_due(engine: Any, fields: Fields, block: int, n_blocks: int, limit: Any, share: Share) -> tuple[int, int, int]:
    """List the sites to evaluate in ``due``, and in ``known`` those that are so already; find what is lowest of the others.

    Returns how many they are of either, and the block to go on from.
    """
    b, due, last = engine.block, engine.pool.due[engine.pool.rank], engine.n_pending[0]
    (rows, ny), columns = fields.yields_at.shape, engine.bound.shape[1]
    n_due = n_known = 0
    while block < n_blocks and n_due + n_known + b * b <= due.size:
        block_i, block_j = engine.reached[block] // columns, engine.reached[block] % columns
        highest = limit + np.float64(engine.bound[block_i, block_j])
        lowest = np.inf
        first, behind = block_j * b, min((block_j + 1) * b, ny)
        for i in range(block_i * b, min((block_i + 1) * b, rows)):
            least = _least_key(fields.yields_at[i, first:behind], engine.bound_at[i, first:behind])
            if least > highest:
                lowest = min(lowest, least)
                continue
            for j in range(first, behind):
                key = fields.yields_at[at(i), at(j)] + engine.bound_at[at(i), at(j)]
                if key <= highest and fields.evaluated[at(i), at(j)] < last:
                    due[n_due].site = share.row[i] * ny + j
                    due[n_due].first = fields.evaluated[at(i), at(j)]
                    n_due += 1
                else:
                    lowest = min(lowest, key)
                    if key <= highest:
                        engine.known[n_known] = i * ny + j
                        n_known += 1
        engine.lowest[at(block_i), at(block_j)] = rounded_down(lowest)
        block += 1
    return n_due, n_known, block


@compiled_minimum
def _least_key(yields_at: NDArray[np.float64], bound_at: NDArray[np.float32]) -> float:
    """Return the least of a row of a block: most rows have no site to evaluate, and nothing else need be known of them."""
    least = np.inf
    for j in range(yields_at.size):
        least = min(least, yields_at[at(j)] + bound_at[at(j)])
    return least
