"""What to tell where no run is: what was meant, if that can be seen."""

import os
import stat
from pathlib import Path
from typing import Final

from hpcepm.files import told
from hpcepm.layout import PIECE_NAME
from hpcepm.reading import own_names

RUN_FILE: Final = "run.h5"
MOST_LOOKED_AT: Final = 1000
MOST_SHOWN: Final = 3


def run_file_of(path: str | os.PathLike[str]) -> Path:
    """Return the ``run.h5`` that is meant by its own path or by that of its directory."""
    path = Path(path)
    return path if os.path.isfile(path) or path.name == RUN_FILE else path / RUN_FILE


def no_run(path: str | os.PathLike[str]) -> str | None:
    """Say that there is no run under a path, and what to name; None if there may be one."""
    path = Path(path)
    if os.path.isfile(path) and path.name != RUN_FILE and not _begins_as_hdf5(path):
        said = "is no run"
        if path.suffix in (".yaml", ".yml"):
            said = "is an input, no run"
        return f"{path}: {said}; {_near(path)}"
    run_file = run_file_of(path)
    try:
        if stat.S_ISREG(run_file.stat().st_mode):
            return None
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        return told(run_file, error)
    if own_names(run_file.parent / "pieces", PIECE_NAME):
        remedy = f"hpcepm verify {run_file.parent} --repair makes it of the pieces"
        return f"{run_file}: No such file or directory; {remedy}"
    if os.path.isfile(run_file.parent / "run.lock"):
        said = "a run began there, and wrote nothing yet; look again, or start it anew"
        return f"{run_file}: No such file or directory: {said}"
    return f"{run_file}: No such file or directory; {_near(run_file.parent)}"


def _begins_as_hdf5(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(4) == b"\x89HDF"
    except OSError:
        return False


def _near(path: Path) -> str:
    """Return which directory to name: one of a run above or below, if there is any."""
    name = path.stem if path.suffix else path.name
    tried = [*path.parents[:2], Path("runs", name)]
    found = [folder for folder in tried if os.path.isfile(folder / RUN_FILE)]
    if not found and os.path.isdir(path) and os.access(path, os.R_OK):
        inside = sorted(os.listdir(path))[:MOST_LOOKED_AT]
        found = [path / one for one in inside if os.path.isfile(path / one / RUN_FILE)]
    if not found:
        return "name the output directory of a run"
    shown = ", ".join(map(str, found[:MOST_SHOWN])) + ", …" * (len(found) > MOST_SHOWN)
    return f"name the output directory of a run, as {shown}"
