"""What an export may replace: an earlier one of its kind, and nothing else."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hpcepm.faults import NoRun
from hpcepm.files import open_regular
from hpcepm.layout import PACKED
from hpcepm.reading import BadFile, json_of, open_hdf5

ABOUT: Final = "export.json"
"""Says of which run a folder is; a folder that has it may be replaced."""

XDMF: Final = rb'<\?xml[^>]*>\s*<Xdmf Version="3.0">\s*<Domain>\s*<Grid Name="r\d{6,}"'
"""How an XDMF file of ours begins."""


def refuse_folder(path: Path) -> None:
    """Refuse what is no folder of an earlier export. Raises `NoRun`."""
    if path.is_symlink():
        raise _refused(path, "it is a link")
    if not (path / ABOUT).is_file():
        raise _refused(path, f"it has no {ABOUT}")


def refuse_packed(path: Path) -> None:
    """Refuse what is no packed run. Raises `NoRun`."""
    _refuse_hdf5(path, is_run=True)


def refuse_numbers(path: Path) -> None:
    """Refuse what does not hold the numbers of an XDMF file. Raises `NoRun`."""
    _refuse_hdf5(path, is_run=False)


def _refuse_hdf5(path: Path, is_run: bool) -> None:
    _refuse_folders(path)
    try:
        with open_hdf5(path) as file:
            json_of(file, PACKED)
            holds_run = "observables" in file
    except BadFile as error:
        raise _refused(path, str(error).removeprefix(f"{path}: ")) from None
    if holds_run != is_run:
        raise _refused(path, "it is a packed run" if holds_run else "it holds no run")


def refuse_xdmf(path: Path) -> None:
    """Refuse what does not begin as an XDMF file of ours. Raises `NoRun`."""
    _refuse_folders(path)
    try:
        with open_regular(path) as file:
            begins = file.read(1000)
    except OSError as error:
        raise _refused(path, str(error.strerror)) from None
    if not re.match(XDMF, begins):
        raise _refused(path, "it begins otherwise")


Refuse = Callable[[Path], None]


def _refuse_folders(path: Path) -> None:
    if path.is_dir():
        raise NoRun(f"{path}: is a folder; choose another name")


def _refused(path: Path, why: str) -> NoRun:
    return NoRun(f"{path}: is no earlier export: {why}; remove it, or choose another name")
