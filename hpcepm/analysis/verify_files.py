"""Whether the files of a run belong together: a part of ``hpcepm verify``."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import h5py
import numpy as np

from hpcepm.files import PARTIAL
from hpcepm.identity import require_run
from hpcepm.layout import CHECKPOINT_NAME, PIECE_NAME, piece_name
from hpcepm.reading import (
    BadFile,
    attribute,
    count,
    dataset,
    group,
    names,
    open_hdf5,
    own_names,
    parse_json,
    reading,
)

LARGE_SNAPSHOT: Final = r"fields-\d{12}\.h5"


def problems(files: list[Path], of: Callable[[Path], str | None]) -> list[str]:
    """Return what is wrong with files that are still there: a run at work removes old ones."""
    found = [(path, of(path)) for path in files]
    return [problem for path, problem in found if problem is not None and path.exists()]


def foreign(path: Path, run: str) -> str | None:
    """Say whether a file, whose checksum is right, is of another run."""
    try:
        with open_hdf5(path, checked=True) as file:
            require_run(file, run)
    except BadFile as error:
        return str(error)
    return None


def incomplete(checkpoint: Path) -> str | None:
    """Say what a checkpoint counts on that is not there."""
    pieces = checkpoint.parent.parent / "pieces"
    try:
        with open_hdf5(checkpoint, checked=True) as file:
            for piece in _counted_on(file):
                if not (pieces / piece).exists():
                    return f"{checkpoint}: counts on {piece}, which is missing"
    except BadFile as error:
        return str(error)
    return None


def _counted_on(checkpoint: h5py.File) -> Iterator[str]:
    """Yield the names of the pieces that an open checkpoint counts on."""
    count(checkpoint, "format_version")
    tables = group(checkpoint, "pieces")
    for table in names(tables, r"\w+"):
        for _, serial in dataset(tables, table, np.int64, (None, 2)):
            yield piece_name(table, serial)


def unused(damaged: list[Path], run_file: Path, checkpoints: list[Path]) -> list[Path]:
    """Return which damaged files are pieces that neither ``run.h5`` nor a checkpoint counts on.

    Such stay when a run went on from a checkpoint before. Large snapshots go by number, and count.
    """
    if set(damaged) & {run_file, *checkpoints}:
        return []  # nobody knows on what these count
    used: set[str] = set()

    def note(_: str, one: h5py.Dataset | h5py.Group) -> None:
        if isinstance(one, h5py.Dataset) and one.is_virtual:
            used.update(Path(source.file_name).name for source in one.virtual_sources())

    try:
        with reading(run_file), open_hdf5(run_file, checked=True) as file:
            file.visititems(note)
        for path in checkpoints:
            with open_hdf5(path, checked=True) as file:
                used.update(_counted_on(file))
    except BadFile:
        return []
    small = (path for path in damaged if not re.fullmatch(LARGE_SNAPSHOT, path.name))
    return [path for path in small if path.name not in used]


def ahead(checkpoint: Path, shown: h5py.File) -> str | None:
    """Say whether ``run.h5``, which is written before each checkpoint, is older than one."""
    try:
        with open_hdf5(checkpoint, checked=True) as file:
            if _has_more(file, shown):
                said = "--repair makes it anew, and so does --continue"
                return f"{checkpoint}: has come further than run.h5 shows: {said}"
    except (BadFile, ValueError, TypeError, KeyError) as error:
        return f"{checkpoint}: {error}"
    return None


def _has_more(checkpoint: h5py.File, shown: h5py.File) -> bool:
    """Whether a checkpoint of the same loading counts on more than ``run.h5`` shows.

    Of another target or other realizations, records of the one need not be those of the other. A
    ``run.h5`` that was made anew from pieces shows finished realizations alone, if there are any.
    """
    theirs, ours = (
        parse_json(attribute(one, "input_resolved", str)) for one in (checkpoint, shown)
    )
    counted = parse_json(attribute(checkpoint, "progress", str))
    rows = parse_json(attribute(shown, "rows", str))
    if theirs["loading"] != ours["loading"]:
        return False
    alike = theirs["realizations"] == ours["realizations"] and counted["realizations"] == 0
    return bool(
        counted["realizations"] > rows["realizations"]
        or (alike and counted["observables"] > rows["observables"])
    )


def not_of_a_run(folder: Path) -> Iterator[str]:
    """Name what lies in the folders of a run and is not its own."""
    own = {"pieces": PIECE_NAME, "checkpoints": f"{CHECKPOINT_NAME}|newest"}
    for name, pattern in own.items():
        ours = own_names(folder / name, rf"(?:{pattern})(?:{PARTIAL})?")
        others = set(own_names(folder / name, r"(?s:.*)")) - set(ours)
        yield from (f"{name}/{other}" for other in sorted(others))
