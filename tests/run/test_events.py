"""The table of events: every slip, once, in order; the same by all engines and in any parts."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

import hpcepm
from hpcepm.storage.plan import Progress
from tests.conftest import datasets, settings_for

WELLS = {"sides": "two", "landscape": "quenched"}
EVERYWHERE = {"every": 0.02, "names": ["sigma", "epsilon_p", "sigma_c", "n_events"]}
LOADINGS: dict[str, dict[str, Any]] = {
    "strain": {"loading": {"target": 0.12}},
    "stress": {"loading": {"control": "stress", "target": 0.9, "until": {"strain": 0.1}}},
    "cycles": {"loading": {"cycle": [0.05, -0.05], "cycles": 2}, "yielding": WELLS},
    "extremal": {"loading": {"control": "extremal", "until": {"plastic_strain": 0.05}}},
    "unstable at the start": {
        "thresholds": {
            "initial": {
                "distribution": "normal",
                "mean": 0.1,
                "std": 0.5,
                "allow_negative": True,
            }
        },
    },
    "thermal, instant": {
        "clock": {"type": "thermal", "temperature": 0.02, "unstable": "instant"},
        "loading": {"target": 0.03, "rate": 1e-4},
    },
    "thermal": {
        "clock": {"type": "thermal", "temperature": 0.05},
        "loading": [{"control": "stress", "target": 0.3}, {"hold": 60.0}, {"target": 0.35}],
    },
}
"""What moves the load, and how an avalanche goes on."""


def run(folder: Path, shape: tuple[int, int] = (12, 10), **changes: Any) -> Any:
    """Run into a folder of its own; return its tree."""
    output = {"events": True, "avalanches": True, "fields": EVERYWHERE}
    asked = settings_for(shape, **{"output": output, **changes})
    return hpcepm.simulate(asked, directory=folder / "run")


@pytest.mark.parametrize("name", LOADINGS)
def test_events_are_the_slips_of_avalanches_and_of_the_maps(tmp_path: Path, name: str) -> None:
    tree = run(tmp_path, initial_stress={"std": 0.0}, **LOADINGS[name])
    events, avalanches = tree["events"].dataset, tree["avalanches"].dataset
    last = (
        tree["fields"].dataset.isel(snapshot=-1, realization=0)
        if "snapshot" in (tree["fields"].dims)
        else tree["fields"].dataset.isel(strain=-1, realization=0)
    )
    number = np.zeros((12, 10), int)
    slipped = np.zeros((12, 10))
    site = events.x.values, events.y.values
    np.add.at(number, site, 1)
    np.add.at(slipped, site, events.slip.values)
    assert events.sizes["event"] >= 30 and (number == last.n_events.values).all()
    assert slipped == pytest.approx(last.epsilon_p.values, abs=1e-12)
    of = events.avalanche.values
    n = avalanches.sizes["avalanche"]
    ended = of < n  # a rule may end the run inside one
    assert (np.bincount(of[ended], minlength=n) == avalanches.events.values).all()
    assert (events.strain.values[ended] == avalanches.strain.values[of[ended]]).all()
    begins = np.flatnonzero(np.diff(of, prepend=-1))
    assert (events.step.values[begins] == 0).all()
    if name != "unstable at the start":
        for axis in ("x", "y"):
            assert (events[axis].values[begins][:n] == avalanches[axis].values).all()
    if "time" in events:
        assert (events.time.values[ended] == avalanches.time.values[of[ended]]).all()


@pytest.mark.parametrize("name", ["strain", "cycles", "thermal, instant"])
def test_all_engines_have_the_same_events(tmp_path: Path, name: str) -> None:
    found = [
        datasets_of_events(run(tmp_path / engine, (24, 17), engine=engine, **LOADINGS[name]))
        for engine in ("direct", "lazy", "spectral")
    ]
    for other in found[1:]:
        for column, values in found[0].items():
            if values.dtype.kind == "i":
                assert (values == other[column]).all(), column
            else:
                assert values == pytest.approx(other[column], rel=1e-9, abs=1e-12), column


def datasets_of_events(tree: Any) -> dict[str, NDArray[Any]]:
    """Return the columns of the table."""
    return {str(name): column.values for name, column in tree["events"].data_vars.items()}


def test_a_full_table_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of seven rows, which the events of a step may exceed: buffers begin with one."""
    for name in ("strain", "thermal, instant"):
        folder = tmp_path / name
        whole = run(folder / "whole", (24, 17), **LOADINGS[name])
        with monkeypatch.context() as patched:
            patched.setattr("hpcepm.model.dynamics.ROWS_OF_TABLE", 7)
            patched.setattr("hpcepm.model.dynamics.EVENTS_AT_FIRST", 1)
            run(folder / "tight", (24, 17), **LOADINGS[name])
        one, other = (datasets(folder / part / "run" / "run.h5") for part in ("whole", "tight"))
        assert one.keys() == other.keys() and "events/slip" in one
        assert all(one[name].tobytes() == other[name].tobytes() for name in one)
        most = np.unique_counts(whole["events"].avalanche * 10**6 + whole["events"].step).counts
        assert name != "strain" or most.max() > 7


def test_without_them_there_are_none(tmp_path: Path) -> None:
    hpcepm.simulate(settings_for((12, 10), output={}), directory=tmp_path / "run")
    with h5py.File(tmp_path / "run" / "run.h5") as file:
        assert "events" not in file


def test_maxwell_sites_have_none() -> None:
    settings = settings_for(
        (8, 8),
        clock={"type": "maxwell", "dt": 0.1},
        loading={"target": 0.1, "rate": 0.1},
        output={"events": True},
    )
    with pytest.raises(hpcepm.InputError, match=r"output\.events: Maxwell sites flow"):
        hpcepm.simulate(settings)


def test_progress_of_before_counts_no_events() -> None:
    before = '{"realizations": 1, "observables": 2, "profiles": 2, "avalanches": 9, "fields": 0, '
    assert Progress.parse(before + '"cycles": 0}') == Progress(1, 2, 2, 9)


def test_sites_that_yield_in_an_avalanche_that_goes_on_do_not_persist() -> None:
    """A rule is met inside an avalanche, which goes on in the next segment; by the maps."""
    tree = hpcepm.simulate(
        {"lattice": {"shape": [8, 8]}, "thresholds": {"initial": "ESL", "renewal": "MCT"}},
        clock={"thermal": {"temperature": 0.02, "unstable": "instant"}},
        loading=[
            {"control": "stress", "target": 1.5, "hold": 1.0, "until": {"strain": 0.1}},
            {"control": "machine", "stiffness": 0.5, "target": 0.2, "rate": 0.01},
        ],
        output={
            "fields": {"of": "time", "every": 1.0, "names": ["n_events"]},
            "observables": {"of": "time", "every": 1.0},
            "events": True,
        },
    )
    assert tree is not None
    persistence = tree["observables"].persistence.values[0]
    events = tree["observables"].events.values[0]
    maps = tree["fields"].n_events.values[0]
    begun = 2  # the record at which the second segment begins
    assert persistence[begun] == 1 > persistence[begun - 1] and events[begun] == events[begun - 1]
    assert maps.shape[0] == persistence.size
    rows = tree["events"].dataset
    for k in range(begun, persistence.size):
        since = slice(int(events[begun]), int(events[k]))
        yielded = np.zeros((8, 8), bool)
        yielded[rows.x.values[since], rows.y.values[since]] = True
        assert (yielded == (maps[k] > maps[begun])).all()
        assert persistence[k] == 1 - yielded.mean()
    assert persistence[-1] < 0.2
