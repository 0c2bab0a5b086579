"""What a directory shows of its run without checkpoints: by ``run.h5``, or piece by piece.

Rows are the same whichever part of a run computed them, so any pieces that cover a table make it.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hpcepm.analysis.results import open_run, run_file_of
from hpcepm.files import told
from hpcepm.identity import Identity
from hpcepm.input import Input
from hpcepm.layout import (
    PIECE_NAME,
    NoRun,
    number_of_piece,
    piece_name,
    snapshot_name,
)
from hpcepm.reading import (
    BadFile,
    attribute,
    count,
    dataset,
    names_in,
    open_hdf5,
    own_names,
    reading,
)
from hpcepm.schedule import common
from hpcepm.storage.checkpoints import checkpoints_in
from hpcepm.storage.directory import (
    DirectoryTaken,
    DirectoryUnusable,
    RunDirectory,
    read_shown,
)
from hpcepm.storage.store import (
    FileStore,
    Progress,
    Rows,
    Start,
    snapshots_are_large,
    whole_realizations,
)
from hpcepm.storage.tables import Piece

from .save_points import plan_of


class Found(NamedTuple):
    """A run as far as its output shows it."""

    identity: Identity
    finished: bool
    whole: Progress  # of finished realizations alone
    rows: Progress  # all


class Lying(NamedTuple):
    """A sound piece that lies in a folder."""

    piece: Piece
    rows: int
    identity: Identity


def settings_of(identity: Identity) -> Input:
    """Return the input of a run.

    Raises
    ------
    BadFile
        This hpcepm knows no such input.
    """
    of_files = ("plugins", "files")
    keys = {key: value for key, value in identity.settings.items() if key not in of_files}
    try:
        return Input.model_validate(keys)
    except ValueError as error:
        said = str(error).splitlines()[0]
        raise BadFile(f"the input of the run is none that this hpcepm knows: {said}") from None


def found_in(directory: RunDirectory, warnings: list[str]) -> Found | None:
    """Return what ``run.h5`` shows, or without it and without checkpoints what pieces do.

    What is wrong with a ``run.h5`` that is not needed is added to the warnings.

    Raises
    ------
    BadFile
        There are pieces only, and they cannot be used.
    """
    others = bool(checkpoints_in(directory.checkpoints))
    if os.path.lexists(directory.run_file):
        try:
            shown = read_shown(directory.run_file)
            whole, rows = Progress.parse(shown.whole), Progress.parse(shown.rows)
            return Found(shown.identity, shown.finished, whole, rows)
        except ValueError as error:
            warnings.append(f"{error}; it will be made anew")
    return None if others else found_by_pieces(directory.pieces)


def found_by_pieces(folder: Path) -> Found | None:
    """Return what the pieces in a folder show; None if there are none.

    Raises
    ------
    BadFile
        There are some, but not of one run.
    """
    if not own_names(folder, PIECE_NAME):
        return None
    lying = {table: lying_in(folder, table) for table in Rows._fields}
    newest = max((one for those in lying.values() for one in those), key=_age, default=None)
    if newest is None:
        raise BadFile(f"{folder}: no piece in it can be used")
    if any(one.identity.run != newest.identity.run for those in lying.values() for one in those):
        raise BadFile(f"{folder}: has pieces of several runs")
    settings = settings_of(newest.identity)
    plan, covered = plan_of(settings), _cover_all(lying, newest.identity)
    rows = {table: n for table, (_, n) in covered.items()}
    if snapshots_are_large(plan):
        most = settings.realizations * len(plan.snapshot_strains)
        there = ((folder / snapshot_name(k)).is_file() for k in range(most))
        rows["fields"] = next((k for k, found in enumerate(there) if not found), most)
    n = min(rows["observables"], rows["profiles"]) // len(plan.record_strains)
    n = min(n, settings.realizations)
    if plan.field_names:
        n = min(n, rows["fields"] // len(plan.snapshot_strains))
    avalanches = _avalanches_before(folder, covered["avalanches"], n) if plan.avalanches else 0
    whole = whole_realizations(plan, n, avalanches)
    return Found(newest.identity, n == settings.realizations, whole, Progress(n, **rows))


def _age(one: Lying) -> tuple[float, int]:
    return float(one.identity.settings["loading"]["target"]), one.piece.serial


def lying_in(folder: Path, table: str) -> list[Lying]:
    """Return the sound pieces of a table."""
    found = []
    for name in names_in(folder, table):
        with suppress(BadFile), open_hdf5(folder / name) as file:
            if attribute(file, "table", str) == table:
                n = min(file[column].shape[0] for column in file)
                piece = Piece(count(file, "first"), number_of_piece(name))
                found.append(Lying(piece, n, Identity.of(file)))
    return found


def _cover_all(
    lying: Mapping[str, Sequence[Lying]], identity: Identity
) -> dict[str, tuple[list[Piece], int]]:
    """Return for each table the pieces that cover it, and how many rows."""
    return {table: cover(_of_target(table, those, identity)) for table, those in lying.items()}


def _of_target(table: str, those: Sequence[Lying], identity: Identity) -> list[Lying]:
    """Leave out rows that a run to a smaller target has, and one to that of ``identity`` not."""
    now, valid = plan_of(settings_of(identity)), []
    for one in those:
        most = one.piece.first + one.rows
        before = plan_of(settings_of(one.identity))
        if table != "avalanches" and before.record_strains != now.record_strains:
            strains = "snapshot_strains" if table == "fields" else "record_strains"
            most = min(most, common(getattr(before, strains), getattr(now, strains)))
        valid.append(one._replace(rows=most - one.piece.first))
    return valid


def cover(those: Sequence[Lying]) -> tuple[list[Piece], int]:
    """Return pieces that have all rows from the first on, as far as possible, and how many."""
    pieces: list[Piece] = []
    rows = 0
    while True:
        ends = [(p.piece.first + p.rows, p.piece.serial, p.piece) for p in those]
        further = [one for one in ends if one[2].first <= rows < one[0]]
        if not further:
            return pieces, rows
        rows, _, piece = max(further)
        pieces.append(piece)


def pieces_of(folder: Path, identity: Identity) -> dict[str, list[Piece]]:
    """Return the pieces of a run that lie in a folder, by table."""
    lying = {
        table: [one for one in lying_in(folder, table) if one.identity.run == identity.run]
        for table in Rows._fields
    }
    return {table: pieces for table, (pieces, _) in _cover_all(lying, identity).items()}


def _avalanches_before(folder: Path, covered: tuple[list[Piece], int], n: int) -> int:
    """Return how many avalanches there are of the first n realizations."""
    pieces, rows = covered
    ends, total = [*(piece.first for piece in pieces), rows][1:], 0
    for piece, end in zip(pieces, ends, strict=True):
        with open_hdf5(folder / piece_name("avalanches", piece.serial)) as file:
            column = dataset(file, "realization", np.int32, (None,))
            total += int((column[: end - piece.first] < n).sum())
    return total


def repair(path: str) -> str:
    """Make ``run.h5`` anew from the pieces, if it is not sound; return what was done.

    Raises
    ------
    NoRun
        It cannot be done.
    """
    folder = run_file_of(path).parent
    if not folder.is_dir():
        raise NoRun(f"{folder}: No such directory; name that of a run")
    try:
        directory = RunDirectory(str(folder), go_on=True)
    except (DirectoryTaken, DirectoryUnusable) as error:
        raise NoRun(str(error)) from None
    run_file = directory.run_file
    try:
        with suppress(NoRun), open_run(path):
            return f"{run_file}: is sound, and was left as it is"
        return f"{run_file}: made anew from pieces: {_remake(directory)}"
    except OSError as error:
        raise NoRun(told(run_file, error)) from None
    finally:
        directory.release()


def _remake(directory: RunDirectory) -> str:
    """Write ``run.h5``; return what it shows."""
    found = found_by_pieces(directory.pieces)
    if found is None:
        raise BadFile(f"{directory.pieces}: has no pieces")
    plan = plan_of(settings_of(found.identity))
    pieces = pieces_of(directory.pieces, found.identity)
    start = Start(found.rows, found.whole.avalanches, pieces)
    store = FileStore(directory, plan, _attributes(directory.pieces), start)
    store.finished = found.finished
    with reading(directory.run_file):
        store.save()
    return f"{found.rows.observables} records, {found.rows.realizations} finished realizations"


def _attributes(folder: Path) -> dict[str, Any]:
    """Return what the newest piece says of its run."""
    newest = max(lying_in(folder, "observables"), key=_age)
    with open_hdf5(folder / piece_name("observables", newest.piece.serial)) as file:
        return {name: value for name, value in file.attrs.items() if name not in ("table", "first")}
