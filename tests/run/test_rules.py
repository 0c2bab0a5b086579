"""Loads other than strain: records found on the way, and rules that end a run."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import hpcepm
from hpcepm.cli import main
from tests.run.test_paths import run

STRESS = {"control": "stress", "target": 1.0, "until": {"strain": 0.3}}


def opened(directory: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what run.h5 has: attributes, and all datasets by path."""
    data: dict[str, Any] = {}
    with h5py.File(directory / "run.h5") as file:

        def keep(name: str, found: Any) -> None:
            if isinstance(found, h5py.Dataset):
                data[name] = found[()]

        file.visititems(keep)
        return dict(file.attrs), data


def test_stress_control_beyond_the_flow_stress_ends_by_its_rule(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = {"every": 0.1, "names": ["sigma", "epsilon_p", "n_events", "sigma_c"]}
    output = {"observables": {"every": 0.01}, "fields": fields}
    directory = run(tmp_path, lattice={"shape": [24, 20]}, loading=STRESS, output=output)
    attributes, data = opened(directory)
    assert attributes["ended_by"] == "until.strain"
    strain, stress = data["observables/strain"][0], data["observables/stress"][0]
    inside = data["observables/x_min"][0] < 0
    assert 0 < inside.sum() < strain.size
    exact = np.abs(strain - np.round(strain / 0.01) * 0.01) < 1e-12
    assert exact[:2].all() and exact.sum() >= 3  # on elastic branches
    # Each record is the first state at or beyond its multiple: none is missed or taken twice.
    assert (np.diff(np.floor(strain / 0.01 + 1e-9)) >= 1).all()
    assert 0.3 <= strain[-1] < 0.31 and strain[0] == 0
    assert (np.diff(stress) >= 0).all() and stress[-1] < 1
    assert data["fields/snapshots"][0] == data["fields/strain"].shape[1] == 4
    assert data["observables/records"].tolist() == [strain.size]
    assert main(["verify", str(directory)]) == 0
    assert main(["plot", str(directory)]) == 0
    assert main(["summarize", str(directory)]) == 0
    assert "to strain 0.30" in capsys.readouterr().out
    assert (directory / "summary.csv").read_text().startswith("realization,strain,stress,")


def test_records_follow_any_variable(tmp_path: Path) -> None:
    for number, (of, every) in enumerate(
        (("stress", 0.05), ("plastic_strain", 0.005), ("strain", 0.02))
    ):
        (tmp_path / str(number)).mkdir()
        output = {"observables": {"every": every, "of": of}}
        directory = run(tmp_path / str(number), loading={"target": 0.15}, output=output)
        _, data = opened(directory)
        values = np.ravel(data[f"observables/{of}"])
        if of == "strain":
            assert values.size == 9  # as ever: 0, 0.02, … and the target
            continue
        # Between two records the variable does not leave the multiples beside the first.
        low, high = np.floor(values / every - 1e-9), np.ceil(values / every + 1e-9)
        rise, fall = values[1:] - high[:-1] * every, low[:-1] * every - values[1:]
        beyond = np.maximum(rise, fall) >= -1e-12
        assert beyond[:-1].all() and values.size > 10
        assert data["observables/strain"][0, -1] == 0.15
        assert main(["verify", str(directory)]) == 0


def test_a_rule_looks_inside_avalanches(tmp_path: Path) -> None:
    """Events of a whole run, cut off by a rule: the same events in the same order until there."""
    whole = run(tmp_path, lattice={"shape": [24, 20]}, loading={"target": 0.2})
    _, data = opened(whole)
    (tmp_path / "cut").mkdir()
    until = {"until": {"events_per_site": 1.5}}
    cut = run(tmp_path / "cut", lattice={"shape": [24, 20]}, loading={"target": 0.2, **until})
    attributes, found = opened(cut)
    assert attributes["ended_by"] == "until.events_per_site"
    n = found["avalanches/slip"].size
    assert n > 50 and 720 <= found["observables/events"][0, -1] < 760
    for name in ("slip", "events", "strain", "x"):
        assert (found[f"avalanches/{name}"] == data[f"avalanches/{name}"][:n]).all()
    records = found["observables/strain"].shape[1] - 1
    for name in ("stress", "x_min", "threshold_variance", "localization"):
        assert found[f"observables/{name}"][0, :records].tobytes() == (
            data[f"observables/{name}"][0, :records].tobytes()
        )


@pytest.mark.parametrize(
    ("rule", "most"), [("events_per_site", 2.0), ("plastic_strain", 0.3), ("strain", 0.3)]
)
def test_a_rule_ends_an_avalanche_of_the_preparation(
    tmp_path: Path, rule: str, most: float
) -> None:
    """Slips of a glass whose thresholds become no higher go on for ever."""
    low = {"distribution": "uniform", "low": 0.01, "high": 0.1}
    directory = run(
        tmp_path,
        lattice={"shape": [6, 6]},
        initial_stress={"std": 0.3},
        thresholds={"initial": {"distribution": "constant", "value": 0.05}, "renewal": low},
        slip={"distribution": "constant", "c0": 0.05, "c1": 0.0},
        loading={"control": "stress", "target": 0.2, "until": {rule: most}},
    )
    attributes, found = opened(directory)
    assert attributes["ended_by"] == f"until.{rule}"
    reached = {
        "events_per_site": found["observables/events"][0] / 36,
        "plastic_strain": found["observables/plastic_strain"][0],
        "strain": found["observables/strain"][0],
    }[rule]
    assert reached.size == 1 and most <= reached[0] < 2 * most
    assert main(["verify", str(directory)]) == 0


def test_a_rule_ends_cycles_in_the_middle_of_one(tmp_path: Path) -> None:
    """It is of the whole loading; what was not finished is no cycle."""
    loading = {"cycle": [0.04, -0.04], "cycles": 30, "until": {"events_per_site": 2.5}}
    wells = {"sides": "two", "landscape": "quenched", "order": "weakest"}
    directory = run(tmp_path, loading=loading, yielding=wells)
    attributes, data = opened(directory)
    events = data["observables/events"][0]
    assert attributes["ended_by"] == "until.events_per_site" and 560 <= events[-1] < 570
    assert data["cycles/work"].shape[1] == data["cycles/cycles"][0] < 30
    assert abs(data["observables/strain"][0, -1]) < 0.04
    assert main(["verify", str(directory)]) == 0
    assert main(["plot", str(directory)]) == 0


def test_events_count_from_where_a_segment_begins(tmp_path: Path) -> None:
    """However many there were before, a glass is unloaded."""
    loading = [
        {"repeat": 3, "segments": [{"target": 0.1}, {"target": -0.1}]},
        {"control": "stress", "target": 0.0, "until": {"events_per_site": 3}},
    ]
    directory = run(tmp_path, loading=loading, yielding={"sides": "two"})
    attributes, data = opened(directory)
    assert data["observables/events"][0, -1] > 3 * 224
    assert attributes["ended_by"] == "target" and abs(data["observables/stress"][0, -1]) < 1e-12


def test_a_path_of_several_controls_goes_on_where_the_stress_is(tmp_path: Path) -> None:
    loading = [
        {"target": 0.1},
        {"control": "stress", "target": 0.0},
        {"repeat": 2, "segments": [{"control": "stress", "target": s} for s in (0.3, -0.2)]},
        {"control": "machine", "stiffness": 9.0, "target": 0.12},
    ]
    output = {"observables": {"every": 0.05, "of": "stress"}}
    directory = run(tmp_path, loading=loading, yielding={"sides": "two"}, output=output)
    attributes, data = opened(directory)
    stress, strain = data["observables/stress"][0], data["observables/strain"][0]
    turning = [0.3, -0.2, 0.3, -0.2]
    at = [int(np.flatnonzero(stress == 0.0)[1])]
    for turn in turning:
        at.append(at[-1] + 1 + int(np.flatnonzero(stress[at[-1] + 1 :] == turn)[0]))
    assert (np.diff(at) > 0).all() and attributes["ended_by"] == "target"
    plastic = data["observables/plastic_strain"][0]
    assert stress[-1] == pytest.approx(9.0 * (0.12 - plastic[-1]), abs=1e-12)
    assert stress == pytest.approx(29.4 * (strain - plastic), abs=1e-10)
    assert main(["verify", str(directory)]) == 0


def test_realizations_have_as_many_records_as_they_need(tmp_path: Path) -> None:
    alone = []
    for seed in range(3):
        settings = {"lattice": {"shape": [12, 10]}, "loading": STRESS, "realizations": seed + 1}
        tree = hpcepm.simulate(settings)
        assert tree is not None
        alone.append(tree["observables"].to_dataset())
    directory = run(
        tmp_path, lattice={"shape": [12, 10]}, loading=STRESS, realizations=3, output={}
    )
    attributes, data = opened(directory)
    counts = data["observables/records"]
    assert len(set(counts.tolist())) > 1 and attributes["ended_by"] == "until.strain"
    for k in range(3):
        strain = data["observables/strain"][k]
        assert np.isfinite(strain[: counts[k]]).all() and np.isnan(strain[counts[k] :]).all()
        assert (data["observables/events"][k, counts[k] :] == -1).all()
    assert np.array_equal(data["observables/stress"], alone[2]["stress"], equal_nan=True)
    assert main(["verify", str(directory)]) == 0
    assert main(["plot", str(directory)]) == 0
    assert main(["summarize", str(directory)]) == 0
    (directory / "run.h5").unlink()
    assert main(["verify", "--repair", str(directory)]) == 0
    assert (
        opened(directory)[1]["observables/stress"].tobytes() == data["observables/stress"].tobytes()
    )


def test_steps_yield_at_each_record_and_can_be_stopped() -> None:
    settings = {
        "lattice": {"shape": [12, 10]},
        "loading": {"control": "extremal", "until": {"plastic_strain": 0.05}},
        "output": {"observables": {"every": 0.01, "of": "plastic_strain"}},
    }
    found = [(one.strain, one.plastic_strain, one.stress) for one in hpcepm.steps(settings)]
    strain, plastic, stress = np.transpose(found)
    assert plastic[0] == 0 and 0.05 <= plastic[-1] < 0.06 and len(found) == 6
    assert strain == pytest.approx(stress / 29.4 + plastic)


def test_a_machine_as_stiff_as_the_sample_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "in.yaml"
    path.write_text(
        "lattice: {shape: [8, 8]}\nloading: {control: machine, stiffness: 40, target: 0.1}\n"
    )
    assert main([str(path), "--output", str(tmp_path / "out")]) == 2
    assert "stiffness" in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.parametrize("engine", ["direct", "lazy", "spectral"])
def test_sites_that_extremal_loading_leaves_unstable_yield_before_the_load_moves(
    engine: str,
) -> None:
    """By all loadings that can follow: the next avalanche begins where the load stands."""
    followed: list[dict[str, Any]] = [
        {"target": 0.25},
        {"control": "stress", "target": 1.5, "until": {"strain": 0.25}},
        {"control": "stress", "target": 0.0},
        {"control": "machine", "stiffness": 5.0, "target": 0.3},
    ]
    for after in followed:
        tree = hpcepm.simulate(
            {"lattice": {"shape": [8, 12]}, "initial_stress": {"std": 0.3}, "engine": engine},
            loading=[{"control": "extremal", "until": {"plastic_strain": 0.1}}, after],
            output={"observables": {"every": 0.01}},
        )
        assert tree is not None
        records, avalanches = tree["observables"].dataset.isel(realization=0), tree["avalanches"]
        begun = int(np.flatnonzero(records.plastic_strain.values >= 0.1)[0])
        first = int(records.avalanches.values[begun]) + 1  # the last event was under way
        assert first > 100 and (avalanches.events.values[:first] == 1).all()
        strain = records.strain.values
        assert avalanches.strain.values[first] == pytest.approx(strain[begun], abs=1e-9)
        assert records.x_min.values[begun] < 0
        assert "until" in after or records.x_min.values[-1] >= 0, "a rule ends an avalanche, too"
        if after["target"]:
            assert (np.diff(strain[begun:]) >= -1e-12).all(), "the load went back"


@pytest.mark.parametrize("before", [{}, {"control": "machine", "stiffness": 7.0}])
@pytest.mark.parametrize("seed", range(1, 6))
def test_an_avalanche_that_extremal_loading_follows_has_the_drop_of_its_own(
    before: dict[str, Any], seed: int
) -> None:
    loading = [
        {**before, "target": 0.2, "until": {"plastic_strain": 0.012}},
        {"control": "extremal", "until": {"events_per_site": 0.1}},
    ]
    settings = {"lattice": {"shape": [7, 6]}, "seed": seed, "loading": loading}
    table = hpcepm.simulate(settings)["avalanches"].dataset
    stiffness = table.stress_drop.values * 42 / table.slip.values
    several = np.flatnonzero(table.events.values > 1)  # under the load before: its are all first
    assert several.size > 0 and np.flatnonzero(stiffness == 0).min() > several.max()
    expected = before.get("stiffness", 29.4)  # 2μ
    np.testing.assert_allclose(stiffness[: several.max() + 1], expected, rtol=1e-12)
