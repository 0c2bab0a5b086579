"""Speed of the engines on one rank, in steady flow, avalanche table on. Started by ``tools/bench``.

Times of a shared machine are noisy, so each number is the best of several stretches, and the two sides of a ratio are measured
alternately in the same run.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI

from hpcepm import disorder
from hpcepm.disorder import SlipLaw
from hpcepm.dynamics import Dynamics
from hpcepm.engines import SpectralEngine
from hpcepm.kernel import Kernel
from hpcepm.lattice import Lattice
from hpcepm.parallel import Team
from hpcepm.preparation import Glass
from hpcepm.step_loop import Why

STRETCHES = 7
SECONDS = 0.4


def flowing(n: int, engine: str) -> Dynamics:
    """Return an N × N glass, rejuvenated from the start: at strain 0.1 it flows steadily."""
    renewal = disorder.preset("MCT")
    slip = SlipLaw(disorder.EXPONENTIAL_SLIP, 0.0276, 0.0206)
    glass = Glass(Kernel("continuum", "simple", 14.7 / (1 + 14.7 / 52)), 14.7, renewal, renewal, slip, 0.0, 1, 0)
    dynamics = Dynamics(Lattice((n, n), Team(MPI.COMM_SELF)), glass, engine)
    shear_to(dynamics, 0.1)
    return dynamics


def shear_to(dynamics: Dynamics, strain: float) -> None:
    """Shear, dropping the avalanches."""
    while dynamics.shear(strain) is not Why.REACHED:
        dynamics.take_avalanches()
    dynamics.take_avalanches()


def cost_of(dynamics: Dynamics, steps: int) -> tuple[float, float]:
    """Return seconds per event and per step of so many steps."""
    before = dynamics.state.now[0].copy()
    started = time.perf_counter()
    goal = before["steps"] + steps
    while dynamics.state.now[0]["steps"] < goal:
        dynamics.shear(1e9, int(goal - dynamics.state.now[0]["steps"]))
        dynamics.take_avalanches()
    spent = time.perf_counter() - started
    now = dynamics.state.now[0]
    return spent / float(now["events"] - before["events"]), spent / float(now["steps"] - before["steps"])


def steps_for(dynamics: Dynamics, seconds: float) -> int:
    """Return how many steps take about so long."""
    _, per_step = cost_of(dynamics, 20)
    return max(20, int(seconds / per_step))


def measure_real_space(n: int, engine: str) -> dict[str, Any]:
    """Return the cost of the direct or the lazy engine."""
    dynamics = flowing(n, engine)
    steps = steps_for(dynamics, SECONDS)
    costs = [cost_of(dynamics, steps) for _ in range(STRETCHES)]
    return {
        "N": n,
        "engine": engine,
        "us_per_event": min(c[0] for c in costs) * 1e6,
        "us_per_step": min(c[1] for c in costs) * 1e6,
    }


def seconds_each(call: Callable[[], object], times: int) -> float:
    """Return the mean time of a call."""
    started = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - started) / times


def measure_spectral(n: int) -> dict[str, Any]:
    """Return the cost of the spectral engine, and its ratio to nothing but the pair of transforms."""
    dynamics = flowing(n, "lazy")
    dynamics = Dynamics(dynamics.lattice, dynamics.glass, "spectral", dynamics.state)
    assert isinstance(dynamics.engine, SpectralEngine)
    fft = dynamics.engine.convolution._fft
    assert fft is not None

    def pair() -> None:
        fft.forward(normalize=False)
        fft.backward(normalize=False)

    steps = steps_for(dynamics, SECONDS)
    costs, ratios, pairs = [], [], []
    for _ in range(STRETCHES):
        pairs.append(seconds_each(pair, steps))
        costs.append(cost_of(dynamics, steps))
        ratios.append(costs[-1][1] / pairs[-1])
    return {
        "N": n,
        "engine": "spectral",
        "us_per_event": min(c[0] for c in costs) * 1e6,
        "us_per_step": min(c[1] for c in costs) * 1e6,
        "us_fft_pair": min(pairs) * 1e6,
        "step_to_fft_pair": float(np.median(ratios)),
    }


def measure_start() -> float:
    """Return the seconds from the command line to a finished run of a few steps, with a warm cache of compiled code."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "input.yaml"
        path.write_text("lattice: {shape: [64, 64]}\nloading: {target: 0.001}\n")
        command = [sys.executable, "-m", "hpcepm", str(path), "--quiet", "--output"]
        times = []
        for k in range(4):
            started = time.perf_counter()
            subprocess.run([*command, str(Path(folder) / str(k))], check=True)
            times.append(time.perf_counter() - started)
    return min(times[1:])


def main() -> None:
    """Measure, print a table, and write the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", default="bench.json", help="where the numbers go (default: bench.json)")
    options = parser.parse_args()
    print(f"{'N':>6}  {'engine':<9} {'µs/event':>9} {'µs/step':>9} {'µs/FFT pair':>12} {'step/pair':>10}")
    results = []
    measurements = (
        (partial(measure_real_space, engine="direct"), (16, 32, 64, 128, 256)),
        (partial(measure_real_space, engine="lazy"), (64, 128, 256, 512)),
        (measure_spectral, (64, 128, 256, 512)),
    )
    for measure, sizes in measurements:
        for n in sizes:
            row = measure(n)
            results.append(row)
            pair = f"{row['us_fft_pair']:12.1f} {row['step_to_fft_pair']:10.2f}" if "us_fft_pair" in row else ""
            print(f"{n:>6}  {row['engine']:<9} {row['us_per_event']:9.2f} {row['us_per_step']:9.2f} {pair}", flush=True)
    start = measure_start()
    print(f"\nstart to finish of a run of a few steps: {start:.2f} s")
    Path(options.json).write_text(json.dumps({"results": results, "start_seconds": start}, indent=1) + "\n")


if __name__ == "__main__":
    main()
