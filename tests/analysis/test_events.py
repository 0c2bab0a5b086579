"""The picture of events: each of the first realization once, at its place."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hpcepm.analysis.export.source import Part
from hpcepm.analysis.export.write import export
from hpcepm.analysis.panels import events
from hpcepm.analysis.panels.base import CURVES, panels_of
from hpcepm.analysis.results import open_run

from .conftest import simulated

CLOCK = {"type": "thermal", "temperature": 0.02, "unstable": "instant"}
LOADINGS: dict[str, dict[str, Any]] = {
    "strain": {"loading": {"target": 0.12}},
    "time": {"loading": {"target": 0.03, "rate": 1e-4}, "clock": CLOCK},
    "avalanche": {"loading": [{"target": 0.08}, {"target": -0.08}], "yielding": {"sides": "two"}},
}


def dots_of(axes: Axes) -> NDArray[Any]:
    """Return the places of all dots, (events, 2)."""
    return np.concatenate([np.array(line.get_xydata()) for line in axes.lines])


@pytest.mark.parametrize("when", LOADINGS)
def test_each_event_is_a_dot(tmp_path: Path, when: str) -> None:
    directory = simulated(tmp_path, realizations=2, **LOADINGS[when])
    with open_run(directory) as run:
        assert "events" in [panel.name for panel in panels_of(run, CURVES)]
        axes, table = Figure().subplots(), run.file["events"]
        events.events(axes, run)
        first = table["realization"][()] == 0
        wanted = table[when][first], table[axes.get_ylabel()[0]][first] + 0.5
    dots = dots_of(axes)
    assert 10 < len(dots) == first.sum() < first.size
    assert sorted(map(tuple, dots)) == sorted(map(tuple, np.transpose(wanted)))
    assert axes.get_xlabel().startswith(when) and axes.get_title() == "all events, realization 0"


def test_only_the_last_of_many_are_drawn(single: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MOST_EVENTS", 20)
    with open_run(single) as run:
        axes, n = Figure().subplots(), run.file["events/strain"].size
        events.events(axes, run)
        latest = run.file["events/strain"][n - 20]
    assert len(dots_of(axes)) == 20 and dots_of(axes)[:, 0].min() == latest
    assert axes.get_title() == "the last 20 events"


def test_a_part_of_a_run_is_drawn(many: Path, tmp_path: Path) -> None:
    """It has no profiles, which would say where a band is."""
    export(str(many), "netcdf", str(tmp_path / "part.h5"), Part(("events",), (0.02, 0.055)))
    with open_run(tmp_path / "part.h5") as run:
        axes = Figure().subplots()
        events.events(axes, run)
        strain = run.file["events/strain"][()]
        of_first = int((run.file["events/realization"][()] == 0).sum())
    assert axes.get_ylabel() == "y (cells)" and 0.02 <= strain.min() < strain.max() <= 0.055
    assert len(dots_of(axes)) == of_first > 5
