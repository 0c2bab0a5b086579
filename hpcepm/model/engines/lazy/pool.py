"""Sums of pending events, added up by whichever rank of a node has time.

A step has a few sites to evaluate, and all other ranks would wait for the rank that has most of
them. So each rank writes the list of its sites into memory that the ranks of the node share. The
pending events of a list are counted in groups that fill vector registers. Ranks take a chunk of
groups at a time, first from their own list, then from others. Sums are exact in any order, so it
makes no difference which rank adds what.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hpcepm.parallel import atomics
from hpcepm.parallel.compiled import inlined
from hpcepm.parallel.node import Node
from hpcepm.parallel.waiting import LINE, rest, rested

from .arrays import TO_EVALUATE, WorkPool
from .sums import LANES, sum_of_pending

CHUNK: Final = 32  # groups that a rank takes at once: some microseconds of work


def make_pool(node: Node, capacity: int) -> WorkPool:
    """Return a pool for lists of so many sites. Collective."""
    counters = [node.shared((node.size, LINE), np.int64) for _ in range(5)]
    to_evaluate = node.shared((node.size, capacity), TO_EVALUATE)
    sums = node.shared((node.size, capacity))
    current = np.zeros(1, np.int64)
    return WorkPool._make([node.size, node.rank, current, *counters, to_evaluate, sums])


@inlined
def sum_shared(engine: Any, n_to_evaluate: int, nx: int, ny: int) -> None:
    """Sum the pending events of all lists together with the other ranks. Collective on the node.

    Another collective call must come before the next call of this: only then has every rank
    finished with the lists of the others.
    """
    pool, own = engine.pool, engine.pool.rank
    processors = engine.exchange.board.processors
    _post(engine, n_to_evaluate)
    turns, awaited = 0, own
    while awaited >= 0:
        awaited = -1
        for k in range(pool.size):
            rank = (own + k) % pool.size
            if atomics.load_acquire(pool.epoch[rank], 0) < pool.current_epoch[0]:
                awaited = rank
            else:
                _help(engine, rank, nx, ny)
        if awaited >= 0:
            turns = rest(processors, awaited, turns)
    turns = 0
    while atomics.load_acquire(pool.done[own], 0) < pool.work[own, 0]:
        turns = rest(processors, (own + 1) % pool.size, turns)
    rested(processors)


@inlined
def _post(engine: Any, n_to_evaluate: int) -> None:
    pool, last, work = engine.pool, engine.n_pending[0], 0
    to_evaluate, sums = pool.to_evaluate[pool.rank], pool.sums[pool.rank]
    for k in range(n_to_evaluate):
        work += _groups(to_evaluate[k].first, last)
        to_evaluate[k].until = work
        sums[k] = 0.0
    pool.n_to_evaluate[pool.rank, 0] = n_to_evaluate
    pool.work[pool.rank, 0] = work
    pool.next_group[pool.rank, 0] = 0
    pool.done[pool.rank, 0] = 0
    pool.current_epoch[0] += 1
    atomics.store_release(pool.epoch[pool.rank], 0, pool.current_epoch[0])


@inlined
def _help(engine: Any, rank: int, nx: int, ny: int) -> None:
    """Do what is left of the list of a rank."""
    pool = engine.pool
    work = pool.work[rank, 0]
    while atomics.load_acquire(pool.next_group[rank], 0) < work:
        begins = atomics.fetch_add(pool.next_group[rank], 0, CHUNK)
        if begins < work:
            ends = min(begins + CHUNK, work)
            _add_up(engine, rank, begins, ends, nx, ny)
            atomics.fetch_add(pool.done[rank], 0, ends - begins)


@inlined
def _add_up(engine: Any, rank: int, begins: int, ends: int, nx: int, ny: int) -> None:
    """Add groups ``begins`` to ``ends`` of a list to its sums."""
    pool, last = engine.pool, engine.n_pending[0]
    to_evaluate, sums = pool.to_evaluate[rank], pool.sums[rank]
    k = _site_of(to_evaluate, pool.n_to_evaluate[rank, 0], begins)
    while begins < ends:
        first, until = to_evaluate[k].first, min(to_evaluate[k].until, ends)
        zeroth = to_evaluate[k].until - _groups(first, last)
        change = sum_of_pending(
            engine,
            to_evaluate[k].site // ny,
            to_evaluate[k].site % ny,
            first + (begins - zeroth) * LANES,
            min(first + (until - zeroth) * LANES, last),
            nx,
            ny,
        )
        atomics.fetch_add(sums, k, change)
        begins = until
        k += 1


@inlined
def _groups(first: int, last: int) -> int:
    """Return the number of groups of `LANES` pending events; the last may be smaller."""
    return (last - first + LANES - 1) // LANES


@inlined
def _site_of(to_evaluate: NDArray[Any], n_to_evaluate: int, number: int) -> int:
    """Return the site of a list that a group belongs to, by bisection."""
    low, high = 0, n_to_evaluate - 1
    while low < high:
        middle = (low + high) // 2
        if to_evaluate[middle].until > number:
            high = middle
        else:
            low = middle + 1
    return low
