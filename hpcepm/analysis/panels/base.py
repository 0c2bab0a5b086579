"""What a panel is, and what panels have in common."""

from collections.abc import Callable, Sequence
from functools import wraps
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.analysis.ensembles import Curve, ensemble_of
from hpcepm.analysis.results import Results
from hpcepm.analysis.statistics import band

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_CURVES: Final = 20
"""How many realizations are drawn one by one."""

UNITS: Final = "LJ units"  # of Lennard and Jones, as in the paper
STRAIN: Final = "strain ε"
TIME: Final = f"time t ({UNITS})"
STRESS: Final = f"stress Σ ({UNITS})"
THRESHOLD: Final = f"mean threshold ⟨σ$_c$⟩ ({UNITS})"
PLASTIC: Final = "mean plastic strain ⟨ε$_p$⟩"

CURVES: Final = "curves"
MAPS: Final = "maps"

QUANTILES: Final = "quantiles"
ERROR: Final = "error"
BANDS: Final = {QUANTILES: "nine in ten realizations", ERROR: "± standard error of the mean"}
"""What a band around a mean can be."""


class Line(NamedTuple):
    """How a run is drawn; for one of several, that is how it is told from the others."""

    colour: str = ""  # of several; else the panel's own
    label: str = ""
    dashes: str = "-"
    band: str = QUANTILES
    window: tuple[float, float] | None = None  # of strain, for what is a statistics

    @property
    def alone(self) -> bool:
        """Whether the picture has one run only."""
        return not self.colour

    def style(self, colour: str) -> dict[str, Any]:
        """Return what matplotlib calls it; ``colour`` is that of the panel."""
        return {"color": self.colour or colour, "linestyle": self.dashes}


ALONE: Final = Line()

Draw = Callable[["Axes", Results, Line], None]
DrawAlone = Callable[["Axes", Results], None]
When = Callable[[Results], bool]


class Panel(NamedTuple):
    """A part of a picture."""

    row: str  # CURVES or MAPS
    when: When  # it is drawn without being asked for
    can: When  # it can be drawn
    several: bool  # runs in one panel
    draw: Draw

    @property
    def name(self) -> str:
        """What a user calls it."""
        return self.draw.__name__

    @property
    def about(self) -> str:
        """What it shows."""
        return (self.draw.__doc__ or "").partition("\n")[0].removeprefix("Draw ").rstrip(".")


PANELS: Final[list[Panel]] = []


def panel(row: str, when: When) -> Callable[[DrawAlone], DrawAlone]:
    """Make a function of ``(axes, run)`` a panel of one run, if ``when`` is true of it."""

    def add(draw: DrawAlone) -> DrawAlone:
        @wraps(draw)
        def of_one(axes: "Axes", run: Results, line: Line) -> None:
            draw(axes, run)

        PANELS.append(Panel(row, when, when, False, of_one))
        return draw

    return add


def curves_panel(when: When, can: When | None = None) -> Callable[[Draw], Draw]:
    """Make a function of ``(axes, run, line)`` a panel in which several runs can be drawn.

    Parameters
    ----------
    when
        For which runs it is drawn without being asked for.
    can
        For which it can be asked for; None: the same.
    """

    def add(draw: Draw) -> Draw:
        PANELS.append(Panel(CURVES, when, can or when, True, draw))
        return draw

    return add


def never(run: Results) -> bool:
    """Whether a panel is drawn without being asked for: it is not."""
    return False


def panels_of(run: Results, row: str) -> list[Panel]:
    """Return the panels of a run, in one row of its picture."""
    return [one for one in PANELS if one.row == row and one.when(run)]


def paths(run: Results, *names: str) -> list[tuple[NDArray[np.float64], ...]]:
    """Return strain and observables of the mean over realizations, along the path of the load.

    If each has strains of its own: those of some of them.
    """
    if not run.counted:
        return [(run.strain, *(band(run.observable(name)).mean for name in names))]
    return list(islice(each(run, *names), MOST_CURVES))


def each(run: Results, *names: str) -> list[tuple[NDArray[np.float64], ...]]:
    """Return strain and observables of each realization, as far as it has come."""
    curves = zip(*(run.curves(name) for name in names), strict=True)
    return [(of[0][0], *(values for _, values in of)) for of in curves]


def draw_curves(
    axes: "Axes", curves: Sequence[Curve], line: Line, colour: str, steps: bool = False
) -> None:
    """Draw the mean over realizations and its band; of curves that have no mean, some of them.

    Curves with records at places of their own are drawn too, faintly, if there are no other runs.
    """
    how = line.style(colour)
    style = "steps-post" if steps else "default"
    found = ensemble_of(curves) if len(curves) > 1 else None
    if found is None:
        for k, (x, y) in enumerate(curves[:MOST_CURVES]):
            label = line.label if k == 0 else ""
            axes.plot(x, y, linewidth=width(len(curves)), label=label, drawstyle=style, **how)
        if line.alone:
            axes.set_title(each_of(curves))
        return
    if line.alone and not all(np.array_equal(x, found.x) for x, _ in curves):
        for x, y in curves[:MOST_CURVES]:
            axes.plot(x, y, linewidth=0.5, alpha=0.35, drawstyle=style, **how)
    over = band(found.values)
    low, high = over.quantiles[[0, -1]]
    if line.band == ERROR:
        low, high = over.mean - over.error, over.mean + over.error
    axes.plot(found.x, over.mean, label=line.label, drawstyle=style, **how)
    shade: dict[str, Any] = {"color": how["color"], "step": "post" if steps else None}
    axes.fill_between(found.x, low, high, alpha=0.2, linewidth=0, **shade)


def each_of(curves: Sequence[Any]) -> str:
    """Return what is said above curves of several realizations that have no mean."""
    n = min(len(curves), MOST_CURVES)
    return f"each of {n} realizations" if n > 1 else ""


def width(curves: int) -> float:
    """Return the width of one of so many curves."""
    return 1.5 if curves == 1 else 0.7


def minus(number: float, digits: int = 6) -> str:
    """Return a number with a true minus sign, if it has one."""
    return f"{number + 0.0:.{digits}g}".replace("-", "−")  # −0 is 0
