"""The folder of the checkpoints of a run: which is the newest, and which may go."""

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

from hpcepm.files import PARTIAL, Check, damage, no_check, open_regular, remove, write_bytes
from hpcepm.layout import CHECKPOINT_NAME, checkpoint_name, piece_name
from hpcepm.parallel.ranks import Ranks
from hpcepm.reading import BadFile, own_names

from .checkpoint import CheckpointHeader, ForeignCheckpoint, read_header
from .fields import damage_seen_together

NEWEST: Final = "newest"
"""A file with the name of the newest checkpoint, so that it is missed if it gets lost."""

SEALED: Final = b"hpcepm sealed file 1"
"""Files of formats up to 3 began so."""


def newest_checkpoint(
    folder: Path, ranks: Ranks, run: str | None = None
) -> tuple[CheckpointHeader | None, list[str]]:
    """Return the header of the newest sound checkpoint, and what is wrong with newer ones.

    None if the folder has none. Collective.

    Parameters
    ----------
    folder, ranks
        Where; and who looks.
    run
        The identity of the run, if it is known; checkpoints of others do not count.

    Raises
    ------
    ForeignCheckpoint
        A version with another format wrote it.
    BadFile
        There are checkpoints, and none can be used.
    """
    found: tuple[list[Path], Path | None] | BadFile = ([], None)
    if ranks.is_root:
        try:
            found = checkpoints_in(folder), missing_newest(folder)
        except BadFile as error:
            found = error
    found = ranks.bcast(found)
    if isinstance(found, BadFile):
        raise found
    paths, missing = found
    problems: list[str] = []
    if missing is not None:
        problems.append(f"{missing}: the newest checkpoint is missing")
    for path in paths:
        header = _header_seen_together(path, ranks, run)
        if isinstance(header, CheckpointHeader):
            return header, problems
        problems.append(str(header))
    if problems:
        said = "\n  ".join(problems)
        remedy = "mend that, or begin anew in another directory"
        raise BadFile(f"no checkpoint can be used; {remedy}:\n  {said}")
    return None, []


def _header_seen_together(path: Path, ranks: Ranks, run: str | None) -> CheckpointHeader | BadFile:
    """Return a header as rank 0 reads it, or what is wrong with it. Collective."""
    problem = damage_seen_together(path, ranks)
    found: CheckpointHeader | BadFile | None = None
    if ranks.is_root:
        try:
            _refuse_old(path)
            if problem is not None:
                raise BadFile(problem)
            found = read_header(path, checked=True)
            if run is not None and found.identity.run != run:
                found = BadFile(f"{path}: is of another run")
            else:
                _refuse_lost_pieces(found)
        except BadFile as error:
            found = error
    found = ranks.bcast(found)
    if isinstance(found, ForeignCheckpoint):
        raise found
    assert found is not None
    return found


def _refuse_lost_pieces(header: CheckpointHeader) -> None:
    """Raise `BadFile` if a piece is damaged or missing: one before may count on others."""
    folder = header.path.parent.parent / "pieces"
    for table, pieces in header.pieces.items():
        for piece in pieces:
            if problem := damage(folder / piece_name(table, piece.serial)):
                raise BadFile(f"{header.path}: counts on {problem}")


def remedy(header: CheckpointHeader | None) -> str:
    """Return what to do where something is lost that a run counts on."""
    older = f"remove {header.path} to go on from one before it, or " if header else ""
    return f"Without it the run cannot go on; {older}begin it anew in another directory"


def checkpoints_in(folder: Path) -> list[Path]:
    """Return the checkpoints of a folder, the newest first."""
    return [folder / name for name in reversed(own_names(folder, CHECKPOINT_NAME))]


def missing_newest(folder: Path) -> Path | None:
    """Return the newest checkpoint that there was, if it is missing."""
    try:
        with open_regular(folder / NEWEST) as file:
            name = file.read(100).decode("ascii", "replace").strip()
    except OSError:
        return None
    newest = folder / name
    gone = re.fullmatch(CHECKPOINT_NAME, name) and checkpoints_in(folder)[:1] < [newest]
    return newest if gone else None


def _refuse_old(path: Path) -> None:
    try:
        with open_regular(path) as file:
            old = file.read(len(SEALED)) == SEALED
    except OSError:
        return  # its checksum will not be right either
    if old:
        raise ForeignCheckpoint(
            f"{path}: has format 3 or older, and this hpcepm does not read it: "
            "go on with the version that began the run, or begin anew in another directory"
        )


class Checkpoints:
    """The checkpoints of one run, of which the newest are kept. On rank 0.

    Parameters
    ----------
    folder, run
        Where, and the identity of the run: what is of another stays.
    keep
        How many.
    newest
        The header of the one from which the run goes on.
    check
        See `hpcepm.files.Check`.
    """

    def __init__(
        self,
        folder: Path,
        run: str,
        keep: int,
        newest: CheckpointHeader | None,
        check: Check = no_check,
    ) -> None:
        self.folder, self._run, self._keep, self._check = folder, run, keep, check
        self._known: dict[Path, CheckpointHeader | None] = {}
        self._number = newest.number if newest else 0
        if newest is not None:
            self._known[newest.path] = newest

    def next_number(self) -> int:
        """Return a number above all of this run, and of no file that lies there."""
        self._number += 1
        while os.path.lexists(self.folder / checkpoint_name(self._number)):
            self._number += 1
        return self._number

    def wrote(self, path: Path) -> set[str]:
        """Note the newest, and remove what is not kept; return the pieces that are counted on.

        Those stay to which one that is kept refers. What cannot be removed stays.
        """
        write_bytes(self.folder / NEWEST, f"{path.name}\n".encode(), self._check)
        self._known[path] = read_header(path, checked=True)
        ours = [header for path in checkpoints_in(self.folder) if (header := self._header(path))]
        kept = ours[: self._keep]
        waiting = {path for header in kept for path, *_ in header.begun.values()}
        kept += [header for header in ours[self._keep :] if header.path in waiting]
        for header in ours:
            if header not in kept:
                remove(header.path, self._check)
        for name in own_names(self.folder, rf"(?:{CHECKPOINT_NAME}|{NEWEST}){PARTIAL}"):
            remove(self.folder / name, self._check)
        return {
            piece_name(table, piece.serial)
            for header in kept
            for table, pieces in header.pieces.items()
            for piece in pieces
        }

    def _header(self, path: Path) -> CheckpointHeader | None:
        """Return the header of a checkpoint of this run; None for damaged and foreign ones."""
        if path not in self._known:
            self._known[path] = None
            with suppress(BadFile):
                header = read_header(path)
                self._known[path] = header if header.identity.run == self._run else None
        return self._known[path]
