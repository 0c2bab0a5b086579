"""Numbers with error bars. Errors are of the ensemble.

By resampling whole realizations, which are independent.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import floor, log10, sqrt
from pathlib import Path
from typing import Final, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

OBSERVABLES: Final = ("stress", "threshold_mean", "localization", "strain_variance")
RESAMPLES: Final = 400
FLOW: Final = (0.5, 1.0)
"""The strains between which the glass flows, bounds excluded: those of the plateau."""

PEAK_BEFORE: Final = 0.2
"""Peaks of the stress are looked for below this strain."""


class Estimate(NamedTuple):
    """A number and its standard error."""

    value: float
    error: float

    def __str__(self) -> str:
        decimals = min(6, max(0, 1 - floor(log10(self.error)))) if self.error > 0 else 4
        return f"{self.value:.{decimals}f} ± {self.error:.{decimals}f}"


class Curves(NamedTuple):
    """The mean curves of an ensemble, or of a resample of it."""

    strain: Array
    of: Mapping[str, Array]


Statistic = Callable[[Curves], float]


@dataclass(frozen=True)
class Ensemble:
    """What an ensemble measured.

    Parameters
    ----------
    strain
        Of the records.
    of
        By the name of an observable, its values, (realization, record).
    strength, age
        s and r, as they follow from the input.
    """

    strain: Array
    of: Mapping[str, Array]
    strength: float = 0.0
    age: float = 0.0

    @property
    def size(self) -> int:
        """How many realizations there are."""
        return len(next(iter(self.of.values())))

    @cached_property
    def curves(self) -> Curves:
        """The mean curves."""
        return Curves(self.strain, {name: values.mean(axis=0) for name, values in self.of.items()})

    @cached_property
    def resampled(self) -> list[Curves]:
        """The mean curves of as many realizations drawn with repetition, many times over, the same each time."""
        n = self.size
        weights = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), RESAMPLES) / n
        means = {name: weights @ values for name, values in self.of.items()}
        return [
            Curves(self.strain, {name: mean[k] for name, mean in means.items()})
            for k in range(RESAMPLES)
        ]

    def error_of_mean(self, name: str) -> Array:
        """Return the standard error of a mean curve."""
        return np.asarray(self.of[name].std(axis=0, ddof=1) / sqrt(self.size))

    def estimate(self, statistic: Statistic) -> Estimate:
        """Return what a statistic of the mean curves is, and its error."""
        spread = np.std([statistic(curves) for curves in self.resampled], ddof=1)
        return Estimate(float(statistic(self.curves)), float(spread))


def load(run_file: Path) -> Ensemble:
    """Return the ensemble in a ``run.h5``."""
    with h5py.File(run_file, "r") as file:
        observables = file["observables"]
        of = {name: observables[name][()] for name in OBSERVABLES}
        return Ensemble(
            observables["strain"][()],
            of,
            float(file.attrs["disorder_strength"]),
            float(file.attrs["age"]),
        )


# Statistics


def in_flow(name: str) -> Statistic:
    """Return the statistic that is the mean of an observable over the strains of flow."""

    def mean(curves: Curves) -> float:
        flows = (curves.strain > FLOW[0]) & (curves.strain < FLOW[1])
        return float(curves.of[name][flows].mean())

    return mean


plateau: Final = in_flow("stress")


def peak(curves: Curves) -> tuple[float, float]:
    """Return the strain and the height of the peak of the stress, by a parabola through five records around the highest."""
    early = curves.strain <= PEAK_BEFORE
    strain, stress = curves.strain[early], curves.of["stress"][early]
    middle = int(np.clip(stress.argmax(), 2, len(stress) - 3))
    near = slice(middle - 2, middle + 3)
    offset = strain[near] - strain[middle]
    c, b, a = np.polynomial.polynomial.polyfit(offset, stress[near], 2)
    at = (
        float(np.clip(-b / (2 * a), offset[0], offset[-1]))
        if a < 0
        else float(offset[stress[near].argmax()])
    )
    return float(strain[middle]) + at, float(c + b * at + a * at**2)


def overshoot(curves: Curves) -> float:
    """Return by how much the peak is above the plateau, as a part of the plateau."""
    return peak(curves)[1] / plateau(curves) - 1


def sharpness(curves: Curves) -> float:
    """Return how fast the stress falls behind its peak.

    Half the overshoot, by the strain in which it is lost.
    """
    at, height = peak(curves)
    flow = plateau(curves)
    half = (height + flow) / 2
    behind = int(np.searchsorted(curves.strain, at, side="right"))
    strain, stress = curves.strain[behind:], curves.of["stress"][behind:]
    k = max(1, int(np.argmax(stress <= half)))
    there = np.interp(half, stress[k - 1 : k + 1][::-1], strain[k - 1 : k + 1][::-1])
    return (height - half) / flow / float(there - at)


def hardening(curves: Curves) -> float:
    """Return by how much the mean threshold in flow is above that at the start, as a part of it."""
    return in_flow("threshold_mean")(curves) / float(curves.of["threshold_mean"][0]) - 1


def localization_maximum(curves: Curves) -> tuple[float, float]:
    """Return the strain and the height of the maximum of LOC."""
    highest = int(curves.of["localization"].argmax())
    return float(curves.strain[highest]), float(curves.of["localization"][highest])


def localization_decay(curves: Curves) -> float:
    """Return what part of its maximum LOC has lost at the end."""
    return 1 - float(curves.of["localization"][-1]) / localization_maximum(curves)[1]


def localization_rise(curves: Curves) -> float:
    """Return how many times as high LOC is at the stress peak as at the start."""
    return float(
        np.interp(peak(curves)[0], curves.strain, curves.of["localization"])
        / curves.of["localization"][0]
    )


def final_strain_variance(curves: Curves) -> float:
    """Return the variance of the local strain at the end."""
    return float(curves.of["strain_variance"][-1])


# Of several ensembles


def mean_of(estimates: list[Estimate]) -> Estimate:
    """Return the mean of independent estimates."""
    values, errors = np.array(estimates).T
    return Estimate(float(values.mean()), float(np.hypot.reduce(errors) / len(errors)))


def difference(a: Estimate, b: Estimate) -> Estimate:
    """Return a − b, of independent a and b."""
    return Estimate(a.value - b.value, float(np.hypot(a.error, b.error)))


def ratio(a: Estimate, b: Estimate) -> Estimate:
    """Return a/b, of independent a and b."""
    value = a.value / b.value
    return Estimate(value, abs(value) * float(np.hypot(a.error / a.value, b.error / b.value)))


def crossing(x: list[float], y: list[Estimate], level: Estimate) -> tuple[Estimate, float]:
    """Return where a straight line, fitted by weighted least squares, crosses a level, with its error, and the χ² of the fit."""
    values, errors = np.array(y).T
    weights = 1 / errors**2
    centre = float(weights @ x / weights.sum())
    offset = np.asarray(x) - centre
    height = float(weights @ values / weights.sum())
    spread = float(weights @ offset**2)
    slope = float(weights @ (offset * values) / spread)
    at = (level.value - height) / slope
    variance = level.error**2 + 1 / weights.sum() + at**2 / spread
    chi2 = float(weights @ (values - height - slope * offset) ** 2)
    return Estimate(centre + at, sqrt(variance) / abs(slope)), chi2


def outlier(estimates: Mapping[str, Estimate]) -> str:
    """Return the name of the estimate that is farthest from the median of all."""
    median = float(np.median([e.value for e in estimates.values()]))
    return max(estimates, key=lambda name: abs(estimates[name].value - median))
