"""Files that an input names: what is read, and what is said of what is not."""

import os
import struct
import zlib
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
import pytest

from hpcepm.analysis.missing import no_run, run_file_of
from hpcepm.calibration.target import read_target
from hpcepm.input.arrays import opened
from hpcepm.input.csv_files import BadFile
from hpcepm.input.named_files import NamedFiles, read_field_rows
from hpcepm.input.problems import InputError
from hpcepm.input.read import read_input, read_mapping
from hpcepm.parallel.rows import Lattice
from tests.cli.said import MINIMAL, assert_said, is_in_plain_words, problems_of
from tests.parallel.test_rows import OneOfMany

VALUES = np.random.default_rng(3).uniform(0.5, 1.5, (8, 6))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of files, good and bad."""
    made = tmp_path_factory.mktemp("files")
    for name, array in {
        "field": VALUES,
        "columns": np.asfortranarray(VALUES),
        "big": VALUES.astype(">f4"),
        "wide": VALUES.T,
        "holes": np.where(VALUES > 1.4, np.nan, VALUES),
        "complex": VALUES + 1j,
        "text": np.array(["a"]),
        "empty": VALUES[:0],
    }.items():
        np.save(made / f"{name}.npy", array)
    np.save(made / "objects.npy", np.array([{}]), allow_pickle=True)
    np.savez(made / "many.npz", a=VALUES)
    whole = (made / "field.npy").read_bytes()
    (made / "cut.npy").write_bytes(whole[:-9])
    (made / "none.npy").write_bytes(b"none")
    (made / "called.csv").write_bytes(whole)
    (made / "sheet.csv").write_bytes(b"PK\3\4")
    (made / "utf16.csv").write_bytes("1\n2\n".encode("utf-16"))
    (made / "latin.csv").write_bytes(b"threshold \xff\n1\n")
    (made / "t.csv").write_text("strain, sigma_c, n\n0.1, 1.5, 3\n0.2, 0.5, 4\n")
    (made / "bare.csv").write_text("0.1, 1.5\n0.2, 0.5\n")
    (made / "torn.csv").write_text("strain, sigma_c\n0.1, 1.5\n0.2\n")
    (made / "words.csv").write_text("strain, sigma_c\n0.1, 1.5\n0.2, high\n")
    (made / "spaces.csv").write_text("0.1 1.5\n0.2 0.5\n")
    with h5py.File(made / "f.h5", "w") as file:
        file["sc"] = VALUES
        file["group/inside"] = VALUES
    (made / "damaged.h5").write_bytes((made / "f.h5").read_bytes()[:900])
    return made


def test_numpy_files_and_columns_are_read(folder: Path) -> None:
    files = NamedFiles(str(folder), (8, 6))
    for name in ("field.npy", "columns.npy", "f.h5:/sc"):
        assert (files.numbers(name) == VALUES.ravel()).all()
        assert (files.of_lattice(name) == VALUES).all() and (files.array(name) == VALUES).all()
        assert files.check_field(name) == VALUES.min()
    assert len({files.digests[name] for name in files.digests}) == 1, "the values alone count"
    assert (files.numbers("big.npy") == VALUES.ravel().astype("f4")).all()
    assert list(files.numbers("t.csv:sigma_c")) == [1.5, 0.5]
    for rank, rows in enumerate((slice(0, 4), slice(4, 8))):
        lattice = Lattice((8, 6), OneOfMany(2, rank))  # type: ignore[arg-type]
        for name in ("field.npy", "columns.npy"):
            assert (read_field_rows(name, str(folder), lattice) == VALUES[rows]).all()


def test_rows_of_columns_are_read_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an array in Fortran order: no more than the rows is in memory, of more axes too."""
    whole = np.random.default_rng(1).uniform(size=(9, 5, 4)).astype(">f4")
    np.save(tmp_path / "a.npy", np.asfortranarray(whole))
    most, empty = 0, np.empty

    def counted(shape: Any, *more: Any) -> Any:
        nonlocal most
        made = empty(shape, *more)
        most = max(most, made.size)
        return made

    with opened(str(tmp_path / "a.npy"), "") as found:
        monkeypatch.setattr(np, "empty", counted)
        for rows in (slice(2, 4), slice(7, 11), slice(3, 3)):
            np.testing.assert_array_equal(found[rows], whole[rows], strict=True)
        assert most == 2 * 5 * 4
        os.truncate(tmp_path / "a.npy", 600)
        with pytest.raises(BadFile, match="was cut off while it was read"):
            found[0:2]


SAMPLES = [
    ("t.csv", "t.csv:1: has 3 columns; one is expected; name it, as t.csv:n"),
    ("t.csv:sigma", "t.csv:1: has no column 'sigma' (did you mean 'sigma_c'?)"),
    ("t.csv:x", "has no column 'x' (there are: strain, sigma_c, n)"),
    ("t.csv:/sigma_c", "write t.csv:sigma_c"),
    ("bare.csv", "give them names in the first line, and name one, as bare.csv:sigma_c"),
    ("bare.csv:x", "write the names of the columns into the first line, without #"),
    ("torn.csv:sigma_c", "torn.csv:3: has 1 column; the heading has 2"),
    ("words.csv:sigma_c", "words.csv:3: 'high' is not a number"),
    ("spaces.csv", "'0.1 1.5' is not a number; columns are separated by ','"),
    ("called.csv", "is a file of numpy; let its name end in .npy"),
    ("sheet.csv", "is a spreadsheet or an archive; export it as CSV"),
    ("utf16.csv", "it is UTF-16; save it as UTF-8"),
    ("latin.csv", "is not a CSV file: byte 0xff is no UTF-8; save it as UTF-8"),
    ("f.h5:sc", "f.h5:sc: write f.h5:/sc"),
    ("f.h5", "name the dataset too, as f.h5:/path"),
    ("f.h5:/sx", "has no dataset /sx (there: group, sc)"),
    ("f.h5:/group", "is a group, not a dataset (there: inside)"),
    ("damaged.h5:/sc", "is not a readable HDF5 file; look whether it was copied whole"),
    ("none.npy", "is no file as numpy.save writes it"),
    ("cut.npy", "declares 48 values but stores only 375 bytes"),
    ("objects.npy", "holds object, not numbers"),
    ("text.npy", "not numbers"),
    ("complex.npy", "not numbers that are real; store the real part"),
    ("empty.npy", "holds no values"),
    ("many.npz", "may hold several arrays; save one by numpy.save as .npy"),
    ("field.npy:x", "is one array; write field.npy alone"),
    ("missing.npy", "missing.npy: No such file"),
    ("~nobody-of-this-name/x.csv", "there is no user nobody-of-this-name"),
    ("$NOT_SET/x.csv", "$NOT_SET is not set where hpcepm runs; export it, or write the path out"),
    ("'\"x.csv\"'", 'has the quotation mark " in it; write the name without'),
]

FIELDS = [
    ("wide.npy", "wide.npy: has shape (6, 8), but lattice.shape is (8, 6)"),
    ("holes.npy", "it must be a number of at most 1e+12"),
    ("t.csv", "is no array; save one by numpy.save as .npy, or in HDF5, and write f.h5:/path"),
]


@pytest.mark.parametrize(
    ("kind", "name", "remedy"),
    [("samples", *case) for case in SAMPLES] + [("field", *case) for case in FIELDS],
)
def test_a_file_of_no_use(
    folder: Path, kind: str, name: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    text = f"{MINIMAL}thresholds:\n  initial:\n    distribution: {kind}\n    file: {name}\n"
    assert_said(problems_of(folder, text), "6:11 thresholds.initial.file", remedy)


HEADERS: Final = (
    "{'descr': (",
    "{'descr': '''",
    "(" * 5000,
    "-" * 9000 + "1",
    "1+" * 4000 + "1",
    "{[1]:2}",
    "{'descr': '<f8', 'fortran_order': True, 'shape': (-8, -6)}",
    "{'descr': '<f8', 'fortran_order': True, 'shape': (-5,)}",
)
"""Of .npy files, which numpy reads as Python."""


@pytest.mark.parametrize("header", HEADERS, ids=lambda text: text[:12])
@pytest.mark.parametrize("kind", ["samples", "field"])
def test_a_header_that_numpy_cannot_read(tmp_path: Path, kind: str, header: str) -> None:
    told = header.encode() + b"\n"
    content = b"\x93NUMPY\1\0" + struct.pack("<H", len(told)) + told + bytes(4096)
    (tmp_path / "a.npy").write_bytes(content)
    text = f"{MINIMAL}thresholds:\n  initial:\n    distribution: {kind}\n    file: a.npy\n"
    assert_said(problems_of(tmp_path, text), "6:11 thresholds.initial.file", "a.npy: ")


def test_a_chunk_is_not_much_larger_than_its_dataset(tmp_path: Path) -> None:
    """HDF5 reads it as a whole: 1.3 MB of a file can be gigabytes."""
    with h5py.File(tmp_path / "f.h5", "w") as file:
        n = 4000
        a = file.create_dataset(
            "a", (8, 6), "f8", maxshape=(None, None), chunks=(n, n), compression="gzip"
        )
        a.id.write_direct_chunk((0, 0), zlib.compress(bytes(8 * n * n), 9))
    text = f"{MINIMAL}initial_plastic_strain: f.h5:/a\n"
    said = "f.h5:/a: has 48 values in chunks of 128000000 bytes"
    assert_said(problems_of(tmp_path, text), "3:25 initial_plastic_strain", said)


def test_names_are_written_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SCRATCH", str(tmp_path / "scratch"))
    (tmp_path / "s.csv").write_text("1\n2\n")
    for written, meant in {
        "~/runs/x": tmp_path / "runs" / "x",
        "$SCRATCH/x": tmp_path / "scratch" / "x",
        "${SCRATCH}_2/x": tmp_path / "scratch_2" / "x",
        "runs/a~b": Path("runs/a~b"),
    }.items():
        settings: dict[str, Any] = {
            "lattice": {"shape": [8, 6]},
            "loading": {"target": 0.1},
            "thresholds": {"renewal": {"distribution": "samples", "file": "$HOME/s.csv"}},
            "output": {"directory": written},
        }
        read = read_mapping(settings, {})
        assert read.settings.output.directory == str(meant)
        assert list(read.files) == ["$HOME/s.csv"], "it is part of the run as it is written"
        (tmp_path / "in.yaml").write_text(MINIMAL)
        found = read_input(str(tmp_path / "in.yaml"), [], directory=written)
        assert found.settings.output.directory == str(meant)


@pytest.mark.parametrize("mark", "\"'\u201c\u2018\u00ab")
def test_quotation_marks_are_no_part_of_a_name(tmp_path: Path, mark: str) -> None:
    (tmp_path / "in.yaml").write_text(MINIMAL)
    with pytest.raises(InputError) as raised:
        read_input(str(tmp_path / "in.yaml"), [], directory=f"{mark}runs/x{mark}")
    (line,) = raised.value.problems
    assert is_in_plain_words(line) and line.startswith("--output: ")
    assert f"has the quotation mark {mark} in it; write the name without" in line


def test_a_target_names_files_likewise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "in.yaml").write_text(MINIMAL)
    target = "target: {peak: {value: 1, error: 1}}\n"
    target += "fit: {slip.c0: {start: 0.02, from: 0.01, to: 0.05}}\n"
    path = tmp_path / "target.yaml"
    path.write_text(f"input: ~/in.yaml\noutput: ~/out\n{target}")
    assert read_target(str(path), [], None).settings.output == str(tmp_path / "out")
    path.write_text(f"input: ~/in.yaml\noutput: $NOT_SET/out\n{target}")
    with pytest.raises(InputError, match=r"target.yaml:2:9: output: \$NOT_SET is not set"):
        read_target(str(path), [], None)


def test_where_no_run_is(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "a"
    (run / "pieces").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    for name in ("run.h5", "pieces/observables-00000001.h5"):
        (run / name).write_bytes(b"\x89HDF")
    (run / "summary.png").touch()
    (tmp_path / "a.yaml").touch()
    assert run_file_of(run) == run_file_of(run / "run.h5") == run / "run.h5"
    assert no_run(run) is None and no_run(run / "run.h5") is None
    for path, remedy in {
        tmp_path / "empty": "empty/run.h5: No such file or directory; name the output directory",
        tmp_path / "no" / "run.h5": "no/run.h5: No such file or directory; name the output direc",
        tmp_path / "runs": f"name the output directory of a run, as {run}",
        run / "pieces": f"name the output directory of a run, as {run}",
        run / "summary.png": f"is no run; name the output directory of a run, as {run}",
        tmp_path / "a.yaml": "is an input, no run; name the output directory of a run",
    }.items():
        said = no_run(path)
        assert said and remedy in said and is_in_plain_words(said)
    os.remove(run / "run.h5")
    assert f"hpcepm verify {run} --repair makes it of the pieces" in str(no_run(run))
    os.rename(run / "pieces", run / "no pieces")
    (run / "run.lock").touch()
    assert "a run began there, and wrote nothing yet" in str(no_run(run))
