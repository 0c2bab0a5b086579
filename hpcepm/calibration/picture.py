"""``calibration.png``: target and best curves, and the fitted surface with its confidence region.

Needs matplotlib.
"""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hpcepm.analysis.statistics import Floats
from hpcepm.analysis.style import BLUE, ORANGE, VERMILION, save
from hpcepm.input.keys import with_unit
from hpcepm.model.observables import OBSERVABLES

from .calibrate import Result
from .statistics import STRESS
from .target import Target


def draw(target: Target, result: Result, path: Path) -> None:
    """Draw the result of a calibration into a file."""
    names = target.statistics.observables
    figure = Figure(figsize=(6.25 * (1 + len(names)), 4.8), layout="constrained")
    *curves, last = figure.subplots(1, 1 + len(names))
    for axes, name in zip(curves, names, strict=True):
        _draw_curve(axes, target, result, name)
    if len(target.keys) == 1:
        _draw_line(last, target, result)
    else:
        _draw_surface(figure, last, target, result)
    for axes in (*curves, last):
        axes.legend(fontsize=8)
    save(figure, path, dpi=110)


def _band(axes: Axes, x: Floats, mean: Floats, error: Floats, label: str) -> None:
    """Draw a curve, and two standard errors on both sides."""
    axes.fill_between(x, mean - 2 * error, mean + 2 * error, color=BLUE, alpha=0.25)
    axes.plot(x, mean, color=BLUE, label=f"{label} (± 2 standard errors)")


def _draw_curve(axes: Axes, target: Target, result: Result, name: str) -> None:
    """Draw what an observable is at the best keys, and should be."""
    strains, k = target.statistics.strains, target.statistics.observables.index(name)
    _band(axes, strains, result.curves[k], result.curve_errors[k], "best, simulated")
    if name in target.curves:
        strain, value, error = target.curves[name].T
        label = "target (± 2 errors)"
        axes.errorbar(strain, value, 2 * error, fmt=".", color="k", ms=4, lw=0.8, label=label)
    units = next(observable.units for observable in OBSERVABLES if observable.name == name)
    axes.set(xlabel="strain ε", ylabel=f"{name} ({units})", xlim=(0, strains[-1]))
    axes.grid(alpha=0.3)
    if name == STRESS:
        axes.set(ylabel="stress Σ (Lennard-Jones units)", ylim=(0, None))
        _draw_scalars(axes, target, float(strains[np.argmax(result.curves[0])]))


def _draw_scalars(axes: Axes, target: Target, strain_of_peak: float) -> None:
    """Draw the plateau and the peak that are wanted; one of a given strain, if of no other."""
    wanted = target.settings.target
    if plateau := wanted.plateau:
        low, high = plateau.value - 2 * plateau.error, plateau.value + 2 * plateau.error
        axes.fill_between(plateau.window, low, high, color=ORANGE, alpha=0.4)
        label = "plateau wanted (± 2 errors)"
        axes.plot(plateau.window, [plateau.value] * 2, color=ORANGE, label=label)
    peak, strain = wanted.peak, wanted.peak_strain
    if peak:
        at, across = (strain.value, 2 * strain.error) if strain else (strain_of_peak, None)
        label = "peak wanted (± 2 errors)"
        axes.errorbar(
            at, peak.value, 2 * peak.error, across, "s", color=VERMILION, ms=4, label=label
        )
    elif strain:
        low, high = strain.value - 2 * strain.error, strain.value + 2 * strain.error
        axes.axvspan(low, high, color=VERMILION, alpha=0.3, label="strain of the peak wanted")


def _draw_line(axes: Axes, target: Target, result: Result) -> None:
    """Draw the first observable against the only key."""
    fit, goal = result.found.fit, target.goal
    emulator = fit.emulator
    x = np.linspace(emulator.box.low[0], emulator.box.high[0], 200)
    groups = emulator.of_groups(x[:, None])[:, :, 0]
    error = np.sqrt(groups.var(axis=0, ddof=1) / len(groups) + emulator.model_variance[0])
    _band(axes, x, groups.mean(axis=0), error, f"fitted, of degree {emulator.degree}")
    near = emulator.box.holds(result.found.points)
    seen = result.found.values[near].mean(axis=1)
    axes.plot(result.found.points[near, 0], seen[:, 0], "k.", label="simulated")
    low, high = goal.values[0] - 2 * goal.errors[0], goal.values[0] + 2 * goal.errors[0]
    axes.axhspan(low, high, color=ORANGE, alpha=0.3, label="wanted")
    best, half = fit.best[0], fit.half_widths(target.settings.confidence)[0]
    axes.axvspan(best - half, best + half, color=VERMILION, alpha=0.2, label="best")
    axes.set(xlabel=with_unit(target.keys[0]), ylabel=goal.names[0])


def _draw_surface(figure: Figure, axes: Axes, target: Target, result: Result) -> None:
    """Draw the misfit over the first two keys, others at their best, and the joint region."""
    found, goal, confidence = result.found, target.goal, target.settings.confidence
    box, best = found.fit.emulator.box, found.fit.best
    x, y = np.linspace(box.low[:2], box.high[:2], 80).T
    grid = np.tile(best, (80, 80, 1))
    grid[..., 0], grid[..., 1] = x[None, :], y[:, None]
    surface = found.fit.emulator.at(grid)
    misfit = np.sqrt(np.mean(((surface - goal.values) / found.fit.errors) ** 2, axis=-1))
    filled = axes.contourf(x, y, misfit, 20, cmap="viridis_r")
    figure.colorbar(filled, ax=axes, label="misfit: r.m.s. of (fitted surface − wanted)/error")
    if len(goal.names) <= 3:
        for k, (value, colour) in enumerate(
            zip(goal.values, ("w", ORANGE, VERMILION), strict=False)
        ):
            axes.contour(x, y, surface[..., k], [value], colors=colour, linewidths=1)
    near = box.holds(found.points)
    axes.plot(found.points[near, 0], found.points[near, 1], "k.", ms=4, label="simulated")
    axes.plot(best[0], best[1], "+", color=VERMILION, ms=10, label="best")
    axes.plot(
        *found.fit.outline(confidence).T, color=VERMILION, lw=1.2, label=f"{confidence:.0%} region"
    )
    names = map(with_unit, target.keys[:2])
    axes.set(**dict(zip(("xlabel", "ylabel"), names, strict=True)))
    axes.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
