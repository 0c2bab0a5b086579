"""The dynamics: against a plain model, engine against engine, and the balance of stress."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from hpcepm.layout import AVALANCHE
from hpcepm.model import slip
from hpcepm.model.distributions import Constant, Normal
from hpcepm.model.dynamics import Dynamics
from hpcepm.model.engines import ENGINES
from hpcepm.model.finite import NotFinite
from hpcepm.model.glass import Glass
from hpcepm.model.kernel import Kernel
from hpcepm.model.kernel import kernel as kernels
from hpcepm.model.loop import LoopExit
from hpcepm.model.thresholds import PRESETS, preset
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from tests.model.plain_model import PlainModel

MU, BULK = 14.7, 52.0


def glass(**changes: Any) -> Glass:
    kind, orientation = changes.pop("kernel", ("continuum", "simple"))
    values: dict[str, Any] = {
        "kernel": Kernel(kernels[kind](orientation), MU / (1 + MU / BULK)),
        "shear_modulus": MU,
        "initial": preset("ESL"),
        "renewal": preset("MCT"),
        "slip": slip.Exponential(0.0276, 0.0206),
        "initial_stress_std": 0.0,
        "seed": 1,
        "realization": 0,
    }
    return Glass(**{**values, **changes})


def sheared(
    one_rank: Ranks,
    shape: tuple[int, int],
    engine: str,
    target: float,
    steps: int = 2**40,
    **changes: Any,
) -> Any:
    """Return a sheared glass and its avalanches."""
    dynamics = Dynamics(Lattice(shape, one_rank), glass(**changes), engine)
    rows = [np.zeros(0, AVALANCHE)]
    while dynamics.shear(target, steps) is not LoopExit.REACHED:
        rows.append(dynamics.take_avalanches())
    return dynamics, np.concatenate([*rows, dynamics.take_avalanches()])


CASES = [
    ((16, 16), ("continuum", "simple"), "ESL", 0.0, 1),
    ((13, 7), ("finite_difference", "simple"), "GQ", 0.3, 2),
    ((9, 16), ("continuum", "pure"), "MCT", 0.5, 2**64 - 1),
    ((11, 11), ("finite_difference", "pure"), "ESL", 0.0, 3),
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("shape", "kernel", "initial", "stress_std", "seed"), CASES)
def test_event_by_event_as_the_plain_model(
    one_rank: Ranks,
    engine: str,
    shape: tuple[int, int],
    kernel: tuple[str, str],
    initial: str,
    stress_std: float,
    seed: int,
) -> None:
    target = 0.3
    plain = PlainModel(
        shape,
        PRESETS[initial],
        PRESETS["MCT"],
        0.0276,
        0.0206,
        MU,
        BULK,
        *kernel,
        stress_std,
        seed,
    )
    plain.shear(target)
    changes: dict[str, Any] = {
        "kernel": kernel,
        "initial": preset(initial),
        "initial_stress_std": stress_std,
        "seed": seed,
    }
    ours, avalanches = sheared(one_rank, shape, engine, target, **changes)
    fields = ours.state.fields
    assert plain.n_events.sum() > 300
    assert (fields.n_events == plain.n_events).all()
    assert fields.epsilon_p == pytest.approx(plain.epsilon_p, abs=1e-12)
    assert fields.sigma_c == pytest.approx(plain.sigma_c, abs=1e-12)
    assert ours.sigma_at(target) == pytest.approx(plain.sigma, abs=1e-10)
    assert len(avalanches) == len(plain.avalanches)
    for name in plain.avalanches[0]:
        assert avalanches[name] == pytest.approx(
            [row[name] for row in plain.avalanches], abs=1e-10
        ), name


@pytest.mark.parametrize("shape", [(64, 64), (97, 61)])
@pytest.mark.parametrize("kind", ["cell_average", "continuum"])
def test_engines_choose_the_same_events(one_rank: Ranks, shape: tuple[int, int], kind: str) -> None:
    runs = [
        sheared(one_rank, shape, engine, 0.1, kernel=(kind, "simple"), initial_stress_std=0.2)
        for engine in ENGINES
    ]
    (first, avalanches), *others = runs
    assert first.state.macro[0]["events"] > 5000
    for other, rows in others:
        assert (other.state.fields.n_events == first.state.fields.n_events).all()
        assert other.sigma_at(0.1) == pytest.approx(first.sigma_at(0.1), abs=1e-10)
        for name in ("events", "sites", "duration", "x", "y"):
            assert (rows[name] == avalanches[name]).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_pauses_change_nothing(one_rank: Ranks, engine: str) -> None:
    whole, rows = sheared(one_rank, (24, 17), engine, 0.2)
    paused, paused_rows = sheared(one_rank, (24, 17), engine, 0.2, steps=1)
    assert rows.tobytes() == paused_rows.tobytes()
    assert whole.state.macro.tobytes() == paused.state.macro.tobytes()
    for a, b in zip(whole.state.fields, paused.state.fields, strict=True):
        assert a.tobytes() == b.tobytes()


def test_a_full_table_and_small_buffers_change_nothing(
    one_rank: Ranks, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, rows = sheared(one_rank, (24, 17), "direct", 0.3)
    monkeypatch.setattr("hpcepm.model.dynamics.ROWS_OF_TABLE", 3)
    monkeypatch.setattr("hpcepm.model.dynamics.EVENTS_AT_FIRST", 1)
    tight, tight_rows = sheared(one_rank, (24, 17), "direct", 0.3)
    assert rows.tobytes() == tight_rows.tobytes() and len(rows) > 100
    assert tight._buffers.events.size > 1
    assert whole.state.fields.yields_at.tobytes() == tight.state.fields.yields_at.tobytes()


def test_stress_balance(one_rank: Ranks) -> None:
    """⟨x_min⟩ = 2μ⟨S⟩/(nx ny) in the steady state (SPEC, promise 3).

    And exactly, with the change of stress in between.
    """
    _, rows = sheared(one_rank, (32, 24), "direct", 3.0)
    rows = rows[rows["strain"] > 0.5]
    assert len(rows) > 3000
    after = rows["stress"] - rows["stress_drop"]
    x_min = rows["stress"][1:] - after[:-1]
    drops = 2 * MU * rows["slip"][:-1] / (32 * 24)
    assert x_min.min() > 0
    assert rows["stress_drop"] == pytest.approx(2 * MU * rows["slip"] / (32 * 24), rel=1e-12)
    assert x_min.sum() - drops.sum() == pytest.approx(
        rows["stress"][-1] - rows["stress"][0], abs=1e-9
    )
    assert x_min.mean() == pytest.approx(drops.mean(), abs=2 * np.ptp(rows["stress"]) / len(rows))
    strain = np.diff(rows["strain"])
    assert x_min == pytest.approx(2 * MU * strain, abs=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
def test_mean_stress_is_that_of_the_elastic_strain(one_rank: Ranks, engine: str) -> None:
    ours, _ = sheared(one_rank, (15, 20), engine, 0.4, initial_stress_std=0.2)
    mean_plastic = ours.state.fields.epsilon_p.mean()
    assert ours.sigma_at(0.4).mean() == pytest.approx(2 * MU * (0.4 - mean_plastic), abs=1e-11)
    assert ours.state.plastic_strain(ours.lattice) == pytest.approx(mean_plastic, rel=1e-13)


def test_no_site_is_unstable_when_an_avalanche_is_over(one_rank: Ranks) -> None:
    ours, _ = sheared(one_rank, (20, 20), "direct", 0.25)
    assert not ours.state.macro[0]["in_avalanche"]
    assert (ours.sigma_at(0.25) < ours.state.fields.sigma_c).all()


def test_initial_stress_is_equilibrated(one_rank: Ranks) -> None:
    shape = (48, 30)
    start = Dynamics(Lattice(shape, one_rank), glass(initial_stress_std=0.25), "direct")
    stress = start.sigma_at(0.0)
    assert stress.std() == pytest.approx(0.25, rel=1e-12) and abs(stress.mean()) < 1e-14
    # In equilibrium no wavevector along an axis carries simple shear stress; in white noise all do.
    assert abs(stress.mean(axis=0)).max() < 1e-13 and abs(stress.mean(axis=1)).max() < 1e-13


def test_sites_unstable_at_strain_0_are_avalanche_0(one_rank: Ranks) -> None:
    initial = Normal(0.5, 0.6, allow_negative=True)
    _, rows = sheared(one_rank, (16, 16), "direct", 1e-4, initial=initial)
    assert rows[0]["strain"] == 0 and rows[0]["stress"] == 0 and rows[0]["events"] > 30
    assert (rows["strain"][1:] > 0).all()
    weakest = np.unravel_index(
        Dynamics(
            Lattice((16, 16), one_rank), glass(initial=initial), "direct"
        ).state.fields.yields_at.argmin(),
        (16, 16),
    )
    assert (rows[0]["x"], rows[0]["y"]) == weakest


def test_ties_go_to_the_lowest_site(one_rank: Ranks) -> None:
    _, rows = sheared(one_rank, (6, 5), "direct", 0.06, initial=Constant(1.0))
    assert (rows[0]["x"], rows[0]["y"]) == (0, 0)
    assert rows[0]["stress"] == pytest.approx(1.0, rel=1e-15)


def test_every_site_yielding_at_once(one_rank: Ranks) -> None:
    initial = Normal(-1.0, 0.1, allow_negative=True)
    runs = [sheared(one_rank, (80, 80), engine, 1e-3, initial=initial) for engine in ENGINES]
    for ours, rows in runs:
        assert rows[0]["sites"] == 6400 and ours.state.fields.n_events.min() >= 1
        assert (ours.state.fields.n_events == runs[0][0].state.fields.n_events).all()


def test_slip_that_is_exactly_the_mean(one_rank: Ranks) -> None:
    ours, rows = sheared(one_rank, (8, 8), "direct", 0.1, slip=slip.Constant(0.05, 0.0))
    assert ours.state.fields.epsilon_p == pytest.approx(
        0.05 * ours.state.fields.n_events, rel=1e-13
    )
    assert rows["slip"] == pytest.approx(0.05 * rows["events"], rel=1e-13)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("field", ["yields_at", "sigma_c", "epsilon_p"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_bad_number_is_found_and_named(
    one_rank: Ranks, engine: str, field: str, bad: float
) -> None:
    dynamics = Dynamics(Lattice((10, 10), one_rank), glass(), engine)
    dynamics.shear(0.05)
    getattr(dynamics.state.fields, field)[3, 4] = bad
    dynamics.engine.load(dynamics.state)
    with pytest.raises(
        NotFinite, match=rf"{field} is {bad} at site \(3, 4\) of rank 0, found after step \d+"
    ):
        dynamics.shear(0.2, 1)


def test_the_elastic_branch_up_to_the_first_event(one_rank: Ranks) -> None:
    dynamics = Dynamics(Lattice((12, 12), one_rank), glass(), "direct")
    first = dynamics.lowest_yields_at()
    assert dynamics.shear(first / (2 * MU)) is LoopExit.REACHED
    assert dynamics.state.macro[0]["events"] == 0
    dynamics.shear(np.nextafter(first / (2 * MU), 1) + 1e-15)
    assert dynamics.state.macro[0]["events"] > 0


def test_strain_of_avalanches_never_falls(one_rank: Ranks) -> None:
    _, rows = sheared(one_rank, (16, 16), "direct", 0.5)
    assert all(a <= b for a, b in pairwise(rows["strain"]))
    assert (rows["duration"] <= rows["events"]).all() and (rows["sites"] <= rows["events"]).all()
