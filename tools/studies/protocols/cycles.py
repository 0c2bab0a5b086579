"""Cycles: how long until the wells come back, with which period, and up to which amplitude."""

from math import sqrt
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from hpcepm.analysis.statistics import Estimate, Floats, mean

from ..harness import Run
from .runs import Cycled, Plan, cycle_run


class Sample(NamedTuple):
    """Glasses that were cycled at one amplitude, each (glass,)."""

    amplitude: float
    transient: Floats  # cycles before the one whose end comes back first; ∞ if none did
    period: Floats  # 0 if none did
    cycles: Floats  # that were needed to be sure: transient + 1 + 2 periods; ∞ if none did

    @property
    def came_back(self) -> NDArray[np.bool_]:
        """Which came back."""
        return np.isfinite(self.transient)

    @property
    def median(self) -> tuple[float, float, float]:
        """Median of the transient, and the bounds that hold it with probability 0.68."""
        return median(self.transient)


def median(values: Floats) -> tuple[float, float, float]:
    """Return the median of independent numbers, and order statistics on both sides of it.

    How many of n lie below the true median is binomial, whatever their distribution: n/2 ± √n/2.
    Numbers may be infinite.
    """
    ordered, n = np.sort(values), len(values)
    low = max(0, int(np.floor((n - sqrt(n)) / 2)))
    middle = np.inf if np.isinf(ordered[n // 2]) else float(np.median(ordered))
    return middle, float(ordered[low]), float(ordered[n - 1 - low])


def read_sample(run: Run, amplitude: float) -> Sample:
    """Return what a run of cycles found."""
    with h5py.File(run.file, "r") as file:
        transient, period = (file["cycles"][k][()].max(axis=1) for k in ("transient", "period"))
    back = period > 0
    of_back = np.where(back, transient, np.inf)
    return Sample(amplitude, of_back, period.astype(float), of_back + 1 + 2 * period)


class Alone(NamedTuple):
    """One glass that was cycled."""

    order: str
    amplitude: float
    seed: int
    transient: float
    period: int


class Cycling(NamedTuple):
    """Glasses of one size and one order of yielding, at amplitudes that ascend."""

    shape: tuple[int, int]
    order: str
    samples: list[Sample]

    @property
    def is_square(self) -> bool:
        """Whether it is a lattice of the scan of sizes."""
        return self.shape[0] == self.shape[1]

    def limit(self, most: float) -> tuple[Estimate, bool]:
        """Return the amplitude above which a glass does not come back within ``most`` cycles.

        It is the Spearman–Kärber estimate: the mean, over glasses, of the lowest amplitude and the
        area below the line that is 1 where a glass came back and 0 where it did not. So it assumes
        no form. Whether amplitudes reach from where all come back to where none does is the second
        answer; if they do not, the number is a bound.
        """
        amplitudes = np.array([sample.amplitude for sample in self.samples])
        back = np.array([sample.cycles <= most for sample in self.samples], float)
        limits = amplitudes[0] + np.trapezoid(back, amplitudes, axis=0)
        return mean(limits), bool(back[0].all() and not back[-1].any())

    def spacing(self, amplitude: float) -> float:
        """Return how far the amplitudes lie apart around one."""
        amplitudes = [sample.amplitude for sample in self.samples]
        k = int(np.clip(np.searchsorted(amplitudes, amplitude), 1, len(amplitudes) - 1))
        return amplitudes[k] - amplitudes[k - 1]


def read_cycling(folder: Path, plan: Plan, cycled: Cycled, order: str) -> Cycling:
    """Return what was found at all amplitudes."""
    samples = [
        read_sample(cycle_run(folder, plan, cycled, order, amplitude), amplitude)
        for amplitude in cycled.amplitudes
    ]
    return Cycling(cycled.shape, order, samples)


def read_alone(folder: Path, plan: Plan) -> list[Alone]:
    """Return what single glasses came to."""
    what, found = plan.alone, []
    for order in what.orders:
        for amplitude in what.amplitudes:
            for seed in plan.seeds:
                run = cycle_run(folder, plan, what, order, amplitude, seed)
                sample = read_sample(run, amplitude)
                transient, period = float(sample.transient[0]), int(sample.period[0])
                found.append(Alone(order, amplitude, seed, transient, period))
    return found
