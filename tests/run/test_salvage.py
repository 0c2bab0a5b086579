"""Runs of which parts are lost: what can be shown, repaired and gone on with, and what not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest
import yaml

from hpcepm.files import CHECKSUM_BYTES, with_checksum
from tests.conftest import ROOT, assert_same_bits, run_python, settings_for

ENSEMBLE = settings_for((14, 10), loading={"target": 0.3}, realizations=3)
LARGE = settings_for((14, 10), loading={"target": 0.3})
LARGE["output"] = {
    **LARGE["output"],
    "fields": {"every": 0.07, "names": ["sigma"], "dtype": "float32"},
}
PROGRAM = ["-m", "tests.ranks.large_snapshots", "input.yaml", "--continue", "--quiet"]


def ask(folder: Path, *command: str, large: bool = False) -> Any:
    full = [*PROGRAM, *command] if large else ["-m", "hpcepm", *command]
    done = run_python(full, None, folder, PYTHONPATH=str(ROOT))
    assert "Traceback" not in done.stderr, done.stderr
    return done


def made(folder: Path, settings: dict[str, Any], *options: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "input.yaml").write_text(yaml.safe_dump(settings))
    large = settings is LARGE
    command = options if large else ("input.yaml", "--continue", "--quiet", *options)
    assert ask(folder, *command, large=large).returncode == 0
    return folder


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("ensemble"), ENSEMBLE)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("large"), LARGE)


def copy(folder: Path, to: Path, *without: str) -> Path:
    shutil.copytree(folder, to / "copy")
    for pattern in without:
        for path in (to / "copy" / "run").glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return to / "copy"


@pytest.mark.parametrize("table", ["avalanches", "observables", "profiles", "fields"])
def test_a_table_that_is_lost_is_computed_again(ensemble: Path, tmp_path: Path, table: str) -> None:
    lost = ("run.h5", "checkpoints", f"pieces/{table}-*")
    folder = copy(ensemble, tmp_path, *lost)
    said = ask(folder, "verify", "run", "--repair")
    assert said.returncode in (1, 2) or "is sound" in said.stdout, said.stdout
    assert ask(folder, "input.yaml", "--continue").returncode == 0
    assert_same_bits(ensemble / "run", folder / "run")


@pytest.mark.parametrize("target", ["0.3", "0.45"])
def test_a_run_without_checkpoints_may_not_change_its_target(tmp_path: Path, target: str) -> None:
    settings = {**ENSEMBLE, "realizations": 1}
    folder = made(tmp_path / "run of one", settings)
    for path in [*(folder / "run" / "pieces").glob("observables-*"), folder / "run" / "run.h5"]:
        path.unlink()
    shutil.rmtree(folder / "run" / "checkpoints")
    done = ask(folder, "input.yaml", "--continue", "--set", f"loading.target={target}")
    assert done.returncode == (0 if target == "0.3" else 3), done.stderr


def swap(pieces: Path) -> None:
    first, third = pieces / "fields-000000000000.h5", pieces / "fields-000000000002.h5"
    content = first.read_bytes()
    first.write_bytes(third.read_bytes())
    third.write_bytes(content)


def cut(pieces: Path) -> None:
    path = pieces / "fields-000000000001.h5"
    path.write_bytes(path.read_bytes()[:1000])


def of_another_seed(pieces: Path) -> None:
    other = made(pieces.parents[2] / "other", LARGE, "--set", "seed=9")
    shutil.copy(other / "run" / "pieces" / "fields-000000000001.h5", pieces)


@pytest.mark.parametrize("harm", [swap, cut, of_another_seed])
def test_large_snapshots_are_those_of_the_run(
    large: Path, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    folder = copy(large, tmp_path)
    harm(folder / "run" / "pieces")
    assert ask(folder, "plot", "run").returncode == 2
    done = ask(folder, "--set", "loading.target=0.4", large=True)
    assert done.returncode == 1 and "fields-00000000000" in done.stderr


def test_repair_after_an_extension(large: Path, tmp_path: Path) -> None:
    """The last snapshot of the smaller target is none of the larger one."""
    folder = copy(large, tmp_path)
    longer = ["--set", "loading.target=0.4"]
    assert ask(folder, *longer, "--max-walltime", "0.001", large=True).returncode == 75
    (folder / "run" / "run.h5").unlink()
    done = ask(folder, "verify", "run", "--repair")
    assert done.returncode == 0 and "made anew" in done.stdout and "is sound" in done.stdout
    assert ask(folder, *longer, large=True).returncode == 0
    whole = made(tmp_path / "whole", LARGE, *longer)
    assert_same_bits(whole / "run", folder / "run")


@pytest.mark.parametrize(
    "stray", ["checkpoints/99999999.h5", "checkpoints/20240601.h5", "pieces/avalanches-99999999.h5"]
)
def test_copies_under_the_name_of_another_number(tmp_path: Path, stray: str) -> None:
    settings = {**ENSEMBLE, "realizations": 1}
    folder = made(tmp_path / "one", settings, "--set", "loading.target=0.1")
    original = max((folder / "run").glob(f"{stray[:-11]}*.h5"))
    shutil.copy(original, folder / "run" / stray)
    content = original.read_bytes()
    for target in (0.2, 0.3):
        made(folder, settings, "--set", f"loading.target={target}")
    whole = made(tmp_path / "whole", settings)
    assert_same_bits(whole / "run", folder / "run")
    assert (folder / "run" / stray).read_bytes() == content
    names = [path.name for path in (folder / "run").rglob("*.h5")]
    assert not any("100000000" in name for name in names)


INPUTS = {
    "empty": {},
    "no target": {"loading": {}},
    "a text": {"loading": {"target": "x"}},
    "huge": {"lattice": {"shape": [2**20, 2**20]}, "loading": {"target": 0.3}},
    "deep": json.loads("[" * 30 + "]" * 30),
}


@pytest.mark.parametrize("kind", [*INPUTS, "link"])
def test_forged_pieces_alone(ensemble: Path, tmp_path: Path, kind: str) -> None:
    folder = copy(ensemble, tmp_path, "run.h5", "checkpoints")
    for path in (folder / "run" / "pieces").iterdir():
        path.write_bytes(path.read_bytes()[:-CHECKSUM_BYTES])
        with h5py.File(path, "r+") as file:
            if kind == "link":
                column = next(iter(file))
                del file[column]
                file[column] = h5py.ExternalLink("/dev/stdin", "x")
            else:
                file.attrs["input_resolved"] = json.dumps(INPUTS[kind])
        path.write_bytes(with_checksum(path.read_bytes()))
    assert ask(folder, "verify", "run", "--repair").returncode == 2
    done = ask(folder, "input.yaml", "--continue")
    assert done.returncode in (1, 3) and done.stderr.startswith("hpcepm: ")


def test_repair_makes_nothing_where_there_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "nowhere"):
        assert ask(tmp_path, "verify", name, "--repair").returncode == 2
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]
