"""Six panels: creep, heat, flow curves, limits, mean field, exponents."""

from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hpcepm.analysis.statistics import Floats, standard_error

from .fits import reset_stress
from .results import FIRST, MU_STAR, SECOND, Flow, Results
from .runs import LAWS

MARKS: Final = {"uniform": "o", "sqrt": "s"}


def draw(results: Results, path: Path) -> None:
    """Draw all results."""
    figure = Figure(figsize=(15, 8.5), layout="constrained")
    axes = figure.subplots(2, 3).ravel()
    panels = (_creep, _heat, _flow, _limits, _mean_field, _shuffled)
    for ax, panel in zip(axes, panels, strict=True):
        panel(ax, results)
        ax.grid(alpha=0.3)
        ax.legend(fontsize=8, loc="upper left", ncols=1 + (panel is _heat))
    figure.savefig(path, dpi=90)


def _split(flow: Flow) -> tuple[Floats, Floats]:
    value, error = np.array(flow.values).T
    return value, error


def _creep(ax: Axes, results: Results) -> None:
    title = f"creep, Σ = {results.plan.creep_stress:g}"
    ax.set(xlabel="t / τ₀", ylabel="⟨ε_p⟩", xscale="log", title=title)
    low, middle = results.plan.halves[:2]
    tops = []
    for k, one in enumerate(results.creeps):
        value = one.plastic.mean(axis=0)
        error = standard_error(one.plastic)
        slope = one.slope(low, middle)
        label = f"T = {one.temperature:g}: {slope} per decade"
        ax.errorbar(one.time, value, error, fmt=".", color=f"C{k}", label=label)
        inside = (one.time >= low * (1 - 1e-9)) & (one.time <= middle * (1 + 1e-9))
        x = np.log10(one.time)
        line = value[inside].mean() + slope.value * (x - x[inside].mean())
        ax.plot(one.time, line, color=f"C{k}", lw=0.8)
        tops.append(value[-1])
    ax.set_ylim(0, 2.6 * sorted(tops)[-2])


def _heat(ax: Axes, results: Results) -> None:
    title = "heat lowers the stress of flow"
    ax.set(xlabel="T ln(ω/rate)", ylabel="Σ_c − Σ", xscale="log", yscale="log", title=title)
    for k, heat in enumerate(results.heats):
        law, power = heat.rounding(heat.stress.mean(axis=0)), heat.law()[2]
        lowered = heat.critical.value - heat.stress.mean(axis=0)
        error = standard_error(heat.stress)
        for j, rate in enumerate(heat.rates):
            x = heat.temperatures * (law.log_omega - np.log(rate))
            label = f"α = {heat.exponent:g}, rate {rate:g}"
            ax.errorbar(
                x, lowered[:, j], error[:, j], fmt="os^v"[j], color=f"C{k}", mfc="none", label=label
            )
        reach = np.geomspace(heat.temperatures[0], heat.temperatures[-1], 30)
        x = reach * (law.log_omega - np.log(heat.rates[0]))
        fitted = law.factor * x**law.power
        told = f"power {power}; 1/α = {1 / heat.exponent:.3f}"
        ax.plot(x, fitted, color=f"C{k}", lw=0.8, label=told)
    ax.set_ylim(5e-4, 8)


def _flow(ax: Axes, results: Results) -> None:
    flows = [flow for flow in results.flows if flow.curve.kernel == "continuum"]
    critical = results.critical(flows[0])
    axes: dict[str, Any] = {"xlabel": "rate · τ", "xscale": "log", "yscale": "log"}
    ax.set(**axes, ylabel=f"Σ − {critical:.4f}", title="flow curves")
    for flow in flows:
        k = LAWS.index(flow.curve.law)
        value, error = _split(flow)
        style: dict[str, Any] = {"color": f"C{k}", "mfc": "none" if flow is flows[k] else f"C{k}"}
        style |= {"fmt": MARKS[flow.curve.law], "label": f"{flow.curve.law}, N = {flow.curve.size}"}
        ax.errorbar(flow.rates, value - critical, error, **style)
    for k, flow in enumerate(flows[:2]):
        law = flow.fitted(flow.rates[-1], critical)
        x = np.geomspace(flow.rates[0], flow.rates[-1], 40)
        label = f"n = {law.power:.2f}, β = {1 / law.power:.2f}"
        ax.plot(x, law.at(x) - critical, color=f"C{k}", lw=0.8, label=label)


def _limits(ax: Axes, results: Results) -> None:
    ax.set(xlabel="rate · τ", ylabel="Σ", xscale="log", title="limits: rate → 0, T → 0")
    for k, law in enumerate(LAWS):
        flow = results.flow("continuum", law)
        value, error = _split(flow)
        low = flow.rates <= 1.01e-3
        style: dict[str, Any] = {
            "fmt": MARKS[law] + "-",
            "color": f"C{k}",
            "mfc": "none",
            "lw": 0.7,
        }
        ax.errorbar(flow.rates[low], value[low], error[low], label=f"rate, {law}", **style)
    for k, (order, stress) in enumerate(results.still.items()):
        between = (stress.value - stress.error, stress.value + stress.error)
        ax.axhspan(*between, color=f"C{k + 2}", alpha=0.4, label=f"no clock, {order}")
    cold, label = results.cold, f"thermal, instant, T = {results.plan.cold:g}"
    ax.errorbar(results.plan.cold_rate, *cold, fmt="D", color="k", label=label)


def _mean_field(ax: Axes, results: Results) -> None:
    title = "mean field, slips to 0; lines: closed form"
    ax.set(xlabel="rate · τ", ylabel="Σ − Σ_c", xscale="log", yscale="log", title=title)
    for k, law in enumerate(LAWS):
        flow = results.flow("uniform", law)
        critical = results.critical(flow)
        value, error = _split(flow)
        label = f"{law}: β = {'1' if law == 'uniform' else '3/2'} at rate → 0"
        style: dict[str, Any] = {"fmt": MARKS[law], "color": f"C{k}", "mfc": "none", "label": label}
        ax.errorbar(flow.rates, value - critical, error, **style)
        x = np.geomspace(flow.rates[0] / 3, flow.rates[-1], 60)
        ax.plot(x, reset_stress(2 * MU_STAR * x, law, FIRST, SECOND) - critical, f"C{k}", lw=0.8)


def _shuffled(ax: Axes, results: Results) -> None:
    title = "shuffled kernel, Σ_c fitted"
    ax.set(xlabel="rate · τ", ylabel="Σ − Σ_c", xscale="log", yscale="log", title=title)
    for k, law in enumerate(LAWS):
        flow = results.flow("shuffled", law)
        fit = flow.fitted(flow.rates[-1])
        value, error = _split(flow)
        label = f"{law}: Σ_c = {fit.start:.3f}, n = {fit.power:.2f}"
        style: dict[str, Any] = {"fmt": MARKS[law], "color": f"C{k}", "mfc": "none", "label": label}
        ax.errorbar(flow.rates, value - fit.start, error, **style)
        ax.plot(flow.rates, fit.at(flow.rates) - fit.start, f"C{k}", lw=0.8)
