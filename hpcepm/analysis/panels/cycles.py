"""Cycles: how they settle, and which sites still move."""

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hpcepm.analysis.protocol import ended_cycles, is_cyclic, is_oscillation, strobes
from hpcepm.analysis.results import Results
from hpcepm.analysis.style import BLUE, VERMILION
from hpcepm.schedule import turns_in_cycle

from .base import MAPS, MOST_CURVES, UNITS, Line, curves_panel, panel, width
from .maps import around, draw_map

if TYPE_CHECKING:
    from matplotlib.axes import Axes


DECADE: Final = 10
"""From such a ratio on works are drawn by their logarithm."""


def recurrence(run: Results) -> str:
    """Return in words after how many cycles the glass came back, and with which period."""
    last = [(int(one["transient"][-1]), int(one["period"][-1])) for one in ended_cycles(run)]
    back = [(transient, period) for transient, period in last if period > 0]
    if not back:
        return "has not come back yet"
    transients = sorted({transient for transient, _ in back})
    low, high = transients[0], transients[-1]
    after = f"transient {low}" if low == high else f"transients {low} to {high}"
    periods = Counter(period for _, period in back)
    often = (f"{T} (× {n})" if len(periods) > 1 else f"{T}" for T, n in sorted(periods.items()))
    missing = f"; {len(last) - len(back)} not yet" if len(back) < len(last) else ""
    return f"{after}, period {', '.join(often)}{missing}"


def _over_cycles(
    axes: "Axes", run: Results, name: str, line: Line, colour: str, **more: Any
) -> None:
    """Draw a column of the cycles of some realizations; ``more`` is for matplotlib."""
    shown: dict[str, Any] = {"label": line.label, "linewidth": width(run.realizations)}
    how = shown | line.style(colour) | more
    for one in ended_cycles(run)[:MOST_CURVES]:
        number = np.arange(1, one[name].size + 1)
        axes.plot(number, one[name], marker=".", **how)
        how["label"] = ""
    axes.locator_params(axis="x", integer=True)
    axes.set(xlabel="cycle")


@curves_panel(is_cyclic)
def changed(axes: "Axes", run: Results, line: Line) -> None:
    """Draw how many sites a cycle leaves in another well, until none is."""
    _over_cycles(axes, run, "changed", line, VERMILION)
    for one in ended_cycles(run)[:MOST_CURVES]:
        if one["period"][-1] > 0:
            transient, thick = int(one["transient"][-1]), width(run.realizations)
            axes.axvline(transient, color=line.colour or "0.5", linestyle="--", linewidth=thick)
    axes.set_yscale("symlog", linthresh=1)
    axes.set(ylabel="sites in another well than a cycle before", ylim=(0, None))
    if line.alone:
        axes.set_title(recurrence(run))


@curves_panel(is_cyclic)
def work(axes: "Axes", run: Results, line: Line) -> None:
    """Draw the work of each cycle."""
    found = ended_cycles(run)
    _over_cycles(axes, run, "work", line, BLUE)
    values = np.concatenate([one["work"] for one in found])
    if 0 < DECADE * values.min() < values.max():
        axes.set_yscale("log")
    axes.set(ylabel=f"work of a cycle, ∮Σ dε ({UNITS})")
    if line.alone:
        storage, loss = (
            np.mean([one[f"{name}_modulus"][-1] for one in found]) for name in ("storage", "loss")
        )
        axes.set_title(f"last: moduli G′ = {storage:.4g}, G″ = {loss:.3g}")


@curves_panel(is_oscillation)
def moduli(axes: "Axes", run: Results, line: Line) -> None:
    """Draw the moduli of each cycle of a sine: storage and, dashed, loss."""
    storage, loss = ("G′, storage", "G″, loss") if line.alone else (line.label, "")
    _over_cycles(axes, run, "storage_modulus", line, BLUE, label=storage)
    _over_cycles(axes, run, "loss_modulus", line, VERMILION, label=loss, linestyle="--")
    axes.set(ylabel=f"moduli G′, G″, Σ over ε ({UNITS})", ylim=(0, None))
    if line.alone:
        axes.legend()


def _has_turns(run: Results) -> bool:
    return is_cyclic(run) and "epsilon_p" in run.file.get("fields", {})


def _ends(run: Results) -> dict[int, int]:
    """Return which snapshots lie at the ends of cycles, by the number of the cycle."""
    n = turns_in_cycle(run.settings["loading"])
    return {k // n + 1: at for k, at in strobes(run).items() if k % n == n - 1}


@panel(MAPS, when=lambda run: _has_turns(run) and len(strobes(run)) > 1)
def to_and_fro(axes: "Axes", run: Results) -> None:
    """Draw what moves in the last cycle: from one turning point to the next."""
    before, last = [at for _, at in sorted(strobes(run).items())][-2:]
    fields = run.file["fields/epsilon_p"]
    change = fields[0, last] - fields[0, before]
    axes.set_title("last turn − the one before" + ", realization 0" * (run.realizations > 1))
    draw_map(axes, change, around(change, 0.0, "change of ε$_p$"), run.shape)


@panel(MAPS, when=lambda run: _has_turns(run) and len(_ends(run)) > 1)
def stroboscopic(axes: "Axes", run: Results) -> None:
    """Draw what a cycle has changed: the last two ends of cycles that differ."""
    fields = run.file["fields/epsilon_p"]
    pairs = list(pairwise(sorted(_ends(run).items())))
    moved = (
        pair for pair in reversed(pairs) if (fields[0, pair[0][1]] != fields[0, pair[1][1]]).any()
    )
    (number, before), (later, after) = next(moved, pairs[-1])
    change = fields[0, after] - fields[0, before]
    of = ", realization 0" * (run.realizations > 1)
    axes.set_title(f"end of cycle {later} − end of {number}{of}")
    draw_map(axes, change, around(change, 0.0, "change of ε$_p$", cut_off=0.0), run.shape)
