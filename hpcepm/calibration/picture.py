"""``calibration.png``: target and best curves, and the fitted surface with its confidence region.

Needs matplotlib.
"""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hpcepm.model.observables import OBSERVABLES

from .calibrate import Result
from .statistics import STRESS
from .target import Target

Floats = NDArray[np.float64]


def draw(target: Target, result: Result, path: Path) -> None:
    """Draw the result of a calibration into a file."""
    others = target.statistics.observables[1:]
    figure = Figure(figsize=(6.25 * (2 + len(others)), 4.8), layout="constrained")
    left, *middle, right = figure.subplots(1, 2 + len(others))
    _draw_stress(left, target, result)
    for axes, name in zip(middle, others, strict=True):
        _draw_curve(axes, target, result, name)
    if len(target.keys) == 1:
        _draw_line(right, target, result)
    else:
        _draw_surface(figure, right, target, result)
    figure.savefig(path, dpi=110)


def _draw_curve(axes: Axes, target: Target, result: Result, name: str) -> None:
    """Draw what an observable is at the best keys, and should be."""
    strains, k = target.statistics.strains, target.statistics.observables.index(name)
    mean, error = result.curves[k], result.curve_errors[k]
    axes.fill_between(strains, mean - 2 * error, mean + 2 * error, color="C0", alpha=0.25)
    axes.plot(strains, mean, color="C0", label="best, simulated (± 2 standard errors)")
    if name in target.curves:
        strain, value, error = target.curves[name].T
        axes.errorbar(
            strain, value, 2 * error, fmt=".", color="k", ms=4, lw=0.8, label="target (± 2 errors)"
        )
    units = next(observable.units for observable in OBSERVABLES if observable.name == name)
    axes.set(xlabel="strain ε", ylabel=f"{name} ({units})", xlim=(0, strains[-1]))
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)


def _draw_stress(axes: Axes, target: Target, result: Result) -> None:
    """Draw the stress, with its plateau and peak."""
    _draw_curve(axes, target, result, STRESS)
    strains, wanted = (
        target.statistics.strains,
        dict(zip(target.goal.names, range(len(target.goal.names)), strict=True)),
    )
    values, errors = target.goal.values, target.goal.errors
    if "plateau" in wanted:
        k, window = wanted["plateau"], target.statistics.window
        axes.fill_between(
            window, values[k] - 2 * errors[k], values[k] + 2 * errors[k], color="C1", alpha=0.4
        )
        axes.plot(window, [values[k]] * 2, color="C1", label="plateau wanted (± 2 errors)")
    if "peak" in wanted:
        k = wanted["peak"]
        at = (
            values[wanted["peak_strain"]]
            if "peak_strain" in wanted
            else strains[np.argmax(result.curves[0])]
        )
        across = 2 * errors[wanted["peak_strain"]] if "peak_strain" in wanted else None
        axes.errorbar(
            at,
            values[k],
            2 * errors[k],
            across,
            fmt="s",
            color="C3",
            ms=4,
            label="peak wanted (± 2 errors)",
        )
    elif "peak_strain" in wanted:
        k = wanted["peak_strain"]
        axes.axvspan(
            values[k] - 2 * errors[k],
            values[k] + 2 * errors[k],
            color="C3",
            alpha=0.3,
            label="strain of the peak wanted",
        )
    axes.set(ylabel="stress Σ (Lennard-Jones units)", ylim=(0, None))
    axes.legend(fontsize=8)


def _draw_line(axes: Axes, target: Target, result: Result) -> None:
    """Draw the first observable against the only key."""
    found, goal = result.found, target.goal
    x = np.linspace(found.emulator.box.low[0], found.emulator.box.high[0], 200)
    groups = found.emulator.of_groups(x[:, None])[:, :, 0]
    line = groups.mean(axis=0)
    error = np.sqrt(groups.var(axis=0, ddof=1) / len(groups) + found.emulator.model_variance[0])
    axes.fill_between(x, line - 2 * error, line + 2 * error, color="C0", alpha=0.25)
    axes.plot(
        x,
        line,
        color="C0",
        label=f"fitted, of degree {found.emulator.degree} (± 2 standard errors)",
    )
    near = found.emulator.box.holds(found.points)
    axes.plot(found.points[near, 0], found.values[near].mean(axis=1)[:, 0], "k.", label="simulated")
    axes.axhspan(
        goal.values[0] - 2 * goal.errors[0],
        goal.values[0] + 2 * goal.errors[0],
        color="C1",
        alpha=0.3,
        label="wanted",
    )
    half = found.fit.half_widths(target.settings.confidence)[0]
    axes.axvspan(
        found.fit.best[0] - half, found.fit.best[0] + half, color="C3", alpha=0.2, label="best"
    )
    axes.set(xlabel=target.keys[0], ylabel=goal.names[0])
    axes.legend(fontsize=8)


def _draw_surface(figure: Figure, axes: Axes, target: Target, result: Result) -> None:
    """Draw the misfit over the first two keys, others at their best, and the joint region."""
    found, goal = result.found, target.goal
    box, best = found.emulator.box, found.fit.best
    x, y = np.linspace(box.low[:2], box.high[:2], 80).T
    grid = np.tile(best, (80, 80, 1))
    grid[..., 0], grid[..., 1] = x[None, :], y[:, None]
    off = (found.emulator.at(grid) - goal.values) / found.fit.errors
    misfit = np.sqrt(np.mean(off**2, axis=-1))
    filled = axes.contourf(x, y, misfit, 20, cmap="viridis_r")
    figure.colorbar(filled, ax=axes, label="misfit: r.m.s. of (fitted surface − wanted)/error")
    if len(goal.names) <= 3:
        for k, colour in zip(range(len(goal.names)), ("w", "C1", "C3"), strict=False):
            axes.contour(
                x, y, found.emulator.at(grid)[..., k], [goal.values[k]], colors=colour, linewidths=1
            )
    near = box.holds(found.points)
    axes.plot(found.points[near, 0], found.points[near, 1], "k.", ms=4, label="simulated")
    axes.plot(best[0], best[1], "r+", ms=10, label="best")
    confidence = target.settings.confidence
    axes.plot(*found.fit.outline(confidence).T, "r", lw=1.2, label=f"{confidence:.0%} region")
    axes.set(xlabel=target.keys[0], ylabel=target.keys[1], xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    axes.legend(fontsize=8)
