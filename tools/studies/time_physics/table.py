"""Results as tables in Markdown."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from hpcepm.analysis.statistics import Floats, standard_error

from ..ensemble import difference
from ..harness import table
from .fits import fit_power, inverse, reset_stress
from .results import FIRST, SECOND, Flow, Results
from .runs import LAWS

VANISHING: Final[Floats] = np.geomspace(1e-9, 1e-6, 4)
"""Speeds so low that the closed form is a power."""

Row = Sequence[object]


def creep(results: Results) -> str:
    """Return slopes of creep, and what it gains in each decade."""
    low, middle, most = results.plan.halves
    head = (
        "T",
        "dε_p/d log₁₀ t, all",
        "first half",
        "second half",
        "p of rate ~ t^−p, first half",
        "second",
    )
    decades = len(results.creeps[0].decades)
    more = [f"10^{k} … 10^{k + 1}" for k in range(decades)]
    rows: list[Row] = []
    gains: list[Row] = []
    for one in results.creeps:
        windows = ((low, most), (low, middle), (middle, most))
        found = (one.slope(*window) for window in windows)
        falls = (one.falls(low, middle), one.falls(middle, most))
        rows.append((one.temperature, *found, *falls))
        gains.append((one.temperature, *one.decades))
    told = f"all: {low:.3g} ≤ t ≤ {most:.3g}; halves in log t\n\n"
    return told + table(head, rows) + "\n" + table(("T, gained in", *more), gains)


def stresses_in_heat(results: Results) -> str:
    """Return how far heat lowers the stress of flow."""
    rates = results.plan.heat_rates
    rows: list[Row] = []
    for heat in results.heats:
        value, error = heat.stress.mean(axis=0), standard_error(heat.stress)
        for k, temperature in enumerate(heat.temperatures):
            lowered = heat.critical.value - value[k]
            told = (f"{d:.4f} ± {e:.4f}" for d, e in zip(lowered, error[k], strict=True))
            rows.append((heat.exponent, temperature, *told))
    return table(("α", "T", *(f"Σ_c − Σ at {rate:g}" for rate in rates)), rows)


def rounding(results: Results) -> str:
    """Return powers of T, at each rate and of all together."""
    head = ("α", "expected 1/α", "fit", "power of T", "changes by, for the error of Σ_c", "ln ω")
    rows: list[Row] = []
    for heat in results.heats:
        expected = f"{1 / heat.exponent:.3f}"
        for most in (heat.temperatures[-1], heat.temperatures[-2]):
            for k, rate in enumerate(heat.rates):
                told = f"rate {rate:g}, T ≤ {most:g}"
                shift = f"{heat.shift(k, most):.3f}"
                rows.append((heat.exponent, expected, told, heat.power(k, most), shift, ""))
        for last in (None, -1):
            _, omega, power = heat.law(last)
            told = f"all rates together, T ≤ {heat.temperatures[:last][-1]:g}"
            rows.append((heat.exponent, expected, told, power, "", omega))
    return table(head, rows)


def flow_curves(results: Results) -> str:
    """Return the stress at each rate."""
    rates = sorted({rate for flow in results.flows for rate in flow.rates})
    rows: list[Row] = []
    for flow in results.flows:
        known = dict(zip(flow.rates, flow.values, strict=True))
        told = (known.get(rate, "") for rate in rates)
        rows.append((flow.curve.kernel, flow.curve.size, flow.curve.law, *told))
    return table(("kernel", "N", "law", *(f"{rate:g}" for rate in rates)), rows)


def windows_of(flow: Flow) -> list[float]:
    """Return the highest rates of fits: those that leave four rates or more, at most three."""
    return [float(rate) for rate in flow.rates[:2:-1]][:3]


def exponents(results: Results) -> str:
    """Return β of both laws, and their difference, in windows of rates."""
    head = ("kernel", "N", "rates ≤", "Σ_c", "β, uniform", "β, sqrt", "difference")
    rows: list[Row] = []
    pairs = zip(results.flows[::2], results.flows[1::2], strict=True)
    for uniform, root in pairs:
        for most in windows_of(uniform):
            for start in (None, results.critical(uniform)):
                if start is not None and uniform.curve.kernel == "shuffled":
                    continue  # its Σ_c is not known otherwise
                one, other = (flow.law(most, start) for flow in (uniform, root))
                beta, beta_root = inverse(one[2]), inverse(other[2])
                critical = f"{start:.4f}, given" if start else f"{one[0]}; {other[0]}"
                found = (critical, beta, beta_root, difference(beta_root, beta))
                rows.append((uniform.curve.kernel, uniform.curve.size, f"{most:g}", *found))
    return table(head, rows)


def limits(results: Results) -> str:
    """Return the stress of flow in the limits, and without time."""
    rows: list[Row] = [
        (f"no clock, {order}", results.plan.still, stress)
        for order, stress in results.still.items()
    ]
    cold = f"thermal, instant, T = {results.plan.cold:g}, rate {results.plan.cold_rate:g}"
    rows.append((cold, results.plan.heat_samples, results.cold))
    for law in LAWS:
        flow = results.flow("continuum", law)
        told = f"rate, {law}, at {flow.rates[0]:g}"
        rows.append((told, flow.curve.samples, flow.values[0]))
    return table(("", "realizations", "Σ"), rows)


def mean_field(results: Results) -> str:
    """Return measured stresses of the mean field beside the closed form."""
    rows: list[Row] = []
    for law in LAWS:
        flow = results.flow("uniform", law)
        for rate, value, closed in zip(flow.rates, flow.values, flow.closed, strict=True):
            off = f"{(value.value - closed) / value.error:+.1f}"
            rows.append((law, f"{rate:g}", value, f"{closed:.5f}", off))
    powers: list[Row] = []
    for law in LAWS:
        flow = results.flow("uniform", law)
        critical = results.critical(flow)
        limit = reset_stress(VANISHING, law, FIRST, SECOND)
        fits = [fit_power(VANISHING, limit, critical)]
        for most in windows_of(flow):
            inside = flow.rates <= most
            fits.append(fit_power(flow.rates[inside], flow.closed[inside], critical))
        powers.append((law, *(f"{1 / fit.power:.3f}" for fit in fits)))
    windows = (f"rates ≤ {most:g}" for most in windows_of(results.flow("uniform", "uniform")))
    told = table(("β of the closed form, Σ_c given", "rate → 0", *windows), powers)
    return table(("law", "rate", "Σ", "closed form", "off by, in errors"), rows) + "\n" + told


def tables(results: Results) -> dict[str, str]:
    """Return all of them, by their titles."""
    return {
        "Creep": creep(results),
        "Heat lowers the stress of flow": stresses_in_heat(results),
        "Powers of T": rounding(results),
        "Flow curves: Σ at a rate of strain": flow_curves(results),
        "β of Σ − Σ_c ~ rate^(1/β)": exponents(results),
        "Limits": limits(results),
        "Mean field": mean_field(results),
    }
