"""Whether the table of events agrees with avalanches and records: a part of ``hpcepm verify``."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .results import Results
from .shape import PLACES
from .verify_fields import AT_ONCE, CLOSE

Columns = dict[str, NDArray[Any]]


def events_against_others(run: Results) -> Iterator[str]:
    """Check that events are in order, and add up to the avalanches and to the last records."""
    begin = np.searchsorted(run.file["events/realization"], np.arange(run.realizations + 1))
    counted = run.observable("events")
    for k in range(run.realizations):
        there = int(begin[k + 1] - begin[k])
        last = int(counted[k, : run.records_of(k)].max(initial=0))
        if there < last or (run.finished and there > last):
            yield f"events of realization {k}: records count {last}, the table has {there}"
    before: Columns = {}
    sums = _Sums(run) if "avalanches" in run.file else None
    for first, some in parts_of(run, "events"):
        if told := _out_of_bounds(run, some) or _out_of_order(run, before, some):
            yield f"events: {told}, after row {first}"
            return
        if sums is not None:
            sums.add(some)
        before = {name: column[-1:] for name, column in some.items()}
    if sums is not None:
        yield from sums.problems()


def parts_of(run: Results, name: str) -> Iterator[tuple[int, Columns]]:
    """Yield a table, if there is one, in parts: the number of the first row, and columns."""
    table = run.file.get(name, {})
    for first in range(0, table["slip"].size if table else 0, AT_ONCE):
        yield first, {name: column[first : first + AT_ONCE] for name, column in table.items()}


def _out_of_bounds(run: Results, some: Columns) -> str | None:
    """Say which number cannot be, if there is one."""
    limits = {"x": run.shape[0], "y": run.shape[1], "realization": run.settings["realizations"]}
    for name in ("realization", "avalanche", "step", "x", "y"):
        if ((some[name] < 0) | (some[name] >= limits.get(name, np.inf))).any():
            return f"{name} is one that there is not"
    if not np.isfinite(some["slip"]).all():
        return "slip is not a number"
    return None


def _out_of_order(run: Results, before: Columns, some: Columns) -> str | None:
    """Say what is not in order: avalanches, their steps, the sites of a step, or time."""
    rows = {
        name: np.concatenate([before.get(name, column[:0]), column])
        for name, column in some.items()
    }
    site = rows["x"].astype(np.int64) * run.shape[1] + rows["y"]
    same = np.ones(max(site.size - 1, 0), bool)
    for name in ("realization", "avalanche", "step"):
        steps = np.diff(rows[name])
        if (same & (steps < 0)).any():
            return f"{name} goes back"
        if (
            name == "realization"
            and "time" in rows
            and (np.diff(rows["time"])[steps == 0] < 0).any()
        ):
            return "time goes back"
        same &= steps == 0
    return "a site slips twice in a step" if (same & (np.diff(site) <= 0)).any() else None


class _Sums:
    """What each avalanche comes to by its events."""

    def __init__(self, run: Results) -> None:
        self._table = run.file["avalanches"]
        self._size = self._table["realization"].size
        realizations = np.arange(run.settings["realizations"] + 1)
        self._begin = np.searchsorted(self._table["realization"], realizations)
        self._events, self._steps = np.zeros((2, self._size), np.int64)
        self._slip = np.zeros(self._size)
        self._places = {name: self._table[name][()] for name in PLACES if name in self._table}
        self._odd: set[str] = set()

    def add(self, some: Columns) -> None:
        """Add events; those of an avalanche that is not over are in none of the table."""
        row = self._begin[some["realization"]] + some["avalanche"]
        ended = row < self._begin[some["realization"] + 1]
        if (some["avalanche"] > np.diff(self._begin)[some["realization"]]).any():
            self._odd.add("are of more avalanches than there are")
        some = {name: column[ended] for name, column in some.items()}
        row = row[ended]
        np.add.at(self._events, row, 1)
        np.add.at(self._slip, row, some["slip"])
        np.maximum.at(self._steps, row, some["step"] + 1)
        for name, values in self._places.items():
            if (values[row] != some[name]).any():
                self._odd.add(f"have another {name} than their avalanche")

    def problems(self) -> Iterator[str]:
        """Say what does not agree with the table of avalanches."""
        yield from (f"events: {said}" for said in sorted(self._odd))
        sums = {"events": self._events, "duration": self._steps, "slip": self._slip}
        for name, values in sums.items():
            bad = ~np.isclose(values, self._table[name][()], rtol=CLOSE, atol=CLOSE)
            if bad.any():
                yield f"events: have not the {name} of avalanche {int(bad.argmax())}"
