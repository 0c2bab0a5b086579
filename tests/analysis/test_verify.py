"""The verdict on a run: sound at any moment of its life, and not sound with one number changed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from hpcepm.analysis import verify_files
from hpcepm.analysis.verify import report
from hpcepm.faults import NoRun
from hpcepm.files import write_hdf5

from .conftest import Change, replace, rewritten, simulated


def verdict(run: Path) -> str:
    """Return what is said of a run, in one string; check that it agrees with the answer."""
    said: list[str] = []
    sound = report(str(run), said.append)
    assert said[-1] == f"verdict: {run} is {'sound' if sound else 'NOT sound'}"
    assert sound == all(line.startswith(("ok  ", "–  ")) for line in said[:-1])
    return "\n".join(said)


def cut(file: h5py.File, group: str, realizations: int, rows: int) -> None:
    """Leave so many realizations and records, or snapshots, of a group."""
    axis = "snapshot" if group == "fields" else "record"
    for name, dataset in list(file[group].items()):
        if dataset.ndim > 1:
            replace(file, f"{group}/{name}", dataset[:realizations, :rows])
        elif name in ("strain", axis, "realization"):
            n = realizations if name == "realization" else rows
            replace(file, f"{group}/{name}", dataset[:n])


def at_work(realizations: int, records: int, snapshots: int) -> Change:
    def change(file: h5py.File) -> None:
        file.attrs["finished"] = False
        for group, rows in {
            "observables": records,
            "profiles": records,
            "fields": snapshots,
        }.items():
            cut(file, group, realizations, rows)

    return change


def test_runs_are_sound(single: Path, many: Path, tmp_path: Path) -> None:
    for run in (single, many, many / "run.h5"):
        assert "is sound" in verdict(run)
        assert "\nok   stress drops of avalanches\n" in verdict(run)


def test_what_is_not_kept_is_not_called_ok(tmp_path: Path) -> None:
    output = {"directory": "run", "avalanches": False}
    said = verdict(simulated(tmp_path, realizations=2, output=output))
    assert "is sound" in said
    for what in ("stress drops of avalanches", "avalanches against records", "fields against"):
        assert f"\n–    {what}" in said and f"ok   {what}" not in said
    assert "\n–    events against avalanches: not kept\n" in said


@pytest.mark.parametrize(
    "change",
    [at_work(3, 13, 4), at_work(2, 13, 4), at_work(0, 13, 4), at_work(0, 0, 0), at_work(1, 7, 2)],
)
def test_runs_at_work_are_sound(many: Path, tmp_path: Path, change: Change) -> None:
    assert "is sound" in verdict(rewritten(many, tmp_path, change))


def scaled(values: NDArray[Any]) -> Any:
    return values * (1 + 1e-6)


Fault = tuple[str, tuple[Any, ...], Callable[[Any], Any], str]

FAULTS: list[Fault] = [
    ("observables/strain", (3,), lambda x: x + 0.01, "observables/strain does not go on"),
    (
        "observables/strain",
        (-1,),
        lambda x: x - 0.001,
        "strain: number 12, 0.119, is not one",
    ),
    ("observables/stress", (2, 5), scaled, "stress: is not 2 mu (strain - plastic strain)"),
    ("observables/x_min", (1, 4), lambda x: -x, "observables/x_min: is negative"),
    ("observables/strain_m4", (1, 4), lambda x: np.nan, "strain_m4: has NaN or infinity"),
    ("observables/events", (2, -2), lambda x: 0, "observables/events: falls, and never can"),
    ("observables/events", (2, -1), lambda x: x + 1, "do not add up to those of record 12"),
    ("observables/avalanches", (1, -1), lambda x: x + 10**6, "realization 1: records count"),
    ("avalanches/realization", (0,), lambda x: 2, "are not in order of realizations"),
    ("avalanches/sites", (7,), lambda x: 10**6, "row 7 has sites that are none, or more"),
    ("avalanches/duration", (7,), lambda x: 0, "row 7 has a duration of no step"),
    ("avalanches/slip", (-1,), lambda x: -x, "has a slip that is not positive"),
    ("avalanches/y", (7,), lambda x: 10, "row 7 has a trigger outside the lattice"),
    ("avalanches/stress_drop", (7,), scaled, "is not K slip / (nx ny) in row 7"),
    ("avalanches/slip", (-1,), lambda x: x * 1.1, "realization 2: their slips do not add up"),
    ("fields/sigma", (2, 1, 3, 4), lambda x: x + 100, "snapshot 1, from realization 0 on: has sit"),
    ("fields/sigma", (2, 1, 3, 4), lambda x: np.nan, "has NaN or infinity in sigma"),
    (
        "fields/epsilon_p",
        (2, 3, 3, 4),
        lambda x: x + 1e-3,
        "epsilon_p does not come to the plastic",
    ),
    ("events/avalanche", (7,), lambda x: x + 10**6, "events: avalanche goes back"),
    ("events/avalanche", (-1,), lambda x: x + 2, "events: are of more avalanches than there are"),
    ("events/slip", (-1,), lambda x: x * 1.1, "events: have not the slip of avalanche"),
    ("events/strain", (0,), lambda x: 0.05, "events: have another strain than their avalanche"),
    ("events/step", (-1,), lambda x: x + 1, "events: have not the duration of avalanche"),
    ("events/x", (5,), lambda x: 12, "events: x is one that there is not"),
    ("events/slip", (5,), lambda x: np.nan, "events: slip is not a number"),
    ("fields/n_events", (1, 3, 3, 4), lambda x: x + 1, "n_events does not come to the events"),
]


@pytest.mark.parametrize(("name", "where", "change", "said"), FAULTS)
def test_one_number_that_is_wrong_is_found(
    many: Path,
    tmp_path: Path,
    name: str,
    where: tuple[Any, ...],
    change: Callable[[Any], Any],
    said: str,
) -> None:
    def alter(file: h5py.File) -> None:
        file[name][where] = change(file[name][where])

    assert said in verdict(rewritten(many, tmp_path, alter))


def test_a_finished_run_has_all_realizations(many: Path, tmp_path: Path) -> None:
    def fewer(file: h5py.File) -> None:
        at_work(2, 13, 4)(file)
        file.attrs["finished"] = True

    said = verdict(rewritten(many, tmp_path, fewer))
    assert "the run is finished, but has 2 realizations" in said


def test_files_that_are_damaged_or_gone(many: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(many, copy)
    piece = max((copy / "pieces").glob("*.h5"))
    content = bytearray(piece.read_bytes())
    content[len(content) // 2] ^= 1
    piece.write_bytes(content)
    assert "BAD  checksums of" in verdict(copy) and f"{piece}: is truncated" in verdict(copy)
    piece.unlink()
    assert f"pieces/{piece.name}: is missing" in verdict(copy)
    with pytest.raises(NoRun, match="nowhere"):
        verdict(copy / "nowhere")


def test_checkpoints_are_looked_at(many: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(many, copy)
    write_hdf5(copy / "checkpoints" / "00000009.h5", lambda file: None)
    assert "00000009.h5: says no format_version" in verdict(copy)
    (copy / "checkpoints" / "00000009.h5").rename(copy / "checkpoints" / "9.h5")
    assert "is sound" in verdict(copy)


def test_half_built_files_are_of_a_run(many: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(many, copy)
    piece = min((copy / "pieces").glob("*.h5")).name
    for name in (f"pieces/{piece}", "checkpoints/00000009.h5", "checkpoints/newest"):
        copy.joinpath(f"{name}.0a1b2c3d.partial").touch()
    assert "not of a run" not in verdict(copy)
    (copy / "pieces" / f"{piece}.partial").touch()
    assert f"pieces/{piece}.partial" in verdict(copy)


def test_a_run_at_work_may_remove_files_meanwhile(many: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(many, copy)
    (copy / "checkpoints" / "00000009.h5").symlink_to("gone")  # listed, and not there when read
    assert "is sound" in verdict(copy)


@pytest.mark.parametrize(
    ("target", "realizations", "of_checkpoint", "ahead"),
    [
        (0.5, 1, (0, 4), True),
        (0.5, 1, (0, 3), False),
        (0.26, 1, (1, 4), False),  # extended: its last record is not one of the run to 0.5
        (0.5, 2, (0, 4), False),  # the second of two was begun, of which one is left
        (0.5, 2, (1, 9), True),
        (0.5, 1, (1, 9), True),
    ],
)
def test_which_checkpoint_is_ahead_of_run_h5(
    tmp_path: Path,
    target: float,
    realizations: int,
    of_checkpoint: tuple[int, int],
    ahead: bool,
) -> None:
    def written(name: str, attribute: str, rows: tuple[int, int], **settings: Any) -> Path:
        def build(file: h5py.File) -> None:
            file.attrs["input_resolved"] = json.dumps(settings)
            counts = dict(zip(("realizations", "observables"), rows, strict=True))
            file.attrs[attribute] = json.dumps(counts)

        write_hdf5(tmp_path / name, build)
        return tmp_path / name

    shown = written("run.h5", "rows", (0, 3), loading={"target": 0.5}, realizations=1)
    checkpoint = written(
        "00000001.h5",
        "progress",
        of_checkpoint,
        loading={"target": target},
        realizations=realizations,
    )
    with h5py.File(shown, "r") as file:
        said = verify_files.ahead(checkpoint, file)
    assert (said is not None and "has come further" in said) if ahead else said is None
