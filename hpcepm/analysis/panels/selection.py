"""Which panels a picture has: those that a user names, or that several runs share."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from hpcepm.analysis.results import Results
from hpcepm.faults import NoRun

from .base import CURVES, PANELS, Panel

MOST_SHARED: Final = 6


def chosen(runs: Sequence[Results], names: Sequence[str]) -> list[Panel]:
    """Return the panels of these names.

    Raises
    ------
    NoRun
        There is none of a name, or it does not apply to a run.
    """
    by_name = {one.name: one for one in PANELS}
    for name in names:
        if name not in by_name:
            near = get_close_matches(name, by_name, 1)
            hint = f"did you mean {near[0]}? There are" if near else "there are"
            raise NoRun(f"there is no panel {name!r}; {hint}:\n{listed()}")
        for run in runs:
            if not by_name[name].can(run):
                some = listed([one for one in PANELS if one.can(run)])
                what = f"panel {name} does not apply to this run; these do:\n{some}"
                raise NoRun(f"{run.called}: {what}")
    return [by_name[name] for name in dict.fromkeys(names)]


def shared(runs: Sequence[Results]) -> list[Panel]:
    """Return the panels in which several runs are drawn, if nobody names any.

    All of them can be, and one at least would be.

    Raises
    ------
    NoRun
        There is none.
    """
    found = [
        one
        for one in PANELS
        if one.row == CURVES
        and one.several
        and all(one.can(run) for run in runs)
        and any(one.when(run) for run in runs)
    ]
    if not found:
        said = "these runs were driven in ways that have no panel in common; choose by --panel"
        some = "\n".join(
            f"{run.called}: {', '.join(one.name for one in PANELS if one.can(run))}" for run in runs
        )
        raise NoRun(f"{said}:\n{some}")
    return found[:MOST_SHARED]


def listed(panels: Sequence[Panel] = PANELS) -> str:
    """Return panels as a list, a line each; all if none are given."""
    return "\n".join(f"  {one.name:20s} {one.about}" for one in panels)
