"""Events and minima reach all ranks, on one machine and on several, few and many, late or not."""

import time
from typing import Any

import numpy as np
from mpi4py import MPI

from hpcepm.parallel import launch
from hpcepm.parallel.board import ROOM
from hpcepm.parallel.exchange import EVENT, exchange_events, exchange_minimum
from hpcepm.parallel.ranks import Ranks

from .cluster import Cluster

CAPACITY = 400
NUMBERS = (0, 1, 2, 8, 9, ROOM, ROOM + 1, 2 * ROOM, 2 * ROOM + 5)
TURNS = 150


def events_of(turn: int, rank: int, n: int) -> Any:
    """Return events that every rank can make."""
    random = np.random.default_rng((turn, rank))
    events = np.zeros(n, EVENT)
    events["site"], events["slip"] = random.integers(0, 2**40, n), random.random(n)
    events["first"] = random.integers(0, 2, n)
    return events


def check_events(ranks: Ranks, turn: int) -> None:
    """Exchange events of which most ranks have few and some have many."""
    random = np.random.default_rng(turn)
    numbers = random.choice(NUMBERS, ranks.size, p=[0.3, 0.3, 0.1, *[0.3 / 6] * 6]).tolist()
    if turn % 30 == 29:
        numbers[turn % ranks.size] = CAPACITY + 1  # too many for all
    own, events = np.zeros(CAPACITY, EVENT), np.zeros(CAPACITY, EVENT)
    mine = events_of(turn, ranks.rank, numbers[ranks.rank])[:CAPACITY]
    own[: len(mine)] = mine
    n = exchange_events(ranks.exchange, own, numbers[ranks.rank], events)
    assert n == sum(numbers), (turn, n, numbers)
    if n <= CAPACITY:
        expected = np.concatenate([events_of(turn, rank, k) for rank, k in enumerate(numbers)])
        assert np.sort(events[:n], order="site").tobytes() == np.sort(expected).tobytes(), turn


def check_minimum(ranks: Ranks, turn: int) -> None:
    """Look for a minimum that may be a NaN, infinite, or at several sites."""
    random = np.random.default_rng((7, turn))
    values = random.choice([0.5, 0.25, -1.0, np.inf, *([np.nan] if turn % 9 == 0 else [])], 4)
    sites = random.permutation(100)[:4]
    k = ranks.rank
    found = exchange_minimum(ranks.exchange, float(values[k]), int(sites[k]))
    plain = np.where(np.isnan(values), -np.inf, values)[: ranks.size]
    assert found == min(zip(plain.tolist(), sites.tolist(), strict=False)), (turn, values, found)


def main() -> None:
    """Check all clusters of the ranks there are."""
    world = launch.initialize()
    late = np.random.default_rng(world.rank)
    for per_node in range(1, world.size + 1):
        Cluster.per_node = per_node
        ranks = Ranks(Cluster(world))
        for turn in range(TURNS):
            if late.random() < 0.05:
                time.sleep(0.003)
            check_events(ranks, turn)
            check_minimum(ranks, turn)
    assert MPI.COMM_WORLD.size > 1


if __name__ == "__main__":
    main()
