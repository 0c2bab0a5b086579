"""Measures what a step of Maxwell sites costs, in convolutions, on one rank.

``python -m tools.bench_maxwell N…``: for each lattice of N × N sites, in flow and where all sites
are plastic, milliseconds of a step and of a convolution, measured alternately in this one run.
"""

import sys
from typing import Any

import numpy as np

from hpcepm.model.clock import Maxwell
from hpcepm.model.loading import Strain
from hpcepm.model.maxwell import MaxwellSites
from hpcepm.parallel import launch
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from tools.bench_worker import glass, seconds_a_call

ROUNDS = 7
UNTIL = 1000
"""Steps before it is measured."""


def measured(n: int, clock: Maxwell, rate: float) -> dict[str, Any]:
    """Return medians: milliseconds of a step and of a convolution, and the ratio of both."""
    lattice = Lattice((n, n), Ranks(launch.initialize()))
    loading = Strain(1e6, rate=rate)
    dynamics = MaxwellSites(lattice, glass(), "spectral", loading=loading, clock=clock)
    dynamics.shear(1e6, UNTIL)
    slips, result = dynamics.state.fields.epsilon_p, lattice.field()
    steps = max(3, 50 * 64 // n)
    pairs = []
    for _ in range(ROUNDS):
        step = seconds_a_call(lambda: dynamics.shear(1e6, steps), 1) / steps
        fft = seconds_a_call(lambda: dynamics.engine.convolution.stress_of(slips, result), steps)
        pairs.append((step, fft, step / fft))
    step, fft, ratio = np.median(pairs, axis=0).tolist()
    plastic = dynamics.plastic_fraction()
    return {"n": n, "plastic": plastic, "step": 1e3 * step, "fft": 1e3 * fft, "ratio": ratio}


if __name__ == "__main__":
    print("   N  plastic  step ms   FFT pair ms   ratio")
    for n in map(int, sys.argv[1:]):
        for clock, rate in ((Maxwell(), 0.01), (Maxwell(1.0, 0.01, 1e6), 0.1)):
            found = measured(n, clock, rate)
            line = "{n:4d}  {plastic:7.3f} {step:8.3f} {fft:13.3f} {ratio:7.2f}"
            print(line.format(**found), flush=True)
