"""What is measured, bit for bit by plain numpy.

And realizations sheared in any order, each as it is alone.
"""

import itertools
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hpcepm.layout import AVALANCHE
from hpcepm.model.dynamics import Dynamics
from hpcepm.model.glass import Glass
from hpcepm.model.loop import LoopExit
from hpcepm.model.observables import (
    Series,
    measure,
    measure_profiles,
    profile_dtype,
    record_dtype,
)
from hpcepm.model.snapshot import Snapshot
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from hpcepm.run.runner import Runner
from hpcepm.schedule import SavePoint
from hpcepm.storage.plan import Plan, Rows
from tests.conftest import assert_on_ranks
from tests.model.test_dynamics import MU, glass

Array = NDArray[np.float64]
STRAINS = [0.02 * k for k in range(11)]
POINTS = [SavePoint(strain) for strain in STRAINS]
GLASSES: dict[str, tuple[tuple[int, int], str, dict[str, Any]]] = {
    "default": ((16, 16), "direct", {}),
    "with initial stress": ((13, 7), "direct", {"initial_stress_std": 0.3}),
    "thresholds of a field": (
        (9, 12),
        "direct",
        {"initial": np.random.default_rng(4).uniform(0.3, 2.0, (9, 12))},
    ),
    "lazy": ((40, 33), "lazy", {"initial_stress_std": 0.2}),
    "spectral": ((5, 8), "spectral", {"initial_stress_std": 0.2}),
}


def runner(lattice: Lattice, some_glass: Glass, engine: str) -> Runner:
    """Return what shears realizations of a glass, with a record at each of `STRAINS`."""
    plan = Plan(lattice.shape, tuple(STRAINS), (), (), True, events=True)
    return Runner(lattice, some_glass, engine, POINTS, plan)


def in_order(columns: Array) -> Array:
    """Return the sum over the last axis, one after the other."""
    total = np.zeros(columns.shape[:-1])
    for k in range(columns.shape[-1]):
        total += columns[..., k]
    return total


def plain_means(field: Array, centre: float) -> list[float]:
    """Return the means of (f − centre)^p: along each row, then over the rows."""
    d = field - centre
    return [
        float(in_order(in_order(power)) / d.size)
        for power in (d, d * d, d * d * d, (d * d) * (d * d))
    ]


def plain_record(dynamics: Dynamics, strain: float) -> NDArray[Any]:
    """Return what `measure` must, a number at a time."""
    state, n = dynamics.state, dynamics.lattice.n_sites
    now = state.macro[0]
    plastic_strain = float(now["total_slip"] / n)
    stress = 2 * MU * (strain - plastic_strain)
    sigma = dynamics.sigma_at(strain).copy()
    e = state.fields.epsilon_p + 1 / (2 * MU) * sigma
    row = np.zeros(1, record_dtype())
    for name in ("events", "avalanches"):
        row[name] = now[name]
    row["strain"], row["stress"], row["plastic_strain"] = strain, stress, plastic_strain
    for name, field in (("stress", sigma), ("strain", e)):
        _, row[f"{name}_variance"], row[f"{name}_m3"], row[f"{name}_m4"] = plain_means(
            field, plain_means(field, 0.0)[0]
        )
    for name, field in (
        ("plastic_strain", state.fields.epsilon_p),
        ("threshold", state.fields.sigma_c),
    ):
        row[f"{name}_variance"] = plain_means(field, plain_means(field, 0.0)[0])[1]
    row["threshold_mean"] = plain_means(state.fields.sigma_c, 0.0)[0]
    _, second, _, fourth = plain_means(e, 0.0)
    row["localization"] = sqrt(n) * fourth / (n * second**2) if strain > 0 else 1 / sqrt(n)
    row["x_min"] = dynamics.lowest_yields_at() - stress
    return row


def plain_profiles(dynamics: Dynamics) -> NDArray[Any]:
    """Return what `measure_profiles` must: along y, strips are summed up first."""
    lattice, epsilon_p = dynamics.lattice, dynamics.state.fields.epsilon_p
    row = np.zeros(1, profile_dtype(lattice.shape))
    row["along_x"] = in_order(epsilon_p) / lattice.ny
    strips = [
        in_order(epsilon_p[k : k + lattice.strip].T) for k in range(0, lattice.rows, lattice.strip)
    ]
    row["along_y"] = in_order(np.array(strips).T) / lattice.shape[0]
    return row


def alone(lattice: Lattice, some_glass: Glass, engine: str) -> Rows:
    """Return a realization sheared by a `Dynamics` of its own, and measured plainly."""
    dynamics = Dynamics(lattice, some_glass, engine)
    dynamics.keep_events()
    records, profiles, avalanches, events = [], [], [np.zeros(0, AVALANCHE)], []
    for strain in STRAINS:
        while dynamics.shear(strain) is not LoopExit.REACHED:
            events.append(dynamics.take_events())
            avalanches.append(dynamics.take_avalanches())
        records.append(plain_record(dynamics, strain))
        profiles.append(plain_profiles(dynamics))
    return Rows(
        np.concatenate(records),
        np.concatenate(profiles),
        np.concatenate([*avalanches, dynamics.take_avalanches()]),
        np.zeros(0, np.dtype([])),
        np.zeros(0, np.dtype([])),
        np.concatenate([*events, dynamics.take_events()]),
    )


def assert_same(one: Rows, other: Rows) -> None:
    for name in ("observables", "profiles", "avalanches", "events"):
        a, b = getattr(one, name), getattr(other, name)
        assert a.dtype == b.dtype and a.shape == b.shape, name
        for column in a.dtype.names or ():
            assert a[column].tobytes() == b[column].tobytes(), f"{name}/{column}"


@pytest.mark.parametrize("name", GLASSES)
def test_in_any_order_each_is_as_alone_and_measured_plainly(one_rank: Ranks, name: str) -> None:
    shape, engine, changes = GLASSES[name]
    lattice = Lattice(shape, one_rank)
    expected = [alone(lattice, glass(**changes, realization=r), engine) for r in range(3)]
    many = runner(lattice, glass(**changes), engine)
    for order in itertools.permutations(range(3)):
        for r in order:
            sheared = many.sheared(r)
            assert_same(sheared, expected[r])
            assert (
                sheared.observables["events"][-1] > 50
                and (sheared.avalanches["realization"] == r).all()
            )
    assert (
        expected[0].observables["stress"].tobytes() != expected[1].observables["stress"].tobytes()
    )


def test_after_an_interrupted_one(one_rank: Ranks) -> None:
    """In the middle of an avalanche, with rows in the table and grown buffers."""
    lattice = Lattice((16, 16), one_rank)
    many = runner(lattice, glass(), "direct")
    expected = many.sheared(1)
    many.dynamics.begin(glass(realization=7))
    while not many.dynamics.state.macro["in_avalanche"][0]:
        many.dynamics.shear(0.3, 101)
    assert_same(many.sheared(1), expected)


def test_a_full_table_and_small_buffers_change_nothing(
    one_rank: Ranks, monkeypatch: pytest.MonkeyPatch
) -> None:
    lattice = Lattice((16, 16), one_rank)
    expected = runner(lattice, glass(), "direct").sheared(2)
    monkeypatch.setattr("hpcepm.model.dynamics.ROWS_OF_TABLE", 3)
    monkeypatch.setattr("hpcepm.model.dynamics.EVENTS_AT_FIRST", 1)
    tight = runner(lattice, glass(), "direct")
    assert_same(tight.sheared(0), alone(lattice, glass(), "direct"))
    assert_same(tight.sheared(2), expected)


def test_results_are_the_callers_own(one_rank: Ranks) -> None:
    many = runner(Lattice((16, 16), one_rank), glass(), "direct")
    first = many.sheared(0)
    before = [part.tobytes() for part in first[:3]]
    many.sheared(1)
    assert [part.tobytes() for part in first[:3]] == before


def test_snapshots_are_measured_alike_alone_and_together(
    one_rank: Ranks, monkeypatch: pytest.MonkeyPatch
) -> None:
    lattice = Lattice((11, 6), one_rank)
    together = runner(lattice, glass(), "lazy").sheared(0)
    for at_once in (0, 4 * 66):
        monkeypatch.setattr("hpcepm.run.runner.MEASURED_TOGETHER", at_once)
        assert_same(runner(lattice, glass(), "lazy").sheared(0), together)


def test_a_snapshot_is_measured_the_same_twice(one_rank: Ranks) -> None:
    dynamics = Dynamics(Lattice((11, 6), one_rank), glass(), "lazy")
    dynamics.shear(0.1)
    one, other = Snapshot(dynamics, 0.1), Snapshot(dynamics, 0.1)
    for of in (measure, measure_profiles):
        assert (
            of(Series.of(one)).tobytes()
            == of(Series.of(one)).tobytes()
            == of(Series.of(other)).tobytes()
        )


@pytest.mark.parametrize("ranks", [2, 3])
def test_a_group_of_several_ranks_gives_the_bits_of_one(tmp_path: Path, ranks: int) -> None:
    assert_on_ranks("groups_of_ranks", ranks, tmp_path)
