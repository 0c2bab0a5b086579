"""The lazy engine: its bounds are bounds, and its sums are the same in any order.

That its events are right is tested in test_dynamics.py.
"""

import copy
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpi4py import MPI

from hpcepm.model import slip
from hpcepm.model.choice import choose_engine
from hpcepm.model.distributions import Constant, Lognormal
from hpcepm.model.dynamics import Dynamics
from hpcepm.model.engines.lazy import engine as lazy
from hpcepm.model.engines.lazy.engine import LazyEngine, quantum_of
from hpcepm.model.engines.lazy.sums import evaluate
from hpcepm.model.engines.lazy.tables import Tiles, largest_between_blocks, largest_in_cells
from hpcepm.model.kernel import Array, Kernel
from hpcepm.model.thresholds import preset
from hpcepm.parallel.compiled import IN_PYTHON
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from tests.conftest import assert_on_ranks
from tests.model.test_dynamics import glass, sheared


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 19), st.integers(2, 19), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_no_kernel_exceeds_the_bound_between_blocks(
    nx: int, ny: int, block: int, seed: int
) -> None:
    far = np.random.default_rng(seed).normal(size=(nx // 2 + 1, ny // 2 + 1))
    largest = largest_between_blocks(far, (nx, ny), (block, block))
    columns = -(-ny // block)
    for i, j, k, m in product(range(nx), range(ny), range(nx), range(ny)):
        di, dj = abs(i - k), abs(j - m)
        actual = far[min(di, nx - di), min(dj, ny - dj)]
        difference = i // block - k // block
        difference += largest.shape[0] if difference < 0 else 0
        assert actual <= largest[difference, columns + j // block - m // block]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 19),
    st.integers(2, 19),
    st.integers(1, 4),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(0, 3), st.integers(0, 3)),
    st.integers(0, 2**32 - 1),
)
def test_no_kernel_exceeds_the_bound_between_a_site_and_a_cell(
    nx: int,
    ny: int,
    cell: int,
    cells: tuple[int, int],
    nearby: tuple[int, int],
    seed: int,
) -> None:
    """Of a nearby block, by any difference of cells, with or without a period."""
    far = np.random.default_rng(seed).normal(size=(nx // 2 + 1, ny // 2 + 1))
    tiles = Tiles((nx, ny), cell, (cells[0] * cell, cells[1] * cell), nearby)
    largest, reach = largest_in_cells(far, tiles), tiles.reach
    assert largest.shape == (cell, cell, 2 * reach[0] + 1, 2 * reach[1] + 1)
    for i, j, k, m in product(range(nx), range(ny), range(nx), range(ny)):
        di, dj = abs(i - k), abs(j - m)
        actual = far[min(di, nx - di), min(dj, ny - dj)]
        apart = (i // cell - k // cell, j // cell - m // cell)
        rows, columns = (
            [d for d in (difference - n, difference, difference + n) if abs(d) <= most]
            for difference, n, most in zip(apart, tiles.cells, reach, strict=True)
        )
        for x, y in product(rows, columns):
            assert actual <= largest[k % cell, m % cell, x + reach[0], y + reach[1]]


class AnyKernel(Kernel):
    """A kernel of random numbers of both signs at all distances."""

    def fourier(self, qx: Array, qy: Array) -> Array:
        """Return a random even function of the wavevector."""
        rng = np.random.default_rng(self.kind)
        waves = sum(
            rng.normal() * np.cos(k * qx) * np.cos(m * qy) / (1 + k + m)
            for k in range(9)
            for m in range(9)
            if (k, m) != (0, 0)
        )
        return np.asarray(waves - 6.0)


def assert_certified(dynamics: Dynamics) -> int:
    """Check every bound, of all sides, against a convolution.

    Return how many sites of this rank are not evaluated.
    """
    engine, fields, lattice = dynamics.engine, dynamics.state.fields, dynamics.lattice
    assert isinstance(engine, LazyEngine)
    arrays, slack = engine.arrays, 1e3 * quantum_of(engine.scale)
    internal = engine.internal_stress(dynamics.state).copy()
    fresh = fields.evaluated == arrays.n_pending[0]
    sides = [(fields.yields_at, fields.sigma_c - internal)]
    if engine.two_sides:
        sides.append((fields.yields_backward_at, fields.sigma_c_backward + internal))
    by_cell, by_block = (
        np.ones(sides) for sides in ((arrays.cell, arrays.cell), (arrays.block, arrays.block_width))
    )
    for side, (yields_at, truth) in enumerate(sides):
        far, lowest_of_block, nearby, lowest = (
            np.kron(a[side], sites)[: lattice.rows, : lattice.ny].astype(float)
            for a, sites in (
                (arrays.bound, by_block),
                (arrays.lowest_of_block, by_block),
                (arrays.cell_bound, by_cell),
                (arrays.lowest, by_cell),
            )
        )
        bound = far + nearby
        uncertain = arrays.rounding_error[side] + slack
        assert (yields_at + arrays.bound_at[side] - bound <= truth + uncertain).all()
        assert (lowest - bound <= truth + uncertain).all()
        assert (lowest_of_block - far <= truth + uncertain).all()
        rounding = 1e-6 * (abs(lowest) + abs(nearby) + abs(far))
        assert (lowest_of_block <= lowest - nearby + rounding)[np.isfinite(lowest)].all()
        assert yields_at[fresh] == pytest.approx(truth[fresh], abs=slack)
    return int((~fresh).sum())


@settings(max_examples=4 if IN_PYTHON else 40, deadline=None)  # as plain Python: 14 s each
@given(
    st.sampled_from([(12, 12), (17, 5), (9, 30), (2, 23), (25, 31)]),
    st.integers(1, 4),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(0, 3), st.integers(0, 3)),
    st.integers(0, 14),
    st.integers(20, 5000),
    st.integers(0, 1000),
    st.sampled_from(["MCT", "constant", "broad"]),
    st.sampled_from([1, 4096]),
)
def test_the_certified_lower_bound_never_exceeds_the_truth(
    shape: tuple[int, int],
    cell: int,
    cells_of_block: tuple[int, int],
    nearby: tuple[int, int],
    half_window: int,
    max_pending_cost: int,
    seed: int,
    thresholds: str,
    evaluated_at_once: int,
) -> None:
    """Any kernel, any tiles, windows larger than the lattice, slips of all sizes, ties."""
    one_rank = Ranks(MPI.COMM_SELF)
    renewal = {
        "MCT": preset("MCT"),
        "constant": Constant(1.0),
        "broad": Lognormal(1.5, 0.5),
    }[thresholds]
    law = slip.Constant if thresholds == "constant" else slip.Exponential
    anything = glass(slip=law(1e-4, 0.02), initial=renewal, renewal=renewal)._replace(
        kernel=AnyKernel(seed, 1.0)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lazy, "lazy_sizes", lambda shape: (half_window, max_pending_cost, 9))
        one_level = cells_of_block == (1, 1) and nearby[0] == 0
        sides = (cell, cells_of_block[1] * cell, (-1, -1) if one_level else nearby)
        patch.setattr(lazy, "_sides", lambda _: sides)
        patch.setattr(lazy, "MOST_EVALUATED", evaluated_at_once)
        strip = cells_of_block[0] * cell
        dynamics = Dynamics(Lattice(shape, one_rank, strip), anything, "lazy")
    reference = Dynamics(Lattice(shape, one_rank), anything, "direct")
    for _ in range(12):
        dynamics.shear(1.0, 5)
        reference.shear(1.0, 5)
        assert_certified(dynamics)
        if (
            thresholds != "constant"
        ):  # there sites tie but for the last bit, which is each engine's own
            assert (dynamics.state.fields.n_events == reference.state.fields.n_events).all()


@pytest.mark.parametrize("shape", [(64, 64), (31, 50), (9, 130)])
def test_events_are_deferred_and_bounds_certified_in_a_flowing_glass(
    one_rank: Ranks, shape: tuple[int, int]
) -> None:
    law = slip.Exponential(1e-4, 0.05)
    dynamics = Dynamics(Lattice(shape, one_rank), glass(slip=law, initial_stress_std=0.3), "lazy")
    not_evaluated = 0
    for _ in range(150):
        dynamics.shear(1.0, 7)
        not_evaluated += assert_certified(dynamics)
    assert not_evaluated > 0


def test_bounds_hold_where_blocks_lie_on_several_ranks(tmp_path: Path) -> None:
    assert_on_ranks("certified_bounds", 3, tmp_path)


def test_sums_are_exact_in_any_order() -> None:
    rng = np.random.default_rng(1)
    for scale in (1e-9, 0.7, 1.0, 3e5):
        grid = 1.5 * 2.0**52 * quantum_of(scale)
        numbers = (rng.normal(scale=scale, size=2000) + grid) - grid
        assert abs(numbers - rng.permutation(numbers)).max() > 0
        assert len({float(np.cumsum(rng.permutation(numbers))[-1]) for _ in range(20)}) == 1
        assert quantum_of(scale) <= scale * 2.0**-43


def evaluate_all(dynamics: Dynamics) -> None:
    """Evaluate every site of this rank."""
    engine, fields, lattice = dynamics.engine, dynamics.state.fields, dynamics.lattice
    for i, j in product(range(lattice.rows), range(lattice.ny)):
        evaluate(engine.arrays, fields, i, j, lattice.row_map)


def test_going_on_from_any_moment_changes_nothing(one_rank: Ranks) -> None:
    whole, rows = sheared(one_rank, (40, 33), "lazy", 0.2)
    parts, written = Dynamics(Lattice((40, 33), one_rank), glass(), "lazy"), []
    while parts.shear(0.2, 3) != 0:
        written.append(parts.take_avalanches())
        parts = Dynamics(parts.lattice, glass(), "lazy", copy.deepcopy(parts.complete_state()))
    assert np.concatenate([*written, parts.take_avalanches()]).tobytes() == rows.tobytes()
    assert whole.complete_state().pending.tobytes() == parts.complete_state().pending.tobytes()
    evaluate_all(whole)
    evaluate_all(parts)
    for a, b in zip(whole.state.fields, parts.state.fields, strict=True):
        assert a.tobytes() == b.tobytes()


def test_going_on_evaluates_few_sites(one_rank: Ranks) -> None:
    whole, _ = sheared(one_rank, (64, 64), "lazy", 0.2)
    assert whole.complete_state().pending.size > 0 and not whole.state.macro[0]["in_avalanche"]
    again = Dynamics(whole.lattice, glass(), "lazy", copy.deepcopy(whole.state))
    again.shear(1.0, 1)
    assert (again.state.fields.evaluated > 0).mean() < 0.5


def test_another_engine_refuses_pending_events(one_rank: Ranks) -> None:
    dynamics, _ = sheared(one_rank, (40, 33), "lazy", 0.2)
    for engine in ("direct", "spectral"):
        with pytest.raises(ValueError, match=f"{engine} cannot have pending events"):
            Dynamics(dynamics.lattice, glass(), engine, dynamics.complete_state())


def test_auto_takes_each_engine_where_it_is_best() -> None:
    assert (
        choose_engine("auto", (16, 16)).engine == choose_engine("auto", (64, 64)).engine == "direct"
    )
    assert (
        choose_engine("auto", (256, 256)).engine
        == choose_engine("auto", (4096, 512)).engine
        == "lazy"
    )
    assert (
        choose_engine("lazy", (16, 16)).engine == choose_engine("lazy", (63, 40)).engine == "direct"
    )
    assert choose_engine("lazy", (64, 64)).engine == choose_engine("lazy", (2, 64)).engine == "lazy"
    assert choose_engine("spectral", (16, 16)) == ("spectral", "as asked")
