"""Measures what an event costs in each protocol against strain control of one side, on one rank.

Started by ``tools/bench --protocols``, with N, the strain from which on it is measured, and the
number of rounds. All are measured alternately in this one run. A line of JSON goes to the output.
"""

import json
import sys
from typing import Any, Final

import numpy as np

from hpcepm.model.dynamics import Dynamics
from hpcepm.model.loading import Extremal, Loading, Path, Strain, Stress
from hpcepm.model.loop import LoopExit
from hpcepm.model.yielding import Yielding
from hpcepm.parallel import launch
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from tools.bench_worker import (
    SECONDS,
    PlainLoop,
    glass,
    median_us,
    seconds_a_call,
    seconds_of,
    steps_for,
)

FAR: Final = 1e9
QUENCHED: Final = Yielding("two", "quenched", "weakest")

PROTOCOLS: Final[dict[str, tuple[Yielding, Loading]]] = {
    "one side": (Yielding(), Strain(FAR)),
    "two sides": (Yielding("two"), Strain(FAR)),
    "one side, weakest first": (Yielding(order="weakest"), Strain(FAR)),
    "two sides, weakest first": (Yielding("two", order="weakest"), Strain(FAR)),
    "wells, weakest first": (QUENCHED, Strain(FAR)),
    "stress": (Yielding(), Stress(0.0)),
    "extremal": (Yielding(), Extremal()),
}


def driven(lattice: Lattice, strain: float, rule: Yielding, then: Loading) -> Dynamics:
    """Return a glass sheared to a strain, and then loaded as asked."""
    a_glass = glass()._replace(yielding=rule)
    path = Path((Strain(strain), then if not isinstance(then, Stress) else Stress(FAR)))
    dynamics = Dynamics(lattice, a_glass, "lazy", loading=path)
    while dynamics.shear(strain) is not LoopExit.REACHED:
        dynamics.take_avalanches()
    dynamics.turn(strain)
    return dynamics


class PlainLoopOfTwoSides(PlainLoop):
    """What one writes first, for two sides: numpy, and an FFT pair at each step."""

    def __init__(self, dynamics: Dynamics) -> None:
        super().__init__(dynamics)
        self.backward = dynamics.state.fields.sigma_c_backward.copy()

    def step(self) -> None:
        """Let all unstable sites slip, or the weakest."""
        stress, forward = self.stress(), self.sigma_c
        up, down = stress >= forward, -stress >= self.backward
        if not (up.any() or down.any()):
            strength = forward - stress
            weakest = np.unravel_index(np.argmin(strength), strength.shape)
            self.strain += strength[weakest] / self.two_mu
            up[weakest] = True
        (c0, c1), (scale, inverse_shape) = self.slip, self.renewal
        for way, sites, overcome in ((1, up, forward), (-1, down, self.backward)):
            self.epsilon_p[sites] += way * self.random.exponential(c0 + c1 * overcome[sites] ** 2)
        for thresholds in (forward, self.backward):
            drawn = self.random.weibull(1 / inverse_shape, int((up | down).sum()))
            thresholds[up | down] = scale * drawn


def measured(n: int, strain: float, rounds: int) -> dict[str, Any]:
    """Return µs per event of all protocols, and of the plain loop."""
    lattice = Lattice((n, n), Ranks(launch.initialize()))
    runs = {name: driven(lattice, strain, *asked) for name, asked in PROTOCOLS.items()}
    steps = {name: steps_for(dynamics, SECONDS) for name, dynamics in runs.items()}
    plain = PlainLoopOfTwoSides(runs["two sides"])
    times: dict[str, list[float]] = {name: [] for name in (*runs, "plain")}
    per_step = []
    for _ in range(rounds):
        for name, dynamics in runs.items():
            spent, events, made = seconds_of(dynamics, steps[name])
            times[name].append(spent / events)
            per_step += [events / made] if name == "two sides" else []
        often = max(3, int(SECONDS / seconds_a_call(plain.step, 1)))
        times["plain"].append(seconds_a_call(plain.step, often))
    found = {name: median_us(some) for name, some in times.items()}
    found["plain"] /= float(np.median(per_step))
    return {"n": n, "strain": strain, **found}


if __name__ == "__main__":
    n, strain, rounds = sys.argv[1:]
    print(json.dumps(measured(int(n), float(strain), int(rounds))), flush=True)
