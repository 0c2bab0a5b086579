"""Trees of xarray: records and maps are selected by strain, where each has one of its own."""

import pickle
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from hpcepm import simulate
from hpcepm.analysis.tree import open_tree
from hpcepm.faults import NoRun
from tests.conftest import settings_for


def test_a_tree_is_selected_by_strain(single: Path, many: Path) -> None:
    with h5py.File(many / "run.h5") as file:
        stress, sigma = file["observables/stress"][()], file["fields/sigma"][()]
    tree = open_tree(many)
    near = tree["observables"].stress.sel(strain=0.052, method="nearest")
    np.testing.assert_array_equal(near, stress[:, 5])
    maps = tree["fields"].to_dataset().sel(strain=[0.05, 0.12], method="nearest")
    np.testing.assert_array_equal(maps.sigma, sigma[:, [1, 3]])
    assert tree["observables"].stress.isel(record=3).sel(realization=1) == stress[1, 3]


def test_counted_realizations_are_selected_by_record(counted: Path, tmp_path: Path) -> None:
    """Each has strains of its own: the nearest record of each is an argmin, be it one alone."""
    for directory in (counted, tmp_path / "alone"):
        if directory != counted:
            loading = [{"control": "stress", "target": s} for s in (0.6, 0.7)]
            simulate(settings_for((8, 6), loading=loading), directory=directory)
        tree = open_tree(directory)["observables"].to_dataset()
        assert tree.strain.dims == ("realization", "record")
        nearest = tree.isel(record=abs(tree.strain - 0.02).argmin("record"))
        assert (abs(nearest.strain - 0.02) < 0.01).all()


def test_records_of_two_seeds_are_those_of_one_number() -> None:
    """Of one realization each, at the same times, or stresses, and at strains of their own."""
    thermal = {"clock": {"type": "thermal", "temperature": 0.05}}
    held = {"control": "stress", "target": 0.3, "hold": 30.0}
    by_stress = {"output": {"observables": {"of": "stress", "every": 0.05}}}
    for changes in (
        {**thermal, "loading": held},
        {**by_stress, "loading": {"control": "stress", "target": 0.6}},
    ):
        settings = settings_for((8, 6), **{"output": {}, **changes})
        one, other = (simulate(settings, seed=k)["observables"].to_dataset() for k in (3, 6))
        n = min(one.sizes["record"], other.sizes["record"])
        assert (one + other).sizes["record"] == n > 5
        assert not (one.strain.values[0, :n] == other.strain.values[0, :n]).all()


def test_numbers_are_those_of_the_run_that_was_opened_or_none(tmp_path: Path) -> None:
    """Its directory is removed, moved, loses files, or is that of another run: HDF5 shows NaN."""
    settings = settings_for((8, 6), seed=1)
    for name in ("gone", "moved", "torn", "replaced", "whole"):
        simulate(settings, directory=tmp_path / name)
    whole = open_tree(tmp_path / "whole").load()
    trees = {name: open_tree(tmp_path / name) for name in ("gone", "moved", "torn", "replaced")}
    known = trees["replaced"]["observables"].stress.values  # is kept
    shutil.rmtree(tmp_path / "gone")
    (tmp_path / "moved").rename(tmp_path / "away")
    shutil.rmtree(tmp_path / "torn" / "pieces")
    shutil.rmtree(tmp_path / "replaced")
    simulate(settings, seed=2, directory=tmp_path / "replaced")
    says = {"gone": "not there", "moved": "not there", "torn": "missing", "replaced": "another run"}
    for name, said in says.items():
        for group in ("fields", "profiles", "avalanches"):
            for column in trees[name][group].data_vars.values():
                with pytest.raises(NoRun, match=said):
                    column[-1].load()
    assert (known == whole["observables"].stress.values).all()
    assert open_tree(tmp_path / "away")["fields"].dataset.equals(whole["fields"].dataset)


def test_a_run_that_goes_on_keeps_what_was_there(tmp_path: Path) -> None:
    settings = settings_for((8, 6), seed=1, realizations=2)
    simulate(settings, directory=tmp_path / "run")
    tree, before = open_tree(tmp_path / "run"), open_tree(tmp_path / "run").load()
    simulate(settings, realizations=4, directory=tmp_path / "run", resume=True)
    assert tree.load().identical(before)
    after = open_tree(tmp_path / "run")
    stress, maps = after["observables"].stress, after["fields"].epsilon_p
    assert stress.sizes["realization"] == 4 and (stress[:2] == before["observables"].stress).all()
    copied = pickle.loads(pickle.dumps(maps))
    assert (copied[::-2, -1, [4, 1]].values == maps.values[::-2, -1][:, [4, 1]]).all()
