"""The bench of clocks: it runs, and the plain loops in it make the same glass creep."""

import numpy as np
import pytest

from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from tools.bench_clocks import STRESS, PlainClock, creeping, measured


def test_the_bench_of_clocks_runs() -> None:
    row = measured(32, rounds=2, seconds=0.1)
    assert min(row["lazy_us"], row["plain_us"], row["choosing_us"]) > 0
    assert row["lazy_events"] > 1000
    assert row["points_tried"] > row["points_ruled_out"] > 0 < row["share_of_convolutions"] < 1


@pytest.mark.parametrize("redraw", [True, False])
def test_all_loops_creep_as_fast(one_rank: Ranks, redraw: bool) -> None:
    """The same law by several programs, from the same state on: ±15 % by chance."""
    dynamics, events = creeping(Lattice((64, 64), one_rank), 0.0), 3000
    plain, begun = PlainClock(dynamics), dynamics.timing.now
    dynamics.shear(STRESS, events)
    lazy = dynamics.timing.now - begun
    assert lazy > 10 and plain.run(events, redraw)[1] == pytest.approx(lazy, rel=0.3)


def test_the_plain_loop_keeps_the_glass(one_rank: Ranks) -> None:
    """The strengths after a slip are those by a convolution."""
    plain = PlainClock(creeping(Lattice((16, 16), one_rank), 0.5))
    fields, before = plain.dynamics.state.fields, plain.x.copy()
    plain.run(1, True)
    redrawn = plain.sigma_c - fields.sigma_c
    (site,) = zip(*np.nonzero(redrawn), strict=True)
    change = plain.x - before - redrawn
    slip = change[site] / plain.table[0, 0]
    assert slip > 0
    fields.epsilon_p[site] += slip
    after = fields.sigma_c - plain.dynamics.sigma_at(STRESS)
    assert change == pytest.approx(after - before, abs=1e-12)
