"""The directory that a run owns: what may be in it, and who holds it."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import h5py

from hpcepm.files import damage

from .lock import InUse, Lock


class DirectoryTaken(Exception):
    """The directory is in use, or holds a run that must not be touched."""


class DirectoryUnusable(Exception):
    """The directory cannot be made or written."""


class RunDirectory:
    """``run.h5``, its pieces and the checkpoints, held by one run at a time. On rank 0.

    Parameters
    ----------
    path
        As the user named it.
    go_on
        Whether a run that is there may be continued.

    Attributes
    ----------
    taken_over
        Whose lock this was, if a run died here and left it; else None.

    Raises
    ------
    DirectoryTaken
        Another run is at work there, or one is there and ``go_on`` is False, or something else is.
        Nothing was touched.
    DirectoryUnusable
        It cannot be made.
    """

    def __init__(self, path: str, go_on: bool) -> None:
        self.path = Path(path)
        try:
            self._lock = self._held(go_on)
        except InUse as error:
            raise DirectoryTaken(
                f"{self.path}: is in use by another run ({error}); it was not touched."
            ) from None
        except (OSError, ValueError) as error:  # ValueError: a name that no file can have
            raise DirectoryUnusable(
                f"{self.path}: cannot be used for output: {getattr(error, 'strerror', error)}"
            ) from None
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
        except BaseException:
            lock.release()
            raise
        return lock

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

    def _refuse_taken(self, go_on: bool) -> None:
        has_checkpoints = any(
            self.checkpoints.glob("*.h5")
        )  # from which a damaged run.h5 is made anew
        if self.run_file.exists() and read_identity(self.run_file) is None and not has_checkpoints:
            raise DirectoryTaken(
                f"{self.run_file}: is no output of hpcepm, or damaged, and it was not touched."
            )
        holds_run = self.run_file.exists() or has_checkpoints
        if holds_run and not go_on:
            raise DirectoryTaken(
                f"{self.path}: holds a run already, and it was not touched. "
                "Add --continue to go on with it, "
                "choose another directory with --output DIR, or remove it."
            )

    def release(self) -> None:
        """Let others have the directory."""
        self._lock.release()


class Identity(NamedTuple):
    """What a ``run.h5`` says of the run that it belongs to."""

    settings: dict[str, Any]
    finished: bool
    created: str
    progress: dict[str, int]  # of finished realizations alone: fields of `Progress`


def read_identity(run_file: Path) -> Identity | None:
    """Return which run a ``run.h5`` belongs to; None if it is not one of ours, or damaged."""
    if damage(run_file) is not None:
        return None
    try:
        with h5py.File(run_file, "r") as file:
            said = file.attrs
            return Identity(
                json.loads(said["input_resolved"]),
                bool(said["finished"]),
                str(said["created"]),
                json.loads(said["progress"]),
            )
    except (OSError, KeyError, ValueError, TypeError):
        return None
