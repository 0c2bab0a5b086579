"""Measures what an event of thermal creep costs, against redrawing all sites at each event.

Started by ``tools/bench --clocks``, with N and the number of rounds. T = 0.05, α = 3/2, Σ = 0.3
held, on one rank. Lazy and the plain loop take turns; in each round the plain loop begins at the
state that lazy has reached. It redraws the time of each site at each event; then it chooses one by
the rates of all, which takes two random numbers an event. A line of JSON goes to the output.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numba
import numpy as np
from numpy.typing import NDArray

from hpcepm.model.clock.thermal import Thermal
from hpcepm.model.dynamics import Dynamics
from hpcepm.model.loading import Path, Stress
from hpcepm.model.loop import LoopExit
from hpcepm.parallel import launch
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from tools.bench_worker import SECONDS, glass, median_us, seconds_of, steps_for

TEMPERATURE: Final = 0.05
STRESS: Final = 0.3
LONG: Final = 1e20
SETTLED: Final = 2.0  # events a site before it is measured: from then on it creeps steadily


def creeping(lattice: Lattice, events_per_site: float) -> Dynamics:
    """Return a glass that is held at a stress until so many events a site came."""
    path = Path((Stress(STRESS, hold=LONG),))
    dynamics = Dynamics(lattice, glass(), "lazy", loading=path, clock=Thermal(TEMPERATURE))
    if dynamics.shear(STRESS) is not LoopExit.REACHED:
        raise RuntimeError("a load that moves at once must reach its target")
    dynamics.turn(STRESS)
    while dynamics.state.macro[0].events < events_per_site * lattice.n_sites:
        dynamics.shear(STRESS, 10_000)
        dynamics.take_avalanches()
    return dynamics


@numba.njit(error_model="numpy")
def rate_of(x: float, temperature: float) -> float:
    """Return λ(x), α being 3/2."""
    return np.exp(-x * np.sqrt(x) / temperature) if x > 0.0 else 1.0


@numba.njit(error_model="numpy")
def redrawn(
    x: NDArray[np.float64], temperature: float, random: np.random.Generator
) -> tuple[float, int, int]:
    """Let each site draw when it would yield; return how soon the first does, and which it is."""
    (nx, ny), soonest, a, b = x.shape, np.inf, 0, 0
    for i in range(nx):
        for j in range(ny):
            time = random.exponential() / rate_of(x[i, j], temperature)
            if time < soonest:
                soonest, a, b = time, i, j
    return soonest, a, b


@numba.njit(error_model="numpy")
def chosen(
    x: NDArray[np.float64], temperature: float, random: np.random.Generator
) -> tuple[float, int, int]:
    """Add up the rates of all sites; return when the first yields, and which: two are drawn."""
    (nx, ny), a, b = x.shape, 0, 0
    rates, of_row = np.empty((nx, ny)), np.zeros(nx)
    for i in range(nx):
        for j in range(ny):
            rates[i, j] = rate_of(x[i, j], temperature)
            of_row[i] += rates[i, j]
    total = of_row.sum()
    left = random.random() * total
    while left >= of_row[a] and a < nx - 1:
        left -= of_row[a]
        a += 1
    while left >= rates[a, b] and b < ny - 1:
        left -= rates[a, b]
        b += 1
    return random.exponential() / total, a, b


@numba.njit(error_model="numpy")
def plain_events(
    n_events: int,
    redraw: bool,
    x: NDArray[np.float64],
    sigma_c: NDArray[np.float64],
    table: NDArray[np.float64],
    temperature: float,
    slip: NDArray[np.float64],
    renewal: NDArray[np.float64],
    random: np.random.Generator,
) -> float:
    """Let sites yield, all rates found anew at each event; return the time that it takes.

    x = σ_c − σ of all sites; ``table`` is −G(r); slips have the mean c0 + c1 σ_c², and renewed
    thresholds are of the Weibull distribution.
    """
    passed = 0.0
    for _ in range(n_events):
        if redraw:
            time, a, b = redrawn(x, temperature, random)
        else:
            time, a, b = chosen(x, temperature, random)
        passed += time
        slipped = random.exponential() * (slip[0] + slip[1] * sigma_c[a, b] ** 2)
        drawn = renewal[0] * random.exponential() ** renewal[1]
        x[a, b] += drawn - sigma_c[a, b]
        sigma_c[a, b] = drawn
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                x[i, j] += slipped * table[abs(i - a), abs(j - b)]
    return passed


class PlainClock:
    """The plain loop, of the glass of a `Dynamics`; it begins where that is."""

    def __init__(self, dynamics: Dynamics) -> None:
        self.dynamics, (nx, ny) = dynamics, dynamics.lattice.shape
        i, j = np.arange(nx), np.arange(ny)
        quarter = dynamics.glass.kernel.quarter_table((nx, ny))
        self.table = -quarter[np.ix_(np.minimum(i, nx - i), np.minimum(j, ny - j))]
        self.random = np.random.default_rng(1)
        self.begin()
        self.run(1, True)  # it is compiled
        self.begin()

    def begin(self) -> None:
        """Begin at the present state of the dynamics."""
        self.sigma_c = self.dynamics.state.fields.sigma_c.copy()
        self.x = self.sigma_c - self.dynamics.sigma_at(STRESS)

    def run(self, n_events: int, redraw: bool) -> tuple[float, float]:
        """Let sites yield; return the seconds that it took, and the time that passed.

        All sites ``redraw`` when they yield at each event, or one is chosen by their rates.
        """
        glass, sites = self.dynamics.glass, (self.x, self.sigma_c, self.table)
        laws = TEMPERATURE, glass.slip.parameters, glass.renewal.parameters, self.random
        began = time.perf_counter()
        passed = plain_events(n_events, redraw, *sites, *laws)
        return time.perf_counter() - began, passed


@contextmanager
def timed(owner: object, name: str) -> Iterator[list[float]]:
    """Let each call of a method add the seconds that it took to a list."""
    original, seconds = getattr(owner, name), []

    def with_times(*arguments: Any) -> Any:
        began = time.perf_counter()
        result = original(*arguments)
        seconds.append(time.perf_counter() - began)
        return result

    setattr(owner, name, with_times)
    yield seconds
    delattr(owner, name)  # what the class says counts again


def measured(n: int, rounds: int, seconds: float = SECONDS) -> dict[str, Any]:
    """Return µs an event of both, and what an event of lazy consists of."""
    dynamics = creeping(Lattice((n, n), Ranks(launch.initialize())), SETTLED)
    counts: NDArray[np.int64] = dynamics.timing.arrays.counts  # type: ignore[union-attr]
    steps, plain = steps_for(dynamics, seconds), PlainClock(dynamics)
    often = max(3, int(seconds / (plain.run(3, True)[0] / 3)))
    counts[...], begun, first = 0, dynamics.timing.now, int(dynamics.state.macro[0].events)
    plain_rounds: dict[bool, list[float]] = {True: [], False: []}
    lazy_rounds, passed = [], 0.0
    with timed(dynamics.engine, "synchronize") as convolutions:
        for _ in range(rounds):
            plain.begin()
            lazy_rounds.append(seconds_of(dynamics, steps)[:2])
            for redraw, its_rounds in plain_rounds.items():
                took, its = plain.run(often, redraw)
                its_rounds.append(took / often)
                passed += its
    events = int(dynamics.state.macro[0].events) - first
    lazy_us = median_us(spent / made for spent, made in lazy_rounds)
    plain_us, choosing_us = (median_us(its) for its in plain_rounds.values())
    looked_at, tried, ruled_out = (counts / events).tolist()
    return {
        "n": n,
        "lazy_us": lazy_us,
        "plain_us": plain_us,
        "plain_to_lazy": plain_us / lazy_us,
        "choosing_us": choosing_us,
        "sites_looked_at": looked_at,
        "points_tried": tried,
        "points_ruled_out": ruled_out,
        "events_per_convolution": events / max(1, len(convolutions)),
        "share_of_convolutions": sum(convolutions) / sum(spent for spent, _ in lazy_rounds),
        "lazy_events": events,
        "lazy_rate": events / (dynamics.timing.now - begun) / n**2,
        "plain_rate": 2 * often * rounds / passed / n**2,
        "events_per_site": int(dynamics.state.macro[0].events) / n**2,
    }


if __name__ == "__main__":
    print(json.dumps(measured(*map(int, sys.argv[1:]))), flush=True)
