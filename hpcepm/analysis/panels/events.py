"""Events one by one: where sites slip, and when."""

from typing import TYPE_CHECKING, Final

import numpy as np

from hpcepm.analysis.protocol import turns_back
from hpcepm.analysis.results import Results
from hpcepm.analysis.style import COLOURS

from .base import CURVES, STRAIN, TIME, panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_EVENTS: Final = 2**15
"""So many, the last of them, can be told apart."""


def _has_events(run: Results) -> bool:
    table = run.file.get("events", {})
    return "realization" in table and table["realization"].size > 0


@panel(CURVES, when=_has_events)
def events(axes: "Axes", run: Results) -> None:
    """Draw where sites slip, and when, each avalanche in one colour of a few that go round."""
    table = run.file["events"]
    end = int(np.searchsorted(table["realization"], 0, "right"))
    some = slice(max(0, end - MOST_EVENTS), end)
    avalanche, across = table["avalanche"][some], _across(run)
    when, label = "strain", STRAIN
    if run.has_clock:
        when, label = "time", TIME
    elif turns_back(run):
        when, label = "avalanche", "avalanche"
    for k, colour in enumerate(COLOURS):
        mine = avalanche % len(COLOURS) == k
        at = table[when][some][mine], table[across][some][mine] + 0.5  # the middle of a cell
        axes.plot(*at, ".", color=colour, markersize=2, markeredgewidth=0, rasterized=True)
    of = ", realization 0" if run.realizations > 1 else ""
    last = f"the last {MOST_EVENTS}" if some.start else "all"
    axes.set(xlabel=label, ylabel=f"{across} (cells)", title=f"{last} events{of}")
    axes.set_ylim(0, run.shape["xy".index(across)])
    axes.grid(False)


def _across(run: Results) -> str:
    """Return the direction in which plastic strain varies more: that across a band.

    Without profiles it is not known, and is y.
    """
    last = run.records_of(0) - 1
    if "profiles" not in run.file or last < 0:
        return "y"
    along = {name: run.file["profiles"][f"along_{name}"][0, last].var() for name in "xy"}
    return max(along, key=lambda name: float(along[name]))
