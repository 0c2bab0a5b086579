"""The lazy engine: that its bounds are bounds, and its sums associative. (That its events are right: test_dynamics.py.)"""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpcepm import disorder
from hpcepm.disorder import SlipLaw
from hpcepm.dynamics import Dynamics
from hpcepm.engines.choice import choose
from hpcepm.engines.lazy import LazyEngine, _largest_between_blocks, quantum_of
from hpcepm.lattice import Lattice
from hpcepm.parallel import Team

from .test_dynamics import glass, sheared


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 19), st.integers(2, 19), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_no_kernel_exceeds_the_bound_between_blocks(nx: int, ny: int, block: int, seed: int) -> None:
    far = np.random.default_rng(seed).normal(size=(nx // 2 + 1, ny // 2 + 1))
    largest = _largest_between_blocks(far, (nx, ny), block)
    columns = -(-ny // block)
    for i, j, k, m in product(range(nx), range(ny), range(nx), range(ny)):
        di, dj = abs(i - k), abs(j - m)
        actual = far[min(di, nx - di), min(dj, ny - dj)]
        difference = i // block - k // block
        difference += largest.shape[0] if difference < 0 else 0
        assert actual <= largest[difference, columns + j // block - m // block]


@pytest.mark.parametrize("shape", [(64, 64), (31, 50), (9, 130)])
def test_the_certified_lower_bound_never_exceeds_the_truth(team: Team, shape: tuple[int, int]) -> None:
    """At every step, for every site, against a convolution; slips of very different size."""
    slip = SlipLaw(disorder.EXPONENTIAL_SLIP, 1e-4, 0.05)
    dynamics = Dynamics(Lattice(shape, team), glass(slip=slip, initial_stress_std=0.3), "lazy")
    engine = dynamics.engine
    assert isinstance(engine, LazyEngine)
    arrays, fields, deferred = engine.arrays, dynamics.state.fields, 0
    slack = 1e3 * quantum_of(engine.scale)
    for _ in range(150):
        dynamics.shear(1.0, 7)
        truth = fields.sigma_c - engine.internal_stress(dynamics.state)
        bound = np.kron(arrays.bound, np.ones((arrays.block, arrays.block)))[: shape[0], : shape[1]]
        certified = fields.yields_at + arrays.bound_at - bound
        assert (certified <= truth + slack).all()
        fresh = arrays.evaluated == arrays.n_pending[0]
        assert fields.yields_at[fresh] == pytest.approx(truth[fresh], abs=slack)
        deferred += int((~fresh).sum())
    assert deferred > 0, "nothing was ever put off"


def test_sums_are_exact_in_any_order() -> None:
    rng = np.random.default_rng(1)
    for scale in (1e-9, 0.7, 1.0, 3e5):
        grid = 1.5 * 2.0**52 * quantum_of(scale)
        numbers = (rng.normal(scale=scale, size=2000) + grid) - grid
        assert abs(numbers - rng.permutation(numbers)).max() > 0
        assert len({float(np.cumsum(rng.permutation(numbers))[-1]) for _ in range(20)}) == 1
        assert quantum_of(scale) <= scale * 2.0**-43


def test_settling_at_any_moment_changes_nothing(team: Team) -> None:
    whole, rows = sheared(team, (40, 33), "lazy", 0.2)
    parts = Dynamics(Lattice((40, 33), team), glass(), "lazy")
    while parts.shear(0.2, 3) != 0:
        parts.settled_state()
    for a, b in zip(whole.settled_state().fields, parts.settled_state().fields, strict=True):
        assert a.tobytes() == b.tobytes()
    assert parts.take_avalanches().tobytes() == rows.tobytes()


def test_auto_takes_each_engine_where_it_is_best() -> None:
    assert choose("auto", (16, 16)).engine == choose("auto", (64, 64)).engine == "direct"
    assert choose("auto", (256, 256)).engine == choose("auto", (4096, 512)).engine == "lazy"
    assert choose("spectral", (16, 16)) == ("spectral", "as asked")
