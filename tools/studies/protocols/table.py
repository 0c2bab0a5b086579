"""Results as tables in Markdown."""

from collections.abc import Sequence

import numpy as np

from hpcepm.analysis.statistics import Estimate

from ..harness import table
from .cycles import Sample
from .flow import ALIKE, DIVERGES
from .results import AT_LEAST, Results
from .reversal import OFFSETS, Reversal
from .runs import ORDERS


def _count(value: float, most: int) -> str:
    return f"> {most}" if np.isinf(value) else f"{value:g}"


def _periods(sample: Sample) -> str:
    """Return the share of T = 1, and the longest period."""
    period = sample.period[sample.came_back]
    if period.size == 0:
        return "–"
    return f"{np.mean(period == 1):.2f}; {period.max():g}"


def transients(results: Results) -> str:
    """Return what cycles came to, at each size, order and amplitude."""
    head = ("lattice", "order", "amplitude", "came back", "transient: median [68 %]")
    more = ("5 % … 95 %", "share of T = 1; longest T")
    most, rows = results.plan.most_cycles, []
    for cycling in results.cyclings:
        for sample in cycling.samples:
            middle, low, high = (_count(value, most) for value in sample.median)
            ordered = np.sort(sample.transient)
            ends = (ordered[round(q * (len(ordered) - 1))] for q in (0.05, 0.95))
            spread = " … ".join(_count(value, most) for value in ends)
            back = f"{sample.came_back.sum()} of {len(ordered)}"
            told = f"{middle} [{low}, {high}]"
            lattice = "{} × {}".format(*cycling.shape)
            rows.append(
                (lattice, cycling.order, sample.amplitude, back, told, spread, _periods(sample))
            )
    return table((*head, *more), rows)


def alone(results: Results) -> str:
    """Return transients and periods of single glasses, by seed."""
    seeds, rows = results.plan.seeds, []
    for k in range(0, len(results.alone), len(seeds)):
        these, most = results.alone[k : k + len(seeds)], results.plan.most_cycles
        told = (f"{_count(one.transient, most)}, T = {one.period}" for one in these)
        rows.append((these[0].order, these[0].amplitude, *told))
    return table(("order", "amplitude", *(f"seed {seed}" for seed in seeds)), rows)


def limits(results: Results) -> str:
    """Return the amplitudes above which glasses do not come back, for several patiences."""
    most = results.plan.most_cycles
    rows: list[Sequence[object]] = []
    patiences = (most // 4, most // 2, most)
    head = ("lattice", "order", "glasses", *(f"within {n} cycles" for n in patiences))
    for cycling in results.cyclings:
        if len(cycling.samples) < 3 or not cycling.is_square:
            continue
        found = (cycling.limit(n) for n in patiences)
        told = (f"{limit}" if sure else f"{limit} (a bound)" for limit, sure in found)
        n = len(cycling.samples[0].transient)
        rows.append(("{} × {}".format(*cycling.shape), cycling.order, n, *told))
    for order in ORDERS:
        limits = [results.limit(order, n) for n in patiences]
        if all(limits):
            rows.append(("∞ × ∞", order, "", *map(str, limits)))
    return table(head, rows)


def flow_stresses(results: Results) -> str:
    """Return the flow stress by each definition, and what it tends to."""
    names = list(results.flows[0].stress)
    rows: list[Sequence[object]] = []
    for flow in results.flows:
        same = f"{flow.alike} of {flow.samples}"
        rows.append((flow.size, flow.samples, *flow.stress.values(), same))
    fits = [results.flow_stress(name) for name in names]
    rows.append(("∞", "", *(fit[0] for fit in fits), ""))
    rows.append(("b of N^−b", "", *(fit[1] for fit in fits), ""))
    rows.append(("χ²/freedom", "", *(f"{fit[2]:.2g}" for fit in fits), ""))
    each = table(("N", "samples", *names, "stress, weakest, as extremal"), rows)
    common = [
        (order, " · ".join(ALIKE[order]), limit, f"{chi2:.2g}")
        for order in ORDERS
        for limit, chi2 in [results.common_flow_stress(order)]
    ]
    return each + "\n" + table(("order", "definitions", "one Σ for N → ∞", "χ²/freedom"), common)


def avalanches(results: Results) -> str:
    """Return exponents of avalanches under strain and under stress control."""
    rows: list[Sequence[object]] = []
    for flow in results.flows[-2:]:
        for (low, high), found in zip(DIVERGES, flow.divergences, strict=True):
            told = f"{low} ≤ Σ ≤ {high}, N = {flow.size}"
            rows.append((f"Σ_c; γ of ⟨S⟩ ~ (Σ_c − Σ)^−γ, {told}", *found))
    for name, slips in results.flows[-1].slips.items():
        label = {"strain": "strain, steady", "ramp": "stress that rises, from the start"}
        told = label.get(name, f"stress, steady, Σ = {name}")
        kept, fit = int((slips >= AT_LEAST).sum()), results.avalanches(name)
        if fit is not None:
            s_c = Estimate(fit.cut_offs[0], fit.cut_offs[0] * fit.covariance[0, 0] ** 0.5)
            rows.append((f"τ; S_c; {told} ({kept} of {len(slips)} fitted)", fit.tau, s_c))
    return table(("", "first", "second"), rows)


def _name(reversal: Reversal) -> str:
    what = reversal.what
    return f"{what.thresholds}, {what.landscape}"


def reversals(results: Results) -> str:
    """Return the offset stresses of all reversals."""
    head = ("glass", "N", "samples", "sheared to", "Σ there", "taken back by unloading")
    more = ("offset", "fresh", "on", "back", "back/on")
    rows = []
    for r in results.reversals:
        what, which = r.what, range(len(OFFSETS))
        main = (what.size, what.strain) == (64, 0.1) or len(results.reversals) == 1
        for k in which if main else (1,):
            start = (_name(r), what.size, what.samples, what.strain, r.turned_at, r.recovered)
            rows.append((*start, OFFSETS[k], r.fresh[k], r.on[k], r.back[k], r.softening[k]))
    return table((*head, *more), rows)


def tables(results: Results) -> dict[str, str]:
    """Return all of them, by their titles."""
    return {
        "Amplitudes up to which glasses come back": limits(results),
        "Transients and periods": transients(results),
        "Two glasses of 16 × 14 sites, to compare programs by": alone(results),
        "Flow stress": flow_stresses(results),
        "Avalanches": avalanches(results),
        "Bauschinger effect": reversals(results),
    }
