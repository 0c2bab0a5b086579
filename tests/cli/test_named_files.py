"""Files that an input, a target or the command line names: which are read, and when one changed."""

import json
import os
import socket
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml

from hpcepm.calibration.curve_file import read_curve
from hpcepm.calibration.target import read_target
from hpcepm.input.csv_files import MOST_LINE
from hpcepm.input.glass import glass_of
from hpcepm.input.named_files import NamedFiles
from hpcepm.input.plugins import load_plugin, resolved
from hpcepm.input.problems import InputError
from hpcepm.input.read import read_input, read_mapping
from hpcepm.parallel import launch
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from hpcepm.reading import BadFile
from tests.conftest import run_python, settings_for

MINIMAL = {"lattice": {"shape": [8, 6]}, "loading": {"target": 0.1}}
EDGE = "1.25\n0.5\n2.0\n"


def samples(name: str, which: str = "initial") -> dict[str, Any]:
    return {"thresholds": {which: {"distribution": "samples", "file": name}}}


def field(name: str) -> dict[str, Any]:
    return {"thresholds": {"initial": {"distribution": "field", "file": name}}}


def written(folder: Path, *parts: dict[str, Any]) -> Path:
    path = folder / "input.yaml"
    settings: dict[str, Any] = {}
    for part in (MINIMAL, *parts):
        settings.update(part)
    path.write_text(yaml.safe_dump(settings))
    return path


def digest(folder: Path, name: str) -> str:
    files = NamedFiles(str(folder), (2, 3))
    files.numbers(name)
    return files.digests[name]


def test_a_digest_is_of_the_values_alone(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(EDGE)
    (tmp_path / "b.csv").write_text('# measured\r\nthreshold\r\n"1.25"\r\n5e-1\r\n\r\n2\r\n')
    values = np.array([1.25, 0.5, 2.0])
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["plain"] = values
        file.create_dataset("big", data=values.astype(">f4"), chunks=(2,), compression="gzip")
        file["next"] = np.nextafter(values, [9, 0, 2])
        file["order"] = values[::-1]
    same = ("a.csv", "b.csv", "c.h5:/plain", "c.h5:/big")
    assert len({digest(tmp_path, name) for name in same}) == 1
    assert len({digest(tmp_path, name) for name in ("a.csv", "c.h5:/next", "c.h5:/order")}) == 3


def test_a_field_in_blocks_has_the_digest_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(1).random((7, 6))
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["a"], file["b"] = values, values.reshape(6, 7)
    digests = []
    for most in (1, 13, 2**22):
        monkeypatch.setattr("hpcepm.input.named_files.MOST_OF_BLOCK", most)
        files = NamedFiles(str(tmp_path), (7, 6))
        files.check_field("f.h5:/a")
        digests.append(files.digests["f.h5:/a"])
    files.array("f.h5:/a")
    files.array("f.h5:/b")
    assert {*digests, files.digests["f.h5:/a"]} == {digests[0]}
    assert files.digests["f.h5:/b"] != digests[0], "another shape"


PLUGIN = """
from dataclasses import dataclass
import hpcepm

@hpcepm.slip
@dataclass(frozen=True)
class OfFile:
    file: hpcepm.FileName
    more: hpcepm.FileName = ""

    def read_files(self, files):
        with open(files.folder + "/" + self.file) as file:
            return float(file.read())

    def slip(self, sigma_c, u):
        return 0.1 * u
"""


def test_every_file_that_an_input_names_is_part_of_what_is_compared(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(PLUGIN)
    command = (
        "from hpcepm.input.read import read_input; from hpcepm.input.plugins import *;"
        "load_plugin('own.py'); print(resolved(read_input('input.yaml', [])))"
    )
    for name, text in (("a.csv", EDGE), ("b.csv", EDGE), ("slip.txt", "0.1")):
        (tmp_path / name).write_text(text)
    distributions = {
        key: {"distribution": "samples", "file": name}
        for key, name in (("initial", "a.csv"), ("renewal", "b.csv"))
    }
    slip = {"distribution": "offile", "file": "slip.txt"}
    written(tmp_path, {"thresholds": distributions, "slip": slip})
    found = []
    for text in ("0.1", "0.2"):
        (tmp_path / "slip.txt").write_text(text)
        done = run_python(["-c", command], None, tmp_path)
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout)["files"])
    first, second = found
    assert list(first) == ["a.csv", "b.csv", "slip.txt"]
    assert [name for name in first if first[name] != second[name]] == ["slip.txt"]
    assert "files" not in json.loads(resolved(read_mapping(MINIMAL, {})))


def test_plug_ins_of_one_name_are_both_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, seen = read_mapping(MINIMAL, {}), []
    for folder, text in (("a", "x = 1\n"), ("b", "x = 2\n"), ("b", "x = 3\n"), ("b", "x = 2\n")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "p.py").write_text(text)
        load_plugin(str(tmp_path / folder / "p.py"))
        seen.append(json.loads(resolved(read))["plugins"]["p.py"])
    assert len(set(seen)) == 3 and seen[1] == seen[3], "an edited one replaces itself"


@pytest.mark.parametrize(("kind", "ranks"), [("samples", None), ("field", 2)])
def test_a_run_does_not_go_on_with_another_file(
    tmp_path: Path, kind: str, ranks: int | None
) -> None:
    values = np.random.default_rng(2).uniform(0.5, 1.5, (20, 14))

    def write(values: Any) -> str:
        if kind == "samples":
            (tmp_path / "th.csv").write_text("\n".join(map(repr, values.ravel().tolist())))
            return "th.csv"
        with h5py.File(tmp_path / "th.h5", "w") as file:
            file["a"] = values
        return "th.h5:/a"

    name = write(values)
    of_kind = {"samples": samples, "field": field}[kind](name)
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(settings_for((20, 14), **of_kind)))
    command = ["-m", "hpcepm", "input.yaml", "--continue", "--quiet"]
    assert run_python([*command, "--max-walltime", "0.001"], None, tmp_path).returncode == 75
    values[3, 3] = np.nextafter(values[3, 3], 2)
    write(values)
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    done = run_python(command, ranks, tmp_path)
    assert done.returncode == 3 and f"files.{name}: was " in done.stderr, done.stderr
    after = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert {path.name for path in before.keys() ^ after.keys()} <= {"run.lock"}
    assert all(before[path] == after[path] for path in before if path in after)
    values[3, 3] = np.nextafter(values[3, 3], 0)
    write(values)
    done = run_python(command, ranks, tmp_path)
    assert done.returncode == 0, done.stderr


NO_FILES = ("fifo", "socket", "loop", "dangling", "folder", "/dev/zero", "/dev/null")


@pytest.mark.parametrize("change", ["other numbers", "gone", "no number"])
def test_a_field_that_changes_while_a_run_begins(tmp_path: Path, change: str) -> None:
    """It is checked when the input is read, and read by all ranks when they have rows."""
    path, values = tmp_path / "f.npy", np.full((8, 6), 0.9)
    np.save(path, values)
    read = read_input(str(written(tmp_path, field("f.npy"))), [])
    lattice = Lattice((8, 6), Ranks(launch.initialize()))
    assert np.array_equal(np.asarray(glass_of(read, lattice).initial), values)
    if change == "gone":
        path.unlink()
    else:
        values[3, 2] = 0.8 if change == "other numbers" else np.nan
        np.save(path, values)
    said = {"gone": "f.npy", "other numbers": "was changed while", "no number": "is nan"}[change]
    with pytest.raises((OSError, BadFile), match=said):
        glass_of(read, lattice)


@pytest.fixture
def no_files(tmp_path: Path) -> Path:
    """Make a folder of what has a name and is no regular file."""
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(os.path.relpath(tmp_path / "socket"))  # a name of 108 bytes at most
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nothing")
    (tmp_path / "folder").mkdir()
    return tmp_path


def line_of(call: Any, *arguments: Any) -> str:
    """Return the one line of an error."""
    with pytest.raises((InputError, ValueError)) as raised:
        call(*arguments)
    (line,) = str(raised.value).split("\n")
    return line


@pytest.mark.parametrize("name", NO_FILES)
def test_only_regular_files_are_read(no_files: Path, name: str) -> None:
    path = str(no_files / name)
    target = {
        "input": name,
        "fit": {"slip.c1": {"start": 0.02, "from": 0.01, "to": 0.03}},
        "target": {"curves": {"stress": {"file": name}}},
    }
    (no_files / "target.yaml").write_text(yaml.safe_dump(target))
    target_file = str(no_files / "target.yaml")
    lines = [
        line_of(read_input, path, []),
        line_of(read_target, path, [], None),
        line_of(load_plugin, path),
        line_of(read_curve, path, "stress"),
        line_of(read_target, target_file, [], None),
        line_of(read_target, target_file, [f"input={written(no_files)}"], None),
    ]
    for section in (
        samples(name),
        samples(f"{name}:/a"),
        samples(name, "renewal"),
        field(name + ":/a"),
    ):
        lines.append(line_of(read_input, str(written(no_files, section)), []))
    kinds = ("pipe or a device", "No such device", "a directory")
    reasons = (*kinds, "symbolic links", "o such file", "leads nowhere")
    for line in lines:
        assert path in line and any(reason in line for reason in reasons), line


def test_a_pipe_is_refused_and_nothing_written(no_files: Path) -> None:
    written(no_files, samples("fifo"))
    for command in (["input.yaml"], ["fifo"], ["input.yaml", "--plugin", "fifo"]):
        before = sorted(no_files.iterdir())
        done = run_python(["-m", "hpcepm", *command, "--output", "run"], None, no_files, 30)
        assert done.returncode == 2 and "fifo: " in done.stderr, done.stderr
        assert "is a pipe or a device, not a file" in done.stderr
        assert "nothing was written" in done.stderr and "Traceback" not in done.stderr
        assert sorted(no_files.iterdir()) == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"1" * 10_000_000, f"x.csv:1: is longer than {MOST_LINE} characters"),
        (b"1\n" + b"\0" * 10_000_000, f"x.csv:2: is longer than {MOST_LINE} characters"),
        (b"1\n\0\n", "x.csv:2: "),
        (b'"1\n2\n' + b"3\n" * 1000, "x.csv: is not a CSV file"),
        (b"9" * 90_000 + b"x\n", "x.csv:1: "),
        (b"," * 90_000, "x.csv:1: has 90001 columns"),
        (b"1\n\xff\n", "x.csv: is not a CSV file"),
    ],
)
def test_csv_files_of_no_use(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "x.csv").write_bytes(content)
    line = line_of(read_input, str(written(tmp_path, samples("x.csv"))), [])
    assert said in line and len(line) < 300 + len(str(tmp_path))
    line = line_of(read_curve, str(tmp_path / "x.csv"), "stress")
    assert "x.csv:" in line and len(line) < 300 + len(str(tmp_path))


def test_a_file_of_holes(tmp_path: Path) -> None:
    with open(tmp_path / "x.csv", "wb") as file:
        os.truncate(file.fileno(), 2**40)
    path = str(tmp_path / "x.csv")
    assert "is longer than" in line_of(read_input, str(written(tmp_path, samples("x.csv"))), [])
    assert "is longer than" in line_of(read_curve, path, "stress")
    assert "bytes long" in line_of(read_input, path, [])
    assert "bytes long" in line_of(load_plugin, path)


def test_datasets_that_declare_more_than_they_hold(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file.create_dataset("a", (10**6, 10**6), "f8", chunks=(1000, 1000), compression="gzip")
        file.create_dataset("zeros", data=np.zeros(10**6), compression="gzip", compression_opts=9)
    files = NamedFiles(str(tmp_path), (8, 6))
    for read in (files.array, files.numbers):
        assert "declares 1000000000000 values but stores only 0 bytes" in line_of(read, "f.h5:/a")
        assert read("f.h5:/zeros").shape == (10**6,)


def deep(n: int) -> dict[str, Any]:
    inside: dict[str, Any] = {}
    for _ in range(n):
        inside = {"a": inside}
    return inside


@pytest.mark.parametrize(
    "assignment",
    [
        ".".join("a" * 60_000) + "=1",
        "lattice." + ".".join("a" * 40) + "=1",
        "seed=" + "[" * 60_000,
        "seed=" + "{a: " * 20_000,
        "seed=" + "9" * 5000,
        "seed=[" + "1," * 60_000 + "]",
        "seed=\udcff",
        "\udcff=1",
        'output.directory="\\ud800"',
        "seed=a\0b",
        "a\0\nb=1",
    ],
)
def test_set_that_would_break_something(tmp_path: Path, assignment: str) -> None:
    line = line_of(read_input, str(written(tmp_path)), [assignment])
    assert line.isprintable() and len(line) < 300 + len(str(tmp_path))


@pytest.mark.parametrize(
    "changes",
    [
        {"slip": deep(100_000)},
        {"seed": 10**5000},
        {"loading": {"target": -(10**400)}},
        {"output": {"directory": "\ud800"}},
        {"\ud800": 1},
    ],
)
def test_mappings_that_would_break_something(changes: dict[str, Any]) -> None:
    for source, changed in ((MINIMAL, changes), ({**MINIMAL, **changes}, {})):
        line = line_of(read_mapping, source, changed)
        assert line.isprintable() and len(line) < 300


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"a = 1\n\0", "null bytes"),
        (b"a = " + b"(" * 20_000, "p.py"),
        (b"a = " + b"-" * 40_000 + b"1", "p.py"),
        (b"import sys\nsys.exit(0)\n", "p.py:2: SystemExit: 0"),
        (b"def f():\n    f()\nf()\n", "p.py:2: RecursionError"),
        (b"a = '\xff'\n", "the plug-in cannot be read"),
    ],
)
def test_plug_ins_that_cannot_be_run(tmp_path: Path, text: bytes, said: str) -> None:
    (tmp_path / "p.py").write_bytes(text)
    line = line_of(load_plugin, str(tmp_path / "p.py"))
    assert said in line and line.isprintable()
