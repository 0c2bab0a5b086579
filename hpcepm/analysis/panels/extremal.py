"""Extremal dynamics: the stress of each event."""

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from hpcepm.analysis.protocol import is_extremal
from hpcepm.analysis.results import Results
from hpcepm.analysis.style import BLUE, ORANGE, VERMILION

from .avalanches import has_avalanches
from .base import PLASTIC, STRESS, THRESHOLD, Line, curves_panel, draw_curves, each, paths

if TYPE_CHECKING:
    from matplotlib.axes import Axes


LEFT_OUT: Final = 0.02
"""Of the events: some need hardly any stress, others a strong pull back."""


@curves_panel(is_extremal)
def extremal(axes: "Axes", run: Results, line: Line) -> None:
    """Draw the stress at each event, or at each record, and its envelope."""
    found = _events(run)
    if line.alone:
        (plastic, force), *_ = found
        axes.plot(plastic, force, color=BLUE, linewidth=0.3, alpha=0.7, label="each event")
        low = np.quantile(np.concatenate([force for _, force in found]), LEFT_OUT)
        axes.set(ylim=(low, None))
        axes.set_title(f"without the lowest {LEFT_OUT:.0%}")
    curves = [(np.maximum.accumulate(x), np.maximum.accumulate(y)) for x, y in found]
    draw_curves(axes, curves, line._replace(label=line.label or "envelope"), VERMILION)
    axes.set(xlabel=PLASTIC, ylabel=STRESS if line.alone else STRESS.replace("Σ", "Σ, envelope"))
    if line.alone:
        axes.legend()


def _events(run: Results) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return plastic strain and stress of each realization: of all avalanches, or of records."""
    if not has_avalanches(run):
        return [(plastic, force) for _, plastic, force in paths(run, "plastic_strain", "stress")]
    two_mu = 2 * run.settings["elasticity"]["shear_modulus"]
    names = ("realization", "strain", "stress")
    of, strain, force = (run.file["avalanches"][name][()] for name in names)
    ends = np.searchsorted(of, np.arange(1, run.realizations + 1))  # what follows is under way
    both = np.split(strain - force / two_mu, ends), np.split(force, ends)
    return [*zip(*both, strict=True)][:-1]


@curves_panel(is_extremal)
def thresholds_by_slip(axes: "Axes", run: Results, line: Line) -> None:
    """Draw the mean threshold against plastic strain."""
    found = each(run, "plastic_strain", "threshold_mean")
    draw_curves(axes, [(plastic, mean) for _, plastic, mean in found], line, ORANGE)
    axes.set(xlabel=PLASTIC, ylabel=THRESHOLD)


@curves_panel(is_extremal)
def stresses(axes: "Axes", run: Results, line: Line) -> None:
    """Draw how often each stress is."""
    force = np.concatenate([force for _, force in _events(run)])
    how = {"bins": 80, "density": True, "label": line.label, **line.style(BLUE)}
    axes.hist(force, histtype="stepfilled" if line.alone else "step", alpha=0.7, **how)
    if line.alone:
        axes.axvline(force.max(), color=VERMILION, label=f"highest: {force.max():.4g}")
        axes.legend()
    axes.set(xlabel=STRESS, ylabel="density of events")
