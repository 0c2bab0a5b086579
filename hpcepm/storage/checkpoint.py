"""Checkpoints: all realizations under way in one file, to continue on any number of ranks.

A checkpoint is written after the output that it counts on, and names it: the pieces of each table,
and how many rows. Rows that are not in the tables yet, of a realization that waits for one before
it, lie in the checkpoint itself.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from hpcepm.files import Check, no_check
from hpcepm.identity import Identity
from hpcepm.layout import CHECKPOINT_NAME, checkpoint_name
from hpcepm.model.state import (
    KINDS,
    MACRO,
    MOST_PENDING,
    ONE_SIDE,
    SMALL,
    Fields,
    State,
    blank_fields,
)
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from hpcepm.reading import BadFile, attribute, count, dataset, group, open_hdf5, parse_json
from hpcepm.reading import (
    names as names_of,
)
from hpcepm.schedule import MOST_TURNS

from .fields import write_fields
from .plan import Progress, Rows
from .store import Store
from .tables import Piece, PieceTable

FORMAT_VERSION: Final = 10

ADDED: Final = {"clock": 8, "flow": 9, "events": 10}
"""Parts of a state, and tables, that checkpoints have from a format on; before they were blank."""

OLDEST: Final = 7
"""The first format that is read."""

REALIZATION: Final = r"0|[1-9]\d{0,8}"
"""The name of the group of a realization."""


class ForeignCheckpoint(BadFile):
    """A checkpoint that another version of hpcepm wrote."""


class UnderWay(NamedTuple):
    """A realization under way, as one rank has it."""

    realization: int
    names: Sequence[str]  # of the fields that its state has
    fields: Fields
    small: dict[str, NDArray[Any]]  # the rest of its state
    rows: Rows  # that are not in the tables
    records: int  # all so far, those in the tables too
    snapshots: int

    @classmethod
    def of(
        cls, realization: int, state: State, rows: Rows, records: int, snapshots: int
    ) -> "UnderWay":
        """Return a realization whose state is complete."""
        small = {name: getattr(state, name) for name in SMALL}
        return cls(realization, state.names, state.fields, small, rows, records, snapshots)

    @property
    def state(self) -> State:
        """The whole state."""
        return State(self.fields, **self.small, names=self.names)


Waiting = Mapping[int, tuple[Path, int, int]]
"""Realizations that were begun and are not finished: the checkpoint in which each is, and its
records and snapshots so far."""


@dataclass(frozen=True)
class CheckpointHeader:
    """What a checkpoint says about itself.

    Attributes
    ----------
    path, number
        The file, and its number among all of the run, from 1.
    identity
        Of the run.
    progress, pieces
        How far the tables had come, and in which pieces their rows are.
    whole
        How far the tables had come with finished realizations alone.
    finished
        Whether all realizations had reached the target.
    strain
        Of the last loading step of each realization under way.
    begun
        Realizations under way: in this file, or in an older one if they wait for a free group.
    early
        Realizations that are finished, and whose rows wait here for one before them.
    """

    path: Path
    number: int
    identity: Identity
    progress: Progress
    pieces: dict[str, list[Piece]]
    whole: Progress
    finished: bool
    strain: dict[int, float]
    begun: Waiting
    early: frozenset[int]


def write_checkpoint(
    folder: Path,
    number: int,
    ranks: Ranks,
    lattice: Lattice,
    mine: UnderWay | None,
    store: Store | None,
    waiting: Waiting | None = None,
    check: Check = no_check,
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
    store
        On rank 0: where the rows are; all that was added to it must be on disk.
    waiting
        On rank 0: realizations that were begun and wait for a free group.
    check
        On rank 0: see `hpcepm.files.Check`.

    Raises
    ------
    ProblemOnRank
        The disk is full or gone; older checkpoints are untouched.
    """
    path = folder / checkpoint_name(number)
    told = None
    if mine is not None and lattice.ranks.is_root:
        told = mine._replace(fields=None)  # type: ignore[arg-type]
    under_way = [one for one in ranks.gather(told) if one is not None]

    def describe(file: h5py.File) -> None:
        assert store is not None
        file.attrs.update({"format_version": FORMAT_VERSION, "number": number})
        _describe_run(file, store, waiting or {})
        realizations = file.require_group("realizations")
        for one in under_way:
            its = realizations.require_group(str(one.realization))
            its.attrs["records"], its.attrs["snapshots"] = one.records, one.snapshots
            for name, values in one.small.items():
                its[name] = values
            _write_rows(its, one.rows)
        finished = file.require_group("finished")
        for realization, rows in store.early.items():
            _write_rows(finished.require_group(str(realization)), rows)

    kinds = {
        f"realizations/{one.realization}/state/{name}": KINDS[name]
        for one in under_way
        for name in one.names
    }
    fields = {}
    if mine is not None:
        where = f"realizations/{mine.realization}/state"
        fields = {f"{where}/{name}": getattr(mine.fields, name) for name in mine.names}
    write_fields(path, ranks, lattice, fields, describe, kinds, check=check)
    return path


def _describe_run(file: h5py.File, store: Store, waiting: Waiting) -> None:
    """Say which run it is, how far its output has come, and who waits."""
    file.attrs.update(store.provenance)
    file.attrs["progress"] = store.progress.text()
    file.attrs["whole"] = store.whole.text()
    file.attrs["finished"] = store.finished
    file.attrs["waiting"] = json.dumps({r: (path.name, *n) for r, (path, *n) in waiting.items()})
    pieces = file.require_group("pieces")
    for name, table in store.tables.items():
        those = table.pieces if type(table) is PieceTable else []  # snapshots go by number
        pieces[name] = np.array(those, np.int64).reshape(-1, 2)


def _write_rows(owner: h5py.Group, rows: Rows) -> None:
    for name, those in rows._asdict().items():
        owner.attrs[f"{name}_rows"] = len(those)
        for column in those.dtype.names or ():
            owner[f"{name}/{column}"] = those[column]


def read_header(path: Path, checked: bool = False) -> CheckpointHeader:
    """Return what a checkpoint says about itself; for ``checked`` see `open_hdf5`.

    Raises
    ------
    ForeignCheckpoint
        A version with another format wrote it.
    BadFile
        It is damaged, or something else.
    """
    with open_hdf5(path, checked) as file:
        version = count(file, "format_version")
        if not OLDEST <= version <= FORMAT_VERSION:
            other = "a newer" if version > FORMAT_VERSION else "the older"
            raise ForeignCheckpoint(
                f"{path}: has format {version}, this hpcepm reads {OLDEST} to {FORMAT_VERSION}: "
                f"go on with {other} one."
            )
        if checkpoint_name(count(file, "number")) != path.name:
            raise BadFile(f"{path}: is a copy of checkpoint {count(file, 'number')}")
        under_way = group(file, "realizations")
        begun = _waiting(path.parent, attribute(file, "waiting", str))
        strain: dict[int, float] = {}
        for name in names_of(under_way, REALIZATION):
            its = group(under_way, name)
            begun[int(name)] = (path, count(its, "records"), count(its, "snapshots"))
            macro = dataset(its, "macro", MACRO, (1,))
            strain[int(name)] = float(macro[0]["load"])
        return CheckpointHeader(
            path,
            count(file, "number"),
            Identity.of(file),
            Progress.parse(attribute(file, "progress", str)),
            {
                n: _pieces(group(file, "pieces"), n) if _has(n, version) else []
                for n in Rows._fields
            },
            Progress.parse(attribute(file, "whole", str)),
            attribute(file, "finished", bool),
            strain,
            begun,
            frozenset(int(name) for name in names_of(group(file, "finished"), REALIZATION)),
        )


def _has(name: str, version: int) -> bool:
    """Whether checkpoints of a format have a part of a state, or a table."""
    return version >= ADDED.get(name, 0)


def _pieces(owner: h5py.Group, table: str) -> list[Piece]:
    """Return the pieces of a table, whose first rows must rise."""
    values = dataset(owner, table, np.int64, (None, 2))[()]
    if values.size and ((values < 0).any() or (np.diff(values[:, 0]) <= 0).any()):
        raise BadFile(f"{owner.file.filename}: the pieces of {table} are in no order")
    return [Piece(int(first), int(serial)) for first, serial in values]


def _waiting(folder: Path, text: str) -> dict[int, tuple[Path, int, int]]:
    """Return the realizations that wait in older checkpoints of a folder."""
    found = {}
    for realization, (name, records, snapshots) in parse_json(text).items():
        sound = re.fullmatch(REALIZATION, realization) and re.fullmatch(CHECKPOINT_NAME, str(name))
        if not sound or any(type(n) is not int or n < 0 for n in (records, snapshots)):
            raise BadFile(f"{folder}: it is not said which realizations wait")
        found[int(realization)] = (folder / name, records, snapshots)
    return found


def read_under_way(
    path: Path,
    run: str,
    realization: int,
    lattice: Lattice,
    kinds: Mapping[str, np.dtype[Any]],
    names: Sequence[str] = ONE_SIDE,
) -> UnderWay:
    """Return this rank's part of a realization in a checkpoint that was found sound.

    Its rows are of the dtypes ``kinds``, its fields are those of ``names``. Whether its numbers are
    possible is for the model to say
    (`hpcepm.model.consistency`).

    Raises
    ------
    BadFile
        It is of another run or another lattice, or something is missing.
    """
    with open_hdf5(path, checked=True) as file:
        if attribute(file, "run", str) != run:
            raise BadFile(f"{path}: is of another run")
        its = group(file, f"realizations/{realization}")
        stored = {name: dataset(its, f"state/{name}", KINDS[name], lattice.shape) for name in names}
        fields = blank_fields(lattice, ())._replace(
            **{name: lattice.local_rows(field) for name, field in stored.items()}
        )
        version = count(file, "format_version")
        blank = [name for name in SMALL if not _has(name, version)]
        found = {
            name: dataset(its, name, kind, (n,))
            for name, (kind, n) in SMALL.items()
            if name not in blank
        }
        if len(found["pending"]) > MOST_PENDING:
            raise BadFile(f"{path}: has more than {MOST_PENDING} pending events")
        if len(found["turned"]) + len(found["strobes"]) > MOST_TURNS:
            raise BadFile(f"{path}: has more than {MOST_TURNS} turning points")
        small = {name: values[()].astype(SMALL[name][0]) for name, values in found.items()}
        small |= {name: getattr(State.blank(lattice, ()), name) for name in blank}
        rows = _read_rows(its, kinds)
        return UnderWay(
            realization, names, fields, small, rows, count(its, "records"), count(its, "snapshots")
        )


def read_early(
    path: Path, realizations: Iterable[int], kinds: Mapping[str, np.dtype[Any]]
) -> dict[int, Rows]:
    """Return the rows of finished realizations that wait in a checkpoint; see `read_under_way`."""
    with open_hdf5(path, checked=True) as file:
        return {r: _read_rows(group(file, f"finished/{r}"), kinds) for r in sorted(realizations)}


def _read_rows(owner: h5py.Group, kinds: Mapping[str, np.dtype[Any]]) -> Rows:
    found, version = [], count(owner.file, "format_version")
    for name in Rows._fields:
        if not _has(name, version):
            found.append(np.zeros(0, kinds[name]))
            continue
        n, columns = count(owner, f"{name}_rows"), {}
        for column in kinds[name].names or ():
            kind = kinds[name][column]
            columns[column] = dataset(owner, f"{name}/{column}", kind.base, (n, *kind.shape))
        rows = np.zeros(n if columns or name == "fields" else 0, kinds[name])
        for column, values in columns.items():
            rows[column] = values[()]
        found.append(rows)
    return Rows(*found)
