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

import numpy as np

from . import provenance
from .checkpoint import BadCheckpoint, CheckpointHeader, newest_checkpoint, prune, read_state, write_checkpoint
from .disorder import Distribution, age, disorder_strength
from .dynamics import Dynamics
from .engines import choose
from .input import ReadInput
from .input.glass import glass_of
from .lattice import Lattice
from .observables import Snapshot
from .output import Output
from .parallel import Team
from .progress import Progress
from .report import header, summary
from .run_directory import DirectoryTaken, RunDirectory, read_identity
from .schedule import Stop, schedule
from .slab_files import WRITE_ERRORS
from .state import State
from .step_loop import Why
from .stopping import StopRequest

SECONDS_A_PAUSE: Final = 0.25
SECONDS_A_SAVE: Final = 5.0
FREE_TO_CHANGE: Final = ("checkpoint", "output.directory")


class OutputFailed(Exception):
    """The results cannot be written."""


class Stopped(Exception):
    """The run was asked to stop before its target; a checkpoint was written."""


class Simulation:
    """One run, shared by all ranks of a team.

    Parameters
    ----------
    team
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

    Raises
    ------
    DirectoryTaken
        The directory holds a finished run, or one of another input.
    """

    def __init__(
        self,
        team: Team,
        read: ReadInput,
        directory: RunDirectory | None,
        go_on: bool = False,
        progress: Progress | None = None,
        stop_request: StopRequest | None = None,
    ) -> None:
        self.team = team
        self.read = read
        self.settings = read.settings
        self.directory = directory
        self.progress = progress
        self.stop_request = stop_request or StopRequest()
        settings = self.settings
        nx, ny = settings.lattice.shape
        self.lattice = Lattice((nx, ny), team)
        self.choice = choose(settings.engine, (nx, ny))
        self.glass = glass_of(read, self.lattice)
        self.mean_initial = self._mean_initial()
        self._created = datetime.now(UTC).isoformat(timespec="seconds")

        self._unsound: dict[Path, str] = {}
        checkpoint = self._checkpoint_to_take_up() if go_on else None
        state = self._state_in(checkpoint) if checkpoint else None
        self.dynamics = Dynamics(self.lattice, self.glass, self.choice.engine, state)
        self.taken_up = checkpoint
        self._checkpoints = checkpoint.number if checkpoint else 0
        self._settings_json = settings.model_dump_json()
        self.versions = provenance.versions() if team.leads else {}
        self.output = Output(
            self.lattice,
            directory,
            tuple(settings.output.fields.names) if settings.output.fields else (),
            settings.output.avalanches,
            self._provenance(),
            checkpoint.place if checkpoint else None,
        )
        self._steps = 64
        self._paused = self._saved = self._checkpointed = time.monotonic()

    def _checkpoint_to_take_up(self) -> CheckpointHeader | None:
        """Return the newest sound checkpoint, having made sure that it and ``run.h5`` are of this run."""
        refused = folder = None
        if self.directory is not None:
            folder = self.directory.checkpoints
            if (identity := read_identity(self.directory.run_file)) is not None:
                self._created = identity.created
                refused = self._why_not(identity.settings, identity.finished)
        folder, refused = self.team.from_leader((folder, refused))
        assert folder is not None
        if refused is None:
            found, self._unsound = newest_checkpoint(folder, self.team)
            refused = self._why_not(found.settings, found.finished) if found else None
        if refused is not None:
            raise DirectoryTaken(refused)
        if self.progress and self._unsound:
            self.progress.warn([*self._unsound.values(), "an older checkpoint is used"])
        return found

    def _why_not(self, settings: dict[str, Any], finished: bool) -> str | None:
        """Return why a run of these settings cannot be gone on with, if so."""
        where = self.settings.output.directory
        differences = list(_differences(settings, json.loads(self.settings.model_dump_json())))
        if differences:
            return f"{where}: holds a run of another input, and it was not touched:\n  " + "\n  ".join(differences)
        if finished:
            target = self.settings.loading.target
            return f"{where}: holds a finished run (strain {target:g} was reached), and it was not touched."
        return None

    def _state_in(self, checkpoint: CheckpointHeader) -> State:
        """Return the state in a checkpoint; if any rank cannot read its part, all raise `BadCheckpoint`."""
        state, problem = None, None
        try:
            state = read_state(checkpoint.path, self.lattice)
        except BadCheckpoint as error:
            problem = str(error)
        problem = self.team.first_found(problem)
        if problem is not None or state is None:
            raise BadCheckpoint(problem)
        return state

    def _mean_initial(self) -> float:
        initial = self.glass.initial
        return initial.mean if isinstance(initial, Distribution) else self.lattice.power_means(initial)[0]

    def _provenance(self) -> dict[str, Any]:
        glass = self.glass
        return {
            **self.versions,
            "input": self.read.text,
            "input_resolved": self._settings_json,
            "seed": np.uint64(glass.seed),
            "ranks": self.team.size,
            "engine": self.choice.engine,
            "disorder_strength": disorder_strength(glass.renewal, glass.slip, glass.kernel.mu_star),
            "age": age(self.mean_initial, glass.renewal),
            "created": self._created,
        }

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
        started, events_before = time.monotonic(), int(self.dynamics.state.now[0]["events"])
        self._save_now()  # from now on there is a run.h5 to open, and it shows nothing beyond the checkpoint
        self.output.remove_beyond()
        if self.team.leads:
            for path in self._unsound:
                path.unlink(missing_ok=True)
        for stop in self._stops_ahead():
            while (why := self.dynamics.shear(stop.strain, self._steps)) is not Why.REACHED:
                self._pause(full_stretch=why is Why.PAUSED)
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

    def _stops_ahead(self) -> list[Stop]:
        """Return the stops that are not yet in the output."""
        stops = schedule(self.settings)
        records, snapshots = self.output.n_records, self.output.n_snapshots
        ahead = []
        for stop in stops:
            record, snapshot = stop.record and records <= 0, stop.snapshot and snapshots <= 0
            records -= stop.record
            snapshots -= stop.snapshot
            if record or snapshot:
                ahead.append(Stop(stop.strain, record, snapshot))
        return ahead

    def _pause(self, full_stretch: bool = False) -> None:
        """Report, save and checkpoint as rank 0's clock asks; it decides for all, so that all decide alike.

        After a full stretch of steps the next one is made to last about `SECONDS_A_PAUSE`.
        """
        self.output.add_avalanches(self.dynamics.take_avalanches())
        problem, checkpoint_is_due = self._save(), False
        if self.progress:
            numbers = self.dynamics.state.now[0]
            strain = float(numbers["strain"])
            self.progress.update(strain, self.dynamics.stress_at(strain), int(numbers["events"]), int(numbers["steps"]))
        if self.team.leads:
            now = time.monotonic()
            checkpoint_is_due = now - self._checkpointed >= self.settings.checkpoint.every
            if full_stretch:
                pace = SECONDS_A_PAUSE / max(now - self._paused, 1e-6)
                self._steps = max(1, int(self._steps * min(4.0, max(0.25, pace))))
            self._paused = now
        self._steps, checkpoint_is_due, problem = self.team.from_leader((self._steps, checkpoint_is_due, problem))
        if problem:
            raise OutputFailed(problem)
        asked_by = self.team.first_found(self.stop_request.name)
        if checkpoint_is_due or asked_by:
            self._write_checkpoint()
        if asked_by:
            strain = float(self.dynamics.state.now[0]["strain"])
            raise Stopped(f"stopped at strain {strain:.6f} by {asked_by}; a checkpoint was written, --continue goes on from it")

    def _save(self, force: bool = False) -> str | None:
        """Bring output to disk now and then; return what went wrong. On rank 0; does nothing elsewhere."""
        if self.directory is None or not (force or time.monotonic() - self._saved >= SECONDS_A_SAVE):
            return None
        try:
            self.output.save()
        except WRITE_ERRORS as error:
            return f"{self.directory.path}: the output cannot be written: {getattr(error, 'strerror', None) or error}"
        self._saved = time.monotonic()
        return None

    def _save_now(self) -> None:
        problem = self.team.from_leader(self._save(force=True))
        if problem:
            raise OutputFailed(problem)

    def _write_checkpoint(self) -> None:
        """Write a checkpoint, the output first: what a checkpoint counts as written is on disk."""
        self.output.add_avalanches(self.dynamics.take_avalanches())
        self._save_now()
        folder = self.directory.checkpoints if self.directory else None
        folder, place = self.team.from_leader((folder, self.output.place()))
        assert folder is not None
        self._checkpoints += 1
        state, finished = self.dynamics.complete_state(), self.output.finished
        write_checkpoint(folder, self._checkpoints, state, self.lattice, place, self._settings_json, finished)
        if self.team.leads:
            prune(folder, self.settings.checkpoint.keep)
            self._checkpointed = time.monotonic()


def _differences(before: Any, now: Any, path: str = "") -> Iterator[str]:
    """Say in which keys two resolved inputs differ, but for those that are free to change."""
    if path in FREE_TO_CHANGE:
        return
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*before, *now]):
            yield from _differences(before.get(key), now.get(key), f"{path}.{key}" if path else key)
    elif before != now:
        yield f"{path}: was {json.dumps(before)}, is now {json.dumps(now)}"
