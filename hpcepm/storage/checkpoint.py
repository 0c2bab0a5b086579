"""Checkpoints: the whole state in one sealed file, from which any number of ranks goes on with the same bits."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import h5py

from hpcepm.model.state import AVALANCHE, MACRO, PENDING, Fields, State
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice

from .checksum import broken_seal
from .fields import fsync_and_rename, read_local_field, write_fields

FORMAT_VERSION: Final = 3
NEWEST: Final = "newest"
"""A file with the name of the newest checkpoint."""


class BadCheckpoint(Exception):
    """A file that is no checkpoint, or a damaged or foreign one; the message names it."""


@dataclass(frozen=True)
class CheckpointHeader:
    """What a checkpoint says about itself.

    Attributes
    ----------
    path
        The file.
    number
        Counts checkpoints of a run from 1.
    place
        How far the output had come.
    settings
        The input, resolved, that it belongs to.
    finished
        Whether the target had been reached.
    strain
        Strain of the last loading step.
    """

    path: Path
    number: int
    place: dict[str, Any]
    settings: dict[str, Any]
    finished: bool
    strain: float

    @property
    def reached(self) -> float:
        """The strain that the run has come to.

        Of the last loading step or the last record, whichever is further on.
        """
        return max(self.strain, self.place["last_record"], self.place["last_snapshot"])


def write_checkpoint(
    folder: Path,
    number: int,
    state: State,
    lattice: Lattice,
    place: Mapping[str, Any],
    settings: str,
    finished: bool = False,
) -> Path:
    """Write a state; return the file. Collective.

    Parameters
    ----------
    folder, number
        Where, and the number in its name.
    state, lattice
        What.
    place
        How far the output has come: all of it must be on disk.
    settings
        The resolved input, as JSON.
    finished
        Whether the target was reached.

    Raises
    ------
    ProblemOnRank
        The disk is full or gone; older checkpoints are untouched.
    """
    path = folder / f"{number:08d}.h5"

    def describe(file: h5py.File) -> None:
        file.attrs["format_version"] = FORMAT_VERSION
        file.attrs["number"] = number
        file.attrs["place"] = json.dumps(dict(place))
        file.attrs["settings"] = settings
        file.attrs["finished"] = finished
        file.create_dataset("macro", data=state.macro)
        file.create_dataset("avalanche", data=state.avalanche)
        file.create_dataset("pending", data=state.pending)

    write_fields(path, lattice, state.fields._asdict(), describe)
    with lattice.ranks.collective_errors(f"{folder / NEWEST}: cannot be written"):
        if lattice.ranks.is_root:
            _note_newest(folder, path.name)
    return path


def _note_newest(folder: Path, name: str) -> None:
    """Note the name of the newest checkpoint, so that it is missed if it gets lost."""
    partial = folder / f"{NEWEST}.partial"
    partial.write_text(f"{name}\n")
    fsync_and_rename(partial, folder / NEWEST)


def newest_checkpoint(
    folder: Path, ranks: Ranks
) -> tuple[CheckpointHeader | None, dict[Path, str]]:
    """Return the header of the newest sound checkpoint of a folder, if there is one, and what is wrong with newer ones.

    Collective.

    Raises
    ------
    BadCheckpoint
        There are checkpoints, and none is sound; or a version with another format wrote one that is.
    """
    paths, missing = ranks.bcast(
        (_found(folder), missing_newest(folder)) if ranks.is_root else ([], None)
    )
    problems: dict[Path, str] = (
        {} if missing is None else {missing: f"{missing}: the newest checkpoint is missing"}
    )
    for path in paths:
        problem = broken_seal(path, ranks)
        if problem is None:
            return read_header(path), problems
        problems[path] = problem
    if problems:
        raise BadCheckpoint(
            "no checkpoint can be used; begin anew in another directory:\n  "
            + "\n  ".join(problems.values())
        )
    return None, {}


def _found(folder: Path) -> list[Path]:
    """Return the checkpoints of a folder, the newest first."""
    return sorted(folder.glob("[0-9]*.h5"), reverse=True)


def missing_newest(folder: Path) -> Path | None:
    """Return the newest checkpoint that there was, if it is missing."""
    try:
        name = (folder / NEWEST).read_text(errors="replace").strip()
    except OSError:
        return None
    newest = folder / name
    return newest if re.fullmatch(r"\d{8}\.h5", name) and _found(folder)[:1] < [newest] else None


def read_header(path: Path) -> CheckpointHeader:
    """Return what a checkpoint says about itself.

    Raises
    ------
    BadCheckpoint
        It cannot be read, or a version with another format wrote it.
    """
    try:
        with h5py.File(path, "r") as file:
            version = int(file.attrs["format_version"])
            if version != FORMAT_VERSION:
                other = "a newer" if version > FORMAT_VERSION else "the older"
                raise BadCheckpoint(
                    f"{path}: has format {version}, this hpcepm reads {FORMAT_VERSION}: go on with {other} one."
                )
            return CheckpointHeader(
                path,
                int(file.attrs["number"]),
                json.loads(file.attrs["place"]),
                json.loads(file.attrs["settings"]),
                bool(file.attrs["finished"]),
                float(file["macro"][0]["strain"]),
            )
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise BadCheckpoint(f"{path}: is not a readable checkpoint ({error})") from None


def read_state(path: Path, lattice: Lattice) -> State:
    """Return this rank's part of the state in a checkpoint.

    Raises
    ------
    BadCheckpoint
        It is damaged, or belongs to another lattice.
    """
    try:
        with h5py.File(path, "r") as file:
            for name in Fields._fields:
                if file[name].shape != lattice.shape:
                    raise BadCheckpoint(
                        f"{path}: {name} has shape {file[name].shape}, the lattice {lattice.shape}"
                    )
            fields = Fields(*(read_local_field(file[name], lattice) for name in Fields._fields))
            now, avalanche, pending = (file[name][()] for name in ("macro", "avalanche", "pending"))
            return State(
                fields, now.astype(MACRO), avalanche.astype(AVALANCHE), pending.astype(PENDING)
            )
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise BadCheckpoint(f"{path}: is damaged ({error})") from None


def prune(folder: Path, keep: int) -> None:
    """Remove all but the newest ``keep`` checkpoints, and what interrupted writes left."""
    for path in sorted(folder.glob("[0-9]*.h5"))[:-keep]:
        path.unlink()
    for path in folder.glob("*.partial"):
        path.unlink()
