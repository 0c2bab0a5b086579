"""Where exports are written: complete or not there, and never over what somebody needs."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from hpcepm.analysis.missing import run_file_of
from hpcepm.analysis.places import refuse_own
from hpcepm.analysis.results import LOOKS, Results, open_run, version_of
from hpcepm.faults import NoRun
from hpcepm.files import partial_of, told
from hpcepm.reading import attribute
from hpcepm.text import memory

from .closed import write_closed
from .maps import numbers_of, write_vtk, write_xdmf
from .source import Groups, How, Part, groups_of
from .tables import TABLES, write_tables
from .taken import ABOUT, Refuse, refuse_folder, refuse_numbers, refuse_packed, refuse_xdmf
from .zarr import write_zarr


class HasMoved(Exception):
    """A run at work has removed files while they were read."""


class NotWritten(Exception):
    """The disk is full or gone; the message says where."""


class Kind(NamedTuple):
    """A format: what it is, what writes it, and of which groups; all if none is named."""

    what: str
    write: Callable[[Results, Groups, Path, How], None]
    refuse: Refuse = refuse_packed
    """Refuses to replace what is no earlier export of this kind."""

    groups: tuple[str, ...] = ()

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder of files."""
        return self.refuse is refuse_folder


MAPS: Final = ("fields",)

KINDS: Final = {
    "netcdf": Kind("all groups in a netCDF-4 file", write_closed),
    "zarr": Kind("all groups in a Zarr store, a folder", write_zarr, refuse_folder),
    "vtk": Kind("maps in a folder, for ParaView and OVITO", write_vtk, refuse_folder, MAPS),
    "xdmf": Kind("maps for ParaView: XML, and numbers in F.h5", write_xdmf, refuse_xdmf, MAPS),
    "csv": Kind("tables in a folder", write_tables, refuse_folder, TABLES),
}


def export(
    run: str,
    kind: str,
    path: str,
    part: Part = Part(),  # noqa: B008 (a tuple)
    gzip: bool = False,
    force: bool = False,
) -> list[str]:
    """Write a run in another format; return what to print.

    Parameters
    ----------
    run
        A run directory, or a packed run.
    kind
        One of `KINDS`.
    path
        Where: a file, or a folder that is made.
    part
        What of the run.
    gzip
        Whether numbers are compressed, in netCDF and Zarr.
    force
        Whether an earlier export of this kind is replaced; nothing else ever is.

    Raises
    ------
    NoRun
        There is no such run, or nothing of it to be written; or the path is taken.
    OSError
        It cannot be written; what was there is untouched.
    """
    form, where = KINDS[kind], Path(os.path.abspath(path))
    places = {where: form.refuse}
    if kind == "xdmf":
        places[numbers_of(where)] = refuse_numbers
    for place, refuse in places.items():
        refuse_own(place, run_file_of(run))
        _refuse_taken(place, refuse, force)
    for _ in range(LOOKS):
        before = version_of(run_file_of(run))
        try:
            with open_run(run, *form.groups) as opened:
                check = _check_of(opened, before)
                groups = groups_of(opened, part, form.groups)
                with _errors_of(path):
                    if form.is_folder:
                        with _folder(where, check) as folder:
                            form.write(opened, groups, folder, How(part, gzip))
                            (folder / ABOUT).write_text(_about(opened, kind, part))
                    else:
                        form.write(opened, groups, where, How(part, gzip, check))
                return _said(opened, path, where, groups)
        except NotWritten as error:
            raise OSError(str(error)) from None
        except HasMoved:
            pass
    raise NoRun(f"{run}: goes on faster than it is read; try again later")


@contextmanager
def _errors_of(path: str) -> Iterator[None]:
    """Tell errors of writing from those of the run that is read."""
    try:
        yield
    except OSError as error:
        raise NotWritten(told(path, error)) from None


def _refuse_taken(path: Path, refuse: Refuse, force: bool) -> None:
    """Refuse to write over what is there, but for an earlier export if that is wanted."""
    if not os.path.lexists(path):
        return
    if not force:
        raise NoRun(f"{path}: is there already; add --force to replace it, or choose another name")
    refuse(path)


def _check_of(run: Results, before: tuple[int, int] | None) -> Callable[[], None]:
    """Return what finds out whether all that was read of a run at work was there."""

    def check() -> None:
        if version_of(Path(run.file.filename)) == before:
            return
        for group in run.file.values():
            for shown in group.values():
                sources = shown.virtual_sources() if shown.is_virtual else ()
                if not all((run.directory / one.file_name).exists() for one in sources):
                    raise HasMoved

    return check


@contextmanager
def _folder(path: Path, check: Callable[[], None]) -> Iterator[Path]:
    """Make a folder in one instant, when all of it is on disk; an older one is replaced."""
    partial, old = partial_of(path), partial_of(path.with_name(f"{path.name}.old"))
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
        for folder, _, names in os.walk(partial):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    os.fsync(file.fileno())
        check()
        with suppress(FileNotFoundError):
            path.rename(old)
        partial.rename(path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _about(run: Results, kind: str, part: Part) -> str:
    """Return what a folder says of the run that it is of."""
    names = ("run", "created", "input")
    told = {name: attribute(run.file, name, str) for name in names}
    about = {"kind": kind, **part.told(), "finished": run.finished, **told}
    return json.dumps(about, indent=1, ensure_ascii=False)


def _said(run: Results, path: str, where: Path, groups: Groups) -> list[str]:
    """Say what was written, and of a run that goes on that it does."""
    files = [where, numbers_of(where)] if not where.is_dir() else where.rglob("*")
    size = memory(sum(file.stat().st_size for file in files if file.is_file()))
    (nx, ny), n = run.shape, run.realizations
    of = f"{n} realizations" if n > 1 else "1 realization"
    lines = [f"{path}: {of} of {nx} × {ny} sites, {', '.join(groups)}; {size}"]
    if not run.finished:
        lines.append(f"{run.called}: the run is not finished: this is what it has so far")
    return lines
