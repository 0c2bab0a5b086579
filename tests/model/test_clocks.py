"""Clocks: the events of an independent program, in all engines; and what follows without it."""

from dataclasses import replace
from functools import cache
from typing import Any, Final, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import kstest

from hpcepm.input.glass import glass_of
from hpcepm.input.read import read_mapping
from hpcepm.model.clock import Clock, Maxwell, Rate, Thermal, clock
from hpcepm.model.clock.law import rate_at
from hpcepm.model.dynamics import Dynamics
from hpcepm.model.loading import Loading, Path, Strain, Stress
from hpcepm.model.loop import LoopExit
from hpcepm.model.snapshot import Snapshot
from hpcepm.model.state import MARKS
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from tools.studies.independent.points import events_of
from tools.studies.independent.points_glass import PointsCase

EVENTS: Final = 250
CREEP: Final = PointsCase((16, 16), temperature=0.1, seed=1)
SHEAR: Final = replace(CREEP, control="strain", target=1.0, rate=1e-3)
TWO: Final = replace(CREEP, sides="two", temperature=0.08)
CASES: Final = {
    "held stress": CREEP,
    "colder, other shape": replace(CREEP, shape=(24, 16), temperature=0.05, seed=3),
    "narrow": replace(CREEP, shape=(10, 7), kernel="finite_difference", seed=5, exponent=2.0),
    "held strain": replace(CREEP, control="strain", target=0.02, exponent=1.0),
    "strain at a rate": SHEAR,
    "stress at a rate": replace(SHEAR, control="stress", target=0.6, unit=2.0),
    "two sides": TWO,
    "wells": replace(SHEAR, sides="two", landscape="quenched", rate=1e-2, exponent=1.0),
    "unloaded": replace(TWO, control="strain", target=-0.3, rate=2e-3),
    "uniform": replace(SHEAR, clock="rate", rate=1e-2),
    "uniform, slow": replace(SHEAR, clock="rate", rate=2e-4),
    "sqrt": replace(SHEAR, clock="rate", law="sqrt", scale=0.1, rate=1e-2, unit=0.5),
    "instant": replace(SHEAR, unstable="instant"),
    "instant, wells": replace(SHEAR, unstable="instant", sides="two", landscape="quenched"),
}
"""The oracle evaluates every site at every point."""

ONE_SIDE: Final = [name for name, case in CASES.items() if case.sides == "one"]


LAWS: Final = (Thermal(0.1, 1.0), Thermal(0.02, 2.0), Rate(), Rate(law="sqrt", scale=0.3))


def test_every_clock_with_points_has_its_law_here() -> None:
    assert {type(law) for law in LAWS} == {*clock.values()} - {Maxwell}


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("rate", [0.9, 0.5, 2.0**-20])
def test_below_a_strength_the_rate_is_higher(law: Clock, rate: float) -> None:
    x = law.strength_of(rate)
    just = 1e-9 * max(abs(x), 1e-3)
    below, above = (rate_at(law.kind, law.numbers, at) for at in (x - just, x + just))
    assert above <= rate <= below
    assert law.strength_of(0.0) >= x


@cache
def expected(name: str) -> NDArray[Any]:
    """Return what the oracle says of a case."""
    return events_of(replace(CASES[name], events=EVENTS))


def clock_of(case: PointsCase) -> Clock:
    if case.clock == "rate":
        return Rate(case.unit, case.law, case.scale)
    return Thermal(case.temperature, case.exponent, case.unit, case.unstable)


def dynamics_of(case: PointsCase, engine: str, ranks: Ranks, loading: Loading) -> Dynamics:
    settings = {
        "lattice": {"shape": [*case.shape]},
        "kernel": {"type": case.kernel},
        "yielding": {"sides": case.sides, "landscape": case.landscape},
        "seed": case.seed,
        "loading": {"target": 1.0},
    }
    lattice = Lattice(case.shape, ranks)
    glass = glass_of(read_mapping(settings, {}), lattice)
    return Dynamics(lattice, glass, engine, loading=loading, clock=clock_of(case))


def run(dynamics: Dynamics, events: int) -> NDArray[Any]:
    """Go on for so many events, or to the end; return the rows of avalanches."""
    rows, macro = [dynamics.take_avalanches()], dynamics.state.macro[0]
    last = macro.events + events
    while macro.events < last:
        why = dynamics.shear(dynamics.segment.target, int(last - macro.events))
        rows.append(dynamics.take_avalanches())
        if why is LoopExit.REACHED:
            if macro.segment + 1 == len(dynamics.loading.segments):
                break
            dynamics.turn(float(dynamics.watch[0].reached))
    return np.concatenate(rows)


def loading_of(case: PointsCase) -> Loading:
    kind: Any = Stress if case.control == "stress" else Strain
    if case.rate is not None:
        return Path((kind(case.target, rate=case.rate),))
    return Path((kind(case.target, hold=1e12),))


@pytest.mark.parametrize(
    ("name", "engine"),
    [(name, engine) for name in CASES for engine in ("direct", "lazy")]
    + [(name, "spectral") for name in ONE_SIDE],
)
def test_the_events_are_those_of_the_oracle(name: str, engine: str, one_rank: Ranks) -> None:
    case, want = CASES[name], expected(name)
    dynamics = dynamics_of(case, engine, one_rank, loading_of(case))
    found = run(dynamics, EVENTS)
    assert len(found) > 100
    if case.unstable == "instant":  # a row is an avalanche
        first = np.flatnonzero(np.diff(want["whole"] + want["fraction"], prepend=-1.0) > 0)
        ends = np.append(first[1:], len(want))
        sums = np.add.reduceat(want["slip"], first)
        n = min(len(first), len(found)) - 1
        assert (found["events"][:n] == (ends - first)[:n]).all()
        assert found["slip"][:n] == pytest.approx(sums[:n], rel=1e-9, abs=1e-12)
        want = want[first][:n]
    else:
        n = min(len(found), len(want))
        assert n >= min(EVENTS, len(want)) - 1  # the last one is not closed
        want = want[:n]
        assert found["strength"][:n] == pytest.approx(want["x"], rel=1e-9, abs=1e-9)
        assert found["slip"][:n] == pytest.approx(want["slip"], rel=1e-12)
    assert (found["x"][:n] * case.shape[1] + found["y"][:n] == want["site"]).all()
    time = (want["whole"] + want["fraction"]) * case.unit
    assert found["time"][:n] == pytest.approx(time, rel=1e-12)


def test_where_it_pauses_touches_no_number(one_rank: Ranks) -> None:
    whole = dynamics_of(SHEAR, "lazy", one_rank, loading_of(SHEAR))
    paused = dynamics_of(SHEAR, "lazy", one_rank, loading_of(SHEAR))
    rows = run(whole, 150)
    pieces = []
    for _ in range(150):
        paused.timing.stop_at(paused.timing.now + 1e-3)  # a record, perhaps, before the next event
        paused.shear(1.0, 1)
        paused.timing.stop_at(np.inf)
        pieces.append(run(paused, 1))
    both = np.concatenate(pieces)
    n = min(len(rows), len(both))
    assert n > 100 and (rows[:n] == both[:n]).all()


@pytest.mark.parametrize("sides", ["one", "two"])
def test_marks_of_avalanches_begin_anew_and_no_number_changes(
    sides: Literal["one", "two"], one_rank: Ranks
) -> None:
    case = replace(SHEAR, sides=sides, unstable="instant", seed=2)
    both = [dynamics_of(case, "lazy", one_rank, loading_of(case)) for _ in range(2)]
    late = both[1].state
    late.macro["avalanches"] += MARKS - 20
    late.clock["begun_avalanches"] += MARKS - 20
    for _ in range(8):
        rows = [run(dynamics, 20) for dynamics in both]
        assert (rows[0] == rows[1]).all() and rows[0].size > 0
        early, later = (Snapshot(dynamics, 0.0).persistence for dynamics in both)
        assert early == later < 1
    assert late.macro[0].avalanches > MARKS + 20
    assert late.fields.last_avalanche.min() >= 0 and late.fields.last_avalanche.any()
    for dynamics in both:
        dynamics.timing.turn()
    assert [Snapshot(dynamics, 0.0).persistence for dynamics in both] == [1.0, 1.0]


def test_without_coupling_sites_are_as_persistent_as_their_rates(one_rank: Ranks) -> None:
    """∫ λ(x) dt of the first event of each site is exponential, whatever its strength."""
    settings = {
        "lattice": {"shape": [128, 96]},
        "kernel": {"type": "none"},
        "thresholds": {
            "initial": {"distribution": "uniform", "low": 0.1, "high": 0.5},
            "renewal": {"distribution": "constant", "value": 1e6},  # never again
        },
        "loading": {"target": 1.0},
    }
    lattice = Lattice((128, 96), one_rank)
    glass, clock = glass_of(read_mapping(settings, {}), lattice), Thermal(0.1, attempt_time=3.0)
    loading = Path((Stress(0.05, hold=1e6),))
    dynamics = Dynamics(lattice, glass, "lazy", loading=loading, clock=clock)
    strength = dynamics.state.fields.sigma_c - 0.05
    rows = run(dynamics, 128 * 96)
    times = np.full((128, 96), np.nan)
    times[rows["x"], rows["y"]] = rows["time"]
    assert np.isnan(times).sum() <= 1  # the last avalanche is not closed
    hazard = np.exp(-(strength**1.5) / 0.1) * times / 3.0
    assert kstest(hazard[~np.isnan(times)], "expon").pvalue > 1e-3


def test_the_colder_the_more_it_is_the_weakest_site_that_yields(one_rank: Ranks) -> None:
    """As T → 0 events come in the order of extremal dynamics."""
    weakest = []
    for temperature in (0.2, 0.05, 0.0125):
        case = replace(CREEP, temperature=temperature, exponent=1.0, target=0.4)
        dynamics, n = dynamics_of(case, "lazy", one_rank, loading_of(case)), 0
        run(dynamics, 20)
        for _ in range(100):
            lowest = dynamics.lowest_yields_at() - 0.4
            run(dynamics, 1)
            n += dynamics.state.clock[0]["strength"] == pytest.approx(lowest, abs=1e-12)
        weakest.append(n)
    assert weakest == sorted(weakest) and weakest[0] < 40 and weakest[-1] > 60


def test_slower_and_slower_a_rate_is_quasi_static(one_rank: Ranks) -> None:
    """With avalanches that take no time and no temperature to speak of: the same avalanches."""
    case = replace(SHEAR, temperature=1e-6, unstable="instant", rate=1e-7)
    slow = run(dynamics_of(case, "lazy", one_rank, loading_of(case)), 200)
    settings = {"lattice": {"shape": [16, 16]}, "loading": {"target": 1.0}, "seed": 1}
    lattice = Lattice((16, 16), one_rank)
    still = run(Dynamics(lattice, glass_of(read_mapping(settings, {}), lattice), "lazy"), 200)
    n = min(len(slow), len(still))
    assert n > 50
    for name in ("x", "y", "events", "duration"):
        assert (slow[name][:n] == still[name][:n]).all()
    # Sites yield by heat a little before the load has come to where they must.
    assert slow["strain"][:n] == pytest.approx(still["strain"][:n], abs=3e-5)


def test_the_weakest_is_found_though_a_stronger_one_is_known(one_rank: Ranks) -> None:
    """No search finds sites that no clock has to look at again: they are looked through."""
    lazy, direct = (dynamics_of(CREEP, e, one_rank, loading_of(CREEP)) for e in ("lazy", "direct"))
    for dynamics in (lazy, direct):
        run(dynamics, 40)
    y = lazy.state.fields.yields_at
    lazy.engine.ahead[0][np.unravel_index(y.argmax(), y.shape)] = -1e30
    lazy._buffers.search_stress[0] = 1e-6
    assert lazy.lowest_yields_at() == pytest.approx(direct.lowest_yields_at(), abs=1e-9)
    lazy.engine.ahead[0] = -1e30
    assert lazy.lowest_yields_at() == pytest.approx(direct.lowest_yields_at(), abs=1e-9)


def test_a_slow_load_is_looked_at_some_way_ahead(one_rank: Ranks) -> None:
    """By the law ``rate`` nothing has points while nothing is unstable: 2500 an event were tried,
    for all sites had levels for where the load stops.
    """
    case = replace(SHEAR, clock="rate", shape=(64, 64), rate=1e-5)
    dynamics = dynamics_of(case, "lazy", one_rank, loading_of(case))
    dynamics.shear(0.06)
    events = int(dynamics.state.macro[0].events)
    looked_at, tried, _ = (dynamics.timing.arrays.counts / events).tolist()  # type: ignore[union-attr]
    assert events > 3000 and looked_at < 20 and tried < 50
