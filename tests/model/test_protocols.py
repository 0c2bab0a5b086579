"""Every loading and every rule of yielding, event by event, against a plain program of its own."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import hpcepm
from hpcepm.model import slip
from hpcepm.model.distributions import Constant, Uniform, Weibull
from hpcepm.model.dynamics import Dynamics
from hpcepm.model.ending import sure_to_end
from hpcepm.model.finite import NotFinite
from hpcepm.model.glass import Glass
from hpcepm.model.kernel import Kernel, kernel
from hpcepm.model.loading import Extremal, Loading, Machine, Strain, Stress
from hpcepm.model.loading import Path as Turning
from hpcepm.model.loop import LoopExit
from hpcepm.model.slip import Exponential
from hpcepm.model.yielding import Damage, Yielding
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from tests.conftest import assert_on_ranks, assert_same_bits, run_python, settings_for
from tests.model.plain_protocols import PlainProtocol

TWO_MU = 2 * 14.7
PATHS: dict[str, list[Loading]] = {
    "strain": [Strain(0.12)],
    "stress": [Stress(0.6)],
    "machine": [Machine(0.14, 5.0)],
    "extremal": [Extremal()],
    "there and back": [Strain(0.07), Strain(-0.08), Strain(0.02)],
    "unloaded": [Strain(0.08), Stress(0.0), Stress(-0.5), Machine(0.05, 9.0), Strain(0.1)],
}


def glass(kind: str = "continuum", seed: int = 1, **yielding: Any) -> Glass:
    thresholds = Weibull(2.5579, 1.2841), Weibull(2.4561, 1.1275)
    mu_star = 14.7 / (1 + 14.7 / 52)
    of_kind = Kernel(kernel[kind](), mu_star)
    rule = Yielding(**yielding)
    return Glass(of_kind, 14.7, *thresholds, Exponential(), 0.0, seed, 0, rule)


def driven(
    lattice: Lattice, a_glass: Glass, engine: str, path: list[Loading], most: int
) -> tuple[Dynamics, Any]:
    """Drive a glass along a path; return it, and the rows of all avalanches."""
    dynamics = Dynamics(lattice, a_glass, engine, loading=Turning(tuple(path)))
    found = []
    for number, loading in enumerate(path):
        if number:
            dynamics.turn(path[number - 1].target)
        while int(dynamics.state.macro[0].events) < most:
            why = dynamics.shear(loading.target, 1)
            found.append(dynamics.take_avalanches())
            if why is LoopExit.REACHED:
                break
    return dynamics, np.concatenate(found)


def plain(shape: tuple[int, int], path: list[Loading], most: int, **asked: Any) -> PlainProtocol:
    model = PlainProtocol(shape, **asked)
    for number, loading in enumerate(path):
        control = type(loading).__name__.lower()
        stiffness = getattr(loading, "stiffness", TWO_MU)
        if number:
            before = path[number - 1]
            reached = before.target
            strain = float(model.slip.sum()) / model.n
            sigma = before.stress(reached, strain, TWO_MU)
            same = type(before) is type(loading)
            model.load = reached if same else loading.load(sigma, strain, TWO_MU)
        model.drive(control, loading.target, float(stiffness), most)
        if model.events.sum() >= most:
            break
    return model


RULES: dict[str, dict[str, Any]] = {
    "one": {},
    "one, weakest": {"order": "weakest"},
    "two": {"sides": "two"},
    "two, weakest": {"sides": "two", "order": "weakest"},
    "quenched": {"sides": "two", "landscape": "quenched"},
    "quenched, weakest": {"sides": "two", "landscape": "quenched", "order": "weakest"},
}


@pytest.mark.parametrize("engine", ["direct", "lazy", "spectral"])
@pytest.mark.parametrize("rule", RULES)
def test_event_by_event(one_rank: Ranks, engine: str, rule: str) -> None:
    for name, path in PATHS.items():
        if name == "extremal" and "two" in str(RULES[rule]):
            continue
        for shape, kind, seed in (((16, 14), "continuum", 1), ((9, 11), "finite_difference", 5)):
            most = 150
            lattice = Lattice(shape, one_rank)
            dynamics, rows = driven(lattice, glass(kind, seed, **RULES[rule]), engine, path, most)
            model = plain(
                shape,
                path,
                int(dynamics.state.macro[0].events),
                kind=kind,
                seed=seed,
                two="two" in str(RULES[rule]),
                quenched="quenched" in rule,
                weakest="weakest" in rule,
            )
            fields, said = dynamics.state.fields, f"{name}, {shape}"
            assert (fields.n_events.ravel() == model.events).all(), said
            assert np.abs(fields.epsilon_p.ravel() - model.slip).max() < 1e-12, said
            mine = [
                (int(row.x) * shape[1] + int(row.y), int(row.events), int(row.duration))
                for row in rows
            ]
            assert mine == [row[:3] for row in model.rows[: len(rows)]], said
            assert len(model.rows) - len(rows) in (0, 1), said
            if "quenched" in rule:
                assert (fields.well.ravel() == model.well).all(), said


@pytest.mark.parametrize("engine", ["direct", "lazy", "spectral"])
def test_the_mirrored_glass_makes_the_mirrored_run(one_rank: Ranks, engine: str) -> None:
    """σ⁺ ↔ σ⁻, ε → −ε: the same bits with the other sign."""
    lattice, found = Lattice((18, 21), one_rank), []
    law = slip.Constant(0.03, 0.0)
    a_glass = glass(sides="two")._replace(renewal=Constant(0.8), slip=law)
    drawn = np.random.default_rng(4).uniform(0.2, 1.5, (2, 18, 21))
    for forward, backward, sign in ((*drawn, 1.0), (*drawn[::-1], -1.0)):
        first, second = sign * 0.2, -sign * 0.1
        path = Turning((Strain(first), Strain(second)))
        dynamics = Dynamics(lattice, a_glass, engine, loading=path)
        fields = dynamics.state.fields
        fields.sigma_c[...] = fields.yields_at[...] = forward
        fields.sigma_c_backward[...] = fields.yields_backward_at[...] = backward
        dynamics.engine.load(dynamics.state)
        for target in (first, second):
            while dynamics.shear(target) is not LoopExit.REACHED:
                pass
            if target == first:
                dynamics.turn(first)
        rows = dynamics.take_avalanches()
        sigma = dynamics.sigma_at(-sign * 0.1)
        found.append((sign, fields, sigma.copy(), rows, dynamics.state.macro[0]))
    (_, one, sigma, rows, macro), (_, other, mirrored, their_rows, their_macro) = found
    assert macro.events > 500 and macro.events == their_macro.events
    assert one.epsilon_p.tobytes() == (0.0 - other.epsilon_p).tobytes()
    assert one.sigma_c.tobytes() == other.sigma_c_backward.tobytes()
    assert (sigma == -mirrored).all() and macro.total_slip == -their_macro.total_slip
    assert (rows["slip"] == -their_rows["slip"]).all() and (rows["x"] == their_rows["x"]).all()


def wells_by_hand(a_glass: Glass, sites: int, path: list[float]) -> list[list[int]]:
    """Each site for itself, under stresses that come one after the other."""
    model = PlainProtocol((1, 3), two=True, quenched=True, seed=a_glass.seed)
    wells, found = [0] * sites, []
    for stress in path:
        for site in range(sites):
            while stress >= model.well_of(site, wells[site])[0]:
                wells[site] += 1
            while -stress >= model.well_of(site, wells[site])[2]:
                wells[site] -= 1
        found.append(list(wells))
    return found


@pytest.mark.parametrize("engine", ["direct", "lazy", "spectral"])
def test_without_coupling_each_site_is_a_hysteron(one_rank: Ranks, engine: str) -> None:
    lattice, stresses = Lattice((9, 8), one_rank), [1.1, -0.9, 1.0, -1.2, 0.4]
    a_glass = glass("none", sides="two", landscape="quenched")
    expected = wells_by_hand(a_glass, 72, stresses)
    path = Turning(tuple(map(Stress, stresses)))
    dynamics = Dynamics(lattice, a_glass, engine, loading=path)
    for number, stress in enumerate(stresses):
        if number:
            dynamics.turn(stresses[number - 1])
        assert dynamics.shear(stress) is LoopExit.REACHED
        assert dynamics.state.fields.well.ravel().tolist() == expected[number], number
    assert max(expected[0]) > 2 and min(expected[3]) < 0


@pytest.mark.parametrize("order", ["synchronous", "weakest"])
def test_couplings_that_all_help_remember_where_the_load_turned(
    one_rank: Ranks, order: str
) -> None:
    """Return-point memory, under stress control: mean field, the self term being its own."""
    thresholds = Uniform(0.4, 1.5)
    a_glass = glass("uniform", sides="two", landscape="quenched", order=order)
    a_glass = a_glass._replace(
        initial=thresholds, renewal=thresholds, slip=slip.Constant(0.012, 0.0)
    )
    path = [0.9, -0.7, 0.5, -0.4, 0.5, -0.7, 0.9]
    loading = Turning(tuple(map(Stress, path)))
    dynamics = Dynamics(Lattice((16, 16), one_rank), a_glass, "direct", loading=loading)
    wells = []
    for number, stress in enumerate(path):
        if number:
            dynamics.turn(path[number - 1])
        assert dynamics.shear(stress) is LoopExit.REACHED
        wells.append(dynamics.state.fields.well.copy())
    assert (wells[0] == wells[6]).all() and (wells[1] == wells[5]).all()
    assert (wells[2] == wells[4]).all()
    moved = [int((wells[k] != wells[k + 1]).sum()) for k in range(6)]
    assert min(moved[0], moved[1]) > 20 and moved[2] > 0


def test_one_extremal_run_has_the_events_of_stress_strain_and_machine(one_rank: Ranks) -> None:
    lattice, shape = Lattice((20, 17), one_rank), (20, 17)
    _, rows = driven(lattice, glass(), "direct", [Extremal()], 900)
    sites = rows["x"].astype(int) * shape[1] + rows["y"]
    slipped = np.concatenate([[0.0], np.cumsum(rows["slip"])[:-1]]) / 340
    for loading, load in (
        (Stress(0.55), rows["stress"]),
        (Strain(0.05), rows["stress"] / TWO_MU + slipped),
        (Machine(0.12, 7.0), rows["stress"] / 7.0 + slipped),
    ):
        until = int(np.argmax(load >= loading.target))
        assert until > 40
        dynamics, _ = driven(lattice, glass(order="weakest"), "direct", [loading], 10**6)
        expected = np.bincount(sites[:until], minlength=340)
        assert (dynamics.state.fields.n_events.ravel() == expected).all(), loading


def test_thresholds_remember_and_wear(one_rank: Ranks) -> None:
    lattice = Lattice((12, 13), one_rank)
    for rule in ({"memory": 0.4}, {"damage": Damage(0.2, 0.7)}):
        dynamics, _ = driven(lattice, glass(**rule), "direct", [Strain(9.0)], 400)
        fields, plain_glass = dynamics.state.fields, PlainProtocol((12, 13))
        seen = 0
        for site, n in enumerate(fields.n_events.ravel().tolist()):
            if n > 3:
                continue
            sigma_c = plain_glass.draw(site, 0, 0, True)[0]
            for m in range(1, n + 1):
                drawn = plain_glass.draw(site, m, 0, False)[0]
                if "memory" in rule:
                    sigma_c = 0.4 * sigma_c + 0.6 * drawn
                else:
                    sigma_c = drawn * max(0.7, 0.8**m)
            seen += n > 1
            assert fields.sigma_c.ravel()[site] == pytest.approx(sigma_c, rel=1e-12)
        assert seen > 10


@pytest.mark.parametrize("kind", ["uniform", "continuum"])
def test_a_site_slips_to_a_stress(one_rank: Ranks, kind: str) -> None:
    lattice = Lattice((12, 12), one_rank)
    a_glass = glass(kind)._replace(slip=slip.ToStress(-0.05, 0.0))
    dynamics = Dynamics(lattice, a_glass, "direct", loading=Strain(1.0))
    assert dynamics.shear(1.0, 1) is LoopExit.PAUSED
    site = int(dynamics.state.fields.n_events.argmax())
    sigma = dynamics.sigma_at(float(dynamics.state.macro[0].load))
    assert sigma.ravel()[site] == pytest.approx(-0.05, abs=1e-12)


def test_sites_that_flip_for_ever_are_named(one_rank: Ranks) -> None:
    """Two neighbours in a glass of shallow wells and long slips; small enough to end otherwise."""
    a_glass = glass("uniform", sides="two", most_events_per_site=20)
    a_glass = a_glass._replace(
        initial=Constant(0.5), renewal=Constant(0.05), slip=slip.Constant(0.2, 0.0)
    )
    dynamics = Dynamics(Lattice((8, 8), one_rank), a_glass, "direct", loading=Strain(1.0))
    with pytest.raises(NotFinite, match=r"site \(\d, \d\), in avalanche 1: has slipped 20 times"):
        dynamics.shear(1.0)
    assert not sure_to_end(a_glass, (8, 8))
    short = glass(sides="two")._replace(
        initial=Constant(1.0), renewal=Constant(1.0), slip=slip.Constant(0.05, 0.0)
    )
    assert sure_to_end(short, (8, 8))
    assert not sure_to_end(short._replace(slip=slip.Constant(0.08, 0.0)), (8, 8))


def test_the_same_bits_on_any_ranks_and_through_restarts(tmp_path: Path) -> None:
    digests = []
    for ranks in (1, 2, 3):
        assert_on_ranks("protocols", ranks, tmp_path, f"{ranks}.json")
        digests.append(json.loads((tmp_path / f"{ranks}.json").read_text()))
    assert digests[0] == digests[1] == digests[2] and len(digests[0]) == 12


def test_extremal_where_a_rank_has_no_rows(tmp_path: Path) -> None:
    """In plain Python, which reads nothing beside its arrays."""
    loading = {"control": "extremal", "until": {"events_per_site": 0.2}}
    settings = settings_for((3, 70), loading=loading, engine="lazy")
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(settings))
    for ranks, name in ((3, "three"), (None, "one")):
        command = ["-m", "hpcepm", "input.yaml", "--output", name, "--quiet"]
        done = run_python(command, ranks, tmp_path, NUMBA_DISABLE_JIT="1")
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert_same_bits(tmp_path / "three", tmp_path / "one")


def test_avalanches_that_end_where_they_began_are_an_error() -> None:
    """Each leaves the load where it is, and all sites as they were: none has too many events."""
    exponential = {"distribution": "exponential", "mean": 0.3}
    settings: dict[str, Any] = {
        "lattice": {"shape": [5, 3]},
        "kernel": {"type": "uniform"},
        "thresholds": {"initial": exponential, "renewal": exponential},
        "yielding": {"sides": "two", "landscape": "quenched", "most_events_per_site": 100},
        "engine": "spectral",  # others have other last bits, which decide
        "loading": {"cycle": [0.02, -0.02], "cycles": 3},
        "seed": 6,
    }
    with pytest.raises(hpcepm.RunFailed, match=r"at strain 0\.008764\d+: sites flip to and fro"):
        hpcepm.simulate(settings)
