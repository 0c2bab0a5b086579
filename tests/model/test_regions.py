"""Regions, fields of thresholds and plastic strain that a glass begins with."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hpcepm.model.consistency import ImpossibleState
from hpcepm.model.distributions import Constant, Uniform, Weibull
from hpcepm.model.dynamics import Dynamics
from hpcepm.model.ending import sure_to_end
from hpcepm.model.glass import Glass, mean_initial_threshold, stress_scale
from hpcepm.model.loading import Loading, Strain, Stress
from hpcepm.model.loading import Path as Turning
from hpcepm.model.loop import LoopExit
from hpcepm.model.regions import Change, Region
from hpcepm.model.slip import Constant as ConstantSlip
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from tests.conftest import assert_on_ranks
from tests.model.plain_model import kernel_hat
from tests.model.plain_protocols import PlainProtocol, words
from tests.model.test_protocols import glass

HALF, TO_03 = Change(multiply=0.5), Change(set=0.3)
TWO_MU = 2 * 14.7
THERE_AND_BACK: list[Loading] = [Stress(1.65), Stress(-1.39)]
QUENCHED: dict[str, Any] = {"sides": "two", "landscape": "quenched"}


def by_images(region: Region, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the sites of a region, from the nine images of each site."""
    x, y = np.indices(shape).astype(float)
    inside = np.zeros(shape, bool)
    for by_x in (-shape[0], 0, shape[0]):
        for by_y in (-shape[1], 0, shape[1]):
            if region.shape == "band":
                d = x + by_x if region.along == "y" else y + by_y
                at, w = d - region.centre[0], region.size[0]
                inside |= (at >= -w / 2) & (at < w / 2)
                continue
            dx, dy = x + by_x - region.centre[0], y + by_y - region.centre[1]
            if region.shape == "disc":
                inside |= np.hypot(dx, dy) <= region.size[0] / 2 + 1e-12
            else:
                wx, wy = region.size
                inside |= (-wx / 2 <= dx) & (dx < wx / 2) & (-wy / 2 <= dy) & (dy < wy / 2)
    return inside


REGIONS = [
    Region("disc", (4.0, 5.0), (6.0,), HALF),
    Region("disc", (0.0, 0.0), (7.0,), HALF),
    Region("disc", (8.5, 0.25), (4.5,), HALF),
    Region("rectangle", (1.0, 9.0), (4.0, 5.0), HALF),
    Region("rectangle", (8.75, 2.0), (1.0, 11.0), HALF),
    Region("band", (8.0,), (3.0,), HALF, "y"),
    Region("band", (0.5,), (4.0,), HALF, "x"),
    Region("band", (3.0,), (9.0,), HALF, "y"),
]


@pytest.mark.parametrize("region", REGIONS, ids=str)
@pytest.mark.parametrize("shape", [(9, 11), (16, 12), (9, 130)])
def test_sites(one_rank: Ranks, region: Region, shape: tuple[int, int]) -> None:
    assert region.problem(shape) is None
    inside, expected = region.sites(Lattice(shape, one_rank)), by_images(region, shape)
    assert (inside == expected).all() and expected.any()


def test_whole_widths_are_so_many_sites(one_rank: Ranks) -> None:
    lattice = Lattice((12, 10), one_rank)
    for centre in (0.0, 3.0, 3.5, 11.9):
        for w in (1.0, 2.0, 5.0, 12.0):
            assert Region("band", (centre,), (w,), HALF, "y").sites(lattice).sum() == 10 * w
            both = Region("rectangle", (centre, 9.0), (w, 4.0), HALF)
            assert both.sites(lattice).sum() == 4 * w
    assert Region("disc", (3.0, 3.0), (1.0,), HALF).sites(lattice).sum() == 1
    assert Region("disc", (3.0, 3.0), (2.0,), HALF).sites(lattice).sum() == 5


@pytest.mark.parametrize("rule", [{}, {"sides": "two"}, QUENCHED], ids=str)
def test_later_regions_win_and_factors_compose(one_rank: Ranks, rule: dict[str, Any]) -> None:
    """Held against deviates of a plain program, with the quantile function of scipy."""
    shape = (9, 11)
    regions = (
        Region("band", (2.0,), (6.0,), Change(multiply=0.5), "y"),
        Region("rectangle", (0.0, 3.0), (5.0, 4.0), Change(set=0.7)),
        Region("band", (4.0,), (3.0,), Change(draw=Uniform(2.0, 3.0)), "x"),
        Region("disc", (1.0, 4.0), (5.0,), Change(multiply=3.0)),
    )
    a_glass = glass(**rule)._replace(regions=regions)
    fields = Dynamics(Lattice(shape, one_rank), a_glass, "direct").state.fields
    plain = PlainProtocol(shape, two=bool(rule), quenched="landscape" in rule)
    for side, sigma_c in ((0, fields.sigma_c), (2, fields.sigma_c_backward)):
        if not rule and side:
            continue
        expected = (plain.minus if side else plain.plus).reshape(shape)
        deviates = [words(1, site, 0, 2 if plain.quenched else 0)[side] for site in range(99)]
        deviate = np.array(deviates).reshape(shape)
        for region in regions:
            inside, change = by_images(region, shape), region.thresholds
            if change.multiply is not None:
                expected[inside] *= change.multiply
            elif change.set is not None:
                expected[inside] = change.set
            else:
                expected[inside] = 2.0 + deviate[inside]
        assert np.abs(sigma_c - expected).max() < 1e-12
        there = sigma_c[by_images(regions[1], shape)]
        assert (there == 0.7).any() and np.isclose(there, 2.1).any() and (there > 6).any()


def test_moments_and_scale(one_rank: Ranks) -> None:
    lattice = Lattice((10, 12), one_rank)
    band = Region("band", (3.0,), (2.0,), Change(draw=Constant(0.2)), "y")  # a fifth
    a_glass = glass()._replace(initial=Constant(1.0), regions=(band,))
    assert mean_initial_threshold(a_glass, lattice) == pytest.approx(0.84)
    large = Region("band", (3.0,), (2.0,), Change(multiply=1e3), "y")
    assert stress_scale(lattice, a_glass._replace(regions=(large,))) == pytest.approx(
        (0.8 + 0.2e6) ** 0.5
    )
    given = a_glass._replace(initial=np.full((10, 12), 2.0), regions=(large, band))
    assert mean_initial_threshold(given, lattice) == pytest.approx(0.8 * 2 + 0.2 * 0.2)
    drawn = glass()._replace(regions=(Region("disc", (3.0, 3.0), (5.0,), HALF),))
    n = int(drawn.regions[0].sites(lattice).sum())
    expected = Weibull(2.5579, 1.2841).moments()[0] * (1 - 0.5 * n / 120)
    assert mean_initial_threshold(drawn, lattice) == pytest.approx(expected)


def test_soft_regions_count_in_whether_avalanches_end() -> None:
    short = glass(sides="two")._replace(
        initial=Constant(1.0), renewal=Constant(1.0), slip=ConstantSlip(0.05, 0.0)
    )
    assert sure_to_end(short, (8, 8))
    for change in (Change(multiply=0.2), Change(set=0.2), Change(draw=Constant(0.2))):
        soft = Region("disc", (3.0, 3.0), (3.0,), change)
        assert not sure_to_end(short._replace(regions=(soft,)), (8, 8))
    twice = (Region("disc", (3.0, 3.0), (3.0,), Change(multiply=0.8)),) * 9
    assert sure_to_end(short._replace(regions=twice[:1]), (8, 8))
    assert not sure_to_end(short._replace(regions=twice), (8, 8))


def driven(lattice: Lattice, a_glass: Glass, engine: str, path: list[Loading]) -> Dynamics:
    """Drive a glass along a path."""
    dynamics = Dynamics(lattice, a_glass, engine, loading=Turning(tuple(path)))
    for number, loading in enumerate(path):
        if number:
            dynamics.turn(path[number - 1].target)
        while dynamics.shear(loading.target) is not LoopExit.REACHED:
            pass
    return dynamics


@pytest.mark.parametrize("engine", ["direct", "lazy", "spectral"])
def test_well_0_comes_back_to_the_thresholds_of_its_region(one_rank: Ranks, engine: str) -> None:
    lattice = Lattice((18, 21), one_rank)
    disc = Region("disc", (0.0, 20.0), (13.0,), Change(draw=Uniform(1.4, 1.6)))
    a_glass = glass("none", **QUENCHED)._replace(regions=(disc,))
    begun = Dynamics(lattice, a_glass, engine).state.fields
    first, backward = begun.sigma_c.copy(), begun.sigma_c_backward.copy()
    fields = driven(lattice, a_glass, engine, THERE_AND_BACK).state.fields
    back = (fields.well == 0) & (fields.n_events > 0) & disc.sites(lattice)
    assert back.sum() > 10
    assert (fields.sigma_c == first)[fields.well == 0].all()
    assert (fields.sigma_c_backward == backward)[fields.well == 0].all()
    assert (first > 1.4)[back].all() and (fields.epsilon_p == 0)[back].all()


@pytest.mark.parametrize("engine", ["direct", "lazy", "spectral"])
@pytest.mark.parametrize("given", [False, True], ids=["drawn", "given"])
def test_regions_and_given_fields_event_by_event(one_rank: Ranks, engine: str, given: bool) -> None:
    """The same as a glass whose thresholds are given as they come out."""
    lattice, rng = Lattice((16, 14), one_rank), np.random.default_rng(2)
    a_glass = glass(sides="two")._replace(
        regions=(
            Region("disc", (15.0, 0.0), (7.0,), HALF),
            Region("band", (5.0,), (2.0,), TO_03, "x"),
        )
    )
    if given:
        forward, backward = rng.uniform(0.3, 2.0, (2, 16, 14))
        a_glass = a_glass._replace(initial=forward, initial_backward=backward)
    begun = Dynamics(lattice, a_glass, engine).state.fields
    if given:
        inside = a_glass.regions[0].sites(lattice) & ~a_glass.regions[1].sites(lattice)
        assert (begun.sigma_c == forward * 0.5)[inside].all()
        assert (begun.sigma_c_backward == backward * 0.5)[inside].all()
    plain = a_glass._replace(
        regions=(), initial=begun.sigma_c.copy(), initial_backward=begun.sigma_c_backward.copy()
    )
    one, other = (
        driven(lattice, g, engine, [Strain(0.08), Strain(-0.06)]) for g in (a_glass, plain)
    )
    assert one.state.macro[0].events > 200
    assert (one.state.fields.n_events == other.state.fields.n_events).all()
    assert np.abs(one.state.fields.epsilon_p - other.state.fields.epsilon_p).max() < 1e-12


@pytest.mark.parametrize("engine", ["direct", "lazy", "spectral"])
@pytest.mark.parametrize("rule", [{}, {"sides": "two"}, QUENCHED], ids=str)
def test_a_glass_begins_with_plastic_strain(
    one_rank: Ranks, engine: str, rule: dict[str, Any]
) -> None:
    """Its stress is that of numpy's transform, and it goes on like one whose stress is given."""
    shape, rng = (15, 14), np.random.default_rng(6)
    lattice, before = Lattice(shape, one_rank), 0.004 * rng.normal(1.0, 2.0, shape)
    a_glass = glass(**rule)._replace(plastic_strain=before)
    dynamics = Dynamics(lattice, a_glass, engine, loading=Strain(0.1))
    fields, macro = dynamics.state.fields, dynamics.state.macro[0]
    assert np.abs(fields.epsilon_p - before).max() < 1e-12
    assert macro.total_slip == pytest.approx(before.sum(), rel=1e-9) and macro.events == 0
    hat = kernel_hat(shape, "continuum", "simple", a_glass.kernel.mu_star).copy()
    hat[0, 0] = -TWO_MU
    sigma = np.fft.ifft2(hat * np.fft.fft2(before)).real
    assert np.abs(dynamics.sigma_at(0.0) - sigma).max() < 1e-9
    assert np.abs(fields.sigma_c - fields.yields_at - sigma + sigma.mean()).max() < 1e-9
    if rule == QUENCHED:
        grid = 2.0 ** (np.ceil(np.log2(a_glass.slip.mean(a_glass.renewal))) - 36)
        assert (fields.epsilon_p / grid == np.rint(fields.epsilon_p / grid)).all()
    while dynamics.shear(0.1) is not LoopExit.REACHED:
        pass
    assert macro.events > 100 and fields.n_events.sum() == macro.events
    assert macro.total_slip == pytest.approx(fields.epsilon_p.sum(), rel=1e-9)
    rows = dynamics.take_avalanches()
    assert rows["slip"].sum() == pytest.approx((fields.epsilon_p - before).sum(), abs=1e-9)
    assert dynamics.stress_at(0.1) == pytest.approx(TWO_MU * (0.1 - fields.epsilon_p.mean()))


def test_an_unstable_beginning_is_relaxed_and_can_be_checked(one_rank: Ranks) -> None:
    """Also in the middle of its avalanche, at stresses that no threshold can bear."""
    lattice, before = Lattice((12, 13), one_rank), np.full((12, 13), -0.6)
    before[3, 4] = 9.0
    a_glass = glass()._replace(plastic_strain=before)
    dynamics = Dynamics(lattice, a_glass, "lazy", loading=Strain(0.1))
    assert dynamics.state.macro[0].in_avalanche and dynamics.stress_at(0.0) > 14
    other = before.copy()
    other[3, 4], other[4, 4] = 4.0, 4.4
    mistaken = a_glass._replace(plastic_strain=other)
    with pytest.raises(ImpossibleState, match="large values of both signs"):
        Dynamics(lattice, mistaken, "lazy", dynamics.state, Strain(0.1))
    for _ in range(4):
        dynamics.shear(0.1, 1)
        state = copy.deepcopy(dynamics.complete_state())
        dynamics = Dynamics(lattice, a_glass, "lazy", state, Strain(0.1))
    while dynamics.shear(0.1) is not LoopExit.REACHED:
        pass
    assert dynamics.stress_at(0.1) < dynamics.lowest_yields_at() and dynamics.stress_at(0.1) < 1.5


def test_plastic_strain_comes_back_in_a_quenched_landscape(one_rank: Ranks) -> None:
    shape = (18, 21)
    lattice = Lattice(shape, one_rank)
    before = np.random.default_rng(3).normal(0.0, 1e-3, shape)
    a_glass = glass("none", **QUENCHED)._replace(plastic_strain=before)
    first = Dynamics(lattice, a_glass, "lazy").state.fields.epsilon_p.copy()
    fields = driven(lattice, a_glass, "lazy", THERE_AND_BACK).state.fields
    back = (fields.well == 0) & (fields.n_events > 0)
    assert back.sum() > 4 and (fields.epsilon_p == first)[fields.well == 0].all()


def test_the_same_bits_on_any_ranks_and_through_restarts(tmp_path: Path) -> None:
    digests = []
    for ranks in (1, 2, 3, 4):
        assert_on_ranks("regions", ranks, tmp_path, f"{ranks}.json")
        digests.append(json.loads((tmp_path / f"{ranks}.json").read_text()))
    assert all(one == digests[0] for one in digests) and len(digests[0]) == 9
