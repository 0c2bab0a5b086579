"""What a picture says of which things it shows: strains, realizations, sides."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from matplotlib.axes import Axes

from hpcepm.analysis.plot import Wanted, compose
from hpcepm.analysis.protocol import read_out, strobes
from hpcepm.analysis.quantities import quantities
from hpcepm.analysis.report.content import content_of
from hpcepm.analysis.results import open_run
from hpcepm.cli import main
from hpcepm.faults import NoRun

from .conftest import replace, rewritten, simulated

Make = Callable[..., Path]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    def of(**changes: Any) -> Path:
        return simulated(tmp_path_factory.mktemp("run"), **changes)

    return of


def drawn(run: Path, panel: str, **wanted: Any) -> Axes:
    with open_run(run) as found:
        figure = compose([found], Wanted(panels=(panel,), **wanted))
    return figure.subfigs[0].axes[0]


def title_of(axes: Axes) -> str:
    return axes.get_title(loc="left")


@pytest.fixture(scope="module")
def backward(make: Make) -> Path:
    maps = {"every": 0.05, "names": ["sigma", "sigma_c", "sigma_c_backward"]}
    output = {"directory": "run", "fields": maps}
    both = {"yielding": {"sides": "two"}, "loading": [{"target": -0.4}], "output": output}
    return make(realizations=2, **both)


def test_of_a_load_that_goes_backward(backward: Path) -> None:
    """Statistics are of the strains along the load; distances to yield of the side in its way."""
    with open_run(backward) as run:
        size = next(one for one in quantities(run) if one.name == "mean avalanche S")
        threshold = next(one for one in quantities(run) if one.name == "mean threshold")
        assert threshold.note.endswith(", forward")
        fields, strain = run.file["fields"], run.file["fields/strain"][()]
        inside = np.flatnonzero(-strain >= 0.2)
        x = fields["sigma_c_backward"][:, inside] + fields["sigma"][:, inside]
    axes = drawn(backward, "avalanche_sizes")
    assert title_of(axes) == f"0.2 ≤ −ε ≤ 0.4, ⟨S⟩ = {size.value.value:.3g}"
    assert title_of(drawn(backward, "avalanche_sizes", window=(0.2, 0.4))) == title_of(axes)
    axes = drawn(backward, "distances_to_yield")
    assert "backward" in axes.get_xlabel() and title_of(axes) == "10 maps, 0.2 ≤ −ε ≤ 0.4"
    lowest, highest = (float(np.asarray(axes.lines[0].get_xdata())[k]) for k in (0, -1))
    assert x[x > 0].min() < lowest < highest < x.max()
    found = content_of(str(backward), False, {})["numbers"]["first"]
    first = {name: value for name, value, _ in found}
    assert first["largest strain"] == "-0.4"


def test_a_window_with_nothing_in_it_is_told(
    backward: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for panel, what in {"avalanche_sizes": "no avalanche", "distances_to_yield": "no map"}.items():
        with pytest.raises(NoRun, match=f"{what} lies in the window 5:6"):
            drawn(backward, panel, window=(5.0, 6.0))
    command = ["plot", str(backward), "--panel", "avalanche_sizes", "--window", "5:6"]
    assert main(command) == 2 and "no avalanche lies in the window 5:6" in capfd.readouterr().err


def test_an_ensemble_on_a_machine_has_a_mean(make: Make) -> None:
    """How far the machine goes rounds: a step of −1e-17 is none back."""
    machine = {"control": "machine", "stiffness": 5, "target": 0.3}
    run = make(realizations=4, loading=machine)
    assert len(drawn(run, "displacement").collections) == 1, "a band"
    with open_run(run) as found:
        last = [found.strains[k][found.records_of(k) - 1] for k in range(4)]
    said = title_of(drawn(run, "band_profile"))
    assert said == f"at ε = {min(last):.6g} to {max(last):.6g}" and min(last) < max(last)


def test_curves_that_have_no_mean_are_counted(make: Make) -> None:
    loading = [{"control": "stress", "target": 0.4}, {"control": "stress", "target": 0.0}]
    run = make(realizations=3, loading=loading)
    axes = drawn(run, "loop")
    assert len(axes.collections) == 3 and title_of(axes) == "each of 3 realizations"
    assert title_of(drawn(make(), "loop")) == ""


def test_all_realizations_of_extremal_dynamics_count(make: Make) -> None:
    extremal = {"control": "extremal", "until": {"plastic_strain": 0.02}}
    run = make(realizations=24, loading=extremal, lattice={"shape": [6, 6]})
    with open_run(run) as found:
        highest = found.file["avalanches/stress"][()].max()
    axes = drawn(run, "stresses")
    assert [line.get_label() for line in axes.lines] == [f"highest: {highest:.4g}"]


def test_maps_of_one_realization_say_so(make: Make) -> None:
    output = {"directory": "run", "fields": {"every": 1, "of": "cycle"}}
    loading = {"cycle": [0.1, -0.1], "cycles": 3}
    wells = {"sides": "two", "landscape": "quenched"}
    both = {"yielding": wells, "output": output, "loading": loading}
    for realizations, said in ((1, False), (2, True)):
        run = make(realizations=realizations, **both)
        for panel in ("to_and_fro", "stroboscopic"):
            assert ("realization 0" in title_of(drawn(run, panel))) == said


@pytest.mark.parametrize("rule", [{}, {"until": {"plastic_strain": 0.9}}])
def test_what_a_glass_remembers_is_a_mean(make: Make, rule: dict[str, Any]) -> None:
    """With a rule that may end it each realization has snapshots of its own: one is told of."""
    path: list[dict[str, Any]] = [
        {"target": strain}
        for amplitude in (0.05, 0.05, 0.02, 0.04, 0.06)
        for strain in (amplitude, -amplitude, 0.0)
    ]
    path[-1] |= rule
    output = {"directory": "run", "fields": {"every": 10.0}}
    both = {"yielding": {"sides": "two"}, "loading": path, "output": output}
    run = make(realizations=2, **both)
    with open_run(run) as found:
        strain = np.atleast_2d(found.file["fields/strain"][()])[0]
        fields, ends = found.file["fields/epsilon_p"][()], np.flatnonzero(strain == 0)[2::2]
        changed = (fields[:, ends[2:]] != fields[:, ends[1], None]).sum(axis=(2, 3))
        read = read_out(found)
    assert read is not None and (changed[0] != changed[1]).any()
    assert read.changed == (changed[0] if rule else changed.mean(axis=0)).tolist()
    assert title_of(drawn(run, "memory")) == ("realization 0" if rule else "")


def test_extremal_dynamics_under_way_has_no_curve_yet(make: Make, tmp_path: Path) -> None:
    extremal = {"control": "extremal", "until": {"plastic_strain": 0.02}}
    run = make(realizations=3, loading=extremal, lattice={"shape": [6, 6]})

    def at_work(file: h5py.File) -> None:
        file.attrs["finished"] = False
        for name, dataset in list(file["observables"].items()):
            if dataset.shape[:1] == (3,) and name != "record":
                replace(file, f"observables/{name}", dataset[:2])

    axes = drawn(rewritten(run, tmp_path, at_work), "extremal")
    with open_run(run) as found:
        of = found.file["avalanches/realization"][()]
    points = [np.asarray(line.get_xdata()).size for line in axes.lines]
    assert (of == 0).sum() in points and (of == 2).any() and max(points) < (of < 2).sum()


def test_records_that_only_a_rule_bounds_are_no_bar(make: Make) -> None:
    loading = {"target": 100, "until": {"events_per_site": 0.1}}
    output = {"directory": "run", "observables": {"every": 9e-6}, "fields": {"every": 0.01}}
    run = make(loading=loading, output=output, lattice={"shape": [6, 6]})
    with open_run(run) as found:
        assert found.counted and strobes(found) == {}
    drawn(run, "stress")
