"""The figures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .sets import NAMES, SUSPECT, read
from .statistics import FLOW, Ensemble, Estimate

COLOURS: Final = {
    "plain": "#6baed6",
    "plain_correlated": "#08519c",
    "rejuvenated": "#fd8d3c",
    "rejuvenated_correlated": "#b2182b",
}
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


def _curve(
    axes: Axes, ensemble: Ensemble, name: str, colour: str, label: str, dashed: bool = False
) -> None:
    """Draw a mean curve, and a band of two standard errors on both sides."""
    mean, error = ensemble.curves.of[name], ensemble.error_of_mean(name)
    axes.plot(
        ensemble.strain, mean, "--" if dashed else "-", color=colour, label=label, linewidth=1.6
    )
    axes.fill_between(
        ensemble.strain, mean - 2 * error, mean + 2 * error, color=colour, alpha=0.2, linewidth=0
    )


def draw_panel(
    panel: str, ensembles: Mapping[str, Ensemble], corrected: Ensemble, c0: float, path: Path
) -> None:
    """Draw one panel: a quantity of one glass.

    The suspect set is drawn as printed, dashed, and with the c0 that is given.
    """
    name, label, kinds = QUANTITIES[panel[0]]
    glass = "esl" if panel[1] == "a" else "gq"
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    for kind in kinds:
        of = f"{glass}_{kind}"
        said = kind.replace("_", ", ")
        if of == SUSPECT:
            _curve(
                axes,
                ensembles[of],
                name,
                PRINTED,
                f"{said}, c0 = {read(of).c0:g} as printed",
                dashed=True,
            )
            _curve(axes, corrected, name, COLOURS[kind], f"{said}, c0 = {c0:g}")
        else:
            _curve(axes, ensembles[of], name, COLOURS[kind], said)
    axes.set(xlabel="strain ε", ylabel=label, xlim=(0, 1), title=glass.upper())
    if name == "localization":
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0 if name != "threshold_mean" else None)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=9)
    figure.savefig(path, dpi=110)


def draw_plateau(
    ensembles: Mapping[str, Ensemble],
    corrected: Ensemble,
    c0: Estimate,
    drawn_c0: float,
    path: Path,
) -> None:
    """Draw the stress of the eight sets on one plateau.

    The suspect one as printed, dashed, and corrected.
    """
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    for k, glass in enumerate(("esl", "gq")):
        axes = figure.add_subplot(1, 2, k + 1)
        for kind, colour in COLOURS.items():
            name = f"{glass}_{kind}"
            run, said = read(name), kind.replace("_", ", ")
            if name == SUSPECT:
                _curve(
                    axes,
                    ensembles[name],
                    "stress",
                    PRINTED,
                    f"{said}: c0 = {run.c0:g}, as printed",
                    dashed=True,
                )
                _curve(axes, corrected, "stress", colour, f"{said}: c0 = {drawn_c0:g} (fit: {c0})")
            else:
                slip = f"{run.c0:g} + {run.c1:g} σ$_c$²" if run.correlated else f"{run.c0:g}"
                _curve(axes, ensembles[name], "stress", colour, f"{said}: {slip}")
        title = {"esl": "ESL, a quenched liquid", "gq": "GQ, a well-annealed glass"}[glass]
        axes.set(
            xlabel="strain ε",
            ylabel="stress Σ (Lennard-Jones units)",
            xlim=(0, 1),
            ylim=(0, 1.1),
            title=title,
        )
        axes.axvspan(*FLOW, color="k", alpha=0.04, linewidth=0)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8.5, title="mean slip", title_fontsize=8.5, loc="lower right")
    size = min(ensembles[name].size for name in NAMES)
    figure.suptitle(
        f"The paper's eight parameter sets, N = 16, {size} realizations each", fontsize=12
    )
    figure.savefig(path, dpi=110)
