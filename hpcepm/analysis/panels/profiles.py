"""The profile of a shear band: plastic strain across it."""

from typing import TYPE_CHECKING

import numpy as np

from hpcepm.analysis.ensembles import Curve
from hpcepm.analysis.results import Results
from hpcepm.analysis.statistics import Floats
from hpcepm.analysis.style import BLUE, ORANGE

from .base import PLASTIC, Line, curves_panel, draw_curves, minus, never

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def _last(run: Results, name: str, realization: int) -> Floats:
    """Return a profile at the last record."""
    return run.file["profiles"][name][realization, run.records_of(realization) - 1]


def across(run: Results, realization: int) -> Curve:
    """Return the profile across the band, and the distance from its middle in cells.

    The band lies along the direction over which the mean varies more. Its middle is where the
    first harmonic of the profile is highest: that of a noisy maximum would be biased.
    """
    both = [_last(run, name, realization) for name in ("along_x", "along_y")]
    profile = max(both, key=lambda one: float(one.var()))
    n = profile.size
    phase = np.angle(np.fft.rfft(profile)[1]) if n > 1 else 0.0
    middle = round(-phase / (2 * np.pi) * n)
    return np.arange(n, dtype=np.float64) - n // 2, np.roll(profile, n // 2 - middle)


@curves_panel(never, can=lambda run: run.realizations > 0)
def band_profile(axes: "Axes", run: Results, line: Line) -> None:
    """Draw plastic strain across the shear band, at the last record."""
    if line.alone and run.realizations == 1:
        for name, colour in (("x", BLUE), ("y", ORANGE)):
            profile = _last(run, f"along_{name}", 0)
            axes.plot(np.arange(profile.size), profile, color=colour, label=f"against {name}")
        axes.set(xlabel="x or y (cells)", ylabel=PLASTIC)
        axes.legend()
    else:
        curves = [across(run, k) for k in range(run.realizations)]
        draw_curves(axes, curves, line, BLUE)
        axes.set(xlabel="distance from the middle of the band (cells)", ylabel=PLASTIC)
    axes.margins(x=0)
    if line.alone:
        last = [run.strains[k][run.records_of(k) - 1] for k in range(run.realizations)]
        low, high = minus(min(last)), minus(max(last))
        axes.set_title(f"at ε = {low}" + f" to {high}" * (low != high))
