"""The curves of a page: observables over records, by realization or with the band of all."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hpcepm.analysis.panels.base import MOST_CURVES
from hpcepm.analysis.protocol import (
    branches,
    by_decades,
    controls,
    is_extremal,
    is_held,
    is_in_avalanche,
    turns_back,
)
from hpcepm.analysis.results import Results
from hpcepm.analysis.statistics import band
from hpcepm.layout import TIME_UNIT
from hpcepm.reading import BadFile, attribute

from .plain import numbers

MOST_POINTS: Final = 2000
"""Of one curve."""

MOST_IN_ALL: Final = 12_000
"""Points of all curves of an observable."""


def curves(run: Results) -> dict[str, Any]:
    """Return the curves, what they are called, and which two are shown first."""
    lines = _each(run) if run.counted else [_mean(run)]
    names = {"strain": ("strain", "1")}
    if run.has_clock:
        names["time"] = ("time", TIME_UNIT)
    names |= {
        name: (said(dataset, "long_name") or name, said(dataset, "units"))
        for name, dataset in run.observables.items()
    }
    x, y = _axes(run)
    found = {"names": names, "x": x, "y": y, "lines": lines, "notes": _notes(run)}
    return found | {"decades": by_decades(run)}


def said(dataset: Any, name: str) -> str:
    """Return a text that a dataset says of itself; empty if it says none."""
    try:
        return attribute(dataset, name, str)
    except BadFile:
        return ""


def _axes(run: Results) -> tuple[str, str]:
    """Return which observables are shown first, along x and y."""
    if is_extremal(run):
        return "plastic_strain", "stress"
    if is_held(run):
        return "time", "strain" if controls(run) == {"stress"} else "stress"
    if controls(run) == {"stress"} and not turns_back(run) and not is_in_avalanche(run).any():
        return "stress", "strain"  # at rest at each stress
    return "strain", "stress"


def _mean(run: Results) -> dict[str, Any]:
    """Return the mean over realizations, and the band that nine in ten of them lie in."""
    turns = _turns(run, run.strain)
    shown = _shown(run.strain.size, turns, MOST_POINTS)
    line: dict[str, Any] = {"name": "", "values": {"strain": numbers(run.strain[shown])}}
    bands: dict[str, Any] = {}
    for name in run.observables:
        values = run.observable(name)[:, shown]
        found = band(values)
        line["values"][name] = numbers(found.mean)
        if run.realizations > 1:
            bands[name] = [numbers(found.quantiles[k]) for k in (0, -1)]
    if bands and not turns_back(run):
        line["bands"] = bands
    return line | _marks(turns, shown)


def _each(run: Results) -> list[dict[str, Any]]:
    """Return some of the realizations, each with strains of its own."""
    some = min(run.realizations, MOST_CURVES)
    observables = {name: run.observable(name)[:some] for name in run.observables}
    strains, inside, lines = run.strains, is_in_avalanche(run), []
    for k in range(some):
        n = run.records_of(k)
        turns = _turns(run, strains[k, :n])
        shown = _shown(n, turns, min(MOST_POINTS, MOST_IN_ALL // some))
        values = {"strain": numbers(strains[k, shown])}
        values |= {name: numbers(of[k, shown]) for name, of in observables.items()}
        if run.has_clock:
            values["time"] = numbers(run.times[k, shown])
        line: dict[str, Any] = {"name": f"realization {k}" if some > 1 else "", "values": values}
        if inside[k, shown].any():
            line["inside"] = np.flatnonzero(inside[k, shown]).tolist()
        lines.append(line | _marks(turns, shown))
    return lines


def _turns(run: Results, strain: NDArray[np.float64]) -> list[int]:
    """Return at which records the load turns; none where it moves to and fro at each event."""
    if is_extremal(run) or strain.size < 2:
        return []
    return [part.start for part in branches(strain)[1:]]


def _shown(n: int, turns: list[int], most: int) -> NDArray[np.intp]:
    """Return which of ``n`` records are shown: one in so many, the last, and where it turns."""
    kept = turns if len(turns) < most else []
    last = [n - 1] if n else []
    return np.unique(np.array([*range(0, n, max(1, -(-n // most))), *kept, *last], np.intp))


def _marks(turns: list[int], shown: NDArray[np.intp]) -> dict[str, Any]:
    """Return the numbers of the records that are shown, and where of these the load turns."""
    return {"records": shown.tolist(), "turns": np.searchsorted(shown, turns).tolist()}


def _notes(run: Results) -> list[str]:
    """Say what of the run is not drawn as it is."""
    notes, n = [], run.realizations
    if run.counted and n > 1:
        notes.append(f"Each realization has strains of its own; {min(n, MOST_CURVES)} of {n}.")
    elif n > 1:
        of = "the mean" if turns_back(run) else "the mean, and the band of nine in ten of them"
        notes.append(f"{n} realizations: {of}.")
    curves = min(n, MOST_CURVES) if run.counted else 1
    every = -(-run.strain.shape[-1] // min(MOST_POINTS, MOST_IN_ALL // curves))
    if every > 1:
        notes.append(f"One record in {every} is drawn.")
    if run.counted and is_in_avalanche(run).any():
        notes.append("Dots lie inside an avalanche.")
    return notes
