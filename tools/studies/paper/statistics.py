"""Numbers of the mean curves that the paper's statements are about, and of several ensembles."""

from collections.abc import Mapping
from math import sqrt
from typing import Final

import numpy as np

from hpcepm.analysis.statistics import Estimate

from ..ensemble import Curves, at_end, in_flow, maximum, peak_of

plateau: Final = in_flow("stress")
localization_maximum: Final = maximum("localization")
final_strain_variance: Final = at_end("strain_variance")


def overshoot(curves: Curves) -> float:
    """Return by how much the peak is above the plateau, as a part of the plateau."""
    return peak_of(curves)[0] / plateau(curves) - 1


def sharpness(curves: Curves) -> float:
    """Return how fast the stress falls behind its peak.

    It is half the overshoot, by the strain in which this half is lost.
    """
    height, at = peak_of(curves)
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


def localization_decay(curves: Curves) -> float:
    """Return what part of its maximum LOC has lost at the end."""
    return 1 - float(curves.of["localization"][-1]) / localization_maximum(curves)


def localization_rise(curves: Curves) -> float:
    """Return how many times as high LOC is at the stress peak as at the start."""
    localization = curves.of["localization"]
    there = np.interp(peak_of(curves)[1], curves.strain, localization)
    return float(there / localization[0])


# Of several ensembles


def mean_of(estimates: list[Estimate]) -> Estimate:
    """Return the mean of independent estimates."""
    values, errors = np.array(estimates).T
    return Estimate(float(values.mean()), float(np.hypot.reduce(errors) / len(errors)))


def ratio(a: Estimate, b: Estimate) -> Estimate:
    """Return a/b, of independent a and b."""
    value = a.value / b.value
    return Estimate(value, abs(value) * float(np.hypot(a.error / a.value, b.error / b.value)))


def crossing(x: list[float], y: list[Estimate], level: Estimate) -> tuple[Estimate, float]:
    """Return where a straight line crosses a level, with its error, and the χ² of the line.

    The line is fitted by weighted least squares.
    """
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
