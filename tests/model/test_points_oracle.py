"""The oracle of the Poisson points against closed forms, numpy's Philox, and a list of all points.

It is tools/studies/independent/points.py; nothing of hpcepm is in it or here.
"""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import scipy.stats

from tests.model.plain_protocols import PlainProtocol
from tools.studies.independent.points import events_of
from tools.studies.independent.points_glass import Glass, PointsCase
from tools.studies.independent.strips import LAST, LIMITS, Law, count, philox, points_of, rate

KEY = np.uint64(2**64 - 3), np.uint64(7)


def words(key: tuple[int, int], *counter: int) -> list[int]:
    """Four words from numpy's Philox, which increments its counter before the first block."""
    place = sum(part << (64 * k) for k, part in enumerate(counter)) - 1
    raw = np.random.Philox(counter=place % 2**256, key=key[0] + (key[1] << 64)).random_raw(4)
    return [int(word) for word in raw]


def test_philox_is_that_of_numpy() -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        *counter, a, b = rng.integers(0, 2**64, 6, dtype=np.uint64)
        assert list(philox(*counter, (a, b))) == words((int(a), int(b)), *map(int, counter))


def test_numbers_of_points() -> None:
    """The integers by the alternating series of 1/e, whose partial sums lie on both sides of it."""
    term, partial = Fraction(1), [Fraction(1)]
    for order in range(1, 60):
        term /= -order
        partial.append(partial[-1] + term)
    sums = np.cumsum([Fraction(1, math.factorial(order)) for order in range(LIMITS.size)])
    for bound in partial[-2:]:
        assert [math.floor(2**64 * bound * part) for part in sums] == LIMITS.tolist()
    assert LIMITS[-2] < LIMITS[-1] == 2**64 - 1
    for n, limit in enumerate(LIMITS):
        assert (count(limit - np.uint64(1)), count(limit)) == (n, n + 1)


@pytest.mark.parametrize("strip", [-3, -1, 0, 7, LAST])
def test_points_have_unit_density(strip: int) -> None:
    """Poisson(1) in each cell, evenly spread over its time and its heights."""
    duration, low, high = (
        (2.0**LAST, 0.0, 2.0**-LAST)
        if strip == LAST
        else (2.0 ** (strip + 1), 2.0 ** (-strip - 1), 2.0**-strip)
    )
    counts, times, heights = [], [], []
    for site, cell in np.ndindex(200, 50):
        points = points_of(site, cell % 2, strip, cell, KEY)
        counts.append(len(points))
        for whole, fraction, u in points:
            assert 0.0 <= fraction < 1.0 and low <= u <= high
            times.append((whole + fraction) / duration - cell)
            heights.append((u - low) / (high - low))
    expected = scipy.stats.poisson(1).pmf(range(6)) * len(counts)
    expected[5] = len(counts) - expected[:5].sum()
    found = np.bincount(np.minimum(counts, 5), minlength=6)
    assert scipy.stats.chisquare(found, expected).pvalue > 1e-3
    for part in times, heights:
        assert scipy.stats.kstest(part, "uniform").pvalue > 1e-3
    assert abs(scipy.stats.pearsonr(times, heights).statistic) < 4.0 / math.sqrt(len(times))


T, SPEED, SCALE = 0.2, 0.08, 0.05
PERSISTENCE: dict[str, tuple[dict[str, Any], Any]] = {
    "thermal, held": ({"target": 0.4, "temperature": T}, lambda t: t * math.exp(-(0.6**1.5) / T)),
    "thermal, at a rate": (
        {"target": 9.0, "rate": SPEED / 2, "unit": 2.0, "temperature": T, "exponent": 1.0},
        lambda t: (
            np.exp(-np.maximum(1 - SPEED * t, 0) / T) * T / SPEED
            - math.exp(-1 / T) * T / SPEED
            + np.maximum(t - 1 / SPEED, 0)
        ),
    ),
    "uniform, held": ({"target": 1.5, "clock": "rate"}, lambda t: t),
    "sqrt, held": (
        {"target": 1.5, "clock": "rate", "law": "sqrt", "scale": SCALE},
        lambda t: t * math.sqrt(0.5 / SCALE),
    ),
    "sqrt, at a rate": (
        {"target": 9.0, "rate": SPEED, "clock": "rate", "law": "sqrt", "scale": SCALE},
        lambda t: np.maximum(t - 1 / SPEED, 0) ** 1.5 * math.sqrt(SPEED / SCALE) / 1.5,
    ),
}


@pytest.mark.parametrize("name", PERSISTENCE)
def test_persistence(name: str) -> None:
    """Without coupling ∫λ dt up to the event of a site has an exponential distribution."""
    asked, risk = PERSISTENCE[name]
    times = []
    for seed in range(640):
        case = PointsCase(
            (4, 4), "none", initial=lambda _: 1.0, renewal=lambda _: 1e9, seed=seed, **asked
        )
        found = events_of(case)
        assert sorted(found["site"]) == list(range(16))
        times += list(found["whole"] + found["fraction"])
    assert scipy.stats.kstest(risk(np.array(times)), "expon").pvalue > 1e-3


def all_points(case: PointsCase, strips: range) -> list[tuple[int, float, int, int, float]]:
    """List all points until `case.until`, by numpy's Philox: (whole, fraction, site, side, u)."""
    found = []
    sites, sides = case.shape[0] * case.shape[1], 2 if case.sides == "two" else 1
    for site, side, strip in np.ndindex(sites, sides, len(strips)):
        k = strips[strip]
        duration = Fraction(2) ** (k if k == LAST else k + 1)
        for cell in range(math.ceil(case.until / duration)):
            place = site, cell, 4 + side + 256 * (k + 128)
            number, *rest = words((case.seed, case.realization), *place, 0)
            n = sum(int(limit) <= number for limit in LIMITS)
            pairs = [rest[:2]]
            for block in range(1, n // 2 + 1):
                more = words((case.seed, case.realization), *place, block)
                pairs += [more[:2], more[2:]]
            for pair in pairs[:n]:
                v, w = (((word >> 11) + 0.5) * 2.0**-53 for word in pair)
                time = (cell + Fraction(v)) * duration
                u = 2.0**-LAST * w if k == LAST else 2.0 ** (-k - 1) * (1 + w)
                found.append((math.floor(time), float(time % 1), site, side, u))
    return sorted(point for point in found if point[0] + point[1] < case.until)


GOING: dict[str, dict[str, Any]] = {
    "held stress": {"target": 0.4, "temperature": 0.3, "kernel": "continuum"},
    "held strain": {"control": "strain", "target": 0.05},
    "one side, at a rate": {"control": "strain", "target": 0.2, "rate": 1e-3, "unit": 2.0},
    "two sides": {"sides": "two", "target": -0.3, "temperature": 0.9, "realization": 3},
    "quenched": {
        "sides": "two",
        "landscape": "quenched",
        "control": "strain",
        "target": -0.09,
        "rate": 2e-3,
        "temperature": 0.3,
    },
    "sqrt": {"clock": "rate", "law": "sqrt", "scale": 0.1, "target": 1.5, "until": 12.0},
    "uniform": {"clock": "rate", "control": "strain", "target": 0.2, "rate": 2e-3},
}


@pytest.mark.parametrize("name", GOING)
def test_the_first_points_are_found(name: str) -> None:
    """The same events as from a list of all points, gone through in the order of time."""
    case = PointsCase(
        **{"shape": (2, 3), "kernel": "finite_difference", "until": 50.0, "seed": 5, **GOING[name]}
    )
    glass, expected, law = Glass(case), [], case.rates
    two_mu = 2 * case.mu
    for whole, fraction, site, side, u in all_points(case, range(-4, LAST + 1)):
        time = whole + fraction
        load = case.target
        if case.rate is not None:
            load = math.copysign(case.rate * case.unit * time, case.target)
        stress = two_mu * (load - glass.total / 6) if case.control == "strain" else load
        x = glass.thresholds[side, site] - (1 - 2 * side) * (glass.own[site] + stress)
        if abs(load) <= abs(case.target) and u < rate(law, x):
            slip = glass.fire([(site, side)])[0]
            expected.append((whole, fraction, site, 1 - 2 * side, x, slip))
    found = events_of(case)
    assert len(found) > 5 and len(set(found["side"])) == len(glass.ways)
    assert found[["whole", "fraction", "site", "side"]].tolist() == [one[:4] for one in expected]
    for column, name_of in (4, "x"), (5, "slip"):
        np.testing.assert_allclose(found[name_of], [one[column] for one in expected], atol=1e-12)


@pytest.mark.parametrize(
    ("sides", "landscape", "target"),
    [
        ("one", "renewed", 0.15),
        ("two", "renewed", -0.12),
        ("two", "quenched", 0.1),
        ("two", "quenched", -0.1),
    ],
)
def test_cold_and_instant_is_quasi_static(sides: Any, landscape: Any, target: float) -> None:
    """The avalanches of a plain program of quasi-static loading."""
    asked = {"sides": sides, "landscape": landscape, "temperature": 1e-6, "unstable": "instant"}
    case = PointsCase((5, 6), control="strain", target=target, rate=1.0, **asked)
    found = events_of(case)
    plain = PlainProtocol(case.shape, two=sides == "two", quenched=landscape == "quenched")
    plain.drive("strain", target, 2 * case.mu, 10**6)
    triggers, events, _, first, slips = zip(*plain.rows, strict=True)
    time = found["whole"] + found["fraction"]
    start = np.flatnonzero(np.diff(time, prepend=-1.0))
    assert len(found) == sum(events) > 50
    assert found["site"][start].tolist() == list(triggers)
    assert np.diff(start, append=len(found)).tolist() == list(events)
    np.testing.assert_allclose(np.add.reduceat(found["slip"], start), slips, rtol=1e-9, atol=1e-12)
    before = np.cumsum(found["slip"]) - found["slip"]
    stress = 2 * case.mu * (math.copysign(1.0, target) * time - before / 30)
    np.testing.assert_allclose(stress[start], first, atol=1e-10)


def test_a_load_at_once_has_its_avalanche_at_time_0() -> None:
    case = PointsCase(
        (5, 6), control="strain", target=0.06, unstable="instant", temperature=1e-6, until=9.0
    )
    glass, expected = Glass(case), []
    while True:
        stress = 2 * case.mu * (case.target - glass.total / 30)
        x = glass.thresholds[0] - glass.own - stress
        sites = np.flatnonzero(x <= 0)
        if not sites.size:
            break
        slips = glass.fire([(int(site), 0) for site in sites])
        expected += list(zip(sites.tolist(), x[sites], slips, strict=True))
    found = events_of(case)
    assert len(found) > 20 and not found["whole"].any() and not found["fraction"].any()
    assert found["site"].tolist() == [site for site, _, _ in expected]
    for column, name in (1, "x"), (2, "slip"):
        np.testing.assert_allclose(found[name], [one[column] for one in expected], atol=1e-12)


def test_what_cannot_be_is_refused() -> None:
    for wrong in (
        {"landscape": "quenched"},
        {"clock": "rate", "unstable": "instant"},
        {"rate": -1.0},
    ):
        with pytest.raises(ValueError, match=r"write one|needs two|have a rate"):
            PointsCase((4, 4), **wrong)
    assert rate(Law(0, 0.1), 0.0) == 1.0 and rate(Law(1), 1e-300) == 0.0
