"""The cost model: what it says of ranks is what was measured, and it knows the program's sizes."""

import subprocess
import sys

import numpy as np
import pytest

from hpcepm.model import cost
from hpcepm.model.choice import choose_engine
from hpcepm.model.cost import busiest, event_us
from hpcepm.model.dynamics import Dynamics
from hpcepm.model.state import MOST_PENDING
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from hpcepm.run.sharing import Work, fastest_ranks
from tests.conftest import ROOT
from tests.model.test_dynamics import glass
from tools.predict import predictions

SHAPES = [(2, 2), (3, 50), (64, 64), (31, 200), (1024, 512), (16, 4096), (16384, 16384)]


def us(
    n: int, ranks: int = 1, nodes: int = 1, engine: str = "lazy", clocked: bool = False
) -> float:
    return sum(event_us((n, n), engine, ranks, nodes, clocked).values())


def test_it_needs_neither_mpi_nor_the_compiler() -> None:
    program = "import hpcepm.run.sharing, sys; print({'numba', 'mpi4py.MPI'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr


@pytest.mark.parametrize("engine", ["direct", "lazy", "spectral"])
@pytest.mark.parametrize("shape", SHAPES)
def test_any_lattice_on_any_ranks(shape: tuple[int, int], engine: str) -> None:
    for ranks, nodes in ((1, 1), (2, 1), (2, 2), (7, 1), (1024, 16)):
        for clocked in (False, True):
            parts = event_us(shape, engine, ranks, nodes, clocked)
            assert all(np.isfinite(part) and part >= 0 for part in parts.values())
            assert (parts["exchange"] > 0) == (ranks > 1)
            assert ("points" in parts) == clocked


@pytest.mark.parametrize(
    ("n", "least", "most"),
    [(256, 1.3, 1.75), (512, 1.5, 1.85), (1024, 1.7, 2.0), (2048, 1.8, 2.0)],
)
def test_two_ranks_against_one_as_measured(n: int, least: float, most: float) -> None:
    assert least < us(n) / us(n, 2) < most


@pytest.mark.parametrize(
    ("n", "least", "most"), [(64, 0.75, 1.1), (128, 0.9, 1.15), (256, 1.1, 1.4), (512, 1.15, 1.5)]
)
def test_two_ranks_against_one_with_a_clock_as_measured(n: int, least: float, most: float) -> None:
    assert least < us(n, clocked=True) / us(n, 2, clocked=True) < most


def test_with_a_clock_other_numbers_of_ranks_are_the_fastest() -> None:
    """Ranks share the points that are tried, which cost more than a small lattice does."""
    assert fastest_ranks(Work((32, 32), "direct"), 2) == 1
    assert fastest_ranks(Work((32, 32), "direct", clocked=True), 2) == 2
    assert [fastest_ranks(Work((n, n), "lazy", clocked=True), 2) for n in (72, 256)] == [1, 2]


def test_where_a_second_rank_gains() -> None:
    for n in (2, 16, 32):
        assert fastest_ranks(Work((n, n), "direct"), 2) == 1
    for n in (68, 80, 96):
        assert fastest_ranks(Work((n, n), "lazy"), 2) == 1
    for n, engine in ((64, "direct"), (192, "lazy"), (256, "lazy"), (1024, "lazy")):
        assert fastest_ranks(Work((n, n), engine), 2) == 2
        assert fastest_ranks(Work((n, n), engine), 1) == 1


def test_more_cores_are_taken_by_larger_lattices() -> None:
    taken = [fastest_ranks(Work((n, n), "lazy"), 64) for n in (64, 256, 1024, 4096, 16384)]
    assert taken == sorted(taken)
    assert taken[0] < 4 and taken[-1] > 48


def test_an_ensemble_takes_a_rank_for_each_small_realization() -> None:
    assert fastest_ranks(Work((32, 32), "direct", realizations=500), 8) == 8
    assert fastest_ranks(Work((32, 32), "direct", realizations=3), 8) == 3
    assert fastest_ranks(Work((16, 16), "direct", realizations=4, asked=2), 8) == 7  # 2, 2, 2 and 1
    assert fastest_ranks(Work((1024, 1024), "lazy", realizations=2), 8) == 8


def test_it_knows_the_sizes_of_the_lazy_engine(one_rank: Ranks) -> None:
    dynamics = Dynamics(Lattice((48, 80), one_rank), glass(), "lazy")
    arrays = dynamics.engine.arrays
    assert cost.lazy_sizes((48, 80)) == (
        arrays.half_window,  # type: ignore[attr-defined]
        arrays.max_pending_cost,  # type: ignore[attr-defined]
        arrays.max_events_per_step,  # type: ignore[attr-defined]
    )
    assert cost.MOST_PENDING == MOST_PENDING


@pytest.mark.parametrize(("items", "ranks"), [(0.3, 2), (2.6, 2), (5.0, 16), (40.0, 3)])
def test_the_busiest_rank(items: float, ranks: int) -> None:
    rng = np.random.default_rng(1)
    most = rng.poisson(items / ranks, size=(100_000, ranks)).max(axis=1)
    assert busiest(items, ranks) == pytest.approx(most.mean(), abs=5 * most.std() / 300)
    assert busiest(items, 1) == pytest.approx(items)


def test_what_auto_takes_is_as_it_was() -> None:
    """Each engine has bits of its own: they change after N = 67, whatever is measured anew."""
    for n in range(16, 4097):
        assert choose_engine("auto", (n, n)).engine == ("direct" if n <= 67 else "lazy")


def test_predictions_are_those_of_the_docs() -> None:
    assert predictions().strip() in (ROOT / "docs" / "performance.md").read_text()
