"""Room on the disk: what a run will write, and whether it fits."""

import contextlib
import os
from pathlib import Path

from hpcepm.input import Input, InputError
from hpcepm.model.observables import RECORD, profile_dtype
from hpcepm.model.state import KINDS
from hpcepm.text import memory as in_words

from .save_points import schedule


def free_bytes(path: Path) -> int:
    """Return how much may be written where a directory is, or will be."""
    while not path.exists() and path != path.parent:
        path = path.parent
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def bytes_of_checkpoint(settings: Input) -> int:
    """Return the size of a checkpoint."""
    nx, ny = settings.lattice.shape
    return nx * ny * sum(kind.itemsize for kind in KINDS.values())


def bytes_of_run(settings: Input) -> int:
    """Return what a whole run will write.

    Records, snapshots, the checkpoints it keeps and one more beside them.

    Avalanches are left out: nobody knows their number.
    """
    (nx, ny), fields = settings.lattice.shape, settings.output.fields
    stops = schedule(settings)
    of_record = RECORD.itemsize + profile_dtype((nx, ny)).itemsize
    of_snapshot = (
        nx
        * ny
        * sum(
            KINDS.get(name, KINDS["sigma_c"]).itemsize for name in (fields.names if fields else ())
        )
    )
    written = (
        sum(stop.record for stop in stops) * of_record
        + sum(stop.snapshot for stop in stops) * of_snapshot
    )
    if settings.realizations > 1:  # without checkpoints
        return settings.realizations * written
    return written + (settings.checkpoint.keep + 1) * bytes_of_checkpoint(settings)


def refuse_too_much(settings: Input) -> None:
    """Raise `InputError` if a run will not fit on the disk, what is in its directory already counted in."""
    directory = Path(settings.output.directory)
    try:
        room = free_bytes(directory)
    except (OSError, ValueError):
        return  # whoever makes the directory will say what is wrong with it
    for path in directory.rglob("*"):
        with contextlib.suppress(OSError):
            room += path.stat().st_size
    needed = bytes_of_run(settings)
    if needed > room:
        said = f"the run will write {in_words(needed)}, and there is room for {in_words(room)}"
        raise InputError(
            [f"output.directory: {directory}: {said}; take another disk, or fewer output.fields"]
        )
