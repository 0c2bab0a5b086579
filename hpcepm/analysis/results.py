"""A run, opened to be read: finished, at work, or dead.

All files that are shown are checked before HDF5 opens them: whoever opens a run gets its numbers,
or one sentence that says why not, a `NoRun`.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from hpcepm.layout import NoRun
from hpcepm.reading import BadFile, open_hdf5, reading

from .shape import check_run

if TYPE_CHECKING:
    from xarray import DataTree


LOOKS: Final = 5
"""How often a run at work is looked at before it is said to be damaged."""


class Results(NamedTuple):
    """An open run."""

    file: h5py.File
    directory: Path
    settings: dict[str, Any]
    """The input with every default, as ``input_resolved`` has it."""

    finished: bool

    @property
    def shape(self) -> tuple[int, int]:
        """The lattice, (nx, ny)."""
        nx, ny = self.settings["lattice"]["shape"]
        return nx, ny

    @property
    def observables(self) -> dict[str, h5py.Dataset]:
        """What was measured, by name; each (realization, record)."""
        group = self.file["observables"]
        return {name: dataset for name, dataset in group.items() if dataset.ndim == 2}

    @property
    def realizations(self) -> int:
        """How many there are so far."""
        return self.file["observables/realization"].size

    @property
    def strain(self) -> NDArray[np.float64]:
        """The strains of the records."""
        return self.file["observables/strain"][()]

    def observable(self, name: str) -> NDArray[Any]:
        """Return the values of an observable, (realization, record)."""
        return self.file["observables"][name][()]

    def require_records(self) -> None:
        """Refuse a run of which nothing can be shown.

        Raises
        ------
        NoRun
            No realization has two records.
        """
        if self.realizations == 0 or self.strain.size < 2:
            raise NoRun(f"{self.file.filename}: has no two records yet; wait a little")


def run_file_of(path: str | os.PathLike[str]) -> Path:
    """Return the ``run.h5`` that is meant by its own path or by that of its directory."""
    return Path(path) if Path(path).is_file() else Path(path) / "run.h5"


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
                run = Results(file, run_file.parent, *check_run(file, groups))
            except BadFile as error:
                if again and version_of(run_file) != before:
                    continue  # a run at work has just replaced it, and removed an old piece
                hint = "" if run_file.is_file() else "; name the output directory of a run"
                raise BadFile(f"{error}{hint}") from error
            yield run
            return


def version_of(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from one that replaced it."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_ino, found.st_mtime_ns


def open_tree(path: str | os.PathLike[str]) -> "DataTree":
    """Open a run as an ``xarray.DataTree`` with the groups of ``run.h5``; `hpcepm.open`.

    Its arrays are read when they are used.

    Raises
    ------
    NoRun
        As `open_run`; or xarray or h5netcdf is not installed.
    """
    with open_run(path) as run:
        name = run.file.filename
    with reading(Path(name)):
        return tree_of(name)


def tree_of(source: str | IO[bytes]) -> "DataTree":
    """Return the ``xarray.DataTree`` of an HDF5 file laid out as ``run.h5``, or of its bytes."""
    require_xarray()
    from xarray import open_datatree

    try:
        return open_datatree(source, engine="h5netcdf")
    except OSError:  # a file system without locks
        return open_datatree(source, engine="h5netcdf", driver_kwds={"locking": False})


def require_xarray() -> None:
    """Find out whether a tree can be made, before anything else is done.

    Raises
    ------
    NoRun
        xarray or h5netcdf is not installed.
    """
    try:
        import_module("h5netcdf")  # without it xarray complains in many words
        import_module("xarray")
    except ImportError as error:
        said = f"this needs xarray and h5netcdf: pip install 'hpcepm[xarray]' ({error})"
        raise NoRun(said) from None
