"""What is compared: numbers of the mean curves of an ensemble."""

from collections.abc import Mapping
from typing import Final

from ..paper_reproduction import statistics as st
from ..paper_reproduction.statistics import Curves, Statistic

STEADY: Final = 0.25
"""Strain from which flow counts as steady."""


def at_end(name: str) -> Statistic:
    """Return the statistic that is the last value of an observable."""
    return lambda curves: float(curves.of[name][-1])


def between(name: str, first: float, last: float) -> Statistic:
    """Return the statistic that is the mean of an observable between two strains."""
    return lambda curves: float(
        curves.of[name][(curves.strain > first - 1e-9) & (curves.strain < last + 1e-9)].mean()
    )


def each_avalanche(name: str) -> Statistic:
    """Return the statistic that is the growth of a sum in steady flow, by that of the number of avalanches."""

    def ratio(curves: Curves) -> float:
        flows = curves.strain > STEADY - 1e-9
        total, number = curves.of[name][flows], curves.of["avalanches"][flows]
        return float((total[-1] - total[0]) / (number[-1] - number[0]))

    return ratio


PAPER: Final[Mapping[str, Statistic]] = {
    "plateau": st.plateau,
    "mean threshold in flow": st.in_flow("threshold_mean"),
    "maximum of LOC": lambda curves: st.localization_maximum(curves)[1],
    "LOC in flow": st.in_flow("localization"),
    "variance of strain at the end": at_end("strain_variance"),
    "x_min at records, in flow": st.in_flow("x_min"),
    "avalanches": at_end("avalanches"),
}
PEAK: Final[Mapping[str, Statistic]] = {
    "height of the peak": lambda curves: st.peak(curves)[1],
    "strain of the peak": lambda curves: st.peak(curves)[0],
}
"""Of glasses that have one."""

AVALANCHES: Final[Mapping[str, Statistic]] = {
    "⟨S⟩": each_avalanche("slip"),
    "⟨x_min⟩ at triggers": each_avalanche("rise"),
    "stress in flow": between("stress", STEADY, 1.0),
    "LOC in flow": between("localization", STEADY, 1.0),
}
BANDS: Final[Mapping[str, Statistic]] = {
    "width at strain 0.1": between("band_width", 0.075, 0.125),
    "width at strain 0.2": between("band_width", 0.175, 0.225),
    "width at strain 0.4": between("band_width", 0.375, 0.425),
    "height of the peak": PEAK["height of the peak"],
    "LOC at strain 0.5": at_end("localization"),
}
