"""The figure of a sweep: curves coloured by the first key that varies, and what they come to."""

from collections.abc import Sequence
from math import log10
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hpcepm.analysis.ensembles import Ensemble
from hpcepm.analysis.panels.base import STRAIN, STRESS, TIME, UNITS
from hpcepm.analysis.quantities import MODULI
from hpcepm.analysis.statistics import Estimate, band, first_branch
from hpcepm.analysis.style import DASHES, ORDERED, PALEST, plain, save, styled
from hpcepm.input.keys import with_unit

from .results import FINAL_STRAIN, SEED, Row, estimates, numbers_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_IN_LEGEND: Final = 12
SHAPES: Final = ("o", "s", "^", "D", "v", "P", "X", "*")
WIDE: Final = 30
"""So many times the smallest value is the largest on a logarithmic axis, at least."""
FILLS: Final = ("0.25", "white")
"""Of marks of two numbers."""
MOST_PATHS: Final = 20
"""How many curves of a row are drawn, where no mean of them is."""


def draw(rows: Sequence[Row], keys: Sequence[str], title: str, path: Path) -> None:
    """Draw the figure.

    Raises
    ------
    NoRun
        matplotlib is not installed.
    OSError
        It cannot be written.
    """
    with styled():
        save(_drawn(rows, keys, title), path)


def _drawn(rows: Sequence[Row], keys: Sequence[str], title: str) -> "Figure":
    from matplotlib.figure import Figure

    shown = [key for key in keys if key != SEED]
    looks = _looks(rows, shown)
    numbers = _numbers(rows, shown[0]) if shown else None
    both = numbers is not None and len(set(numbers)) > 1
    figure = Figure(figsize=(11 if both else 7, 4.4), layout="constrained")
    axes = figure.subplots(1, 2, width_ratios=[3, 2]) if both else [figure.subplots()]
    _curves(axes[0], rows, looks)
    if both and numbers is not None:
        _against(axes[1], rows, numbers, looks, shown)
    _explain(axes[0], rows, shown, looks, numbers)
    figure.suptitle(plain(title), fontsize=10)
    return figure


def _numbers(rows: Sequence[Row], key: str) -> list[float] | None:
    """Return the values of a key, if they are numbers."""
    try:
        return [float(row.values[key]) for row in rows]
    except ValueError:
        return None


def spans_decades(numbers: Sequence[float]) -> bool:
    """Whether numbers go over so much that they have a logarithmic axis."""
    return len(numbers) > 0 and min(numbers) > 0 and max(numbers) >= WIDE * min(numbers)


def _looks(rows: Sequence[Row], shown: Sequence[str]) -> list[dict[str, Any]]:
    """Return the look of each row: the colour by the first key, line and shape by all others."""
    from matplotlib import colormaps

    if not shown:
        return [{"color": "C0", "linestyle": "-", "marker": ""} for _ in rows]
    values = list(dict.fromkeys(row.values[shown[0]] for row in rows))
    numbers = _numbers(rows, shown[0])
    if numbers and spans_decades(numbers):
        numbers = [log10(number) for number in numbers]
    low, high = (min(numbers), max(numbers)) if numbers else (0.0, 1.0)
    others = list(dict.fromkeys(_others(row, shown) for row in rows))
    found = []
    for k, row in enumerate(rows):
        place = values.index(row.values[shown[0]]) / max(1, len(values) - 1)
        if numbers and high > low:
            place = (numbers[k] - low) / (high - low)
        other = others.index(_others(row, shown))
        dashes, shape = DASHES[other % len(DASHES)], SHAPES[other % len(SHAPES)]
        found.append(
            {
                "color": colormaps[ORDERED](PALEST * place),
                "linestyle": dashes,
                "marker": shape if len(others) > 1 else "",
            }
        )
    return found


def _others(row: Row, shown: Sequence[str]) -> str:
    return ", ".join(f"{key} = {row.values[key]}" for key in shown[1:])


def _curves(axes: "Axes", rows: Sequence[Row], looks: Sequence[dict[str, Any]]) -> None:
    """Draw stress against strain, or what answers to a load that is held against time.

    The shape of a row is at the end of its curves.
    """
    answers = {row.answers for row in rows}
    held = answers.pop() if len(answers) == 1 else ""
    for row, own in zip(rows, looks, strict=True):
        look = {**own, "markevery": [-1], "markersize": 4}
        whole = _at_same_times(row) if held else _on_one_axis(row)
        if whole is None:
            for x, y in (row.in_time if held else row.paths)[:MOST_PATHS]:
                axes.plot(x, y, linewidth=0.8, **look)
            continue
        one = band(whole.values)
        axes.plot(whole.x, one.mean, linewidth=1.3, **look)
        plain = first_branch(whole.x) == whole.x.size and len(rows) <= MOST_IN_LEGEND
        if plain and np.isfinite(one.error).all():
            low, high = one.mean - one.error, one.mean + one.error
            axes.fill_between(whole.x, low, high, color=look["color"], alpha=0.25, linewidth=0)
    axes.set(xlabel=TIME if held else STRAIN, ylabel=STRAIN if held == "strain" else STRESS)
    if held and spans_decades([t for row in rows for x, _ in row.in_time for t in x if t > 0]):
        axes.set_xscale("log")
    axes.grid(alpha=0.3)


def _at_same_times(row: Row) -> Ensemble | None:
    """Return the curves of a row over time, if all realizations have records at the same times."""
    times = row.in_time[0][0]
    same = all(np.array_equal(times, other) for other, _ in row.in_time)
    if not same or times.size < 2:
        return None
    return Ensemble(times, np.array([y for _, y in row.in_time]))


def _on_one_axis(row: Row) -> Ensemble | None:
    """Return the curves of a row on one axis; None if that would not show the whole of them."""
    if row.strain is not None:
        return Ensemble(row.strain, np.array([stress for _, stress in row.paths]))
    end = min(strain[-1] for strain, _ in row.paths)
    return row.over if row.over is not None and row.over.x[-1] == end else None


def _against(
    axes: "Axes",
    rows: Sequence[Row],
    numbers: Sequence[float],
    looks: Sequence[dict[str, Any]],
    shown: Sequence[str],
) -> None:
    """Draw moduli, plateau and peak, or the stress at the end, against the first key.

    A line breaks where a number is not known.
    """
    from matplotlib.lines import Line2D

    fills, label = _what_they_come_to(rows)
    look: dict[str, Any] = {"color": "0.25", "linewidth": 0.8, "markersize": 5.5}
    for name, fill in fills.items():
        for other in dict.fromkeys(_others(row, shown) for row in rows):
            chosen = [k for k, row in enumerate(rows) if _others(row, shown) == other]
            chosen.sort(key=lambda k: numbers[k])
            found = [estimates(rows[k])[name] or Estimate(np.nan, np.nan) for k in chosen]
            own = looks[chosen[0]]
            axes.errorbar(
                [numbers[k] for k in chosen],
                [one.value for one in found],
                [one.error if np.isfinite(one.error) else 0.0 for one in found],
                marker=own["marker"] or "o",
                markerfacecolor=fill,
                linestyle=own["linestyle"],
                capsize=2,
                **look,
            )
    scale = "log" if spans_decades(numbers) else "linear"
    axes.set(xlabel=plain(with_unit(shown[0])), ylabel=label, xscale=scale)
    axes.grid(alpha=0.3)
    shapes = [
        Line2D([], [], marker="o", markerfacecolor=fill, label=name.replace("_", " "), **look)
        for name, fill in fills.items()
    ]
    axes.legend(handles=shapes, fontsize=8)


def _what_they_come_to(rows: Sequence[Row]) -> tuple[dict[str, str], str]:
    """Return which numbers are drawn, with what their marks are filled with, and their axis."""
    if any(row.moduli.size for row in rows):
        return dict(zip(MODULI, FILLS, strict=True)), f"moduli of the last cycle ({UNITS})"
    if any(row.plateau is not None for row in rows):
        return dict(zip(("plateau", "peak"), FILLS, strict=True)), STRESS
    if FINAL_STRAIN in numbers_of(rows):
        return {FINAL_STRAIN: FILLS[0]}, "strain ε at the end"
    return {"final_stress": FILLS[0]}, STRESS


def _explain(
    axes: "Axes",
    rows: Sequence[Row],
    shown: Sequence[str],
    looks: Sequence[dict[str, Any]],
    numbers: Sequence[float] | None,
) -> None:
    """Say which colour and line is which value: a legend, or of many numbers a colour bar."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, LogNorm, Normalize
    from matplotlib.lines import Line2D

    if not shown:
        return
    colours = dict.fromkeys(row.values[shown[0]] for row in rows)
    first = {
        value: next(k for k, r in enumerate(rows) if r.values[shown[0]] == value)
        for value in colours
    }
    handles = []
    if len(colours) <= MOST_IN_LEGEND:
        handles = [
            Line2D([], [], color=looks[k]["color"], label=plain(f"{shown[0]} = {value}"))
            for value, k in first.items()
        ]
    elif numbers:
        from matplotlib import colormaps

        cut = ListedColormap(colormaps[ORDERED](np.linspace(0, PALEST, 256)))
        norm = LogNorm if spans_decades(numbers) else Normalize
        scale = ScalarMappable(norm(min(numbers), max(numbers)), cut)
        figure = axes.get_figure()
        assert figure is not None
        figure.colorbar(scale, ax=axes, label=plain(with_unit(shown[0])))
    others = {_others(row, shown): {**looks[k], "color": "0.3"} for k, row in enumerate(rows)}
    if len(shown) > 1 and len(others) <= len(SHAPES):
        handles += [
            Line2D([], [], markersize=4, label=plain(other), **look)
            for other, look in others.items()
        ]
    if handles:
        axes.legend(handles=handles)
