"""What a run would say of its output directory; nothing there is touched."""

import os
import re
from pathlib import Path

from hpcepm.files import reason
from hpcepm.input.read import ReadInput
from hpcepm.parallel.ranks import ProblemOnRank, Ranks
from hpcepm.reading import BadFile
from hpcepm.storage.directory import DirectoryTaken, Folder, no_folder
from hpcepm.storage.lock import holder_of

from .resume import Resume
from .save_points import plan_of


def refusal(read: ReadInput, world: Ranks) -> str | None:
    """Return why a run would refuse its output directory; None if it would not."""
    folder = Folder(read.settings.output.directory)
    try:
        said = _unusable(folder) or _taken(folder, read, world)
    except (DirectoryTaken, ProblemOnRank, BadFile) as error:
        head, *others = str(error).splitlines()
        told = re.sub("(, and|;) it was not touched", "", head).rstrip(".")
        listed = "; ".join(line.strip() for line in others)
        said = f"{' '.join(filter(None, (told, listed)))}; run refuses it, with --continue, too"
    except OSError as error:
        said = f"{folder.path}: cannot be used for output: {reason(error)}"
    return said and f"output.directory: {said}"


def _unusable(folder: Folder) -> str | None:
    """Return why a directory could not be made, or not be written into, if so."""
    path = folder.path
    there = next(one for one in (path, *path.parents, Path("/")) if os.path.lexists(one))
    problem = folder.unwritable()
    if not there.is_dir():
        problem = f"{there}: {no_folder(there)}"
    elif not os.access(there, os.W_OK | os.X_OK):
        problem = f"{there}: cannot be written into"
    return problem and f"{problem}; name another directory (--output DIR)"


def _taken(folder: Folder, read: ReadInput, world: Ranks) -> str | None:
    """Return what of a run is there, if so; raise if it could not be gone on with."""
    folder.refuse_links()
    holder = holder_of(folder.path / "run.lock")
    if holder is not None and holder.alive:
        return f"{folder.path}: is in use by another run ({holder.told})"
    if not (there := folder.of_a_run()):
        return None
    Resume(world, read, folder, plan_of(read.settings), {}, wanted=True)
    return f"{folder.path}: holds a run already ({there[0]}); only with --continue run goes on"
