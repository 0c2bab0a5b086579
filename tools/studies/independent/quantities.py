"""What is compared: numbers of the mean curves of an ensemble."""

from collections.abc import Mapping
from typing import Final

from ..ensemble import Curves, Statistic, at_end, between, in_flow, maximum, peak_of

STEADY: Final = 0.25
"""Strain from which flow counts as steady."""


def each_avalanche(name: str) -> Statistic:
    """Return the statistic that is the growth of a sum in steady flow, an avalanche."""

    def ratio(curves: Curves) -> float:
        flows = curves.strain > STEADY - 1e-9
        total, number = curves.of[name][flows], curves.of["avalanches"][flows]
        return float((total[-1] - total[0]) / (number[-1] - number[0]))

    return ratio


def in_steady_flow(name: str) -> Statistic:
    """Return the statistic that is the mean of an observable in steady flow."""
    return lambda curves: between(name, STEADY, float(curves.strain[-1]))(curves)


PAPER: Final[Mapping[str, Statistic]] = {
    "plateau": in_flow("stress"),
    "mean threshold in flow": in_flow("threshold_mean"),
    "maximum of LOC": maximum("localization"),
    "LOC in flow": in_flow("localization"),
    "variance of strain at the end": at_end("strain_variance"),
    "x_min at records, in flow": in_flow("x_min"),
    "avalanches": at_end("avalanches"),
}
PEAK: Final[Mapping[str, Statistic]] = {
    "height of the peak": lambda curves: peak_of(curves)[0],
    "strain of the peak": lambda curves: peak_of(curves)[1],
}
"""Of glasses that have one."""

AVALANCHES: Final[Mapping[str, Statistic]] = {
    "⟨S⟩": each_avalanche("slip"),
    "⟨x_min⟩ at triggers": each_avalanche("rise"),
    "stress in flow": in_steady_flow("stress"),
    "LOC in flow": in_steady_flow("localization"),
}
BANDS: Final[Mapping[str, Statistic]] = {
    "width at strain 0.1": between("band_width", 0.075, 0.125),
    "width at strain 0.2": between("band_width", 0.175, 0.225),
    "width at strain 0.4": between("band_width", 0.375, 0.425),
    "height of the peak": PEAK["height of the peak"],
    "LOC at strain 0.5": at_end("localization"),
}
