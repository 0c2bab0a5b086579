"""Exports and packed runs hold the numbers of the run, to the last bit, or are not there."""

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from hpcepm.analysis.export.closed import write_closed
from hpcepm.analysis.export.maps import write_vtk
from hpcepm.analysis.export.source import How, Part, groups_of
from hpcepm.analysis.export.write import KINDS, Kind, export
from hpcepm.analysis.plot import draw_summary
from hpcepm.analysis.results import Results, open_run
from hpcepm.analysis.summarize import summarize, summary
from hpcepm.analysis.tree import open_tree
from hpcepm.analysis.verify import report
from hpcepm.cli.look import main
from hpcepm.faults import NoRun
from tests.conftest import run_python
from tests.faults.forge import forged, forgeries


def columns(path: Path) -> dict[str, Any]:
    """Return all that a run holds, by name."""
    with open_run(path) as run:
        return {f"{g}/{n}": d[()] for g, group in run.file.items() for n, d in group.items()}


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name], name, strict=True)


@pytest.mark.parametrize("gzip", [False, True])
@pytest.mark.parametrize("name", ["many", "counted"])
def test_a_packed_run_is_the_run(
    name: str, gzip: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    run, packed = request.getfixturevalue(name), tmp_path / "one.h5"
    export(str(run), "netcdf", str(packed), gzip=gzip)
    assert_same(columns(run), columns(packed))
    assert open_tree(packed).attrs["run"] == open_tree(run).attrs["run"]
    for group, node in open_tree(run).children.items():
        assert node.to_dataset().identical(open_tree(packed)[group].to_dataset())
    assert report(str(packed), lambda _: None)
    with open_run(packed) as one, open_run(run) as whole:
        np.testing.assert_equal(summary(one), summary(whole))
    assert draw_summary(str(packed)) == tmp_path / "one-summary.png"
    assert summarize(str(packed))[1] == tmp_path / "one-summary.csv"


def test_what_is_chosen_is_what_lies_between_two_strains(many: Path, tmp_path: Path) -> None:
    wanted = Part(("fields", "avalanches", "events"), (0.02, 0.055), float32=True)
    export(str(many), "netcdf", str(tmp_path / "part.h5"), wanted, gzip=True)
    whole, part = columns(many), columns(tmp_path / "part.h5")
    groups = {name.partition("/")[0] for name in part}
    assert groups == {"observables", "fields", "avalanches", "events"}
    assert part["observables/strain"].tolist() == [0.02, 0.03, 0.04, 0.05]
    np.testing.assert_array_equal(part["observables/stress"], whole["observables/stress"][:, 2:6])
    sigma = whole["fields/sigma"][:, 1:2].astype(np.float32)
    np.testing.assert_array_equal(part["fields/sigma"], sigma, strict=True)
    assert part["fields/n_events"].dtype == np.int32
    kept = np.abs(whole["avalanches/strain"] - 0.0375) <= 0.0175
    assert 0 < kept.sum() < kept.size
    np.testing.assert_array_equal(part["avalanches/slip"], whole["avalanches/slip"][kept])
    assert part["events/slip"].size == part["avalanches/events"].sum()
    said: list[str] = []
    assert report(str(tmp_path / "part.h5"), said.append) and "a part of a run" in "".join(said)
    draw_summary(str(tmp_path / "part.h5"))
    export(str(tmp_path / "part.h5"), "netcdf", str(tmp_path / "again.h5"))
    with open_run(tmp_path / "again.h5") as again:
        assert [one["strain"] for one in again.chosen] == [[0.02, 0.055], None]
        assert not again.is_whole


def test_a_part_of_counted_records(counted: Path, tmp_path: Path) -> None:
    whole = columns(counted)
    strain, counts = whole["observables/strain"], whole["observables/records"]
    middle = float(np.nanmedian(strain))
    export(str(counted), "netcdf", str(tmp_path / "part.h5"), Part(strain=(-np.inf, middle)))
    part = columns(tmp_path / "part.h5")
    kept = [row[row <= middle + 1e-9] for row in strain]
    assert part["observables/records"].tolist() == [len(row) for row in kept] != counts.tolist()
    for k, row in enumerate(kept):
        np.testing.assert_array_equal(part["observables/strain"][k, : len(row)], row)
        stress = whole["observables/stress"][k, : len(row)]
        np.testing.assert_array_equal(part["observables/stress"][k, : len(row)], stress)
        assert (part["observables/events"][k, len(row) :] == -1).all()


def rows_of(path: Path) -> Iterator[dict[str, str]]:
    with open(path, newline="") as file:
        yield from csv.DictReader(file)


@pytest.mark.parametrize("name", ["many", "counted"])
def test_tables_have_units_and_exact_numbers(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    run = request.getfixturevalue(name)
    export(str(run), "csv", str(tmp_path / "csv"))
    whole = columns(run)
    rows = list(rows_of(tmp_path / "csv" / "observables.csv"))
    strain = np.broadcast_to(whole["observables/strain"], whole["observables/stress"].shape)
    assert len(rows) == np.isfinite(strain).sum()
    for row in rows:
        where = int(row["realization"]), int(row["record"])
        assert float(row["strain"]) == strain[where]
        assert float(row["stress [Lennard-Jones stress]"]) == whole["observables/stress"][where]
        assert int(row["events"]) == whole["observables/events"][where]
    avalanches = list(rows_of(tmp_path / "csv" / "avalanches.csv"))
    assert [float(row["slip"]) for row in avalanches] == whole["avalanches/slip"].tolist()
    about = json.loads((tmp_path / "csv" / "export.json").read_text())
    assert about["kind"] == "csv" and about["finished"] is True


def test_memory_does_not_depend_on_the_size_of_maps(
    many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In blocks of a few numbers the same comes out, and no more is read at a time."""
    largest = 0
    getitem = h5py.Dataset.__getitem__

    def read(data: h5py.Dataset, where: Any) -> Any:
        nonlocal largest
        found = getitem(data, where)
        largest = max(largest, np.asarray(found).nbytes)
        return found

    for kind in ("netcdf", "zarr", "vtk"):
        export(str(many), kind, str(tmp_path / kind))
    monkeypatch.setattr("hpcepm.analysis.export.source.BLOCK", 200)
    monkeypatch.setattr("hpcepm.analysis.export.maps.BLOCK", 200)
    with open_run(many) as run:
        groups = groups_of(run, Part())
        monkeypatch.setattr(h5py.Dataset, "__getitem__", read)
        write_closed(run, groups, tmp_path / "small.h5", How())
        (tmp_path / "vtk-small").mkdir()
        write_vtk(run, groups, tmp_path / "vtk-small", How())
        monkeypatch.setattr(h5py.Dataset, "__getitem__", getitem)
    assert largest <= 200
    assert_same(columns(tmp_path / "netcdf"), columns(tmp_path / "small.h5"))
    for path in (tmp_path / "vtk-small").iterdir():
        assert path.read_bytes() == (tmp_path / "vtk" / path.name).read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_written_over(kind: str, many: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    export(str(many), kind, str(there))
    with pytest.raises(NoRun, match="is there already; add --force"):
        export(str(many), kind, str(there))
    export(str(many), kind, str(there), force=True)
    for taken in (many, many / "run.h5", many / "pieces"):
        with pytest.raises(NoRun, match="belongs to a run"):
            export(str(many), kind, str(taken), force=True)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").touch()
    with pytest.raises(NoRun, match=r"is no earlier export|is a folder"):
        export(str(many), kind, str(mine), force=True)
    beside = {"there", "there.h5", "mine"} if kind == "xdmf" else {"there", "mine"}
    assert {path.name for path in tmp_path.iterdir()} == beside


def test_force_replaces_earlier_exports_alone(many: Path, tmp_path: Path) -> None:
    def refused(kind: str, path: Path, said: str) -> None:
        before = path.read_bytes() if path.is_file() else None
        with pytest.raises(NoRun, match=said):
            export(str(run), kind, str(path), force=True)
        assert (path.read_bytes() if path.is_file() else None) == before

    run, mine = tmp_path / "run", tmp_path / "thesis.pdf"
    shutil.copytree(many, run)
    mine.write_bytes(b"%PDF")
    (tmp_path / "other.xdmf").write_text(
        '<?xml version="1.0"?><Xdmf Version="3.0"><Domain/></Xdmf>'
    )
    (tmp_path / "maps.h5").write_bytes(b"")
    (tmp_path / "link.h5").symlink_to(tmp_path / "nowhere")
    (tmp_path / "link").symlink_to(run)
    export(str(run), "csv", str(tmp_path / "csv"))
    (tmp_path / "linked").symlink_to(tmp_path / "csv")
    refused("csv", tmp_path / "linked", "it is a link")
    for path in (many / "run.h5", next((many / "pieces").iterdir())):  # of another run
        refused("netcdf", path, "belongs to a run")
    others = (mine, tmp_path / "link.h5")
    for kind, path in [("netcdf", path) for path in others] + [("xdmf", mine)]:
        refused(kind, path, f"{path.name}: is no earlier export")
    refused("xdmf", tmp_path / "other.xdmf", "is no earlier export")
    refused("xdmf", tmp_path / "maps", "maps.h5: is no earlier export")
    own = ("run.h5", "run.log", "progress.json", "run.lock", "STOP", "pieces/new.h5")
    for name in (*own, "../link/run.lock", "checkpoints/a/b"):
        for kind in KINDS:
            refused(kind, run / name, "belongs to a run")
    export(str(run), "netcdf", str(tmp_path / "one.h5"))
    refused("netcdf", run.parent, "belongs to a run")
    refused("xdmf", tmp_path / "one", "one.h5: is no earlier export: it is a packed run")
    export(str(run), "xdmf", str(tmp_path / "two"))
    refused("netcdf", tmp_path / "two.h5", "it holds no run")
    (tmp_path / "one.h5").write_bytes((tmp_path / "one.h5").read_bytes() + b"more")
    refused("netcdf", tmp_path / "one.h5", "is no earlier export: is truncated, altered")


@pytest.mark.parametrize("options", [[], ["--gzip"]])
def test_a_full_disk_leaves_nothing(options: list[str], many: Path, tmp_path: Path) -> None:
    """The limit on the size of a file stands for it: HDF5 would crash at its exit."""
    program = (
        "import resource, sys; from hpcepm.cli import main\n"
        "most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, most))\n"
        "code = main(sys.argv[1:])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))  # coverage writes, too\n"
        "sys.exit(code)"
    )
    command = ["-c", program, "pack", str(many), "--out", "one.h5", *options]
    done = run_python(command, None, tmp_path)
    assert done.returncode == 1, done.stderr
    assert "pack failed: one.h5: " in done.stderr and "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_not_finished_says_so(single: Path, tmp_path: Path) -> None:
    """As a run of before said it, too: by a truth value, which netCDF has not."""
    export(str(single), "netcdf", str(tmp_path / "one.h5"))
    image = (tmp_path / "one.h5").read_bytes()
    content = forged(image, lambda file: file.attrs.__setitem__("finished", False))
    assert content is not None
    (tmp_path / "two.h5").write_bytes(content)
    open_tree(tmp_path / "two.h5").to_netcdf(tmp_path / "tree.nc", engine="h5netcdf")
    for kind in KINDS:
        said = export(str(tmp_path / "two.h5"), kind, str(tmp_path / kind))
        assert "the run is not finished: this is what it has so far" in said[1]
    assert open_tree(tmp_path / "netcdf").attrs["finished"] == 0


def test_files_that_go_while_they_are_read(
    many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HDF5 would show nothing in their place: so it is looked at again."""
    run = tmp_path / "run"
    shutil.copytree(many, run)
    piece = next((run / "pieces").glob("fields-*"))
    tries = 0

    def write(opened: Results, groups: Any, path: Path, how: Any) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            piece.rename(tmp_path / "away")
            content = (run / "run.h5").read_bytes()
            (run / "run.h5").unlink()
            (run / "run.h5").write_bytes(content)
        try:
            write_closed(opened, groups, path, how)
        finally:
            if tries == 1:
                (tmp_path / "away").rename(piece)

    monkeypatch.setitem(KINDS, "netcdf", Kind("", write))
    export(str(run), "netcdf", str(tmp_path / "one.h5"))
    assert tries == 2
    assert_same(columns(many), columns(tmp_path / "one.h5"))


def test_a_forged_packed_run_is_refused_or_harmless(single: Path, tmp_path: Path) -> None:
    export(str(single), "netcdf", str(tmp_path / "one.h5"), gzip=True)
    image = (tmp_path / "one.h5").read_bytes()
    refused = opened = 0
    for k, (_, change) in enumerate(forgeries(image)):
        content = forged(image, change) if k % 29 == 0 else None
        if content is None:
            continue
        path = tmp_path / "forged.h5"
        path.write_bytes(content)
        try:
            with open_run(path) as run:
                assert all(d[()] is not None for g in run.file.values() for d in g.values())
            opened += 1
        except NoRun:
            refused += 1
    assert refused > 5 and opened > 2


def _chunk_missing(file: h5py.File) -> None:
    del file["fields/sigma"]
    options = {"chunks": (1, 1, 12, 10), "compression": "gzip"}
    data = file["fields"].create_dataset("sigma", (1, 4, 12, 10), "f8", **options)
    data[0, 0] = 1.0


def _large_chunks(file: h5py.File) -> None:
    del file["avalanches/slip"]
    n, options = len(file["avalanches/stress"]), {"compression": "gzip", "maxshape": (None,)}
    zeros = np.zeros(n)
    file["avalanches"].create_dataset("slip", data=zeros, chunks=(2**24,), **options)


def _odd_name(file: h5py.File) -> None:
    file["observables"].move("stress", "..")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_chunk_missing, "declares more than is stored"),
        (_large_chunks, "has chunks of more than 64 MiB"),
        (_odd_name, r"observables has a column '\.\.'"),
        (lambda file: file.attrs.__setitem__("packed", "{}"), "does not say what of its run"),
    ],
)
def test_what_is_wrong_with_a_packed_run(
    change: Any, said: str, single: Path, tmp_path: Path
) -> None:
    export(str(single), "netcdf", str(tmp_path / "one.h5"), gzip=True)
    content = forged((tmp_path / "one.h5").read_bytes(), change)
    assert content is not None
    (tmp_path / "forged.h5").write_bytes(content)
    with pytest.raises(NoRun, match=said):
        export(str(tmp_path / "forged.h5"), "zarr", str(tmp_path / "zarr"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["export", "RUN"], "name a format: --netcdf, --zarr, --vtk, --xdmf, --csv"),
        (["export", "RUN", "--vtk", "v", "--strain", "0.1"], "write two strains, the lower one"),
        (["export", "RUN", "--vtk", "v", "--strain", "0.2:0.1"], "write two strains"),
        (["export", "RUN", "--csv", "v", "--strain", "5:"], "no record with strain from 5 to inf"),
        (["export", "RUN", "--csv", "v", "--only", "maps"], "has no maps (it has observables, "),
        (["export", "RUN", "--vtk", "v", "--strain", "0.01:0.02"], "none between these strains"),
        (["export", "nowhere", "--csv", "v"], "nowhere/run.h5: No such file or directory; name"),
        (
            ["pack", "RUN", "--out", "no/such/folder.h5"],
            "no/such: no such directory; make it first",
        ),
        (["pack", "RUN/run.h5"], "is a file; name another with --out"),
    ],
)
def test_wrong_arguments(
    arguments: list[str],
    said: str,
    many: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    command, *others = [one.replace("RUN", str(many)) for one in arguments]
    assert main(command, others) in (1, 2)
    assert said in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_packed_beside_its_directory(
    many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(many, tmp_path / "a.b")
    monkeypatch.chdir(tmp_path / "a.b")
    assert main("pack", ["."]) == 0
    assert capfd.readouterr().out.startswith("../a.b.h5: 3 realizations of 12 × 10 sites, ")
    assert_same(columns(many), columns(tmp_path / "a.b.h5"))
