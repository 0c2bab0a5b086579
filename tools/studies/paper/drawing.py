"""The figures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hpcepm.analysis.statistics import PLATEAU, standard_error

from ..ensemble import Ensemble
from .sets import NAMES, SUSPECT, scanned, slip_of

COLOURS: Final = {
    "plain": "#6baed6",
    "plain_correlated": "#08519c",
    "rejuvenated": "#fd8d3c",
    "rejuvenated_correlated": "#b2182b",
}
GLASSES: Final = {"esl": "ESL, a quenched liquid", "gq": "GQ, a well-annealed glass"}
PRINTED: Final = "#555555"
"""Of the suspect set as printed, dashed."""

QUANTITIES: Final = {
    "3": ("stress", "stress Σ", ("plain", "rejuvenated")),
    "4": ("stress", "stress Σ", ("plain_correlated", "rejuvenated_correlated")),
    "5": ("threshold_mean", "mean threshold ⟨σ$_c$⟩", tuple(COLOURS)),
    "6": ("strain_variance", "variance of the local strain", tuple(COLOURS)),
    "7": ("localization", "localization LOC", tuple(COLOURS)),
}
"""By number of the figure: what is drawn, its label, and of which sets of a glass."""

PANELS: Final = tuple(f"{number}{letter}" for number in QUANTITIES for letter in "ab")


def _curve(axes: Axes, ensemble: Ensemble, name: str, **style: Any) -> None:
    """Draw a mean curve, and a band of two standard errors on both sides."""
    strain, mean = ensemble.strain, ensemble.curves.of[name]
    error = standard_error(ensemble.of[name])
    axes.plot(strain, mean, linewidth=1.6, **style)
    low, high = mean - 2 * error, mean + 2 * error
    axes.fill_between(strain, low, high, color=style["color"], alpha=0.2, linewidth=0)


def _sets(
    axes: Axes,
    ensembles: Mapping[str, Ensemble],
    quantity: str,
    glass: str,
    labels: Mapping[str, str],
    c0: float,
) -> None:
    """Draw a quantity of some sets of a glass, ``labels`` by kind.

    The suspect set is drawn as printed, dashed, and with the c0 that is given.
    """
    for kind, label in labels.items():
        name, said = f"{glass}_{kind}", f"{kind.replace('_', ', ')}{label}"
        if name == SUSPECT:
            printed = f"{said}, c0 = {slip_of(name)[0]:g} as printed"
            _curve(axes, ensembles[name], quantity, color=PRINTED, label=printed, linestyle="--")
            name, said = scanned(c0), f"{said}, c0 = {c0:g}"
        _curve(axes, ensembles[name], quantity, color=COLOURS[kind], label=said)
    axes.grid(alpha=0.3)


def draw_panel(panel: str, ensembles: Mapping[str, Ensemble], c0: float, path: Path) -> None:
    """Draw one panel: a quantity of one glass."""
    quantity, label, kinds = QUANTITIES[panel[0]]
    glass = "esl" if panel[1] == "a" else "gq"
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    _sets(axes, ensembles, quantity, glass, dict.fromkeys(kinds, ""), c0)
    axes.set(xlabel="strain ε", ylabel=label, xlim=(0, 1), title=glass.upper())
    if quantity == "localization":
        axes.set_yscale("log")
    elif quantity != "threshold_mean":
        axes.set_ylim(bottom=0)
    axes.legend(fontsize=9)
    figure.savefig(path, dpi=110)


def draw_plateau(ensembles: Mapping[str, Ensemble], c0: float, path: Path) -> None:
    """Draw the stress of all sets on one plateau."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    for axes, (glass, title) in zip(figure.subplots(1, 2), GLASSES.items(), strict=True):
        labels = {}
        for kind in COLOURS:
            own, c1 = slip_of(f"{glass}_{kind}")
            slip = f": {own:g} + {c1:g} σ$_c$²" if c1 else f": {own:g}"
            labels[kind] = "" if f"{glass}_{kind}" == SUSPECT else slip
        _sets(axes, ensembles, "stress", glass, labels, c0)
        axes.set(xlabel="strain ε", ylabel="stress Σ (Lennard-Jones units)", title=title)
        axes.set(xlim=(0, 1), ylim=(0, 1.1))
        axes.axvspan(*PLATEAU, color="k", alpha=0.04, linewidth=0)
        axes.legend(fontsize=8.5, title="mean slip", title_fontsize=8.5, loc="lower right")
    size = min(ensembles[name].size for name in NAMES)
    figure.suptitle(f"The paper's eight parameter sets, N = 16, {size} realizations each")
    figure.savefig(path, dpi=110)
