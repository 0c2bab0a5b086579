"""Maxwell sites: what follows from their definition, and the same bits however a run is cut."""

import copy
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from hpcepm.model.clock import Maxwell
from hpcepm.model.consistency import ImpossibleState
from hpcepm.model.distributions import Uniform, quantile
from hpcepm.model.kernel import wavevectors
from hpcepm.model.loading import Loading, SineOfStrain, SineOfStress, Strain, Stress
from hpcepm.model.loading import Path as Turning
from hpcepm.model.loop import LoopExit
from hpcepm.model.maxwell import MaxwellSites, dynamics_of
from hpcepm.model.rng import FLOW, YIELDING, philox, uniform
from hpcepm.model.state import State
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from tests.conftest import assert_on_ranks
from tests.model.test_dynamics import MU, glass

SHAPE: Final = (12, 10)
LIQUID: Final[dict[str, Any]] = dict.fromkeys(("initial", "renewal"), Uniform(1e-12, 2e-12))
SOLID: Final[dict[str, Any]] = dict.fromkeys(("initial", "renewal"), Uniform(1e5, 2e5))
AT_ONCE: Final[dict[str, float]] = {"plastic": 1e-12, "elastic": 1e12}
FAR: Final = 1e6


@pytest.fixture
def lattice(one_rank: Ranks) -> Lattice:
    return Lattice(SHAPE, one_rank)


def sites(
    where: Lattice, loading: Loading, clock: Maxwell, state: State | None = None, **changes: Any
) -> MaxwellSites:
    made = dynamics_of(where, glass(**changes), "spectral", state, loading, clock)
    assert isinstance(made, MaxwellSites)
    return made


def test_a_liquid_flows_at_its_viscosity(lattice: Lattice) -> None:
    """Σ = 2μ·rate·τ exactly in steady flow, with the transient of a Maxwell fluid on the way."""
    rate, tau = 0.01, 0.5
    off = []
    for dt in (0.05, 0.025, 0.0125):
        fluid = sites(lattice, Strain(FAR, rate=rate), Maxwell(tau, dt=dt, **AT_ONCE), **LIQUID)
        steady = 2 * MU * rate * tau
        fluid.shear(FAR, round(1 / dt))
        off.append(fluid.stress_at(fluid.state.macro[0].load) / steady - (1 - np.exp(-1 / tau)))
        fluid.shear(FAR, round(30 / dt))
        assert fluid.stress_at(fluid.state.macro[0].load) == pytest.approx(steady, rel=1e-12)
    assert off[0] / off[1] == pytest.approx(4, rel=0.1)  # of second order
    assert off[1] / off[2] == pytest.approx(4, rel=0.05)


@pytest.mark.parametrize("kind", [SineOfStrain, SineOfStress])
def test_moduli_of_a_liquid(lattice: Lattice, kind: Any) -> None:
    tau, omega = 1.3, 0.7
    wt = omega * tau
    exact = 2 * MU * wt * np.array([wt, 1.0]) / (1 + wt**2)
    off = []
    for n in (400, 800):
        sine = kind("sine", 0.01, omega / (2 * np.pi), 6)
        clock = Maxwell(tau, dt=2 * np.pi / omega / n, **AT_ONCE)
        fluid = sites(lattice, sine, clock, **LIQUID)
        assert fluid.shear(0.0) is LoopExit.REACHED and fluid.timing.is_at_end
        rows = fluid.take_cycles()
        assert len(rows) == 6
        found = np.array([rows[-1][name][0] for name in ("storage_modulus", "loss_modulus")])
        off.append(found / exact - 1)
        assert rows[-1]["plastic"][0] == 1
        harmonics = np.hypot(rows[-1]["in_phase"], rows[-1]["out_of_phase"])[0]
        assert harmonics[1:] == pytest.approx(0, abs=1e-6 * harmonics[0])
    assert off[0] / off[1] == pytest.approx(4, rel=0.05)  # halving dt: of second order
    assert (4 * off[1] - off[0]) / 3 == pytest.approx(0, abs=1e-6)


def test_a_solid_is_elastic(lattice: Lattice) -> None:
    solid = sites(lattice, SineOfStrain("sine", 0.01, 0.1, 2), Maxwell(), **SOLID)
    solid.shear(0.0)
    for row in solid.take_cycles():
        assert row["storage_modulus"][0] == pytest.approx(2 * MU, rel=1e-14)
        assert row["loss_modulus"][0] == pytest.approx(0, abs=1e-12)
    assert not solid.state.fields.epsilon_p.any() and solid.state.macro[0].events == 0


def test_the_stress_is_what_is_asked_for(lattice: Lattice) -> None:
    """No slip changes the mean stress, for Ĝ(0) = 0: only rounding of fields does."""
    path = Turning((Stress(0.4, rate=0.1), Stress(0.4, hold=6.0)))
    creeping = sites(lattice, path, Maxwell(dt=0.05))
    creeping.shear(0.4)
    creeping.turn(0.4)
    creeping.shear(0.4)
    assert creeping.timing.now == 10.0
    stress = creeping.sigma_at(0.4)
    assert creeping.stress_at(0.4) == 0.4 and creeping.state.macro[0].total_slip > 0.05
    assert stress.std() > 0.01 and stress.mean() == pytest.approx(0.4, abs=1e-13)


def test_an_independent_program_has_the_same_sites(lattice: Lattice) -> None:
    """Written from docs/maxwell.md with loops and numpy's FFT."""
    dt, rate, steps = 0.05, 0.02, 160
    clock = Maxwell(0.7, 0.3, 0.4, dt)
    run = sites(lattice, Strain(FAR, rate=rate), clock)
    nx, ny = SHAPE
    qx, qy = wavevectors(SHAPE)
    kernel_hat = run.glass.kernel.fourier(qx[:, None], qy[None])
    sigma_c, slip = run.state.fields.sigma_c.copy(), np.zeros(SHAPE)
    plastic, n_events = np.zeros(SHAPE, bool), np.zeros(SHAPE, int)
    s, before, mean_before = np.zeros(SHAPE), np.zeros(SHAPE), 0.0
    seed, realization = run.glass.seed, run.glass.realization

    def drawn(site: int, n: int, purpose: int) -> float:
        return uniform(np.uint64(philox(site, n, purpose, 0, seed, realization)[0]))

    for step in range(steps):
        mean, strain, later = slip.mean(), rate * dt * step, rate * dt * (step + 0.5)
        stress = 2 * MU * (strain - mean) + s
        middle = 2 * MU * (later - (3 * mean - mean_before) / 2) + (3 * s - before) / 2
        for site in range(nx * ny):
            at = divmod(site, ny)
            if plastic[at]:
                if drawn(site, step, FLOW) < 1 - np.exp(-dt / 0.4):
                    plastic[at] = False
                    u = drawn(site, n_events[at], YIELDING)
                    renewal = run.glass.renewal
                    sigma_c[at] = quantile(renewal.kind, renewal.parameters, u)
            elif abs(stress[at]) > sigma_c[at]:
                plastic[at] = drawn(site, step, FLOW) < 1 - np.exp(-dt / 0.3)
                n_events[at] += plastic[at]
        slip += np.where(plastic, dt / (2 * MU * 0.7) * middle, 0.0)
        before, mean_before = s, mean
        s = np.fft.ifft2(kernel_hat * np.fft.fft2(slip)).real
    run.shear(FAR, steps)
    fields = run.state.fields
    assert (fields.n_events == n_events).all() and n_events.sum() > 200
    assert (fields.plastic == plastic).all() and 10 < plastic.sum() < 110
    assert fields.sigma_c == pytest.approx(sigma_c, rel=1e-12)
    assert fields.epsilon_p == pytest.approx(slip, abs=1e-12)


OSCILLATED: Final = SineOfStrain("sine", 0.04, 0.5, 3)


def ended(where: Lattice, loading: Loading, at_once: int) -> tuple[State, bytes]:
    """Drive to the end, made anew from its state after each so many steps."""
    clock, rows = Maxwell(0.5, 0.3, 0.4, 0.03), b""
    changes: dict[str, Any] = {"initial_stress_std": 0.1}
    dynamics = sites(where, loading, clock, **changes)
    while dynamics.shear(loading.target, at_once) is LoopExit.PAUSED:
        rows += b"".join(row.tobytes() for row in dynamics.take_cycles())
        state = copy.deepcopy(dynamics.complete_state())
        dynamics = sites(where, loading, clock, state, **changes)
    rows += b"".join(row.tobytes() for row in dynamics.take_cycles())
    return dynamics.complete_state(), rows


@pytest.mark.parametrize("loading", [OSCILLATED, Strain(0.1, rate=0.03), Stress(0.6, rate=0.2)])
def test_a_restart_has_the_same_bits(lattice: Lattice, loading: Loading) -> None:
    whole, rows = ended(lattice, loading, 2**40)
    parts, others = ended(lattice, loading, 13)
    assert rows == others and whole.macro[0].events > 10
    for name in whole.names:
        assert (getattr(whole.fields, name) == getattr(parts.fields, name)).all(), name
    assert whole.macro == parts.macro and whole.flow == parts.flow


def test_any_number_of_ranks_has_the_same_bits(tmp_path: Path) -> None:
    for ranks in (1, 2, 3, 4):
        assert_on_ranks("maxwell", ranks, tmp_path, f"{ranks}.json")
    digests = {path.read_text() for path in tmp_path.glob("*.json")}
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("where", "value", "said"),
    [("plastic", 2, "flow"), ("stress_before", np.nan, "fields"), ("whole", 3, "flow")],
)
def test_a_state_that_cannot_be_is_refused(
    lattice: Lattice, where: str, value: float, said: str
) -> None:
    clock = Maxwell()
    dynamics = sites(lattice, Strain(FAR, rate=0.1), clock)
    dynamics.shear(FAR, 20)
    state = copy.deepcopy(dynamics.complete_state())
    if where == "whole":
        state.clock[where] = value
    else:
        getattr(state.fields, where)[3, 4] = value
    with pytest.raises(ImpossibleState, match=said):
        sites(lattice, Strain(FAR, rate=0.1), clock, state)
