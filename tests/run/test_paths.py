"""Strain that turns: lists of targets, and cycles that come back."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml

import hpcepm
from hpcepm.analysis.statistics import first_branch
from hpcepm.cli import main
from hpcepm.input.problems import InputError
from hpcepm.input.read import read_input
from hpcepm.schedule import Cadence, SavePoint, save_points, turns_of

WELLS = {"sides": "two", "landscape": "quenched", "order": "weakest"}


def run(folder: Path, **changes: Any) -> Path:
    """Run an input; return its directory."""
    settings = {
        "lattice": {"shape": [16, 14]},
        "output": {"observables": {"every": 0.01}},
        **changes,
    }
    (folder / "in.yaml").write_text(yaml.safe_dump(settings))
    directory = folder / "out"
    assert main([str(folder / "in.yaml"), "--quiet", "--output", str(directory)]) == 0
    return directory


def test_records_lie_at_multiples_on_the_way_and_where_the_load_turns() -> None:
    points = save_points([0.025, -0.01, 0.005], Cadence(0.01), Cadence(0.02))
    strains = [0, 0.01, 0.02, 0.025, 0.02, 0.01, 0, -0.01, 0, 0.005]
    assert [point.strain for point in points] == pytest.approx(strains, abs=1e-15)
    assert [point.segment for point in points] == [0] * 4 + [1] * 4 + [2] * 2
    assert all(point.record for point in points)
    mapped = [round(point.strain, 3) for point in points if point.snapshot]
    assert mapped == [0, 0.02, 0.025, 0.02, 0, -0.01, 0, 0.005]
    assert save_points([-0.02], Cadence(0.01), None) == [SavePoint(s) for s in (0, -0.01, -0.02)]
    assert turns_of({"cycle": [0.1, -0.1], "cycles": 2}) == [0.1, -0.1] * 2
    assert turns_of([{"target": 0.1}, {"target": 0.0}]) == [0.1, 0.0]
    with pytest.raises(ValueError, match="turning points"):
        turns_of({"cycle": [0.1, -0.1], "cycles": 10**9})


def test_the_first_branch_ends_where_the_load_turns() -> None:
    assert first_branch(np.array([0, 0.1, 0.2, 0.1])) == 3
    assert first_branch(np.array([0, -0.1, -0.2, -0.1, 0.3])) == 3
    assert first_branch(np.array([0, 0.1, 0.2])) == 3


@pytest.mark.parametrize("loading", [[{"target": -0.03}], [{"target": -0.03}, {"target": 0.01}]])
def test_a_list_may_begin_backward(tmp_path: Path, loading: list[dict[str, float]]) -> None:
    """All that reads a run reads it, also if it has one segment."""
    directory = str(run(tmp_path, loading=loading, yielding={"sides": "two"}))
    for command in ("verify", "summarize", "plot", "report"):
        assert main([command, directory]) == 0
    strain = hpcepm.open(directory)["observables"].strain.values
    assert strain[0] == 0 and strain.min() == -0.03


def test_a_glass_is_trained_and_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loading = [{"control": "strain", "target": 0.1}, {"target": -0.1}, {"target": 0.0}]
    directory = run(
        tmp_path,
        loading=loading,
        yielding={"sides": "two"},
        realizations=3,
        output={"observables": {"every": 0.01}, "fields": {"every": 0.1}},
    )
    with h5py.File(directory / "run.h5") as file:
        strain = file["observables/strain"][()]
        assert strain.size == 11 + 20 + 10 and strain[10] == 0.1 and strain[30] == -0.1
        stress, plastic = (file[f"observables/{name}"][()] for name in ("stress", "plastic_strain"))
        assert stress == pytest.approx(2 * 14.7 * (strain - plastic), abs=1e-12)
        assert (stress[:, 10] > 0.3).all() and (stress[:, 30] < -0.3).all()
        # Backward it yields sooner than it did forward: the Bauschinger effect.
        forward, backward = plastic[:, 4], plastic[:, 10] - plastic[:, 18]
        assert backward.mean() > 1.3 * forward.mean()
        slips = file["avalanches/slip"][()]
        assert (slips > 0).any() and (slips < 0).any()
        assert file["fields/strain"][()].tolist() == [0, 0.1, 0, -0.1, 0]
    assert main(["verify", str(directory)]) == 0
    assert main(["summarize", str(directory)]) == 0
    assert "before the load turns" in capsys.readouterr().out
    assert main(["plot", str(directory)]) == 0


@pytest.mark.parametrize("engine", ["direct", "lazy", "spectral"])
def test_a_limit_cycle_repeats_to_the_last_bit(tmp_path: Path, engine: str) -> None:
    directory = run(
        tmp_path,
        lattice={"shape": [66, 12]},
        engine=engine,
        yielding=WELLS,
        loading={"control": "strain", "cycle": [0.02, -0.02], "cycles": 12},
        output={
            "observables": {"every": 0.01},
            "fields": {"every": 0.02, "names": ["well", "epsilon_p"]},
        },
    )
    with h5py.File(directory / "run.h5") as file:
        strain = file["observables/strain"][()]
        per_cycle = 8
        assert strain.size == 1 + 2 + 4 + 11 * per_cycle
        strobes = np.flatnonzero(file["fields/strain"][()] == -0.02)
        wells = file["fields/well"][0][strobes]
        slips = file["fields/epsilon_p"][0][strobes]
        curves = file["observables/stress"][0][7:].reshape(11, per_cycle)
    assert (wells[0] != 0).sum() > 5
    assert (wells[-1] == wells[-2]).all() and slips[-1].tobytes() == slips[-2].tobytes()
    assert curves[-1].tobytes() == curves[-2].tobytes() != curves[0].tobytes()
    assert main(["verify", str(directory)]) == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ("loading=[]", "an empty list"),
        ("loading=[{target: 0.1}, {target: 0.1}]", "strain 0.1 comes twice"),
        ("loading=[{control: tide, target: 0.1}]", "loading[0].control: must be"),
        ("loading={cycle: [0.1], cycles: 3}", "two turning points, or more"),
        ("loading={cycle: [0.1, -0.1]}", "loading.cycles: is required"),
        ("loading={cycle: [0.1, -0.1], cycles: 3}", "need yielding: {sides: two, landscape"),
        ("loading={cycle: [0.1, -0.1], cycles: 3, target: 1}", "loading.target: unknown key"),
        ("yielding={landscape: quenched}", "needs sides: two"),
        ("yielding={sides: two, landscape: quenched, memory: 0.5}", "a quenched landscape keeps"),
        ("yielding={memory: 1}", "no threshold ever changes"),
        ("yielding={damage: {per_event: 2}}", "must be at most 1"),
        ("output.fields={names: [well]}", "well needs yielding.landscape: quenched"),
        ("output.fields={names: [sigma_c_backward]}", "needs yielding.sides: two"),
        ("loading={control: extremal}", "extremal loading has no target"),
        ("loading={control: stress, target: 1, until: {strian: 1}}", "did you mean 'strain'"),
        ("loading={control: stress, target: 1, until: {strain: 0}}", "until.strain: "),
        ("loading={control: stress, target: 1, until: 7}", "write what ends it"),
        ("loading={target: 1, until: {recurrence: true}}", "is of cycles"),
        ("loading={control: machine, target: 1}", "loading.stiffness: is required"),
        ("loading=[{control: stress, target: 0}, {target: 1}]", "where the load begins"),
        (
            "loading=[{target: 1}, {repeat: 0, segments: []}]",
            "loading[1].repeat: must be at least 1",
        ),
        ("loading=[{target: 1}, {control: stress, taget: 0}]", "taget: unknown key (did you mean"),
        ("loading=[{cycle: [1, -1], cycles: 2}]", "a cycle stands alone"),
        ("output.observables={of: time}", "output.observables.of: "),
        ("output.observables={of: cycle, every: 1.5}", "no whole number of cycles"),
    ],
)
def test_what_means_nothing_is_refused(tmp_path: Path, changes: str, said: str) -> None:
    path = tmp_path / "in.yaml"
    path.write_text("lattice: {shape: [8, 8]}\nloading: {target: 0.1}\n")
    with pytest.raises(InputError) as caught:
        read_input(str(path), [changes])
    assert said in str(caught.value)
