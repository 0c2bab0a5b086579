"""The directory that a run owns: what may be in it, and who holds it."""

import os
import stat
from pathlib import Path
from typing import Final

from hpcepm.files import reason
from hpcepm.identity import Identity
from hpcepm.layout import CHECKPOINT_NAME, LAYOUT_VERSION, PIECE_NAME
from hpcepm.reading import BadFile, attribute, count, open_hdf5, own_names

from .lock import Claim, InUse, Lock


class DirectoryTaken(Exception):
    """The directory is in use, or holds a run that must not be touched."""


class DirectoryUnusable(Exception):
    """The directory cannot be made or written."""


BY_OPTIONS: Final = ("Add --continue", "--output DIR")
"""How the command line says that a run may be continued, and where another one goes."""


class Folder:
    """Where ``run.h5``, its pieces and the checkpoints lie, held by nobody.

    Parameters
    ----------
    path
        As the user named it.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    @property
    def pieces(self) -> Path:
        """Where closed pieces of the output lie."""
        return self.path / "pieces"

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints lie."""
        return self.path / "checkpoints"

    @property
    def run_file(self) -> Path:
        """The file that users open."""
        return self.path / "run.h5"

    def unwritable(self) -> str | None:
        """Return what of it cannot be written by this user, and why; None if there is nothing."""
        for folder in (self.path, self.pieces, self.checkpoints):
            if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
                return f"{folder}: cannot be written into"
        for file in (self.run_file, self.checkpoints / "newest"):
            if os.path.lexists(file) and not _may_be_replaced(file):
                return f"{file}: is another user's, and its folder is sticky (chmod +t)"
        return None

    def refuse_links(self) -> None:
        """Raise `DirectoryTaken` if a folder in it is a link."""
        for folder in (self.pieces, self.checkpoints):
            if folder.is_symlink():
                said = "is a link, and a run writes in its own directory only"
                raise DirectoryTaken(f"{folder}: {said}")

    def of_a_run(self) -> list[str]:
        """Return the names of what a run left here.

        Raises
        ------
        DirectoryTaken
            It is a ``run.h5`` that is none of ours.
        """
        there = [
            *own_names(self.path, r"run\.h5"),
            *own_names(self.pieces, PIECE_NAME),
            *own_names(self.checkpoints, CHECKPOINT_NAME),
        ]
        if there == ["run.h5"]:
            try:
                read_shown(self.run_file)
            except BadFile as error:
                said = f"is no output of hpcepm, or damaged, and it was not touched ({error})"
                raise DirectoryTaken(f"{self.run_file}: {said}.") from None
        return there


class RunDirectory(Folder):
    """A folder that one run at a time holds. On rank 0.

    Parameters
    ----------
    path
        As the user named it.
    go_on
        Whether a run that is there may be continued.
    ways
        What to tell a user to do for this, and for another directory.

    Attributes
    ----------
    taken_over
        Whose lock this was, if a run died here and left it; else None.
    claim
        To be checked before anything is written: whether the directory is still held.

    Raises
    ------
    DirectoryTaken
        Another run is at work there, or one is there and ``go_on`` is False.
        Nothing was touched.
    DirectoryUnusable
        It cannot be made.
    """

    def __init__(self, path: str, go_on: bool, ways: tuple[str, str] = BY_OPTIONS) -> None:
        super().__init__(path)
        self._ways = ways
        try:
            self._lock = self._held(go_on)
        except InUse as error:
            raise DirectoryTaken(
                f"{self.path}: is in use by another run ({error}); it was not touched."
            ) from None
        except FileExistsError as error:
            said = f"{error.filename} {no_folder(error.filename)}; name another with {ways[1]}"
            raise DirectoryUnusable(f"{self.path}: cannot be used for output: {said}") from None
        except (OSError, ValueError) as error:  # ValueError: a name that no file can have
            said = f"{self.path}: cannot be used for output: {reason(error)}"
            raise DirectoryUnusable(said) from None
        self.taken_over = self._lock.taken_over

    def _held(self, go_on: bool) -> Lock:
        """Make the directory and return the lock on it."""
        file = self.path / "run.lock"
        if not file.exists():
            self._refuse_taken(go_on)
            self.path.mkdir(parents=True, exist_ok=True)
        lock = Lock(file)
        try:
            self._refuse_taken(go_on)
            for folder in (self.pieces, self.checkpoints):
                folder.mkdir(exist_ok=True)
            self.refuse_links()
        except BaseException:
            lock.release()
            raise
        return lock

    @property
    def claim(self) -> Claim:
        """What tells whether the directory is still held."""
        return self._lock.claim

    def _refuse_taken(self, go_on: bool) -> None:
        """Refuse a directory with anything of a run in it, unless that is to be continued."""
        there, (go_on_by, another_by) = self.of_a_run(), self._ways
        if there and not go_on:
            raise DirectoryTaken(
                f"{self.path}: holds a run already ({there[0]}), and it was not touched. "
                f"{go_on_by} to go on with it, if it is not finished, "
                f"choose another directory with {another_by}, or remove it."
            )

    def release(self) -> None:
        """Let others have the directory."""
        self._lock.release()


def no_folder(path: str | os.PathLike[str]) -> str:
    """Say what lies where a folder should be."""
    if os.path.islink(path) and not os.path.exists(path):
        return f"is a link to {os.readlink(path)}, and leads nowhere"
    return "is no directory"


def _may_be_replaced(file: Path) -> bool:
    """Return whether a file may be, where a folder that can be written keeps each user's own."""
    folder, ours = file.parent.stat(), os.geteuid()
    return not folder.st_mode & stat.S_ISVTX or ours in (0, folder.st_uid, file.lstat().st_uid)


def read_shown(run_file: Path) -> tuple[Identity, str, str]:
    """Return what a ``run.h5`` says of its run.

    That is its identity, and, as `Progress` in JSON, how many rows it shows of finished
    realizations and in all.

    Raises
    ------
    BadFile
        It is missing, damaged, or not one of ours.
    """
    with open_hdf5(run_file) as file:
        if count(file, "layout_version") != LAYOUT_VERSION:
            raise BadFile(f"{run_file}: is not of this version of hpcepm")
        whole, rows = (attribute(file, name, str) for name in ("progress", "rows"))
        return Identity.of(file), whole, rows
