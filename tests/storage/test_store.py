"""The store: what ``run.h5`` holds, that it can always be opened, and that it is true."""

import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

from hpcepm.identity import Identity
from hpcepm.input.read import ReadInput, read_input
from hpcepm.layout import AVALANCHE_COLUMNS, LISTS
from hpcepm.parallel.ranks import Ranks
from hpcepm.run.run import Run
from hpcepm.run.save_points import save_points
from hpcepm.schedule import strains_of
from hpcepm.storage.directory import RunDirectory
from hpcepm.storage.plan import Lists, Plan, Progress, Rows
from hpcepm.storage.store import Store
from hpcepm.storage.tables import LargeRows, PieceTable
from hpcepm.storage.view import Shown, show_virtual
from tests.conftest import datasets, settings_for

MU = 14.7
ABOUT = Identity.new().attributes()


def prepared(tmp_path: Path, one_rank: Ranks, **changes: Any) -> tuple[Run, ReadInput]:
    import yaml

    path = tmp_path / "input.yaml"
    path.write_text(yaml.safe_dump(settings_for((20, 14), **changes)))
    read = read_input(str(path), [], str(tmp_path / "run"))
    directory = RunDirectory(str(tmp_path / "run"), go_on=False)
    return Run(one_rank, read, directory), read


@pytest.fixture(scope="module")
def run(
    tmp_path_factory: pytest.TempPathFactory, one_rank: Ranks
) -> tuple[Path, Run, list[dict[str, Any]]]:
    """Return a finished run, and what plain numpy says of each of its records."""
    tmp_path = tmp_path_factory.mktemp("output")
    simulation, _ = prepared(tmp_path, one_rank)
    seen = []
    for snapshot in simulation.run():
        sigma, epsilon_p, sigma_c = snapshot.sigma, snapshot.epsilon_p, snapshot.sigma_c
        e = epsilon_p + sigma / (2 * MU)
        length = np.sqrt(sigma.size)
        seen.append(
            {
                "stress": sigma.mean(),
                "plastic_strain": epsilon_p.mean(),
                "stress_variance": sigma.var(),
                "stress_m3": ((sigma - sigma.mean()) ** 3).mean(),
                "stress_m4": ((sigma - sigma.mean()) ** 4).mean(),
                "strain_variance": e.var(),
                "strain_m3": ((e - e.mean()) ** 3).mean(),
                "strain_m4": ((e - e.mean()) ** 4).mean(),
                "plastic_strain_variance": epsilon_p.var(),
                "threshold_mean": sigma_c.mean(),
                "threshold_variance": sigma_c.var(),
                "localization": 1 / length
                if snapshot.strain == 0
                else length * (e**4).sum() / (e**2).sum() ** 2,
                "x_min": (sigma_c - sigma).min(),
                "events": snapshot.n_events.sum(),
                "strain": e.mean(),
                "along_x": epsilon_p.mean(axis=1),
                "along_y": epsilon_p.mean(axis=0),
                "sigma": sigma.copy(),
            }
        )
    return tmp_path / "run", simulation, seen


def test_observables_are_what_numpy_says(
    run: tuple[Path, Run, list[dict[str, Any]]],
) -> None:
    directory, _, seen = run
    with h5py.File(directory / "run.h5", "r") as file:
        observables = file["observables"]
        assert observables["strain"][()] == pytest.approx([s["strain"] for s in seen], abs=1e-12)
        for name in set(seen[0]) - {"strain", "along_x", "along_y", "sigma"}:
            assert observables[name].shape == (1, len(seen))
            assert observables[name][0] == pytest.approx(
                [s[name] for s in seen], rel=1e-9, abs=1e-12
            ), name
        for axis in ("along_x", "along_y"):
            assert file[f"profiles/{axis}"][0] == pytest.approx(
                np.array([s[axis] for s in seen]), rel=1e-12
            )
        assert (observables["avalanches"][0, -1], observables["events"][0, -1]) == (
            len(file["avalanches/slip"]),
            file["avalanches/events"][()].sum(),
        )


def test_fields_are_those_of_their_strain(
    run: tuple[Path, Run, list[dict[str, Any]]],
) -> None:
    directory, _, seen = run
    strains = [s["strain"] for s in seen]
    with h5py.File(directory / "run.h5", "r") as file:
        fields = file["fields"]
        assert list(fields["strain"]) == [0, 0.05, 0.1, 0.12]
        assert fields["sigma"].shape == (1, 4, 20, 14)
        for k, strain in enumerate(fields["strain"]):
            record = int(np.argmin(np.abs(np.array(strains) - strain)))
            assert (fields["sigma"][0, k] == seen[record]["sigma"]).all()
            assert fields["n_events"][0, k].sum() == seen[record]["events"]


def test_every_dataset_has_units_and_a_description(
    run: tuple[Path, Run, list[dict[str, Any]]],
) -> None:
    found = []

    def look(name: str, thing: Any) -> None:
        if isinstance(thing, h5py.Dataset):
            found.append(name)
            assert thing.attrs["units"] and thing.attrs["description"], name

    with h5py.File(run[0] / "run.h5", "r") as file:
        file.visititems(look)
        assert (file.attrs["git_commit"] == "unknown") == (shutil.which("git") is None)
        for name in (
            "hpcepm_version",
            "numpy_version",
            "mpi4py_version",
            "mpi_library",
            "fftw_version",
        ):
            assert isinstance(file.attrs[name], str) and file.attrs[name] not in ("", "unknown"), (
                name
            )
        assert (
            file.attrs["seed"] == 3
            and file.attrs["ranks"] == 1
            and file.attrs["layout_version"] == 2
        )
        assert (
            "lattice" in file.attrs["input"]
            and '"shear_modulus":14.7' in file.attrs["input_resolved"]
        )
    assert {f"avalanches/{name}" for name in AVALANCHE_COLUMNS} <= set(found)


def test_xarray_shows_named_dimensions_and_coordinates(
    run: tuple[Path, Run, list[dict[str, Any]]],
) -> None:
    expected: dict[str, dict[str, tuple[str, ...]]] = {
        "observables": {"stress": ("realization", "record")},
        "avalanches": {"slip": ("avalanche",)},
        "events": {"slip": ("event",)},
        "fields": {"sigma": ("realization", "snapshot", "x", "y")},
        "profiles": {
            "along_x": ("realization", "record", "x"),
            "along_y": ("realization", "record", "y"),
        },
    }
    for group, variables in expected.items():
        with xr.open_dataset(run[0] / "run.h5", group=group, engine="h5netcdf") as dataset:
            for name, dimensions in variables.items():
                assert dataset[name].dims == dimensions
                assert not np.isnan(dataset[name].values).any()
            assert group in LISTS or "strain" in dataset.coords


def test_run_file_can_be_opened_from_anywhere(
    run: tuple[Path, Run, list[dict[str, Any]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with h5py.File(run[0] / "run.h5", "r") as file:
        assert not np.isnan(file["fields/sigma"][()]).any()


def test_run_file_grows_and_is_complete_at_every_moment(
    tmp_path: Path, one_rank: Ranks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpcepm.run.manager.SECONDS_A_SAVE", 0.0)
    simulation, _ = prepared(tmp_path, one_rank)
    for number, _ in enumerate(simulation.run(), 1):
        with h5py.File(tmp_path / "run" / "run.h5", "r") as file:
            assert len(file["observables/strain"]) == number
            assert not file.attrs["finished"]
            assert file["avalanches/events"][()].sum() == file["observables/events"][0, -1]
            assert file["profiles/along_x"].shape == (1, number, 20)
    with h5py.File(tmp_path / "run" / "run.h5", "r") as file:
        assert file.attrs["finished"]


def test_leaving_out_avalanches_and_fields(tmp_path: Path, one_rank: Ranks) -> None:
    simulation, _ = prepared(tmp_path, one_rank, output={"directory": "x", "avalanches": False})
    list(simulation.run())
    with h5py.File(tmp_path / "run" / "run.h5", "r") as file:
        assert set(file) == {"observables", "profiles"}


def test_records_lie_at_multiples_and_at_the_target() -> None:
    assert strains_of(0.25, 1.0) == [0, 0.25, 0.5, 0.75, 1.0]
    assert strains_of(0.3, 1.0) == [0, 0.3, 0.6, 3 * 0.3, 1.0]
    assert strains_of(0.1, 0.3) == [0, 0.1, 0.2, 0.3]
    assert strains_of(0.1, 0.3 + 5e-10) == [0, 0.1, 0.2, 0.3 + 5e-10]
    assert len(strains_of(0.1, 0.3 + 5e-9)) == 5
    assert strains_of(2.0, 1.0) == [0, 1.0]


def test_schedule_merges_records_and_snapshots(tmp_path: Path, one_rank: Ranks) -> None:
    _, read = prepared(
        tmp_path, one_rank, output={"observables": {"every": 0.05}, "fields": {"every": 0.04}}
    )
    stops = [
        (round(stop.strain, 12), stop.record, stop.snapshot)
        for stop in save_points(read.settings) or ()
    ]
    assert stops == [
        (0, True, True),
        (0.04, False, True),
        (0.05, True, False),
        (0.08, False, True),
        (0.1, True, False),
        (0.12, True, True),
    ]


def test_table_in_many_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpcepm.storage.tables.PIECE_BYTES", 300)
    dtype = np.dtype([("a", "f8"), ("b", "i4", (3,))])
    rows = np.zeros(100, dtype)
    rows["a"], rows["b"] = np.arange(100), np.arange(300).reshape(100, 3)
    table = PieceTable(tmp_path, "t", dtype, ABOUT)
    for k in range(0, 100, 7):
        table.append(rows[k : k + 7])
        table.save()
    assert (table.read() == rows).all() and len(table.pieces) == 5
    for kept in (0, 1, 20, 21, 99, 100):
        again = PieceTable(tmp_path, "t", dtype, ABOUT, table.pieces, kept)
        again.append(rows[kept:])
        again.save()
        assert (again.read() == rows).all()


def test_a_view_outlives_the_growth_of_its_pieces(tmp_path: Path) -> None:
    """A run killed between a save of a piece and of ``run.h5``: the piece has more rows."""
    dtype = np.dtype([("a", "f8"), ("b", "f8", (3,))])
    (tmp_path / "pieces").mkdir()
    table = PieceTable(tmp_path / "pieces", "t", dtype, ABOUT)
    rows = np.zeros(7, dtype)
    rows["a"], rows["b"] = np.arange(7), np.arange(21).reshape(7, 3)
    table.append(rows[:4])
    table.save()
    with h5py.File(tmp_path / "run.h5", "w") as file:
        show_virtual(file, table, "a", Shown((4,)), ())
        show_virtual(file, table, "b", Shown((1, 4)), (3,))
    table.append(rows[4:])
    table.save()
    with h5py.File(tmp_path / "run.h5") as file:
        np.testing.assert_array_equal(file["a"][()], rows["a"][:4])
        np.testing.assert_array_equal(file["b"][()], rows["b"][None, :4])


def test_rows_of_realizations_are_shown_in_blocks(tmp_path: Path) -> None:
    """Pieces that begin and end anywhere, shown as a table of realizations and records."""
    dtype = np.dtype([("a", "f8"), ("b", "i4", (2,))])
    rows = np.zeros(23, dtype)
    rows["a"], rows["b"] = np.arange(23), np.arange(46).reshape(23, 2)
    for k, cuts in enumerate(([3, 23], [5, 10, 23], [1, 2, 3, 17], [23], [4, 8, 12])):
        (tmp_path / str(k) / "pieces").mkdir(parents=True)
        table = PieceTable(tmp_path / str(k) / "pieces", "t", dtype, ABOUT)
        for start, stop in pairwise([0, *cuts]):
            table.append(rows[start:stop])
            table.save()
            table._parts, table._growing = [], False  # the next rows begin a piece
        shown = (cuts[-1] // 5, 5)
        n = shown[0] * 5
        with h5py.File(tmp_path / str(k) / "run.h5", "w") as file:
            for column in ("a", "b"):
                show_virtual(file, table, column, Shown(shown), dtype[column].shape)
        with h5py.File(tmp_path / str(k) / "run.h5") as file:
            assert (file["a"][()] == rows["a"][:n].reshape(shown)).all()
            assert (file["b"][()] == rows["b"][:n].reshape(*shown, 2)).all()


def test_a_map_may_be_larger_than_an_element_of_numpy(tmp_path: Path) -> None:
    """An element of 16384 × 16384 numbers, 2 GiB, is refused by numpy."""
    shape = (16384, 16384)
    plan = Plan(shape, (0.1,), (0.1,), ("epsilon_p",), True)
    table = LargeRows(tmp_path, "fields", plan.tables["fields"], ABOUT)
    table.append(np.zeros(1, np.dtype([])))
    inner = plan.shape_of("fields", "epsilon_p")
    with h5py.File(tmp_path / "run.h5", "w") as file:
        shown = show_virtual(file, table, "epsilon_p", Shown((1, 1)), inner)
        assert shown.shape == (1, 1, *shape) and shown.nbytes == plan.snapshot_bytes


def test_a_save_costs_what_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpcepm.storage.tables.PIECE_BYTES", 4000)
    dtype = np.dtype([("a", "f8")])
    table = PieceTable(tmp_path, "t", dtype, ABOUT)
    for _ in range(20):
        table.append(np.zeros(100, dtype))
        table.save()
    written = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    monkeypatch.setattr(PieceTable, "_rows_of", None)  # nothing is read again
    table.append(np.zeros(100, dtype))
    table.save()
    changed = [path for path in tmp_path.iterdir() if path.stat().st_mtime_ns != written.get(path)]
    assert len(changed) == 1 and len(written) == 4


def test_run_file_is_known_by_its_signature(run: tuple[Path, Run, list[dict[str, Any]]]) -> None:
    for path in run[0].rglob("*.h5"):
        assert path.read_bytes()[:8] == b"\x89HDF\r\n\x1a\n", path
    plain = xr.open_dataset(run[0] / "run.h5", group="observables")  # it finds its own engine
    assert plain["stress"].dims == ("realization", "record")
    plain.close()


def test_in_memory_is_the_same_as_on_disk(tmp_path: Path, one_rank: Ranks) -> None:
    on_disk, read = prepared(tmp_path, one_rank)
    for _ in on_disk.run():
        pass
    in_memory = Run(one_rank, read)
    for _ in in_memory.run():
        pass
    assert in_memory.store is not None
    (tmp_path / "memory.h5").write_bytes(in_memory.store.image())
    one, other = datasets(tmp_path / "memory.h5"), datasets(tmp_path / "run" / "run.h5")
    assert one.keys() == other.keys()
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)
    assert in_memory.store.image()[:4] == b"\x89HDF"


def test_later_realizations_wait_for_earlier_ones() -> None:
    plan = Plan((4, 3), (0.0, 0.1), (), (), True)
    store = Store(plan, {})
    rows = Rows.none(plan)

    def of(realization: int, n: int) -> Rows:
        avalanches = np.zeros(n, rows.avalanches.dtype)
        avalanches["realization"] = realization
        records = np.zeros(2, rows.observables.dtype)
        records["stress"] = realization
        return rows._replace(observables=records, avalanches=avalanches)

    store.add(2, of(2, 3), finished=True)
    store.add(1, of(1, 1), finished=True)
    assert store.progress == Progress()
    store.add(0, of(0, 2), finished=True)
    assert store.n_done == 3 and store.of_done == Lists(6, 0)
    assert store.tables["avalanches"].read()["realization"].tolist() == [0, 0, 1, 2, 2, 2]
    assert store.tables["observables"].read()["stress"].tolist() == [0, 0, 1, 1, 2, 2]
