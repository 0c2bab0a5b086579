"""Where what is made of a run goes: beside it, and never into the place of what belongs to it."""

import os
from pathlib import Path
from typing import Final

from hpcepm.faults import NoRun

from .missing import RUN_FILE

OWN_FILES: Final = (RUN_FILE, "run.lock", "run.log", "progress.json", "STOP", "CHECKPOINT")
OWN_FOLDERS: Final = ("pieces", "checkpoints")
"""What a run has in its directory, or looks for there."""


def is_packed(run_file: Path) -> bool:
    """Return whether a run is one file: nobody is at work in that, and others lie beside it."""
    return run_file.name != RUN_FILE


def beside(run_file: Path, name: str) -> Path:
    """Return the path of what is made of a run: in its directory, or beside a packed run."""
    return run_file.with_name(f"{run_file.stem}-{name}" if is_packed(run_file) else name)


def refuse_own(path: Path, run_file: Path) -> None:
    """Refuse the names of a run's own files, whether they are there or not, and those of others.

    Parameters
    ----------
    path
        Where something is to be written.
    run_file
        The ``run.h5`` of a run, or a packed run.

    Raises
    ------
    NoRun
        It is the run, a folder that the run is in, or one of its own names; or one of the names
        of a run that is where it would come.
    """
    run, real = _resolved(run_file), _resolved(path)
    # A link is replaced, not followed: its own name counts too.
    named = _resolved(path.parent) / path.name
    homes = [one for one in (*real.parents, *named.parents) if os.path.exists(one / RUN_FILE)]
    if not is_packed(run_file):
        homes.append(run.parent)
    own = [run, *run.parents]
    own += [home / name for home in homes for name in (*OWN_FILES, *OWN_FOLDERS)]
    inside = [home / name for home in homes for name in OWN_FOLDERS]
    if real in own or named in own or any(folder in real.parents for folder in inside):
        raise NoRun(f"{os.fspath(path)}: belongs to a run; choose another name")


def _resolved(path: Path) -> Path:
    """Return a path without links; of links in a circle, as far as that goes."""
    return Path(os.path.realpath(path))
