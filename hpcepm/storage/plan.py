"""What a run keeps of each realization: which rows, how many, and where they begin."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.layout import (
    AVALANCHE,
    EVENT_ROW,
    OSCILLATION_ROW,
    TIMED,
    TIMED_OBSERVABLES,
    cycle_dtype,
)
from hpcepm.model.observables import profile_dtype, record_dtype
from hpcepm.model.state import KINDS
from hpcepm.reading import parse_json

from .tables import Piece

LARGE_SNAPSHOT: Final = 2**20
"""Bytes from which the fields of a snapshot are a file of their own, written by its ranks."""


class Plan(NamedTuple):
    """What a run will keep of each realization."""

    shape: tuple[int, int]
    record_strains: tuple[float, ...] | None  # None: not known beforehand
    snapshot_strains: tuple[float, ...] | None
    field_names: tuple[str, ...]
    avalanches: bool
    turns: int = 0  # of a cycle; 0 if there are none
    cycles: int = 0  # at the most
    float_kind: str = "f8"  # of fields
    clock: bool = False  # whether time passes
    oscillation: bool = False  # whether cycles are those of a sine
    events: bool = False
    in_memory: bool = False  # whether there is no directory

    @property
    def has_cycles(self) -> bool:
        """Whether there is a table of cycles."""
        return self.turns > 0 or self.oscillation

    @property
    def counted(self) -> bool:
        """Whether only the run shows how many rows a realization has.

        Then each row has its strain, and each record says how many snapshots were before it, and
        whether the loading ended there.
        """
        return self.record_strains is None

    @property
    def records(self) -> tuple[float, ...]:
        """The strains of records, where they are known."""
        return self.record_strains or ()

    @property
    def snapshots(self) -> tuple[float, ...]:
        """The strains of snapshots, where they are known."""
        return self.snapshot_strains or ()

    @property
    def kinds(self) -> dict[str, np.dtype[Any]]:
        """What is kept of each field, at each site."""
        kinds = {name: np.dtype(KINDS.get(name, "f8")) for name in self.field_names}
        return {
            name: np.dtype(self.float_kind) if kind.kind == "f" else kind
            for name, kind in kinds.items()
        }

    @property
    def snapshot_bytes(self) -> int:
        """The size of the fields of a snapshot."""
        nx, ny = self.shape
        return nx * ny * sum(kind.itemsize for kind in self.kinds.values())

    @property
    def fields(self) -> np.dtype[Any]:
        """A row of the table of fields: a snapshot; of large ones, which are files, one site.

        (An element of 2 GiB, as of 16384 × 16384 sites, is more than numpy has.)
        """
        shape = () if snapshots_are_large(self) else self.shape
        columns: list[Any] = [(name, kind, shape) for name, kind in self.kinds.items()]
        return np.dtype([*columns, *self._places] if columns and self.counted else columns)

    @property
    def _places(self) -> list[tuple[str, str]]:
        """The columns that say where on the way a row is, of runs whose rows are counted."""
        return [("strain", "f8"), *([("time", "f8")] if self.clock else [])]

    def shape_of(self, table: str, column: str) -> tuple[int, ...]:
        """Return the shape of what a row of a table has in a column."""
        of_sites = table == "fields" and column in self.kinds
        return self.shape if of_sites else self.tables[table][column].shape

    @property
    def tables(self) -> dict[str, np.dtype[Any]]:
        """The dtype of a row of each table."""
        records, profiles, avalanches = record_dtype(), profile_dtype(self.shape), AVALANCHE
        events = EVENT_ROW if self.events else np.dtype([])
        if self.counted:
            timed = [(name, "f8") for name in TIMED_OBSERVABLES] if self.clock else []
            marks = [(name, "i8") for name in MARKS]
            records = np.dtype([*records.descr, *timed, *marks])
            profiles = np.dtype([*profiles.descr, *self._places])
        if self.clock:
            avalanches = np.dtype([*AVALANCHE.descr, *TIMED.descr])
            events = np.dtype([*EVENT_ROW.descr, ("time", "f8")]) if self.events else events
        cycles = cycle_dtype(self.turns) if self.turns else np.dtype([])
        if self.oscillation:
            cycles = OSCILLATION_ROW
        rows = (records, profiles, avalanches, self.fields, cycles, events)
        return dict(zip(Rows._fields, rows, strict=True))


class Rows(NamedTuple):
    """Rows of a realization, the same on all ranks that shear it."""

    observables: NDArray[Any]  # record_dtype
    profiles: NDArray[Any]  # profile_dtype
    avalanches: NDArray[Any]  # AVALANCHE, and TIMED
    fields: NDArray[Any]  # Plan.fields, or rows without columns if the fields are in files already
    cycles: NDArray[Any]  # cycle_dtype, or OSCILLATION_ROW
    events: NDArray[Any]  # EVENT_ROW, and the time; without columns if they are not kept

    @classmethod
    def none(cls, plan: Plan) -> "Rows":
        """Return no rows."""
        return cls(*(np.zeros(0, kind) for kind in plan.tables.values()))


class Lists(NamedTuple):
    """How many rows those tables have of which each realization has a number of its own."""

    avalanches: int = 0
    events: int = 0


class Progress(NamedTuple):
    """How many realizations are finished, and how many rows the tables have."""

    realizations: int = 0
    observables: int = 0
    profiles: int = 0
    avalanches: int = 0
    fields: int = 0
    cycles: int = 0
    events: int = 0

    @property
    def lists(self) -> Lists:
        """The rows of tables that are lists."""
        return Lists(self.avalanches, self.events)

    @classmethod
    def parse(cls, text: str) -> "Progress":
        """Return it from JSON.

        Raises
        ------
        ValueError
            The text is something else.
        """
        values = parse_json(text)
        if isinstance(values, dict):
            values = {"events": 0, **values}  # of a run of before it has none
        if not isinstance(values, dict) or set(values) != set(cls._fields):
            raise ValueError("is no number of realizations and rows")
        if any(type(n) is not int or not 0 <= n < 2**62 for n in values.values()):
            raise ValueError("counts what cannot be counted")
        return cls(**values)

    def text(self) -> str:
        """Return it as JSON."""
        return json.dumps(self._asdict())


class End(NamedTuple):
    """How many rows the tables have at the end of a realization, and why it ended."""

    records: int
    snapshots: int
    cycles: int
    why: int  # of `hpcepm.layout.ENDINGS`


MARKS: Final = ("snapshots", "cycles", "ended")
"""What a counted record says besides: how many snapshots and cycles there were, why it is the last.
"""


def ends_in(rows: NDArray[Any]) -> list[End]:
    """Return the ends of all realizations whose records are in counted rows of observables."""
    last = np.flatnonzero(rows["ended"])
    sums = (np.cumsum(rows[name][last]) for name in ("snapshots", "cycles"))
    return [End(*map(int, one)) for one in zip(last + 1, *sums, rows["ended"][last], strict=True)]


NOTHING: Final = End(0, 0, 0, 0)


class Start(NamedTuple):
    """From where the tables of a run go on."""

    progress: Progress = Progress()
    of_done: Lists = Lists()  # how many rows are of finished realizations
    pieces: Mapping[str, Sequence[Piece]] = {}
    shown: Progress = Progress()  # what the ``run.h5`` shows that is there


def snapshots_are_large(plan: Plan) -> bool:
    """Return whether the fields of a snapshot are a file of their own."""
    return not plan.in_memory and plan.snapshot_bytes >= LARGE_SNAPSHOT


def whole_realizations(plan: Plan, n: int, lists: Lists) -> Progress:
    """Return the progress of a run that has done n realizations, with lists of so many rows."""
    records, snapshots = n * len(plan.records), n * len(plan.snapshots)
    maps = snapshots if plan.field_names else 0
    cycles = n * plan.cycles
    return Progress(n, records, records, lists.avalanches, maps, cycles, lists.events)
