"""Eight panels: cycles, flow stress, avalanches, reversal."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..physics.figure import density
from .cycles import Cycling
from .flow import LEVELS
from .results import Results
from .reversal import GRID

STYLES: Final = {"weakest": "-", "synchronous": ":"}
MARKS: Final = {"weakest": "o", "synchronous": "x"}


def draw(results: Results, path: Path) -> None:
    """Draw all results."""
    figure = Figure(figsize=(17, 8), layout="constrained")
    axes = figure.subplots(2, 4).ravel()
    panels = (_transients, _shares, _limits, _flow_stress, _sizes, _means, _curves, _offsets)
    for ax, panel in zip(axes, panels, strict=True):
        panel(ax, results)
        ax.grid(alpha=0.3)
        ax.legend(fontsize=7)
    figure.savefig(path, dpi=90)


def _scan(results: Results) -> list[tuple[Cycling, dict[str, Any]]]:
    """Return the square lattices, each with how it is drawn."""
    scan = [c for c in results.cyclings if c.is_square] or results.cyclings
    shapes = list(dict.fromkeys(cycling.shape for cycling in scan))
    return [
        (
            cycling,
            {
                "color": f"C{shapes.index(cycling.shape)}",
                "ls": STYLES[cycling.order],
                "marker": MARKS[cycling.order],
                "mfc": "none",
                "ms": 5,
                "label": f"N = {cycling.shape[0]}, {cycling.order}",
            },
        )
        for cycling in scan
    ]


def _transients(ax: Axes, results: Results) -> None:
    ax.set(xlabel="amplitude", ylabel="cycles (median)", yscale="log", title="transients")
    for cycling, style in _scan(results):
        known = [s for s in cycling.samples if np.isfinite(s.median[0])]
        middle, low, high = np.array([s.median for s in known]).T
        above = np.where(np.isfinite(high), high, results.plan.most_cycles) - middle
        x = [s.amplitude for s in known]
        ax.errorbar(x, middle, (middle - low, above), **style, lw=0.9)
    ax.axhline(results.plan.most_cycles, color="k", lw=0.6)


def _shares(ax: Axes, results: Results) -> None:
    ax.set(xlabel="amplitude", ylabel="share of glasses", title="wells that come back")
    for cycling, style in _scan(results):
        back = np.array([s.came_back.mean() for s in cycling.samples])
        n = len(cycling.samples[0].transient)
        error = np.sqrt(back * (1 - back) / n)
        ax.errorbar([s.amplitude for s in cycling.samples], back, error, **style, lw=0.9)


def _limits(ax: Axes, results: Results) -> None:
    most = results.plan.most_cycles
    ax.set(xlabel="N", ylabel="amplitude", title="irreversible above", xscale="log")
    for order, mark in MARKS.items():
        for k, patience in enumerate((most // 4, most)):
            these = [
                (c.shape[0], *c.limit(patience)) for c, _ in _scan(results) if c.order == order
            ]
            found = [(n, *limit) for n, limit, sure in these if sure]
            if not found:
                continue
            size, limit, error = np.array(found).T
            label = f"{order}, within {patience} cycles"
            ax.errorbar(
                size, limit, error, fmt=mark + STYLES[order], color=f"C{k}", mfc="none", label=label
            )
    _ticks(ax, [c.shape[0] for c, _ in _scan(results)])


def _ticks(ax: Axes, values: Iterable[float]) -> None:
    ticks = sorted(set(values))
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()


def _flow_stress(ax: Axes, results: Results) -> None:
    ax.set(xlabel="N", ylabel="Σ", title="flow stress; right: N → ∞", xscale="log")
    sizes = results.sizes
    n = np.geomspace(sizes[0], 40 * sizes[-1], 60)
    for k, name in enumerate(results.flows[0].stress):
        values, errors = np.array([flow.stress[name] for flow in results.flows]).T
        limit, power, _ = results.flow_stress(name)
        label = f"{name}: {limit}"
        ax.errorbar(sizes, values, errors, fmt="o", color=f"C{k}", mfc="none", label=label)
        start = np.average((values - limit.value) * sizes**power.value, weights=errors**-2)
        ax.plot(n, limit.value + start * n**-power.value, "-", color=f"C{k}", lw=0.6)
        ax.errorbar(1.5 * n[-1] * 1.2**k, *limit, fmt="s", color=f"C{k}", ms=4)
    _ticks(ax, sizes)


def _sizes(ax: Axes, results: Results) -> None:
    largest = results.flows[-1]
    title = f"avalanches, N = {largest.size}"
    ax.set(xlabel="S", ylabel="P(S)", xscale="log", yscale="log", title=title)
    for k, (name, slips) in enumerate(largest.slips.items()):
        s, p = density(slips, np.geomspace(0.01, slips.max() * 1.01, 45), slips.size)
        told = {"strain": "strain control, steady", "ramp": "stress that rises"}
        ax.plot(s, p, ".-", lw=0.6, color=f"C{k}", label=told.get(name, f"Σ = {name}"))
    ax.set_ylim(bottom=1e-8)


def _means(ax: Axes, results: Results) -> None:
    ax.set(xlabel="Σ", ylabel="⟨S⟩", yscale="log", title="mean avalanche at a stress")
    for k, flow in enumerate(results.flows):
        known = [np.isfinite(e.error) and 0 < 3 * e.error < e.value for e in flow.avalanche]
        values, errors = np.array(flow.avalanche)[known].T
        style: dict[str, Any] = {"color": f"C{k}", "mfc": "none", "ms": 3}
        label = f"N = {flow.size}, steady"
        ax.errorbar(LEVELS[known], values, errors, fmt="o-", lw=0.7, label=label, **style)
        if flow.ramp:
            at, size, error = np.array([(x, *size) for x, size, _ in flow.ramp]).T
            ax.errorbar(at, size, error, fmt="x:", lw=0.7, **style)
    ax.plot([], [], "kx:", label="stress that rises, from the start")


def _curves(ax: Axes, results: Results) -> None:
    r = max(results.reversals, key=lambda one: (one.what.size == 64, one.what.strain == 0.1))
    what = r.what
    title = f"{what.thresholds}, sheared to {what.strain:g}, unloaded"
    ax.set(xlabel="strain from there", ylabel="|Σ|", title=title)
    for k, (name, (stress, error)) in enumerate(r.curves.items()):
        ax.plot(GRID, stress, color=f"C{k}", label=name)
        ax.fill_between(GRID, stress - error, stress + error, color=f"C{k}", alpha=0.3)


def _offsets(ax: Axes, results: Results) -> None:
    ax.set(xlabel="sheared to", ylabel="|Σ| at an offset of 0.002", title="Bauschinger effect")
    glasses = list(dict.fromkeys(r.what.thresholds for r in results.reversals))
    size = (
        64 if any(r.what.size == 64 for r in results.reversals) else results.plan.reversed[0].size
    )
    for k, glass in enumerate(glasses):
        these = [r for r in results.reversals if r.what.thresholds == glass]
        these = [r for r in these if r.what.size == size and r.what.landscape == "renewed"]
        x = [r.what.strain for r in these]
        for name, mark in (("fresh", "s"), ("on", "o"), ("back", "x")):
            values, errors = np.array([getattr(r, name)[1] for r in these]).T
            label = f"{glass}, {name}"
            ax.errorbar(x, values, errors, fmt=mark + "-", color=f"C{k}", mfc="none", label=label)
    ax.set(xscale="log", ylim=(0.1, 1.0))
    _ticks(ax, [r.what.strain for r in results.reversals])
