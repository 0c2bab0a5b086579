"""Trees of xarray: records and maps are selected by strain, where each has one of its own."""

from pathlib import Path

import h5py
import numpy as np

from hpcepm.analysis.export.write import export
from hpcepm.analysis.results import open_tree
from tests.faults.forge import forged


def test_a_tree_is_selected_by_strain(single: Path, many: Path) -> None:
    with h5py.File(many / "run.h5") as file:
        stress, sigma = file["observables/stress"][()], file["fields/sigma"][()]
    tree = open_tree(many)
    near = tree["observables"].stress.sel(strain=0.052, method="nearest")
    np.testing.assert_array_equal(near, stress[:, 5])
    maps = tree["fields"].to_dataset().sel(strain=[0.05, 0.12], method="nearest")
    np.testing.assert_array_equal(maps.sigma, sigma[:, [1, 3]])
    assert tree["observables"].stress.isel(record=3).sel(realization=1) == stress[1, 3]


def test_one_counted_realization_is_selected_by_strain(counted: Path, tmp_path: Path) -> None:
    """Several have strains of their own each: the nearest record of each is an argmin."""
    several = open_tree(counted)["observables"].to_dataset()
    assert several.strain.ndim == 2
    nearest = several.isel(record=abs(several.strain - 0.02).argmin("record"))
    assert (abs(nearest.strain - 0.02) < 0.01).all()

    def keep_the_first(file: h5py.File) -> None:
        for group in (file["observables"], file["profiles"], file["fields"]):
            for name in {*group} - {"record", "snapshot", "x", "y"}:
                kept = group[name][:1]
                del group[name]
                group[name] = kept
            group["realization"].make_scale("realization")
        for group, along in (("observables", "record"), ("fields", "snapshot")):
            for axis, name in enumerate(("realization", along)):
                file[f"{group}/strain"].dims[axis].attach_scale(file[f"{group}/{name}"])

    export(str(counted), "netcdf", str(tmp_path / "both.h5"))
    content = forged((tmp_path / "both.h5").read_bytes(), keep_the_first)
    assert content is not None
    (tmp_path / "first.h5").write_bytes(content)
    first = open_tree(tmp_path / "first.h5")["observables"].strain
    assert first.sel(strain=0.02, method="nearest") == nearest.strain[0]
