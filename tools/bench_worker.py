"""Measures one lattice on the ranks that it is started on, and prints the numbers as JSON.

Started by ``tools/benchmark.py``, with nx, ny, the strain, and the folder of the stored state.
Times of a shared machine are noisy: the sides of a ratio are measured alternately in this one run,
several times each.
"""

import copy
import json
import resource
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from mpi4py import MPI
from mpi4py_fft import PFFT
from numpy.typing import NDArray

from hpcepm.identity import Identity
from hpcepm.model.dynamics import Dynamics
from hpcepm.model.glass import Glass
from hpcepm.model.kernel import Kernel, continuum, wavevectors
from hpcepm.model.loop import LoopExit
from hpcepm.model.slip import Exponential
from hpcepm.model.thresholds import preset
from hpcepm.parallel import launch
from hpcepm.parallel.compiled import compiled
from hpcepm.parallel.exchange import EVENT, exchange_events
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from hpcepm.reading import BadFile
from hpcepm.storage.checkpoint import UnderWay, read_under_way, write_checkpoint
from hpcepm.storage.checkpoints import newest_checkpoint
from hpcepm.storage.plan import Plan, Rows
from hpcepm.storage.store import Store

Thing = TypeVar("Thing")

ROUNDS = 5
SECONDS = 0.5


def glass() -> Glass:
    """Return a glass that is rejuvenated from the start: at strain 0.1 it flows steadily."""
    renewal = preset("MCT")
    slip = Exponential(0.0276, 0.0206)
    kernel = Kernel(continuum("simple"), 14.7 / (1 + 14.7 / 52))
    return Glass(kernel, 14.7, renewal, renewal, slip, 0.0, 1, 0)


def flowing(lattice: Lattice, strain: float, folder: Path) -> Dynamics:
    """Return the glass sheared to a strain, kept in a folder for the next time. Collective."""
    plan = Plan(lattice.shape, (), (), (), False)
    with suppress(BadFile):  # of an older version: made anew
        header, _ = newest_checkpoint(folder, lattice.ranks)
        if header is not None:
            kept = read_under_way(header.path, header.identity.run, 0, lattice, plan.tables)
            return Dynamics(lattice, glass(), "lazy", kept.state)
    dynamics = Dynamics(lattice, glass(), "lazy")
    while dynamics.shear(strain) is not LoopExit.REACHED:
        dynamics.take_avalanches()
    kept = UnderWay.of(0, dynamics.complete_state(), Rows.none(plan), 0, 0)
    store = Store(plan, Identity.new().attributes())
    write_checkpoint(folder, 1, lattice.ranks, lattice, kept, store)
    return dynamics


def steps_for(dynamics: Dynamics, seconds: float) -> int:
    """Return how many steps take about so many seconds, code being compiled. Collective."""
    seconds_of(dynamics, 20)
    dynamics.engine.synchronize(dynamics.state)
    return int(dynamics.lattice.ranks.bcast(max(20, 500 * seconds / seconds_of(dynamics, 500)[0])))


def seconds_of(dynamics: Dynamics, steps: int) -> tuple[float, int, int]:
    """Return the seconds, events and steps of at least so many steps. Collective."""
    before, began = dynamics.state.macro[0].copy(), time.perf_counter()
    goal = before["steps"] + steps
    while (left := int(goal - dynamics.state.macro[0]["steps"])) > 0:
        dynamics.shear(1e9, left)
        dynamics.take_avalanches()
    spent = time.perf_counter() - began
    now = dynamics.state.macro[0]
    return spent, int(now["events"] - before["events"]), int(now["steps"] - before["steps"])


def seconds_awake(dynamics: Dynamics, steps: int) -> tuple[float, int, int]:
    """Return `seconds_of` twice the steps, after as many untimed.

    Processors that slept are slow at first. Collective.
    """
    seconds_of(dynamics, steps)
    return seconds_of(dynamics, 2 * steps)


class PlainLoop:
    """What one writes first: numpy, and an FFT pair by mpi4py-fft at each step. On one rank."""

    def __init__(self, dynamics: Dynamics) -> None:
        state, shape = dynamics.state, dynamics.lattice.shape
        glass, self.two_mu = dynamics.glass, 2 * dynamics.glass.shear_modulus
        self.slip, self.renewal = glass.slip.parameters, glass.renewal.parameters
        self.epsilon_p, self.sigma_c = state.fields.epsilon_p.copy(), state.fields.sigma_c.copy()
        self.strain = float(state.macro[0]["load"])
        self.fft = PFFT(MPI.COMM_SELF, shape, dtype=float)
        qx, qy = wavevectors(shape)
        kernel_hat = glass.kernel.fourier(qx[:, None], qy[None, : shape[1] // 2 + 1])
        self.kernel_hat = kernel_hat[self.fft.local_slice(True)]
        self.random = np.random.default_rng(1)

    def stress(self) -> NDArray[np.float64]:
        """Return the stress of all sites."""
        self.fft.forward.input_array[...] = self.epsilon_p
        self.fft.forward()
        self.fft.forward.output_array[...] *= self.kernel_hat
        stress: NDArray[np.float64] = self.fft.backward()
        return stress + self.two_mu * (self.strain - self.epsilon_p.mean())

    def step(self) -> None:
        """Let all unstable sites slip, or the weakest."""
        stress = self.stress()
        unstable = stress >= self.sigma_c
        if not unstable.any():
            strength = self.sigma_c - stress
            weakest = np.unravel_index(np.argmin(strength), strength.shape)
            self.strain += strength[weakest] / self.two_mu
            unstable[weakest] = True
        overcome, (c0, c1) = self.sigma_c[unstable], self.slip
        self.epsilon_p[unstable] += self.random.exponential(c0 + c1 * overcome**2)
        scale, inverse_shape = self.renewal
        self.sigma_c[unstable] = scale * self.random.weibull(1 / inverse_shape, overcome.size)


def seconds_a_call(call: Callable[[], object], times: int) -> float:
    """Return the mean time of a call."""
    began = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - began) / times


@compiled
def _exchange_often(exchange: Any, own: Any, n_own: int, events: Any, times: int) -> None:
    for _ in range(times):
        exchange_events(exchange, own, n_own, events)


def seconds_an_exchange(ranks: Ranks) -> float:
    """Return the time in which all ranks learn of one event. Collective."""
    own, events, n_own = np.zeros(64, EVENT), np.zeros(64, EVENT), 1 if ranks.is_root else 0
    exchange = partial(_exchange_often, ranks.exchange, own, n_own, events)
    exchange(10)
    return min(seconds_a_call(partial(exchange, 5000), 1) / 5000 for _ in range(ROUNDS))


def alone(ranks: Ranks, measured: Callable[[], Thing]) -> Thing | None:
    """Return what rank 0 measures while the others sleep, not spin; None there. Collective."""
    result = measured() if ranks.is_root else None
    all_here = ranks.comm.Ibarrier()
    while not all_here.Test():
        time.sleep(0.001)
    return result


def measure_speed_up(lazy: Dynamics, folder: Path) -> dict[str, Any]:
    """Return how much faster all ranks are than one of them alone. Collective.

    Both start from the same state, and are measured in turn.
    """
    ranks, shape, one_rounds, all_rounds = lazy.lattice.ranks, lazy.lattice.shape, [], []
    one = alone(ranks, lambda: flowing(Lattice(shape, Ranks(MPI.COMM_SELF)), 0.0, folder))
    steps = steps_for(lazy, 2 * SECONDS)
    for _ in range(ROUNDS):
        one_rounds.append(alone(ranks, lambda: seconds_awake(one, steps) if one else None))
        all_rounds.append(seconds_awake(lazy, steps))
    if not ranks.is_root:
        return {}
    one_us, all_us = (
        median_us(s / e for s, e, _ in filter(None, rounds)) for rounds in (one_rounds, all_rounds)
    )
    return {"one_rank_us_per_event": one_us, "speed_up": one_us / all_us}


def measure_lazy(lazy: Dynamics) -> dict[str, Any]:
    """Return the cost of an event by the lazy engine, and its ratio to the others. Collective."""
    n, ranks = lazy.lattice.n_sites**0.5, lazy.lattice.ranks
    memory = ranks.comm.allreduce(lazy.nbytes)
    steps = steps_for(lazy, SECONDS)
    lazy.engine.synchronize(lazy.state)
    others = copy.deepcopy(lazy.state)
    direct = Dynamics(lazy.lattice, lazy.glass, "direct", others) if n <= 256 else None
    plain = PlainLoop(lazy) if ranks.size == 1 and n <= 2048 else None
    lazy_rounds, direct_rounds, plain_rounds = [], [], []
    for _ in range(ROUNDS):
        lazy_rounds.append(seconds_of(lazy, steps))
        if direct:
            direct_rounds.append(seconds_of(direct, max(1, steps // 5)))
        if plain:
            steps_of_plain = max(5, int(SECONDS / seconds_a_call(plain.step, 1)))
            plain_rounds.append(seconds_a_call(plain.step, steps_of_plain))
    total = np.sum(lazy_rounds, axis=0)
    row = {
        "strain": float(lazy.state.macro[0]["load"]),
        "events_per_step": float(total[1] / total[2]),
        "lazy_us_per_event": median_us(s / e for s, e, _ in lazy_rounds),
        "lazy_us_per_step": median_us(s / k for s, _, k in lazy_rounds),
        "bytes_per_site": memory / lazy.lattice.n_sites,
    }
    if direct:
        row["direct_us_per_event"] = median_us(s / e for s, e, _ in direct_rounds)
        row["direct_to_lazy"] = row["direct_us_per_event"] / row["lazy_us_per_event"]
    if plain:
        row["plain_us_per_step"] = median_us(plain_rounds)
        plain_us_per_event = row["plain_us_per_step"] / row["events_per_step"]
        row["plain_to_lazy"] = plain_us_per_event / row["lazy_us_per_event"]
    return row


def measure_spectral(lazy: Dynamics) -> dict[str, Any]:
    """Return the cost of a step by the spectral engine, and its ratio to a pair of transforms.

    Collective.
    """
    lattice, comm = lazy.lattice, lazy.lattice.ranks.comm
    lazy.engine.synchronize(lazy.state)
    dynamics = Dynamics(lattice, lazy.glass, "spectral", copy.deepcopy(lazy.state))
    fft = PFFT(comm, lattice.shape, dtype=float, grid=(-1, 1), planner_effort="FFTW_ESTIMATE")

    def pair() -> None:
        fft.forward(normalize=False)
        fft.backward(normalize=False)

    steps = comm.bcast(max(20, int(20 * SECONDS / seconds_of(dynamics, 20)[0])))
    rounds = [(seconds_a_call(pair, steps), seconds_of(dynamics, steps)) for _ in range(ROUNDS)]
    return {
        "spectral_us_per_step": median_us(s / k for _, (s, _, k) in rounds),
        "fft_pair_us": median_us(pair_s for pair_s, _ in rounds),
        "spectral_to_pair": float(np.median([s / k / pair_s for pair_s, (s, _, k) in rounds])),
    }


def median_us(seconds: Iterable[float]) -> float:
    """Return the median, in microseconds."""
    return float(np.median(list(seconds)) * 1e6)


def measure(shape: tuple[int, int], strain: float, folder: Path) -> dict[str, Any]:
    """Return all that is measured of a lattice. Collective."""
    ranks = Ranks(launch.initialize())
    if ranks.is_root:
        folder.mkdir(parents=True, exist_ok=True)
    ranks.comm.Barrier()
    row: dict[str, Any] = {"shape": shape, "ranks": ranks.size}
    if ranks.size > 1:
        row |= measure_speed_up(flowing(Lattice(shape, ranks), strain, folder), folder)
    # Again from the stored state, so that rows of different numbers of ranks are of the same one.
    lazy = flowing(Lattice(shape, ranks), strain, folder)
    row |= measure_lazy(lazy)
    if lazy.lattice.n_sites <= 512**2:
        row |= measure_spectral(lazy)
    if ranks.size > 1:
        row["exchange_us"] = seconds_an_exchange(ranks) * 1e6
    row["peak_mib_per_rank"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return row


if __name__ == "__main__":
    nx, ny, strain, states = sys.argv[1:]
    found = measure((int(nx), int(ny)), float(strain), Path(states))
    if MPI.COMM_WORLD.rank == 0:
        print(json.dumps(found), flush=True)
