"""A run is opened by its directory or its file; what cannot be read is told in one sentence."""

import shutil
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from hpcepm.analysis.quantities import open_for_numbers
from hpcepm.analysis.results import open_run
from hpcepm.analysis.summarize import summarize, summary
from hpcepm.analysis.tree import open_tree
from hpcepm.faults import NoRun
from hpcepm.files import write_hdf5


@pytest.mark.parametrize("name", ["", "run.h5"])
def test_a_run_is_opened_by_its_directory_or_its_file(many: Path, name: str) -> None:
    with open_run(many / name) as run:
        assert run.shape == (12, 10) and run.realizations == 3 and run.finished
        assert run.directory == many and run.settings["seed"] == 3
        assert run.strain[-1] == 0.12 and run.observable("stress").shape == (3, 13)
        assert {"stress", "plastic_strain", "x_min", "events"} <= set(run.observables)
        assert not {"strain", "record", "realization"} & set(run.observables)


def test_a_tree_shows_what_the_file_holds(many: Path) -> None:
    tree = open_tree(many)
    assert tree.attrs["finished"] and set(tree) == {
        "observables",
        "avalanches",
        "events",
        "fields",
        "profiles",
    }
    with h5py.File(many / "run.h5") as file:
        for group, content in file.items():
            for name, dataset in content.items():
                if name not in ("record", "snapshot"):  # along these, strain is the index
                    np.testing.assert_array_equal(tree[group][name], dataset)
    assert tree["observables"].stress.dims == ("realization", "record")
    assert tree["fields"].sigma.dims == ("realization", "snapshot", "x", "y")
    assert tree["observables"].stress.mean("realization").strain.dims == ("record",)


def test_a_tree_is_read_from_wherever_one_is(
    many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(many)
    tree = open_tree("run.h5")
    monkeypatch.chdir(tmp_path)
    assert not np.isnan(tree["fields"].sigma).any()


def test_what_is_no_run_is_told(single: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.h5"
    write_hdf5(other, lambda file: None)
    flipped = tmp_path / "run.h5"
    content = bytearray((single / "run.h5").read_bytes())
    content[3000] ^= 1
    flipped.write_bytes(content)
    for path, said in {
        tmp_path / "nowhere": "nowhere/run.h5: No such file or directory; name the output",
        other: "is no run.h5",
        Path(__file__): "is no run; name the output directory",
        tmp_path: "its checksum is wrong",
    }.items():
        with pytest.raises(NoRun, match=said), open_run(path):
            pass


def test_a_file_that_was_copied_alone(single: Path, tmp_path: Path) -> None:
    """It is good for the curves, and says what it lacks of the rest."""
    shutil.copy(single / "run.h5", tmp_path)
    with open_for_numbers(str(tmp_path)) as run, open_run(single) as whole:
        found, all_of_it = summary(run), summary(whole)
        np.testing.assert_equal(found.bands, all_of_it.bands)
        np.testing.assert_equal(found.quantities[:-1], all_of_it.quantities[:-1])
        assert found.quantities[-1].note == "their table lies in pieces/, which is not here"
        assert all_of_it.quantities[-1].known
    assert summarize(str(tmp_path))[0].ends == (0.12, 0.12)
    with pytest.raises(NoRun, match=r"pieces/.*\.h5: is missing: copy the whole directory"):
        open_tree(tmp_path)


def test_what_fails_while_reading_is_told(single: Path) -> None:
    with pytest.raises(NoRun, match=r"run\.h5: cannot be read: a disk fails"), open_run(single):
        raise OSError("a disk fails")


@pytest.mark.parametrize("name", ["xarray", "h5netcdf"])
def test_a_missing_extra_is_named(single: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(NoRun, match=r"needs xarray and h5netcdf: pip install 'hpcepm\[xarray\]'"):
        open_tree(single)
