"""Curves over strain or stress, of loads that go one way."""

from typing import TYPE_CHECKING

import numpy as np

from hpcepm.analysis.protocol import (
    controls,
    is_extremal,
    is_held,
    is_in_avalanche,
    is_under_stress,
    turns_back,
)
from hpcepm.analysis.results import Results
from hpcepm.analysis.style import BLUE, GREEN, ORANGE, VERMILION
from hpcepm.layout import SAME_STRAIN
from hpcepm.schedule import turns_of

from .base import MOST_CURVES, STRAIN, STRESS, THRESHOLD, Line, curves_panel, draw_curves, each

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def _is_plain(run: Results) -> bool:
    """Whether a curve over strain is a function of it."""
    return not is_extremal(run) and not turns_back(run)


def _rests(run: Results) -> bool:
    """Whether the stress was raised, and the glass came to rest wherever there is a record."""
    return is_under_stress(run) and not run.has_clock and not is_in_avalanche(run).any()


def _is_by_machine(run: Results) -> bool:
    return controls(run) == {"machine"} and _is_plain(run)


def is_jerky(run: Results) -> bool:
    """Whether the load gives way less than strain control, so that avalanches are larger."""
    return (is_under_stress(run) and not run.has_clock) or _is_by_machine(run)


def _moves(run: Results) -> bool:
    """Whether the load goes on its way, so that strain tells how far."""
    return _is_plain(run) and not _rests(run) and not is_held(run)


def _over_strain(axes: "Axes", run: Results, name: str, line: Line, colour: str) -> None:
    """Draw an observable over strain."""
    draw_curves(axes, list(run.curves(name)), line, colour)
    axes.set(xlabel=STRAIN)
    axes.margins(x=0)
    axes.locator_params(axis="x", nbins=6)


def _mark_avalanches(axes: "Axes", run: Results) -> None:
    """Mark the records that lie inside an avalanche."""
    inside = is_in_avalanche(run)
    if inside.any():
        strain, force = run.strains[inside], run.observable("stress")[inside]
        axes.plot(strain, force, "o", color=VERMILION, markersize=2, label="inside an avalanche")
        axes.legend()


@curves_panel(_moves, can=_is_plain)
def stress(axes: "Axes", run: Results, line: Line) -> None:
    """Draw stress against strain."""
    _over_strain(axes, run, "stress", line, BLUE)
    if line.alone and run.realizations == 1:
        _mark_avalanches(axes, run)
    axes.set(ylabel=STRESS)


@curves_panel(_is_by_machine)
def displacement(axes: "Axes", run: Results, line: Line) -> None:
    """Draw stress against the displacement of the machine."""
    stiffness = run.settings["loading"]["stiffness"]
    found = each(run, "stress", "plastic_strain")
    curves = [(np.round(force / stiffness + plastic, 12), force) for _, force, plastic in found]
    draw_curves(axes, curves, line, BLUE)
    axes.set(xlabel="displacement ℓ", ylabel=STRESS)


@curves_panel(_rests)
def staircase(axes: "Axes", run: Results, line: Line) -> None:
    """Draw strain against stress, with a dot at the end of each segment."""
    turns = np.array(turns_of(run.settings["loading"]))
    found = each(run, "stress")
    draw_curves(axes, [(force, strain) for strain, force in found], line, BLUE, steps=True)
    for strain, force in found[:MOST_CURVES] if line.alone else []:
        step = np.isclose(force[:, None], turns, rtol=0, atol=SAME_STRAIN).any(axis=1)
        size = 5 if len(found) == 1 else 2
        axes.plot(force[step], strain[step], "o", color=VERMILION, markersize=size)
    axes.set(xlabel=STRESS, ylabel=STRAIN)


@curves_panel(lambda run: _moves(run) and not is_jerky(run), can=_is_plain)
def thresholds(axes: "Axes", run: Results, line: Line) -> None:
    """Draw the mean threshold against strain."""
    _over_strain(axes, run, "threshold_mean", line, ORANGE)
    axes.set(ylabel=THRESHOLD)


@curves_panel(lambda run: _moves(run) and not _is_by_machine(run), can=_is_plain)
def localization(axes: "Axes", run: Results, line: Line) -> None:
    """Draw how localized the strain is: 1 is in a single row."""
    _over_strain(axes, run, "localization", line, GREEN)
    axes.set(ylabel="localization LOC")
