"""Every loading and every rule of yielding, event by event, against a plain program of its own."""

from typing import Any

import numpy as np
import pytest

from hpcepm.model.distributions import Weibull
from hpcepm.model.dynamics import Dynamics
from hpcepm.model.glass import Glass
from hpcepm.model.kernel import Kernel, kernel
from hpcepm.model.loading import Extremal, Loading, Machine, Strain, Stress
from hpcepm.model.loop import LoopExit
from hpcepm.model.slip import Exponential
from hpcepm.model.yielding import Yielding
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
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
    dynamics = Dynamics(lattice, a_glass, engine, loading=path[0])
    found = []
    for number, loading in enumerate(path):
        if number:
            dynamics.load_by(loading, path[number - 1].target)
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
