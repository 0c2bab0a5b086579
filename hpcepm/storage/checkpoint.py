"""Checkpoints: all realizations under way in one file, to continue on any number of ranks.

A checkpoint is written after the output that it counts on. Rows that are not in the tables yet,
of a realization that waits for one before it, lie in the checkpoint itself.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from hpcepm.files import fsync_and_rename
from hpcepm.layout import AVALANCHE
from hpcepm.model.state import KINDS, MACRO, PENDING, Fields, State
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice

from .fields import damage_seen_together, write_fields
from .store import Progress, Rows, Store

FORMAT_VERSION: Final = 4
NEWEST: Final = "newest"
"""A file with the name of the newest checkpoint, so that it is missed if it gets lost."""

SEALED: Final = b"hpcepm sealed file 1"
"""Files of formats up to 3 began so."""


SMALL: Final = {"macro": MACRO, "avalanche": AVALANCHE, "pending": PENDING}
"""The parts of a state that are no fields, and their dtypes."""


class BadCheckpoint(Exception):
    """A file that is no checkpoint, or a damaged or foreign one; the message names it."""


class ForeignCheckpoint(BadCheckpoint):
    """A checkpoint that another version of hpcepm wrote."""


class UnderWay(NamedTuple):
    """A realization under way, as one rank has it."""

    realization: int
    fields: Fields
    small: dict[str, NDArray[Any]]  # the rest of its state: macro, avalanche, pending
    rows: Rows  # that are not in the tables
    records: int  # all so far, those in the tables too
    snapshots: int

    @classmethod
    def of(
        cls, realization: int, state: State, rows: Rows, records: int, snapshots: int
    ) -> "UnderWay":
        """Return a realization whose state is complete."""
        small = {name: getattr(state, name) for name in SMALL}
        return cls(realization, state.fields, small, rows, records, snapshots)

    @property
    def state(self) -> State:
        """The whole state."""
        return State(self.fields, **self.small)


@dataclass(frozen=True)
class CheckpointHeader:
    """What a checkpoint says about itself.

    Attributes
    ----------
    path, number
        The file, and its number among all of the run, from 1.
    progress
        How far the tables had come.
    avalanches_of_done
        How many avalanches were of finished realizations.
    settings
        The input, resolved, that it belongs to.
    created
        When the run was begun.
    finished
        Whether all realizations had reached the target.
    strain
        Of the last loading step of each realization under way.
    begun
        The file of each realization that was begun and is not finished, and its records and
        snapshots so far: this one, or an older one of a realization that waits for a free group.
    early
        Realizations that are finished, and whose rows wait here for one before them.
    """

    path: Path
    number: int
    progress: Progress
    avalanches_of_done: int
    settings: dict[str, Any]
    created: str
    finished: bool
    strain: dict[int, float] = field(default_factory=dict)
    begun: dict[int, tuple[Path, int, int]] = field(default_factory=dict)
    early: frozenset[int] = frozenset()


def about_run(
    store: Store, settings: str, created: str, waiting: Mapping[int, tuple[Path, int, int]]
) -> dict[str, Any]:
    """Return what a checkpoint says of the whole run.

    Parameters
    ----------
    store
        Where the rows are; all that was added to it must be on disk.
    settings, created
        The resolved input as JSON, and when the run was begun.
    waiting
        Realizations that were begun and wait for a free group: as ``CheckpointHeader.begun``.
    """
    return {
        "progress": json.dumps(store.progress._asdict()),
        "avalanches_of_done": store.avalanches_of_done,
        "settings": settings,
        "created": created,
        "finished": store.finished,
        "waiting": json.dumps({r: (path.name, *n) for r, (path, *n) in waiting.items()}),
    }


def write_checkpoint(
    folder: Path,
    number: int,
    ranks: Ranks,
    lattice: Lattice,
    mine: UnderWay | None,
    about: Mapping[str, Any],
    early: Mapping[int, Rows] | None = None,
) -> Path:
    """Write what is under way; return the file. Collective on all ranks of a run.

    Parameters
    ----------
    folder, number
        Where, and the number in its name.
    ranks, lattice
        All ranks, and the lattice as this rank's group shares it.
    mine
        What this rank's group is at; None for nothing.
    about
        On rank 0: what `about_run` returns.
    early
        On rank 0: rows of realizations that are finished, and wait for one before them.

    Raises
    ------
    ProblemOnRank
        The disk is full or gone; older checkpoints are untouched.
    """
    path = folder / f"{number:08d}.h5"
    told = None
    if mine is not None and lattice.ranks.is_root:
        told = (mine.realization, mine.small, mine.rows, mine.records, mine.snapshots)
    under_way = [one for one in ranks.gather(told) if one is not None]

    def describe(file: h5py.File) -> None:
        file.attrs.update({"format_version": FORMAT_VERSION, "number": number, **about})
        realizations = file.require_group("realizations")
        for realization, small, rows, records, snapshots in under_way:
            group = realizations.require_group(str(realization))
            group.attrs["records"], group.attrs["snapshots"] = records, snapshots
            for name, values in small.items():
                group[name] = values
            _write_rows(group, rows)
        finished = file.require_group("finished")
        for realization, rows in (early or {}).items():
            _write_rows(finished.require_group(str(realization)), rows)

    kinds = {
        f"realizations/{one[0]}/state/{name}": kind
        for one in under_way
        for name, kind in KINDS.items()
    }
    fields = {}
    if mine is not None:
        where = f"realizations/{mine.realization}/state"
        fields = {f"{where}/{name}": values for name, values in mine.fields._asdict().items()}
    write_fields(path, ranks, lattice, fields, describe, kinds)
    with ranks.collective_errors(f"{folder / NEWEST}: cannot be written"):
        if ranks.is_root:
            _note_newest(folder, path.name)
    return path


def _write_rows(group: h5py.Group, rows: Rows) -> None:
    for name, those in rows._asdict().items():
        group.attrs[f"{name}_rows"] = len(those)
        for column in those.dtype.names or ():
            group[f"{name}/{column}"] = those[column]


def _note_newest(folder: Path, name: str) -> None:
    partial = folder / f"{NEWEST}.partial"
    partial.write_text(f"{name}\n")
    fsync_and_rename(partial, folder / NEWEST)


def newest_checkpoint(
    folder: Path, ranks: Ranks
) -> tuple[CheckpointHeader | None, dict[Path, str]]:
    """Return the header of the newest sound checkpoint, and what is wrong with newer ones.

    None if the folder has none. Collective.

    Raises
    ------
    ForeignCheckpoint
        A version with another format wrote it.
    BadCheckpoint
        There are checkpoints, and none is sound.
    """
    found = (checkpoints_in(folder), missing_newest(folder)) if ranks.is_root else ([], None)
    paths, missing = ranks.bcast(found)
    problems: dict[Path, str] = {}
    if missing is not None:
        problems[missing] = f"{missing}: the newest checkpoint is missing"
    for path in paths:
        _refuse_old(path)
        problem = damage_seen_together(path, ranks)
        if problem is None:
            return _header_seen_together(path, ranks), problems
        problems[path] = problem
    if problems:
        said = "\n  ".join(problems.values())
        raise BadCheckpoint(
            f"no checkpoint can be used; begin anew in another directory:\n  {said}"
        )
    return None, {}


def _header_seen_together(path: Path, ranks: Ranks) -> CheckpointHeader:
    """Return a header as rank 0 reads it, or raise what it raises. Collective."""
    found: CheckpointHeader | BadCheckpoint | None = None
    try:
        found = read_header(path) if ranks.is_root else None
    except BadCheckpoint as error:
        found = error
    found = ranks.bcast(found)
    if isinstance(found, BadCheckpoint):
        raise found
    assert found is not None
    return found


def checkpoints_in(folder: Path) -> list[Path]:
    """Return the checkpoints of a folder, the newest first."""
    found = (path for path in folder.glob("*.h5") if re.fullmatch(r"\d{8}", path.stem))
    return sorted(found, reverse=True)


def missing_newest(folder: Path) -> Path | None:
    """Return the newest checkpoint that there was, if it is missing."""
    try:
        name = (folder / NEWEST).read_text(errors="replace").strip()
    except OSError:
        return None
    newest = folder / name
    gone = re.fullmatch(r"\d{8}\.h5", name) and checkpoints_in(folder)[:1] < [newest]
    return newest if gone else None


def _refuse_old(path: Path) -> None:
    try:
        with open(path, "rb") as file:
            old = file.read(len(SEALED)) == SEALED
    except OSError:
        return  # its checksum will not be right either
    if old:
        raise ForeignCheckpoint(
            f"{path}: has format 3 or older, this hpcepm reads {FORMAT_VERSION}: "
            "go on with the version that began the run, or begin anew in another directory"
        )


def read_header(path: Path) -> CheckpointHeader:
    """Return what a checkpoint says about itself.

    Raises
    ------
    ForeignCheckpoint
        A version with another format wrote it.
    BadCheckpoint
        It cannot be read.
    """
    try:
        with h5py.File(path, "r") as file:
            version = int(file.attrs["format_version"])
            if version != FORMAT_VERSION:
                other = "a newer" if version > FORMAT_VERSION else "the older"
                raise ForeignCheckpoint(
                    f"{path}: has format {version}, this hpcepm reads {FORMAT_VERSION}: "
                    f"go on with {other} one."
                )
            groups = {int(name): group for name, group in file["realizations"].items()}
            begun = {
                int(r): (path.parent / _own_name(name), int(records), int(snapshots))
                for r, (name, records, snapshots) in json.loads(file.attrs["waiting"]).items()
            }
            for r, group in groups.items():
                begun[r] = (path, int(group.attrs["records"]), int(group.attrs["snapshots"]))
            return CheckpointHeader(
                path,
                int(file.attrs["number"]),
                Progress(**json.loads(file.attrs["progress"])),
                int(file.attrs["avalanches_of_done"]),
                json.loads(file.attrs["settings"]),
                str(file.attrs["created"]),
                bool(file.attrs["finished"]),
                {r: float(group["macro"][0]["strain"]) for r, group in groups.items()},
                begun,
                frozenset(int(name) for name in file["finished"]),
            )
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise BadCheckpoint(f"{path}: is not a readable checkpoint ({error})") from None


def read_under_way(
    path: Path, realization: int, lattice: Lattice, kinds: Mapping[str, np.dtype[Any]]
) -> UnderWay:
    """Return this rank's part of a realization in a checkpoint; its rows are of these dtypes.

    Raises
    ------
    BadCheckpoint
        It is damaged, or belongs to another lattice.
    """
    try:
        with h5py.File(path, "r") as file:
            group = file[f"realizations/{realization}"]
            stored = group["state"]
            for name in Fields._fields:
                if (shape := stored[name].shape) != lattice.shape:
                    said = f"{name} has shape {shape}, the lattice {lattice.shape}"
                    raise BadCheckpoint(f"{path}: {said}")
            fields = Fields(*(lattice.local_rows(stored[name]) for name in Fields._fields))
            small = {name: group[name][()].astype(kind) for name, kind in SMALL.items()}
            rows = _read_rows(group, kinds)
            records, snapshots = int(group.attrs["records"]), int(group.attrs["snapshots"])
            return UnderWay(realization, fields, small, rows, records, snapshots)
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise BadCheckpoint(f"{path}: is damaged ({error})") from None


def read_early(
    path: Path, realizations: Iterable[int], kinds: Mapping[str, np.dtype[Any]]
) -> dict[int, Rows]:
    """Return the rows of finished realizations that wait in a checkpoint; see `read_under_way`."""
    try:
        with h5py.File(path, "r") as file:
            return {r: _read_rows(file[f"finished/{r}"], kinds) for r in sorted(realizations)}
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise BadCheckpoint(f"{path}: is damaged ({error})") from None


def _read_rows(group: h5py.Group, kinds: Mapping[str, np.dtype[Any]]) -> Rows:
    found = []
    for name in Rows._fields:
        rows = np.zeros(int(group.attrs[f"{name}_rows"]), kinds[name])
        for column in kinds[name].names or ():
            rows[column] = group[f"{name}/{column}"][()]
        found.append(rows)
    return Rows(*found)


def _own_name(name: str) -> str:
    """Return the name of a checkpoint; raise `ValueError` if it is none."""
    if not re.fullmatch(r"\d{8}\.h5", name):
        raise ValueError(f"{name!r} is not the name of a checkpoint")
    return name


def prune(folder: Path, keep: int, needed: Collection[Path] = ()) -> None:
    """Remove all but the newest ``keep`` checkpoints, and what interrupted writes left.

    Those stay that are needed, or to which one that is kept refers. What cannot be removed stays.
    """
    kept, needed = checkpoints_in(folder)[:keep], set(needed)
    for path in kept:
        with suppress(BadCheckpoint):
            needed |= {file for file, *_ in read_header(path).begun.values()}
    for path in {*checkpoints_in(folder), *folder.glob("*.partial")} - {*kept, *needed}:
        with suppress(OSError):
            path.unlink()
