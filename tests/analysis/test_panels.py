"""The inputs of all protocols, small: each runs, is sound, and has the picture of its protocol."""

from itertools import pairwise
from pathlib import Path

import h5py
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure

from hpcepm.analysis.ensembles import over_strain
from hpcepm.analysis.panels.base import ALONE, CURVES, MAPS, PANELS, Line, panels_of
from hpcepm.analysis.panels.branches import _from_zero
from hpcepm.analysis.panels.cycles import recurrence
from hpcepm.analysis.plot import draw_summary
from hpcepm.analysis.protocol import branches, read_out, strains_of_maps, strobes, way
from hpcepm.analysis.quantities import _half, quantities, susceptibility
from hpcepm.analysis.report.content import content_of
from hpcepm.analysis.results import open_run
from hpcepm.cli import main
from hpcepm.faults import NoRun
from tools.protocol_pictures import PICTURES

from .conftest import replace, rewritten

INPUTS = Path(__file__).parents[2] / "inputs" / "protocols"
MAP = ["plastic_strain", "local_stress"]
EXPECTED = {
    "yield": (["stress", "localization", "avalanches"], MAP),
    "creep": (["staircase", "avalanches"], MAP),
    "machine": (["stress", "displacement", "avalanches"], MAP),
    "extremal": (["extremal", "thresholds_by_slip", "stresses"], MAP),
    "bauschinger": (["loop", "bauschinger"], MAP),
    "hysteresis": (["loop", "bauschinger"], MAP),
    "limit_cycle": (
        ["loop", "changed", "work"],
        ["plastic_strain", "to_and_fro", "stroboscopic"],
    ),
    "memory": (["loop", "memory"], MAP),
    "maxwell_flow": (["stress", "thresholds", "localization"], MAP),
    "maxwell_oscillation": (
        ["stress_in_time", "persistence", "loop", "bauschinger", "moduli"],
        MAP,
    ),
    "soft_notch": (["stress", "thresholds", "localization"], MAP),
    "thermal_creep": (["strain_in_time", "strain_rate", "persistence"], MAP),
    "delayed_yielding": (["strain_in_time", "strain_rate", "persistence"], MAP),
    "relaxation": (["stress_in_time", "persistence"], MAP),
    "aged_shear": (["stress", "thresholds", "localization", "persistence"], MAP),
    "flow_rate": (["stress", "thresholds", "localization"], MAP),
}
CLOCKS = {
    *("thermal_creep", "delayed_yielding", "relaxation", "aged_shear", "flow_rate"),
    *("maxwell_flow", "maxwell_oscillation"),
}
DISC = "{shape: disc, centre: [5, 7], size: 3, thresholds: {multiply: 0.5}}"
SMALLER = {
    "soft_notch": [f"regions=[{DISC}]"],
    "maxwell_flow": ["clock.dt=0.1"],
    "maxwell_oscillation": ["clock.dt=0.1"],
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the runs of all inputs are: of one realization, and under many/ of three."""
    folder = tmp_path_factory.mktemp("protocols")
    for name in EXPECTED:
        for into, more in ((folder, 1), (folder / "many", 3)):
            options = ["--quiet", "--output", str(into / name)]
            for changed in (
                "lattice.shape=[16, 14]",
                f"realizations={more}",
                *SMALLER.get(name, ()),
            ):
                options += ["--set", changed]
            assert main([str(INPUTS / f"{name}.yaml"), *options]) == 0
    return folder


def test_every_input_is_tried_and_has_a_picture() -> None:
    names = {path.stem for path in INPUTS.glob("*.yaml")}
    assert names == set(EXPECTED) == set(PICTURES)
    drawn = {panel for panels in PICTURES.values() for panel in panels}
    assert drawn <= {panel.draw.__name__ for panel in PANELS}


@pytest.mark.parametrize("many", ["", "many"])
@pytest.mark.parametrize("name", EXPECTED)
def test_each_protocol_has_its_panels(runs: Path, name: str, many: str) -> None:
    directory = runs / many / name
    assert main(["verify", str(directory)]) == 0
    with open_run(directory) as run:
        for row, expected in zip((CURVES, MAPS), EXPECTED[name], strict=True):
            if many and "persistence" in expected:  # its variance is that of an ensemble
                after = expected.index("persistence") + 1
                expected = [*expected[:after], "heterogeneity", *expected[after:]]
            assert [panel.draw.__name__ for panel in panels_of(run, row)] == expected
        for panel in PANELS:
            for line in (ALONE, Line("#0072B2", "a run", "--")) if panel.can(run) else ():
                axes = Figure().subplots()
                panel.draw(axes, run, line)
                assert axes.has_data() and axes.get_xlabel() and axes.get_ylabel()
            assert panel.can(run) or not panel.when(run)
    if not many:
        height, width, _ = plt.imread(draw_summary(str(directory))).shape
        in_row = [len(row) if len(row) <= 3 else -(-len(row) // 2) for row in EXPECTED[name]]
        curves = 435 if len(EXPECTED[name][0]) <= 3 else 870
        assert (height, width) == (curves + 525, 525 * max(in_row))


@pytest.mark.parametrize("name", ["bauschinger", "hysteresis"])
def test_in_a_part_nothing_is_joined_across_what_was_cut(
    runs: Path, tmp_path: Path, name: str
) -> None:
    part = str(tmp_path / "part.h5")
    assert main(["pack", str(runs / name), "--strain=-0.01:0.03", "--out", part]) == 0
    with open_run(part) as run:
        (panel,) = panels_of(run, CURVES)
        assert panel.draw.__name__ == "loop"
        axes = Figure().subplots()
        panel.draw(axes, run, ALONE)
    kinds = [type(one) for one in axes.collections]
    assert PathCollection in kinds and LineCollection not in kinds and not axes.lines


@pytest.mark.parametrize("name", ["yield", "creep", "extremal", "limit_cycle", "memory"])
@pytest.mark.parametrize("records", [2, 15])
def test_a_run_at_work_is_drawn(runs: Path, tmp_path: Path, name: str, records: int) -> None:
    """As far as it has come: no cycle yet, no turning point, no snapshot but the first."""

    def cut(file: h5py.File) -> None:
        file.attrs["finished"] = False
        rows = {"record": records, "snapshot": 1, "cycle": 0, "avalanche": 0}
        for group in file.values():
            for column, data in list(group.items()):
                along = next((axis for axis in rows if axis in group), "")
                if column in ("records", "snapshots", "cycles"):
                    replace(group, column, np.array([rows[along]]))
                elif column in (along, "strain") and data.ndim == 1:
                    replace(group, column, data[: rows[along]])
                elif data.ndim > 1:
                    replace(group, column, data[:, : rows[along]])
                elif along == "avalanche":
                    replace(group, column, data[:0])

    copy = rewritten(runs / name, tmp_path, cut)
    assert plt.imread(draw_summary(str(copy))).shape[0] == 960
    assert main(["summarize", str(copy)]) == main(["compare", str(copy), str(copy)]) == 0


def test_one_record_is_no_curve(runs: Path, tmp_path: Path) -> None:
    def cut(file: h5py.File) -> None:
        for column, data in list(file["observables"].items()):
            if column == "record" or data.ndim == 2:
                replace(file["observables"], column, data[..., :1])
        replace(file["observables"], "records", np.array([1]))

    with pytest.raises(NoRun, match="has no two records"):
        draw_summary(str(rewritten(runs / "yield", tmp_path, cut)))


def test_what_a_panel_shows_is_what_the_run_did(runs: Path) -> None:
    with open_run(runs / "limit_cycle") as run:
        cycles, strain = run.file["cycles"], run.file["fields/strain"][0]
        transient, period = (int(cycles[name][0, -1]) for name in ("transient", "period"))
        assert recurrence(run) == f"transient {transient}, period {period}" and period > 0
        found = strobes(run)
        assert sorted(found) == list(range(2 * cycles["cycle"].size))
        assert [strain[found[k]] for k in sorted(found)] == [0.035, -0.035] * cycles["cycle"].size
        wells = run.file["fields/well"][0]
        last = [found[2 * k + 1] for k in range(cycles["cycle"].size)]
        changed = [(wells[a] != wells[b]).sum() for a, b in pairwise(last)]
        assert changed == cycles["changed"][0, 1:].tolist()
    with open_run(runs / "many" / "limit_cycle") as run:
        assert recurrence(run).startswith("transients ") and ", period" in recurrence(run)
    with open_run(runs / "memory") as run:
        read = read_out(run)
        assert read is not None and read.what == "well" and read.trained == 0.025
        assert read.amplitudes[:3] == [0.005, 0.01, 0.015] and len(read.amplitudes) == 10
        known = dict(zip(read.amplitudes, read.changed, strict=True))
        assert known[0.025] < known[0.0225] and known[0.025] < known[0.0275]
    with open_run(runs / "hysteresis") as run:
        assert read_out(run) is None and strobes(run)[1] > strobes(run)[0] > 0


def test_branches_begin_and_end_at_turning_points() -> None:
    strain = np.array([0, 0.1, 0.2, 0.2, 0.1, 0, -0.1, 0.0])
    assert branches(strain) == [slice(0, 4), slice(3, 7), slice(6, 8)]
    assert way(strain)[-1] == pytest.approx(0.6)
    since, size = _from_zero(np.array([0.2, 0.1, 0.0]), np.array([0.5, -0.5, -1.5]))
    assert since == pytest.approx([0, 0.05, 0.15]) and size.tolist() == [0, 0.5, 1.5]
    assert _from_zero(np.array([0.2, 0.1]), np.array([-0.1, -0.5]))[1].tolist() == [0.1, 0.5]


@pytest.mark.parametrize("shape", ["24, 20", "12, 40", "64, 9"])
def test_no_label_is_cut_off(tmp_path: Path, shape: str) -> None:
    name, directory = str(INPUTS / "hysteresis.yaml"), tmp_path / "run"
    options = ["--quiet", "--output", str(directory), "--set", f"lattice.shape=[{shape}]"]
    turns = "[{target: 0.05}, {target: 0}, {target: 0.02}]"
    options += ["--set", f"loading={turns}", "--set", "output.observables.every=0.01"]
    assert main([name, *options]) == 0
    ink = plt.imread(draw_summary(str(directory)))[..., :3].mean(axis=-1) < 0.9
    assert not (ink[:2].any() or ink[-2:].any() or ink[:, :2].any() or ink[:, -2:].any())


def test_a_hold_after_a_move_is_drawn_over_time(tmp_path: Path) -> None:
    name, directory = str(INPUTS / "flow_rate.yaml"), tmp_path / "run"
    options = ["--quiet", "--output", str(directory), "--set", "lattice.shape=[8, 8]"]
    loading = "{target: 0.02, rate: 1.0e-3, hold: 20}"
    options += ["--set", f"loading={loading}", "--set", "output.observables={of: time, every: 1}"]
    assert main([name, *options]) == 0
    with open_run(directory) as run:
        assert "stress_in_time" in [panel.draw.__name__ for panel in panels_of(run, CURVES)]


def test_half_lives() -> None:
    """Also of sites that yield before any load, and where another segment begins anew."""
    time = np.array([0.0, 1.0, 3.0, 5.0, 6.0])
    assert _half(time, np.array([0.4, 0.3, 0.2, 0.1, 0.0])) == 0.0
    assert _half(time, np.array([1.0, 0.7, 0.3, 0.1, 0.0])) == pytest.approx(2.0)
    assert np.isnan(_half(time, np.array([1.0, 0.7, 0.6, 0.9, 0.4])))


def test_few_records_of_a_branch_are_marks_and_many_a_line(tmp_path: Path) -> None:
    """A straight line between two records of a loop would be a shape that it does not have."""
    name = str(INPUTS / "hysteresis.yaml")
    for every, few in ((0.01, True), (0.001, False)):
        directory = tmp_path / f"{every}"
        options = ["--quiet", "--output", str(directory), "--set", "lattice.shape=[8, 8]"]
        every_so = ["--set", "loading=[{target: 0.02}, {target: 0}, {target: 0.02}]"]
        every_so += ["--set", f"output.observables.every={every}"]
        assert main([name, *options, *every_so]) == 0
        with open_run(directory) as run:
            alone, of_several = Figure().subplots(), Figure().subplots()
            loop = next(one for one in PANELS if one.draw.__name__ == "loop")
            loop.draw(alone, run, ALONE)
            loop.draw(of_several, run, Line("#0072B2", "a run", "--"))
        assert isinstance(alone.collections[0], PathCollection if few else LineCollection)
        assert of_several.lines[0].get_linestyle() == ("None" if few else "--")


def test_extremal_dynamics_without_its_events_is_drawn_from_records(tmp_path: Path) -> None:
    command = [str(INPUTS / "extremal.yaml"), "--quiet", "--output", str(tmp_path / "run")]
    for changed in ("lattice.shape=[8, 10]", "output.avalanches=false", "realizations=2"):
        command += ["--set", changed]
    assert main(command) == 0
    with open_run(tmp_path / "run") as run:
        panels = {panel.draw.__name__: panel for panel in panels_of(run, CURVES)}
        axes = Figure().subplots()
        panels["extremal"].draw(axes, run, ALONE)
        first, *envelopes = axes.lines
        assert (
            np.size(first.get_xdata()) == run.records_of(0) and len(envelopes) == 3
        )  # and their mean
        assert (np.diff(envelopes[0].get_ydata()) >= 0).all()


def test_runs_of_other_protocols_share_axes(runs: Path) -> None:
    """Each axis of a panel of several runs is of one quantity."""
    labels: dict[str, set[tuple[str, str]]] = {}
    for name in EXPECTED:
        with open_run(runs / name) as run:
            for one in PANELS:
                if one.several and one.can(run):
                    axes = Figure().subplots()
                    one.draw(axes, run, Line("#0072B2", "a"))
                    labels.setdefault(one.name, set()).add((axes.get_xlabel(), axes.get_ylabel()))
    assert {name: found for name, found in labels.items() if len(found) > 1} == {}


SECTIONS = {"limit_cycle": {"cycles"}, "memory": {"memory"}, "maxwell_oscillation": {"cycles"}}


@pytest.mark.parametrize("name", EXPECTED)
def test_each_protocol_has_its_report(runs: Path, name: str) -> None:
    for folder, n in ((runs, 1), (runs / "many", 3)):
        found = content_of(str(folder / name), False, {})
        assert not found["warnings"] and all(not check["problems"] for check in found["checks"])
        there = {key for key in ("curves", "maps", "avalanches", "cycles", "memory") if found[key]}
        events = set() if name in CLOCKS else {"avalanches"}  # with a clock each event is one
        some = {"curves", "maps"} | events
        assert there == some | SECTIONS.get(name, set())
        with open_run(str(folder / name)) as run:
            curves = found["curves"]
            assert len(curves["lines"]) == (n if run.counted else 1)
            x, y = curves["x"], curves["y"]
            line, records = curves["lines"][0]["values"], curves["lines"][0]["records"]
            maps = found["maps"]["series"][0]
            along = "time" if name in CLOCKS else "strain"
            assert found["maps"]["along"]["label"] == along
            strains = strains_of_maps(run)
            taken = np.atleast_2d(run.file["fields"][along])[0, : strains.size]
            assert np.isclose(taken[:, None], maps["at"]).any(axis=0).all()
            np.testing.assert_allclose(maps["at"][-1], taken[-1], 1e-6)
            for at, k in enumerate(maps["records"]):
                strain = strains[at] if name in CLOCKS else maps["at"][at]
                near = abs(run.strains[0, k] - strain) < 0.003
                if name in CLOCKS and not near:  # a strain that runs away between two records
                    time, around = run.file["fields/time"][0, at], run.times[0, k - 1 : k + 2]
                    near = np.nanmin(around) <= time <= np.nanmax(around)
                assert near
            if run.counted or n == 1:
                for one in {x, y} - {"strain"}:
                    np.testing.assert_allclose(line[one], run.observable(one)[0, records], 1e-6)


def test_numbers_of_time_are_those_of_the_records(runs: Path) -> None:
    """Counted anew from the numbers of events of each site, and from the records."""
    with open_run(runs / "many" / "relaxation") as run:
        found = {one.name: one for one in quantities(run)}
        assert "plateau" not in found  # a held strain is no abscissa
        assert found["time"].value.value == 1.0e6 and "strain rate" not in found
        persistence, n_sites = run.observable("persistence"), 16 * 14
        yielded = (run.file["fields/n_events"][:, -1] > 0).sum(axis=(1, 2))
        np.testing.assert_allclose(persistence[:, -1], 1 - yielded / n_sites)
        spread_in_time = susceptibility(run)
        assert spread_in_time is not None
        time, chi = spread_in_time
        assert time.tolist() == run.times[0].tolist()
        spread = persistence[:, -1] - persistence[:, -1].mean()
        assert chi[-1] == pytest.approx(n_sites * (spread**2).sum() / 2)
        assert found["heterogeneity"].value.value == chi.max() >= chi[-1] > 0
    with open_run(runs / "flow_rate") as run:
        found = {one.name: one for one in quantities(run)}
        assert found["time"].value.value == pytest.approx(1000) and found["plateau"].known
        before = np.flatnonzero(run.observable("persistence")[0] > 0.5)[-1]
        assert 0 < found["half-life"].value.value - run.times[0, before] <= 5.0
    with open_run(runs / "thermal_creep") as run:
        at, now = (int(np.searchsorted(run.times[0], t, "right")) - 1 for t in (5.0e5, 1.0e6))
        found = {one.name: one for one in quantities(run)}
        begin = np.interp(5.0e5, run.times[0, [at, at + 1]], run.strains[0, [at, at + 1]])
        rate = (run.strains[0, now] - begin) / 5.0e5
        assert found["strain rate"].value.value == pytest.approx(rate) and rate > 0
    with open_run(runs / "aged_shear") as run:  # strain is an abscissa from where it moves
        over = over_strain(run, "stress")
        assert over is not None and (over.x[0], over.x[-1]) == (0.0, 0.2)
        assert (np.diff(over.x) > 0).all()
