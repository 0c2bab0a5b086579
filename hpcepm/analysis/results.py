"""A run, opened to be read: finished, at work, or dead.

All files that are shown are checked before HDF5 opens them: whoever opens a run gets its numbers,
or one sentence that says why not, a `NoRun`.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from hpcepm.faults import NoRun
from hpcepm.layout import PACKED
from hpcepm.reading import BadFile, json_of, open_hdf5
from hpcepm.schedule import is_known

from .missing import no_run, run_file_of
from .places import beside, is_packed
from .shape import PLACES, check_run

LOOKS: Final = 5
"""How often a run at work is looked at before it is said to be damaged."""


class TooEarly(NoRun):
    """A run of which nothing can be shown yet.

    Attributes
    ----------
    what
        What it lacks.
    directory
        Where it is.
    """

    def __init__(self, what: str, directory: Path) -> None:
        self.what, self.directory = what, directory
        super().__init__(f"{what}; wait a little, or go on with --continue if it was stopped")


class Results(NamedTuple):
    """An open run."""

    file: h5py.File
    directory: Path
    settings: dict[str, Any]
    """The input with every default, as ``input_resolved`` has it."""

    finished: bool

    groups: tuple[str, ...] = ()
    """The groups that were checked, and may be read; all if none is named."""

    def has(self, group: str) -> bool:
        """Whether there is a group that may be read."""
        return group in self.file and (not self.groups or group in self.groups)

    @property
    def chosen(self) -> list[dict[str, Any]]:
        """What was chosen of the run when it was packed, each time; nothing of one in pieces."""
        return json_of(self.file, PACKED) if PACKED in self.file.attrs else []

    @property
    def is_whole(self) -> bool:
        """Whether all rows of the run are there."""
        return not any(one["only"] or one["strain"] for one in self.chosen)

    @property
    def is_cut(self) -> bool:
        """Whether what is there lies between two strains."""
        return any(one["strain"] for one in self.chosen)

    @property
    def called(self) -> Path:
        """What messages call the run: its directory, or a packed run's file."""
        path = self.directory / Path(self.file.filename).name
        return path if is_packed(path) else self.directory

    def beside(self, name: str) -> Path:
        """Return the path of what is made of the run: in its directory, or beside a packed run."""
        path = Path(self.file.filename)  # absolute; the directory is as it was named
        return beside(self.directory / path.name, name)

    @property
    def shape(self) -> tuple[int, int]:
        """The lattice, (nx, ny)."""
        nx, ny = self.settings["lattice"]["shape"]
        return nx, ny

    @property
    def observables(self) -> dict[str, h5py.Dataset]:
        """What was measured, by name; each (realization, record)."""
        group = self.file["observables"]
        return {
            name: dataset
            for name, dataset in group.items()
            if dataset.ndim == 2 and name not in PLACES
        }

    @property
    def has_clock(self) -> bool:
        """Whether time passed."""
        return self.settings.get("clock") is not None

    @property
    def times(self) -> NDArray[np.float64]:
        """The times of the records of a run with a clock, (realization, record)."""
        return self.file["observables/time"][()]

    @property
    def realizations(self) -> int:
        """How many there are so far."""
        return self.file["observables/realization"].size

    @property
    def counted(self) -> bool:
        """Whether realizations have records at strains of their own, and numbers of them."""
        return not is_known(self.settings)

    @property
    def strain(self) -> NDArray[np.float64]:
        """The strains of the records: (record,), or (realization, record) if they are counted."""
        return self.file["observables/strain"][()]

    @property
    def strains(self) -> NDArray[np.float64]:
        """The strains of the records, (realization, record)."""
        return np.broadcast_to(self.strain, (self.realizations, self.strain.shape[-1]))

    def curves(self, name: str) -> Iterator[tuple[NDArray[np.float64], NDArray[Any]]]:
        """Yield strain and values of an observable for each realization, as far as it has come."""
        for k, (strain, values) in enumerate(zip(self.strains, self.observable(name), strict=True)):
            n = self.records_of(k)
            yield strain[:n], values[:n]

    def records_of(self, realization: int) -> int:
        """Return how many records a realization has."""
        if self.counted:
            return int(self.file["observables/records"][realization])
        return self.strain.size

    def observable(self, name: str) -> NDArray[Any]:
        """Return the values of an observable, (realization, record)."""
        return self.file["observables"][name][()]

    def require_records(self) -> None:
        """Refuse a run of which nothing can be shown.

        Raises
        ------
        NoRun
            No realization has two records; or one has none in a part of a run.
        """
        if self.realizations == 0 or self.strain.shape[-1] < 2:
            said = f"{self.file.filename}: has no two records"
            if self.is_cut:
                raise NoRun(f"{said}, a part of a run; pack a wider --strain")
            if self.finished:
                raise NoRun(f"{said}; lower output.observables.every, and run again")
            raise TooEarly(f"{said} yet", self.directory)
        if not (self.is_cut and self.counted):
            return
        none = np.flatnonzero(self.file["observables/records"][()] == 0)
        if none.size:
            said = f"realization {none[0]} has no record in this part of the run"
            raise NoRun(f"{self.file.filename}: {said}; pack a wider --strain")


@contextmanager
def open_run(path: str | os.PathLike[str], *groups: str) -> Iterator[Results]:
    """Open a run; needs h5py alone.

    Parameters
    ----------
    path
        Its directory, or its ``run.h5``.
    groups
        Which groups of ``run.h5`` will be read; all if none is named. A ``run.h5`` that was copied
        alone is good for those that lie in it whole.

    Raises
    ------
    NoRun
        There is none, it is damaged, or of another version; or files of it are missing, damaged,
        or of another run.
    """
    run_file = run_file_of(path)
    for again in range(LOOKS - 1, -1, -1):
        with ExitStack() as stack:
            before = version_of(run_file)
            try:
                file = stack.enter_context(open_hdf5(run_file))
                run = Results(file, run_file.parent, *check_run(file, groups), groups)
            except BadFile as error:
                if again and version_of(run_file) != before:
                    continue  # a run at work has just replaced it, and removed an old piece
                raise BadFile(no_run(path) or str(error)) from error
            yield run
            return


def version_of(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from one that replaced it."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_ino, found.st_mtime_ns
