"""What a directory shows of its run without checkpoints: by ``run.h5``, or piece by piece.

Rows are the same whichever part of a run computed them, so any pieces that cover a table make it.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from hpcepm.analysis.missing import run_file_of
from hpcepm.analysis.results import open_run
from hpcepm.faults import NoRun
from hpcepm.files import told
from hpcepm.identity import Identity
from hpcepm.input.schema import Input
from hpcepm.layout import LISTS, PIECE_NAME, number_of_piece, piece_name, snapshot_name
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
    Folder,
    RunDirectory,
    read_shown,
)
from hpcepm.storage.plan import Plan, Progress, Rows, Start, snapshots_are_large
from hpcepm.storage.store import FileStore
from hpcepm.storage.tables import Piece, check_piece, check_snapshot

from .save_points import plan_of
from .status import is_finished

Pieces = Mapping[str, Sequence[Piece]]


class Found(NamedTuple):
    """A run as far as its output shows it."""

    identity: Identity
    whole: Progress  # of finished realizations alone
    rows: Progress  # all
    finished: bool = False  # by its ``run.h5``

    def shows_the_end(self, realizations: int) -> bool:
        """Return whether ``run.h5`` is that of a finished run of so many realizations."""
        return self.finished and self.whole.realizations == realizations


class Lying(NamedTuple):
    """A sound piece that lies in a folder."""

    path: Path
    piece: Piece
    rows: int
    identity: Identity
    target: float


def settings_of(identity: Identity) -> Input:
    """Return the input of a run.

    Raises
    ------
    BadFile
        This hpcepm knows no such input.
    """
    of_files = ("plugins", "files")
    keys = {key: value for key, value in identity.settings.items() if key not in of_files}
    place, output = {}, keys.get("output")
    if isinstance(output, Mapping) and isinstance(output.get("directory"), str):
        # Its name is no part of the model: --output takes any that a file system does.
        place = {"directory": output["directory"]}
        keys["output"] = {key: value for key, value in output.items() if key not in place}
    try:
        settings = Input.model_validate(keys)
    except ValidationError as error:
        wrong = error.errors()[0]
        said = f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}"
        raise BadFile(f"the input of the run is none that this hpcepm knows: {said}") from None
    return settings.with_output(**place)


def written(identity: Identity) -> dict[str, Any]:
    """Return the resolved input of a run, with the defaults of keys that came after it began."""
    return {**identity.settings, **json.loads(settings_of(identity).model_dump_json())}


def found_in(directory: Folder, warnings: list[str]) -> Found | None:
    """Return what ``run.h5`` shows, or without it and without checkpoints what pieces do.

    What is wrong with a ``run.h5`` that is not needed is added to the warnings.

    Raises
    ------
    BadFile
        There are pieces only, and they cannot be used.
    """
    if os.path.lexists(directory.run_file):
        try:
            with reading(directory.run_file):
                identity, *progress = read_shown(directory.run_file)
                settings_of(identity)
                whole, rows = map(Progress.parse, progress)
                return Found(identity, whole, rows, is_finished(directory.run_file))
        except BadFile as error:
            warnings.append(f"{error}; it will be made anew")
    if checkpoints_in(directory.checkpoints) or not own_names(directory.pieces, PIECE_NAME):
        return None
    return found_by_pieces(directory.pieces)[0]


def found_by_pieces(folder: Path) -> tuple[Found, Lying, Pieces]:
    """Return what the pieces in a folder show, the newest, and those that make the tables.

    Raises
    ------
    BadFile
        They are none, or not of one run.
    """
    lying = {table: lying_in(folder, table) for table in Rows._fields}
    those = [one for of_table in lying.values() for one in of_table]
    if not those:
        raise BadFile(f"{folder}: has no piece that can be used")
    if len({one.identity.run for one in those}) > 1:
        raise BadFile(f"{folder}: has pieces of several runs")
    newest = max(those, key=lambda one: (one.target, one.piece.serial))
    settings = settings_of(newest.identity)
    plan = plan_of(settings)
    covered = {table: cover(_of_plan(table, lying[table], plan)) for table in lying}
    rows = {table: n for table, (_, n) in covered.items()}
    if snapshots_are_large(plan):
        rows["fields"] = _snapshots_in(folder, newest.identity.run, settings, plan)
    pieces = {table: found for table, (found, _) in covered.items()}
    counts = _counts_of_records(folder, pieces["observables"], rows["observables"], plan)
    whole, shown = _consistent(rows, counts, settings, plan)
    return Found(newest.identity, whole, shown), newest, pieces


def lying_in(folder: Path, table: str) -> list[Lying]:
    """Return the sound pieces of a table."""
    found = []
    for name in names_in(folder, table):
        with suppress(BadFile), open_hdf5(folder / name) as file:
            identity = Identity.of(file)
            settings = settings_of(identity)
            row = plan_of(settings).tables[table]
            piece = Piece(count(file, "first"), number_of_piece(name))
            check_piece(file, identity.run, table, piece)
            n = [
                len(dataset(file, column, row[column].base, (None, *row[column].shape)))
                for column in row.names or ()
            ]
            target = settings.loading.target
            found.append(Lying(folder / name, piece, min(n, default=0), identity, target))
    return found


def _of_plan(table: str, those: Sequence[Lying], plan: Plan) -> list[Lying]:
    """Leave out rows that a run to another target has, and one by this plan not."""
    strains = "snapshots" if table == "fields" else "records"
    valid = []
    for one in those:
        before = getattr(plan_of(settings_of(one.identity)), strains) or ()
        if table not in LISTS and before != getattr(plan, strains):
            most = common(before, getattr(plan, strains)) - one.piece.first
            one = one._replace(rows=min(one.rows, most))
        valid.append(one)
    return valid


def cover(those: Sequence[Lying]) -> tuple[list[Piece], int]:
    """Return pieces that have all rows from the first on, as far as possible, and how many."""
    pieces: list[Piece] = []
    rows = 0
    while True:
        ends = [(one.piece.first + one.rows, one.piece.serial, one.piece) for one in those]
        further = [one for one in ends if one[2].first <= rows < one[0]]
        if not further:
            return pieces, rows
        rows, _, piece = max(further)
        pieces.append(piece)


def _snapshots_in(folder: Path, run: str, settings: Input, plan: Plan) -> int:
    """Return how many large snapshots there are, from the first on."""
    strains = plan.snapshots
    most = sys.maxsize if plan.counted else settings.realizations * len(strains)
    for number in range(most):
        try:
            with open_hdf5(folder / snapshot_name(number)) as file:
                check_snapshot(file, run, number, strains)
        except BadFile:
            return number
    return most


class Counts(NamedTuple):
    """What records say, each with the realizations before it: shape (rows,)."""

    avalanches: NDArray[np.int64]
    events: NDArray[np.int64]
    snapshots: NDArray[np.int64]
    cycles: NDArray[np.int64]
    ends: NDArray[np.int64]  # (realizations,): how many records there are at the end of each


def _counts_of_records(folder: Path, pieces: Sequence[Piece], rows: int, plan: Plan) -> Counts:
    """Return how many rows tables had at each record, counted through."""

    def column(name: str) -> NDArray[np.int64]:
        ends = [*(piece.first for piece in pieces), rows][1:]
        parts = [np.zeros(0, np.int64)]
        for piece, end in zip(pieces, ends, strict=True):
            with open_hdf5(folder / piece_name("observables", piece.serial)) as file:
                parts.append(dataset(file, name, np.int64, (None,))[: end - piece.first])
        return np.concatenate(parts)

    if plan.counted:
        ends = np.flatnonzero(column("ended")) + 1
        snapshots, cycles = column("snapshots"), column("cycles")
    else:
        n = len(plan.records)
        ends, snapshots = np.arange(n, rows + 1, n), np.full(rows, len(plan.snapshots))
        cycles = np.full(rows, plan.cycles)
    avalanches, events = (_through(column(name), ends) for name in LISTS)
    maps, cycles = _through(snapshots, ends), _through(cycles, ends)
    return Counts(avalanches, events, maps, cycles, ends)


def _through(counts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return counts that begin anew with each realization, counted through."""
    before = np.concatenate([[0], np.cumsum(counts[ends - 1])])
    through: NDArray[np.int64] = (
        counts + before[np.searchsorted(ends, np.arange(counts.size), "right")]
    )
    return through


def _consistent(
    rows: Mapping[str, int], counts: Counts, settings: Input, plan: Plan
) -> tuple[Progress, Progress]:
    """Return how many rows agree with each other: of finished realizations, and all."""
    records, ends = min(rows["observables"], rows["profiles"]), counts.ends
    lists = {name: getattr(counts, name) for name in LISTS if getattr(plan, name)}
    for name, those in lists.items():
        records = min(records, int(np.searchsorted(those, rows[name], "right")))
    done = min(int(np.searchsorted(ends, records, "right")), settings.realizations)
    kept = {"fields": counts.snapshots} if plan.field_names else {}
    for name, those in {**kept, **({"cycles": counts.cycles} if plan.has_cycles else {})}.items():
        done = min(done, int(np.searchsorted(those[ends - 1], rows[name], "right")))

    def progress(n: int, records: int) -> Progress:
        def before(those: NDArray[np.int64]) -> int:
            return int(those[records - 1]) if records else 0

        maps = min(before(counts.snapshots), rows["fields"]) if plan.field_names else 0
        cycles = min(before(counts.cycles), rows["cycles"])
        of = {name: before(those) for name, those in lists.items()}
        return Progress(n, records, records, fields=maps, cycles=cycles, **of)

    whole = progress(done, int(ends[done - 1]) if done else 0)
    if done:
        return whole, whole
    return whole, progress(0, min(records, int(ends[0])) if ends.size else records)


def pieces_of(folder: Path, identity: Identity) -> Pieces:
    """Return the pieces of a run that lie in a folder, by table."""
    plan = plan_of(settings_of(identity))
    lying = {
        table: [one for one in lying_in(folder, table) if one.identity.run == identity.run]
        for table in Rows._fields
    }
    return {table: cover(_of_plan(table, those, plan))[0] for table, those in lying.items()}


def repair(path: str) -> str:
    """Make ``run.h5`` anew from the pieces, if it is not sound or older; return what was done.

    Raises
    ------
    NoRun
        It cannot be done.
    """
    folder = run_file_of(path).parent
    if not own_names(folder / "pieces", PIECE_NAME):
        raise NoRun(f"{folder}: has no pieces of a run; name the directory of one")
    try:
        directory = RunDirectory(str(folder), go_on=True)
    except (DirectoryTaken, DirectoryUnusable) as error:
        raise NoRun(str(error)) from None
    try:
        if _is_sound(directory):
            return f"{directory.run_file}: is sound, and was left as it is"
        return f"{directory.run_file}: made anew from pieces: {_remake(directory)}"
    except OSError as error:
        raise NoRun(told(directory.run_file, error)) from None
    finally:
        directory.release()


def _is_sound(directory: RunDirectory) -> bool:
    """Return whether ``run.h5`` can be read, and shows all that the pieces have."""
    try:
        with open_run(directory.run_file):
            shown = Progress.parse(read_shown(directory.run_file)[-1])
    except NoRun:
        return False
    with suppress(BadFile):
        return found_by_pieces(directory.pieces)[0].rows.observables <= shown.observables
    return True


def _remake(directory: RunDirectory) -> str:
    """Write ``run.h5``; return what it shows."""
    found, newest, pieces = found_by_pieces(directory.pieces)
    if not found.rows.observables:
        raise BadFile(f"{directory.pieces}: has no records that agree with each other")
    settings = settings_of(found.identity)
    with open_hdf5(newest.path) as file:
        of_piece = ("table", "first", "number")
        about: dict[str, Any] = {k: v for k, v in file.attrs.items() if k not in of_piece}
        attribute(file, "input", str)
    start = Start(found.rows, found.whole.lists, pieces)
    with reading(directory.run_file):
        store = FileStore(directory, plan_of(settings), about, start)
        store.finished = found.whole.realizations == settings.realizations
        store.save()
    return f"{found.rows.observables} records, {found.whole.realizations} finished realizations"
