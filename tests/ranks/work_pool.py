"""Sums of pending events are the same whichever rank adds them up.

Lists of very different length, empty ones, sites of few look-ups and of many; each rank is late now
and then.
"""

import time
from typing import Any

import numpy as np

from hpcepm.model.dynamics import Dynamics
from hpcepm.model.engines.lazy.pool import sum_shared
from hpcepm.model.engines.lazy.sums import sum_of_pending
from hpcepm.parallel import launch
from hpcepm.parallel.compiled import compiled
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from tests.model.test_dynamics import glass

NX, NY, PENDING, TURNS = 60, 47, 9000, 300


@compiled
def _together(engine: Any, n: int) -> None:
    sum_shared(engine, n, NX, NY)


@compiled
def _alone(engine: Any, site: int, first: int) -> float:
    return sum_of_pending(engine, site // NY, site % NY, first, engine.n_pending[0], NX, NY)


def main() -> None:
    """Compare the sums of a pool with those of this rank alone."""
    ranks = Ranks(launch.initialize())
    engine: Any = Dynamics(Lattice((NX, NY), ranks), glass(), "lazy").engine.arrays
    same, own = np.random.default_rng(1), np.random.default_rng(ranks.rank)
    engine.pending_i[:PENDING] = same.integers(0, NX, PENDING)
    engine.pending_j[:PENDING] = same.integers(0, NY, PENDING)
    engine.slips[:PENDING] = same.exponential(size=PENDING)
    sites, sums = engine.pool.to_evaluate[ranks.rank], engine.pool.sums[ranks.rank]
    for turn in range(TURNS):
        n = int(own.choice([0, 1, 3, 40])) if turn < TURNS - 1 else 400 * ranks.rank
        engine.n_pending[0] = (turn % 3) * (PENDING // 2)
        sites["site"][:n] = own.integers(0, NX * NY, n)
        sites["first"][:n] = own.integers(0, engine.n_pending[0] + 1, n)
        if own.random() < 0.05:
            time.sleep(0.005)
        _together(engine, n)
        expected = [_alone(engine, s["site"], s["first"]) for s in sites[:n]]
        assert sums[:n].tolist() == expected, turn
        ranks.allgather(None)  # no rank begins the next turn while another still helps


if __name__ == "__main__":
    main()
