"""How many bytes a run will have on the disk: its files, laid out in memory and thrown away."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import h5py
import numpy as np

from hpcepm.files import CHECKSUM_BYTES, hdf5_image
from hpcepm.identity import Identity
from hpcepm.input.plugins import resolved
from hpcepm.input.read import ReadInput
from hpcepm.layout import TARGET
from hpcepm.storage.fields import PAGE
from hpcepm.storage.plan import End, Lists, Plan, snapshots_are_large
from hpcepm.storage.store import Store
from hpcepm.storage.tables import PIECE_BYTES, LargeRows, Piece, PieceTable, Table
from hpcepm.storage.view import Shown

from . import provenance
from .resources import bytes_of_checkpoint
from .save_points import plan_of

CHECKPOINT_BYTES: Final = 15_000
STATE_BYTES: Final = 45_000
"""What a checkpoint says of itself; and of a realization in it, beside its fields."""

RUN_FILE_BYTES: Final = 200_000
MOST_REALIZATIONS: Final = 2000
"""Of a `run.h5` that is not laid out, because it has more than so many: beside its curves."""


class Counts(NamedTuple):
    """How many rows the tables of a run have in all."""

    realizations: int
    observables: int
    avalanches: int
    fields: int
    cycles: int
    events: int


def bytes_by_part(
    read: ReadInput, counts: Counts, checkpoints: int, at_a_time: int
) -> dict[str, int]:
    """Return the bytes of each part of the directory of a finished run.

    Parameters
    ----------
    read, counts
        The input, and what the run will come to.
    checkpoints
        How many will be written.
    at_a_time
        How many of several realizations are under way in each but the last.
    """
    plan = plan_of(read.settings)
    store = _Imagined(plan, _attributes(read), counts)
    parts = {n: _bytes_of(table, plan) for n, table in store.tables.items() if table.size}
    curves = counts.observables * plan.tables["observables"].itemsize
    is_small = curves < PIECE_BYTES and counts.realizations <= MOST_REALIZATIONS
    run_file = len(store.image()) + CHECKSUM_BYTES if is_small else curves + RUN_FILE_BYTES
    records = parts.pop("observables", 0) + parts.pop("profiles", 0)
    kept, several = min(checkpoints, read.settings.checkpoint.keep), counts.realizations > 1
    states = (kept - 1) * at_a_time if several else kept
    in_states = states * (bytes_of_checkpoint(read.settings) + STATE_BYTES)
    return {
        "records": records,
        **parts,
        "checkpoints": kept * CHECKPOINT_BYTES + in_states,
        "run.h5": run_file,
    }


COPIES: Final = 4
"""Of rows that are in no piece yet: they, their bytes in HDF5, and both while they are saved."""


def bytes_in_memory(read: ReadInput, parts: Mapping[str, int]) -> int:
    """Return what rows of tables that are in no piece yet take in memory, of `bytes_by_part`."""
    large = snapshots_are_large(plan_of(read.settings))  # they are written as they come
    elsewhere = {"checkpoints", "run.h5", *(["fields"] if large else [])}
    rows = (size for name, size in parts.items() if name not in elsewhere)
    return COPIES * sum(min(size, PIECE_BYTES) for size in rows)


def _attributes(read: ReadInput) -> dict[str, Any]:
    """Return attributes as long as those of each file of a run."""
    versions, settings = provenance.versions(), json.loads(resolved(read))
    identity = Identity.new()._replace(settings=settings).with_part(versions)
    numbers = {"seed": np.uint64(0), "ranks": 1, "disorder_strength": 0.5, "age": 0.5}
    written = {"input": read.text, **provenance.plugins(), "engine": "lazy"}
    return {**versions, **written, **numbers, **identity.attributes()}


def _bytes_of(table: Table, plan: Plan) -> int:
    """Return the bytes of the pieces of a table."""
    assert isinstance(table, PieceTable)
    if isinstance(table, LargeRows):
        about = len(hdf5_image(lambda file: file.attrs.update(table.about)))
        pages = PAGE * len(table.dtype.names or ())  # each field begins with one
        return table.size * (plan.snapshot_bytes + about + pages + CHECKSUM_BYTES)
    rows = _rows_of_a_piece(table)
    whole, rest = divmod(table.size, rows)
    return whole * _bytes_of_piece(table, rows) + (_bytes_of_piece(table, rest) if rest else 0)


def _bytes_of_piece(table: PieceTable, rows: int) -> int:
    blank = np.broadcast_to(np.zeros((), table.dtype), rows)

    def fill(file: h5py.File) -> None:
        file.attrs.update({**table.about, "table": table.name, "first": 0, "number": 1})
        for column in table.dtype.names or ():
            file.create_dataset(column, data=blank[column], fletcher32=True, chunks=True)

    return len(hdf5_image(fill)) + CHECKSUM_BYTES


def _rows_of_a_piece(table: Table) -> int:
    """Return with how many rows a piece is closed."""
    return -(-PIECE_BYTES // max(table.dtype.itemsize, 1))


class _Imagined(Store):
    """The store of a finished run: its observables are zeros, its other tables are not there."""

    def __init__(self, plan: Plan, provenance: dict[str, Any], counts: Counts) -> None:
        self._counts = counts
        super().__init__(plan, provenance)
        self.finished, self.n_done = True, counts.realizations
        self.of_done = Lists(counts.avalanches, counts.events)
        if plan.counted:
            n, of = counts.realizations, (counts.observables, counts.fields, counts.cycles)
            so_far = ([one * k // n for one in of] for k in range(1, n + 1))
            self.ends = [End(a, b, c, TARGET) for a, b, c in so_far]

    def _make_tables(self) -> dict[str, Table]:
        tables: dict[str, Table] = {}
        for name, dtype in self.plan.tables.items():
            large = name == "fields" and snapshots_are_large(self.plan)
            table = (LargeRows if large else PieceTable)(Path(), name, dtype, self.provenance)
            rows = getattr(self._counts, {"profiles": "observables"}.get(name, name))
            table.size = table._saved = rows
            step = 1 if large else _rows_of_a_piece(table)
            table.pieces = [Piece(first, k + 1) for k, first in enumerate(range(0, rows, step))]
            tables[name] = table
        return tables

    def _columns(self, group: h5py.Group, table: Table, shown: Shown) -> Any:
        if group.name == "/observables":
            blank = np.broadcast_to(np.zeros((), table.dtype), shown.rows)
            return lambda column: group.create_dataset(column, data=shown.arrange(blank[column]))
        return self.virtual(group, table, shown)
