"""A whole run: from a valid input to a sheared glass in a directory.

In words:

    prepare the glass, or take it up from a checkpoint
    for each strain at which something is recorded, up to the target:
        shear to it, pausing now and then to report and to write checkpoints
        record
"""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from hpcepm.input import ReadInput
from hpcepm.input.glass import glass_of
from hpcepm.model.dynamics import Dynamics
from hpcepm.model.engines import choose_engine
from hpcepm.model.glass import mean_initial_threshold
from hpcepm.model.loop import LoopExit
from hpcepm.model.observables import Snapshot
from hpcepm.model.state import State
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from hpcepm.storage.checkpoint import (
    BadCheckpoint,
    CheckpointHeader,
    newest_checkpoint,
    prune,
    read_state,
    write_checkpoint,
)
from hpcepm.storage.directory import DirectoryTaken, RunDirectory, read_identity
from hpcepm.storage.output import Output
from hpcepm.text import memory

from . import provenance
from .realization import SavePoint
from .report import header, summary
from .resources import bytes_of_checkpoint, free_bytes
from .save_points import SAME_STRAIN, schedule
from .stopping import Deadline, Files, StopRequest
from .terminal import Progress

SECONDS_A_PAUSE: Final = 0.25
SECONDS_A_SAVE: Final = 5.0
FREE_TO_CHANGE: Final = ("checkpoint", "output", "loading.target")
"""Keys that concern output and duration alone."""

UNMEASURED_BYTES_A_SECOND: Final = 50e6
"""How fast a checkpoint is written, until one has been."""


class OutputFailed(Exception):
    """The results cannot be written."""


class Stopped(Exception):
    """The run was asked to stop before its target; a checkpoint was written."""


class Simulation:
    """One run, shared by all ranks of a ranks.

    Parameters
    ----------
    ranks
        The ranks. Making a `Simulation`, and all its methods, are Collective.
    read
        A valid input, the same on all ranks.
    directory
        Rank 0's hold on the run directory; None elsewhere.
    go_on
        Take up the newest checkpoint, if there is one.
    progress
        Rank 0's reports; None elsewhere.
    stop_request
        Looked at on every rank when the run pauses.
    deadline
        Rank 0's; None for no limit.

    Raises
    ------
    DirectoryTaken
        The directory holds a finished run, or one of another input.
    """

    def __init__(
        self,
        ranks: Ranks,
        read: ReadInput,
        directory: RunDirectory | None,
        go_on: bool = False,
        progress: Progress | None = None,
        stop_request: StopRequest | None = None,
        deadline: Deadline | None = None,
    ) -> None:
        self.ranks = ranks
        self.read = read
        self.settings = read.settings
        self.directory = directory
        self.progress = progress
        self.stop_request = stop_request or StopRequest()
        self.deadline = deadline
        settings = self.settings
        nx, ny = settings.lattice.shape
        self.lattice = Lattice((nx, ny), ranks)
        self.choice = choose_engine(settings.engine, (nx, ny))
        self.glass = glass_of(read, self.lattice)
        self.mean_initial = mean_initial_threshold(self.glass, self.lattice)
        self._created = datetime.now(UTC).isoformat(timespec="seconds")

        self._unsound: dict[Path, str] = {}
        checkpoint = self._checkpoint_to_take_up() if go_on else None
        state = self._state_in(checkpoint) if checkpoint else None
        self.dynamics = Dynamics(self.lattice, self.glass, self.choice.engine, state)
        self.taken_up = checkpoint
        self._checkpoints = checkpoint.number if checkpoint else 0
        self._settings_json = settings.model_dump_json()
        self.versions = provenance.versions() if ranks.is_root else {}
        self.output = Output(
            self.lattice,
            directory,
            tuple(settings.output.fields.names) if settings.output.fields else (),
            settings.output.avalanches,
            provenance.of_run(
                read,
                self.glass,
                ranks,
                self.choice.engine,
                self.mean_initial,
                self._created,
                self.versions,
            ),
            checkpoint.place if checkpoint else None,
        )
        self._steps = 64
        self._slowest_checkpoint = 0.0
        self._warned_of_disk = False
        self._paused = self._saved = self._checkpointed = time.monotonic()

    def _checkpoint_to_take_up(self) -> CheckpointHeader | None:
        """Return the newest sound checkpoint, having made sure that it and ``run.h5`` are of this run."""
        refused = folder = None
        if self.directory is not None:
            folder = self.directory.checkpoints
            if (identity := read_identity(self.directory.run_file)) is not None:
                self._created = identity.created
                refused = self._why_not(identity.settings, identity.finished)
        folder, refused = self.ranks.bcast((folder, refused))
        assert folder is not None
        if refused is None:
            found, self._unsound = newest_checkpoint(folder, self.ranks)
            refused = (
                self._why_not(found.settings, found.finished, found.reached) if found else None
            )
        if refused is not None:
            raise DirectoryTaken(refused)
        if self.progress and self._unsound:
            self.progress.warn([*self._unsound.values(), "an older checkpoint is used"])
        return found

    def _why_not(
        self, settings: dict[str, Any], finished: bool, reached: float = 0.0
    ) -> str | None:
        """Return why a run of these settings, which has come so far, cannot be gone on with, if so."""
        where, target = self.settings.output.directory, self.settings.loading.target
        changed = list(
            differences(settings, json.loads(self.settings.model_dump_json()), FREE_TO_CHANGE)
        )
        if changed:
            return (
                f"{where}: holds a run of another input, and it was not touched:\n  "
                + "\n  ".join(changed)
            )
        before = settings["loading"]["target"]
        if finished and target <= before + SAME_STRAIN:
            return f"{where}: holds a finished run (strain {before:g} was reached), and it was not touched."
        if target < reached:
            said = f"at strain {reached:g} already, beyond loading.target {target:g}"
            return f"{where}: holds a run that is {said}, and it was not touched."
        return None

    def _state_in(self, checkpoint: CheckpointHeader) -> State:
        """Return the state in a checkpoint.

        If any rank cannot read its part, all raise `BadCheckpoint`.
        """
        state, problem = None, None
        try:
            state = read_state(checkpoint.path, self.lattice)
        except BadCheckpoint as error:
            problem = str(error)
        problem = self.ranks.first_not_none(problem)
        if problem is not None or state is None:
            raise BadCheckpoint(problem)
        return state

    def run(self) -> Iterator[Snapshot]:
        """Shear to the target; yield the glass at each record.

        Raises
        ------
        OutputFailed, NotFinite
            The run cannot go on; the last checkpoint stands.
        Stopped
            It was asked to stop, and wrote a checkpoint.
        """
        if self.progress:
            self.progress.say(header(self))
        started, events_before = time.monotonic(), int(self.dynamics.state.macro[0]["events"])
        # from now on there is a run.h5 to open, and it shows nothing beyond the checkpoint
        self._save_now()
        self.output.truncate()
        if self.directory is not None:
            for path in self._unsound:
                path.unlink(missing_ok=True)
            files = Files(self.directory.path)
            files.take(files.stop)  # meant for a run that is over
        for stop in self._stops_ahead():
            while (why := self.dynamics.shear(stop.strain, self._steps)) is not LoopExit.REACHED:
                self._pause(full_stretch=why is LoopExit.PAUSED)
            snapshot = Snapshot(self.dynamics, stop.strain)
            if stop.snapshot:
                self.output.add_snapshot(snapshot)
            if stop.record:
                self.output.add_record(snapshot)
            self._pause()
            yield snapshot
            snapshot.release()
        self.output.finished = True
        self._write_checkpoint()
        if self.progress:
            self.progress.say(summary(self, time.monotonic() - started, events_before))

    def _stops_ahead(self) -> list[SavePoint]:
        """Return the stops that are not yet in the output."""
        ahead = []
        for stop in schedule(self.settings):
            record = stop.record and stop.strain > self.output.last_record + SAME_STRAIN
            snapshot = stop.snapshot and stop.strain > self.output.last_snapshot + SAME_STRAIN
            if record or snapshot:
                ahead.append(SavePoint(stop.strain, record, snapshot))
        return ahead

    def _pause(self, full_stretch: bool = False) -> None:
        """Report, save, write a checkpoint or stop, on all ranks alike.

        As rank 0 sees fit, or because a signal reached any.

        After a full stretch of steps the next one is made to last about `SECONDS_A_PAUSE`.
        """
        self.output.add_avalanches(self.dynamics.take_avalanches())
        problem = self._save()
        checkpoint_is_due, asked_by = False, None
        if self.ranks.is_root:
            self._report()
            self._pace(full_stretch)
            checkpoint_is_due, asked_by = self._looks_around()
        self._steps, checkpoint_is_due, asked_by, problem = self.ranks.bcast(
            (self._steps, checkpoint_is_due, asked_by, problem)
        )
        if problem:
            raise OutputFailed(problem)
        requests = self.ranks.comm.allgather((self.stop_request.urgency, self.stop_request.name))
        urgency, name = max(requests, key=lambda request: request[0])
        asked_by = name or asked_by
        where = (
            f"stopped at strain {float(self.dynamics.state.macro[0]['strain']):.6f} by {asked_by}"
        )
        if urgency > 1:
            raise Stopped(
                f"{where}, asked twice; no checkpoint was written, --continue goes on from the last one"
            )
        if checkpoint_is_due or asked_by:
            self._write_checkpoint()
        if asked_by:
            raise Stopped(f"{where}; a checkpoint was written, --continue goes on from it")

    def _report(self) -> None:
        """Show where the run is."""
        if self.progress:
            numbers = self.dynamics.state.macro[0]
            strain = float(numbers["strain"])
            self.progress.update(
                strain,
                self.dynamics.stress_at(strain),
                int(numbers["events"]),
                int(numbers["steps"]),
            )

    def _pace(self, full_stretch: bool) -> None:
        """Choose for how many steps to go on."""
        now = time.monotonic()
        if full_stretch:
            pace = SECONDS_A_PAUSE / max(now - self._paused, 1e-6)
            self._steps = max(1, int(self._steps * min(4.0, max(0.25, pace))))
        self._paused = now

    def _looks_around(self) -> tuple[bool, str | None]:
        """Return whether a checkpoint is due, and who wants the run to stop, if anyone.

        Rank 0 alone looks.
        """
        assert self.directory is not None
        files = Files(self.directory.path)
        asked_by = self.deadline.reached(self._seconds_to_stop()) if self.deadline else None
        if files.stop.exists():
            asked_by = f"the file {files.stop.name}"
        due = time.monotonic() - self._checkpointed >= self.settings.checkpoint.every
        return due or files.take(files.checkpoint), asked_by

    def _seconds_to_stop(self) -> float:
        """Return how long stopping will take.

        A checkpoint as slow as the slowest yet, and a pause.
        """
        unmeasured = (
            sum(field.nbytes for field in self.dynamics.state.fields)
            * self.ranks.size
            / UNMEASURED_BYTES_A_SECOND
        )
        return 2 * SECONDS_A_PAUSE + 1.5 * (self._slowest_checkpoint or unmeasured)

    def _save(self, force: bool = False) -> str | None:
        """Bring output to disk now and then; return what went wrong.

        On rank 0; does nothing elsewhere.
        """
        if self.directory is None or not (
            force or time.monotonic() - self._saved >= SECONDS_A_SAVE
        ):
            return None
        try:
            self.output.save()
            self._watch_the_disk()
        except OSError as error:
            return f"{self.directory.path}: the output cannot be written: {error.strerror or error}"
        self._saved = time.monotonic()
        return None

    def _watch_the_disk(self) -> None:
        """Warn, once, when the next checkpoint may find no room."""
        assert self.directory is not None
        free, needed = free_bytes(self.directory.path), bytes_of_checkpoint(self.settings)
        if free < 2 * needed and not self._warned_of_disk and self.progress:
            said = f"the disk has only {memory(free)} left, and a checkpoint needs {memory(needed)}: make room"
            self.progress.warn([f"{self.directory.path}: {said}"])
        self._warned_of_disk = free < 2 * needed

    def _save_now(self) -> None:
        problem = self.ranks.bcast(self._save(force=True))
        if problem:
            raise OutputFailed(problem)

    def _write_checkpoint(self) -> None:
        """Write a checkpoint, the output first: what a checkpoint counts as written is on disk."""
        began = time.monotonic()
        self.output.add_avalanches(self.dynamics.take_avalanches())
        self._save_now()
        folder = self.directory.checkpoints if self.directory else None
        folder, place = self.ranks.bcast((folder, self.output.place()))
        assert folder is not None
        self._checkpoints += 1
        state, finished = self.dynamics.complete_state(), self.output.finished
        write_checkpoint(
            folder, self._checkpoints, state, self.lattice, place, self._settings_json, finished
        )
        if self.ranks.is_root:
            prune(folder, self.settings.checkpoint.keep)
            self._checkpointed = time.monotonic()
            self._slowest_checkpoint = max(self._slowest_checkpoint, self._checkpointed - began)


def differences(before: Any, now: Any, free: tuple[str, ...], path: str = "") -> Iterator[str]:
    """Say in which keys two resolved inputs differ, but for those that are free to change."""
    if path in free:
        return
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*before, *now]):
            yield from differences(
                before.get(key), now.get(key), free, f"{path}.{key}" if path else key
            )
    elif before != now:
        yield f"{path}: was {json.dumps(before)}, is now {json.dumps(now)}"
