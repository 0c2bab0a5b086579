"""The results of one kernel in six panels, with those of the other faint behind."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hpcepm.analysis.statistics import Estimate, Floats

from .results import AT_LEAST, BETWEEN, Results

SYMBOLS = "ox+"


def draw(results: Sequence[Results], path: Path) -> None:
    """Draw all results: one kernel in colour with a symbol, the others as crosses."""
    figure = Figure(figsize=(13, 7.6), layout="constrained")
    axes = figure.subplots(2, 3).ravel()
    for k, r in enumerate(results):
        _avalanches(axes[0], r, faint=k > 0)
        _sizes(axes[1], r, SYMBOLS[k])
        _strengths(axes[3], r, faint=k > 0)
        _diffusion(axes[4], r, SYMBOLS[k])
        _bands(axes[5], r, f"C{k}")
    _cut_offs(axes[2], results)
    for ax in axes:
        ax.set(xscale="log", yscale="log")
        ax.grid(alpha=0.3)
        ax.legend(fontsize=8)
    for ax in (axes[1], axes[2], axes[4]):
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter("{x:.0f}")
    others = ", ".join(r.kernel for r in results[1:])
    figure.suptitle(f"coloured lines and ○: {results[0].kernel}; dotted and ×: {others}")
    figure.savefig(path, dpi=100)


def density(sample: Floats, edges: Floats, n: int) -> tuple[Floats, Floats]:
    """Return the middles of bins that hold something, and the density there."""
    count = np.histogram(sample, edges)[0]
    full = count > 4
    return np.sqrt(edges[1:] * edges[:-1])[full], (count / np.diff(edges) / n)[full]


def _points(
    ax: Axes, x: Sequence[float] | Floats, measured: Sequence[Estimate], style: str, **more: str
) -> None:
    """Draw numbers with their errors."""
    values, errors = np.array(measured).T
    ax.errorbar(x, values, errors, fmt=style, mfc="none", **more)  # type: ignore[arg-type]


def _avalanches(ax: Axes, r: Results, faint: bool) -> None:
    ax.set(xlabel="S", ylabel="P(S)", ylim=(1e-7, 10), title="avalanches")
    fits = dict(zip([flow.size for flow in r.large], r.avalanches.densities, strict=True))
    for k, flow in enumerate(r.flows):
        edges = np.geomspace(0.01, flow.slips.max() * 1.01, 45)
        s, p = density(flow.slips, edges, len(flow.slips))
        name = None if faint else f"N = {flow.size}"
        ax.plot(s, p, ":" if faint else ".", color=f"C{k}", label=name)
        if flow.size in fits and not faint:
            share = np.mean(flow.slips >= AT_LEAST)
            above = np.geomspace(AT_LEAST, s[-1], 100)
            label = f"fit, τ = {r.avalanches.tau.value:.2f}" if flow is r.flows[-1] else None
            ax.plot(above, share * fits[flow.size](above), "k-", lw=0.7, label=label)


def _sizes(ax: Axes, r: Results, symbol: str) -> None:
    ax.set(xlabel="N", ylabel="stress", title="⟨x_min⟩ and 2μ⟨S⟩/N²")
    sizes, x_min = [flow.size for flow in r.flows], [flow.x_min.value for flow in r.flows]
    relaxed = [flow.x_min.value / flow.ratio.value for flow in r.flows]
    label = f"⟨x_min⟩ ~ N^({r.loading}), {r.kernel}"
    ax.plot(sizes, x_min, symbol, color="C0", mfc="none", label=label)
    ax.plot(sizes, relaxed, "-", color="C1", lw=0.8, label=f"2μ⟨S⟩/N², {r.kernel}")


def _cut_offs(ax: Axes, results: Sequence[Results]) -> None:
    ax.set(xlabel="N", ylabel="S_c", title="cut-off exp(−(S/S_c)²)")
    for k, r in enumerate(results):
        sizes, fit = np.array([flow.size for flow in r.large]), r.avalanches
        errors = fit.cut_offs * np.sqrt(np.diag(fit.covariance))
        label = f"{r.kernel}: N^({r.fractal_dimension(fit)})"
        cut_offs = list(map(Estimate, fit.cut_offs, errors))
        _points(ax, sizes, cut_offs, SYMBOLS[k], color=f"C{k}", label=label)
    slope = results[0].avalanches.cut_offs[0] * (sizes / sizes[0]) ** 1.1
    ax.plot(sizes, slope, "k:", label="N^1.1")


def _strengths(ax: Axes, r: Results, faint: bool) -> None:
    ax.set(xlabel="x", ylabel="P(x)", title="distance to yield")
    for k, flow in enumerate(r.flows):
        x, p = density(flow.x, np.geomspace(flow.x_min.value / 5, 0.5, 30), flow.n_x)
        name = None if faint else f"N = {flow.size}"
        ax.plot(x, p, ":" if faint else ".-", color=f"C{k}", lw=0.8, label=name)
    if not faint:
        x = np.array(BETWEEN)
        ax.plot(x, 0.6 * (x / BETWEEN[1]) ** 0.6, "k--", label="x^0.6")


def _diffusion(ax: Axes, r: Results, symbol: str) -> None:
    ax.set(xlabel="N", ylabel="mean square displacement / ⟨Δε_p⟩", title="diffusion")
    sizes = np.array([flow.size for flow in r.flows])
    for k, lag in enumerate((1, 10)):
        label = f"lag {r.flows[0].lags[lag - 1]:.3f}, {r.kernel}"
        measured = [flow.diffusion[lag - 1] for flow in r.flows]
        _points(ax, sizes, measured, symbol, color=f"C{k}", label=label)
    if symbol == SYMBOLS[0]:
        for power, style in ((1.05, "k:"), (1.6, "k--")):
            slope = r.flows[0].diffusion[0].value * (sizes / sizes[0]) ** power
            ax.plot(sizes, slope, style, label=f"N^{power}")


def _bands(ax: Axes, r: Results, color: str) -> None:
    ax.set(xlabel="strain", ylabel="width (cells)", title="shear band, GQ, N = 128")
    label = f"{r.kernel}: strain^({r.bands.growth})"
    _points(ax, r.bands.strain, r.bands.width, ".", color=color, label=label)
    if color == "C0":
        ax.plot(r.bands.strain, 18 * (r.bands.strain / 0.2) ** 0.5, "k:", label="strain^0.5")
