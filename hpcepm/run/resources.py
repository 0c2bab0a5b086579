"""Room on the disk and in memory: what a run needs, and whether it is there."""

import contextlib
import os
from pathlib import Path
from typing import Final

from hpcepm.input.problems import InputError
from hpcepm.input.schema import Input
from hpcepm.layout import CHECKPOINT_NAME, PIECE_NAME
from hpcepm.model.state import KINDS
from hpcepm.reading import BadFile, bytes_of_this_machine, own_names
from hpcepm.storage.plan import snapshots_are_large
from hpcepm.text import count, memory

from .save_points import plan_of
from .terminal import Progress

COPIES: Final = 3
"""Of what is kept in memory, in the end: rows, the bytes of ``run.h5``, and arrays of the tree."""

MOST_OF_A_ROW: Final = 2**31 - 1
"""Bytes that an element of an array may have in numpy."""


def free_bytes(path: Path) -> int:
    """Return how much may be written where a directory is, or will be."""
    while not path.exists() and path != path.parent:
        path = path.parent
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def bytes_of_checkpoint(settings: Input) -> int:
    """Return the size of a checkpoint of one realization."""
    nx, ny = settings.lattice.shape
    return nx * ny * sum(KINDS[name].itemsize for name in settings.state_fields)


def bytes_of_run(settings: Input) -> int:
    """Return what a whole run will write.

    Records, snapshots, the checkpoints it keeps and one more beside them. Avalanches are left out,
    and records where they are counted: nobody knows their number.
    """
    plan = plan_of(settings)
    kinds = plan.tables
    record = kinds["observables"].itemsize + kinds["profiles"].itemsize
    written = len(plan.records) * record + len(plan.snapshots) * plan.snapshot_bytes
    checkpoints = (settings.checkpoint.keep + 1) * bytes_of_checkpoint(settings)
    return settings.realizations * written + checkpoints


def refuse_too_much(settings: Input) -> None:
    """Raise `InputError` if a run will not fit on the disk, or into the files that it would write.

    What is in its directory already is counted in.
    """
    plan = plan_of(settings)
    if plan.counted and settings.realizations > 1 and snapshots_are_large(plan):
        said = f"snapshots of {memory(plan.snapshot_bytes)} of several realizations need records"
        remedy = "take one realization in each run, or fewer fields"
        raise InputError([f"output.fields: {said} at known strains: {remedy}"])
    directory = Path(settings.output.directory)
    try:
        room = free_bytes(directory)
    except (OSError, ValueError):
        return  # whoever makes the directory will say what is wrong with it
    room += _bytes_of_run_in(directory)
    needed = bytes_of_run(settings)
    if needed > room:
        said = f"the run will write {memory(needed)}, and there is room for {memory(room)}"
        remedy = "take another disk, or fewer output.fields"
        raise InputError([f"output.directory: {directory}: {said}; {remedy}"])


def refuse_too_much_in_memory(settings: Input) -> None:
    """Raise `InputError` if the snapshots of a run without a directory will not fit into memory."""
    plan, room = plan_of(settings), bytes_of_this_machine()
    one, snapshots = plan.snapshot_bytes, settings.realizations * max(1, len(plan.snapshots))
    said = None
    if one > MOST_OF_A_ROW:
        said = f"a snapshot of {memory(one)} is more than what is kept without files"
    elif (needed := COPIES * snapshots * one) > room:
        of = f"{count(snapshots)} snapshots of {memory(one)}"
        said = f"{of} need {memory(needed)} of memory, and this machine has {memory(room)}"
    if said is not None:
        raise InputError([f"output.fields: {said}; give a directory=…, or take fewer fields"])


def _bytes_of_run_in(directory: Path) -> int:
    """Return how long the files of a run are. What others are there makes no room."""
    files = [directory / "run.h5"]
    for folder, pattern in (("pieces", PIECE_NAME), ("checkpoints", CHECKPOINT_NAME)):
        with contextlib.suppress(BadFile):
            files += [directory / folder / name for name in own_names(directory / folder, pattern)]
    taken = 0
    for file in files:
        with contextlib.suppress(OSError):
            taken += file.lstat().st_size  # not its blocks: some file systems compress
    return taken


class DiskWatch:
    """Warns, once, when the next checkpoint may find no room. On rank 0.

    ``at_a_time`` is how many realizations are under way in one.
    """

    def __init__(self, settings: Input, at_a_time: int) -> None:
        self._needed = at_a_time * bytes_of_checkpoint(settings)
        self._warned = False

    def look(self, path: Path, progress: Progress | None) -> None:
        """Look at the disk that a directory is on."""
        free = free_bytes(path)
        scarce = free < 2 * self._needed
        if scarce and not self._warned and progress:
            said = f"the disk has only {memory(free)} left, and a checkpoint needs"
            progress.warn([f"{path}: {said} {memory(self._needed)}: make room"])
        self._warned = scarce
