"""Curves over time, of runs with a clock."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hpcepm.analysis.ensembles import Curve
from hpcepm.analysis.protocol import by_decades, controls, is_held, is_held_after
from hpcepm.analysis.quantities import susceptibility
from hpcepm.analysis.results import Results
from hpcepm.analysis.style import BLUE, GREEN, ORANGE, PURPLE

from .base import MOST_CURVES, STRAIN, STRESS, TIME, UNITS, Line, curves_panel, draw_curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def _has_clock(run: Results) -> bool:
    return run.has_clock


def _creeps(run: Results) -> bool:
    return is_held(run) and "stress" in controls(run)


def _strains(run: Results) -> bool:
    """Whether the strain is not simply held."""
    return run.has_clock and not (is_held(run) and controls(run) == {"strain"})


def _relaxes(run: Results) -> bool:
    return run.has_clock and controls(run) != {"stress"} and (is_held(run) or is_held_after(run))


def _waits(run: Results) -> bool:
    return run.has_clock and (is_held(run) or by_decades(run))


def _in_time(run: Results, name: str) -> list[Curve]:
    """Return an observable over time, of each realization; not at t = 0 if it has decades."""
    curves = []
    for k, (strain, values) in enumerate(run.curves("stress" if name == "strain" else name)):
        time, y = run.times[k, : strain.size], strain if name == "strain" else values
        there = time > 0 if by_decades(run) else np.full(time.shape, True)
        curves.append((time[there], np.asarray(y[there], np.float64)))
    return curves


def _draw(axes: "Axes", run: Results, curves: Sequence[Curve], line: Line, colour: str) -> None:
    """Draw curves over time; their mean as far as all have records at the same times."""
    n = min(x.size for x, _ in curves)
    while n and any(curves[0][0][n - 1] != x[n - 1] for x, _ in curves):
        n -= 1  # where a rule has ended a realization it has a record of its own
    if line.alone and any(x.size > n for x, _ in curves):
        for x, y in curves[:MOST_CURVES]:
            axes.plot(x, y, linewidth=0.7, alpha=0.5, color=colour)
    common = [(x[:n], y[:n]) for x, y in curves] if n > 1 else list(curves)
    draw_curves(axes, common, line, colour)
    axes.set(xlabel=TIME, xscale="log" if by_decades(run) else "linear")


@curves_panel(_creeps, can=_strains)
def strain_in_time(axes: "Axes", run: Results, line: Line) -> None:
    """Draw strain against time."""
    _draw(axes, run, _in_time(run, "strain"), line, BLUE)
    axes.set(ylabel=STRAIN)


@curves_panel(_creeps, can=_strains)
def strain_rate(axes: "Axes", run: Results, line: Line) -> None:
    """Draw how fast the strain grows, against time."""
    _draw(axes, run, [_rate(*curve) for curve in _in_time(run, "strain")], line, PURPLE)
    axes.set(ylabel=f"strain rate dε/dt (1/{UNITS})", yscale="log")


def _rate(time: NDArray[np.float64], strain: NDArray[np.float64]) -> Curve:
    """Return the mean rate between records, at the middle of the logarithms of their times."""
    passed = np.diff(time)
    some = passed > 0
    begin, end = time[:-1][some], time[1:][some]
    middle = np.where(begin > 0, np.sqrt(begin * end), end / 2)
    return middle, np.diff(strain)[some] / passed[some]


@curves_panel(_relaxes, can=_has_clock)
def stress_in_time(axes: "Axes", run: Results, line: Line) -> None:
    """Draw stress against time."""
    _draw(axes, run, _in_time(run, "stress"), line, BLUE)
    axes.set(ylabel=STRESS)


@curves_panel(_waits, can=_has_clock)
def persistence(axes: "Axes", run: Results, line: Line) -> None:
    """Draw which part of the sites has not yielded since the segment began, against time."""
    curves = _in_time(run, "persistence")
    _draw(axes, run, [(x, np.where(_begins(y), np.nan, y)) for x, y in curves], line, GREEN)
    axes.set(ylabel="persistence", ylim=(0, 1.02))


def _begins(persistence: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return at which records a segment begins: there lines are broken."""
    return np.diff(persistence, prepend=1) > 0


@curves_panel(
    lambda run: _waits(run) and susceptibility(run) is not None,
    can=lambda run: run.has_clock and susceptibility(run) is not None,
)
def heterogeneity(axes: "Axes", run: Results, line: Line) -> None:
    """Draw χ₄, N² times the variance of the persistence over realizations, against time."""
    found = susceptibility(run)
    assert found is not None
    time, chi = found
    chi = np.where(_begins(run.observable("persistence")[0, : chi.size]), np.nan, chi)
    shown = time > 0 if by_decades(run) else np.full(time.shape, True)
    axes.plot(time[shown], chi[shown], label=line.label, **line.style(ORANGE))
    axes.set(xlabel=TIME, ylabel="χ$_4$ = N² var(persistence)")
    axes.set(xscale="log" if by_decades(run) else "linear")
