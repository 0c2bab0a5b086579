"""From where a run is continued, and what may have changed in its input (docs/model.md)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from hpcepm.input import Input, ReadInput
from hpcepm.input.plugins import resolved
from hpcepm.layout import SAME_STRAIN
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from hpcepm.storage.checkpoint import (
    BadCheckpoint,
    CheckpointHeader,
    ForeignCheckpoint,
    UnderWay,
    newest_checkpoint,
    read_early,
    read_under_way,
)
from hpcepm.storage.directory import DirectoryTaken, Identity, RunDirectory, read_identity
from hpcepm.storage.fields import damage_seen_together
from hpcepm.storage.store import Plan, Progress, Store, snapshots_are_large

from .save_points import plan_of

FREE_TO_CHANGE: Final = (
    "checkpoint",
    "output.directory",
    "realizations",
    "ranks_per_realization",
    "loading.target",
)
"""Keys that touch no number that is there already; the target of a single realization alone."""


class Resume:
    """From where a run is continued. The same on all ranks; making it is Collective.

    Parameters
    ----------
    world
        All ranks.
    read
        The input of this part of the run.
    directory
        Rank 0's hold on the run directory.
    plan
        What this part keeps.
    wanted
        Whether to look for what is there; else all begins afresh.

    Attributes
    ----------
    progress, avalanches_of_done
        How many rows of the tables count, and how many avalanches are of finished realizations.
    number
        Of the newest checkpoint.
    created
        When the run was begun; None for now.
    path, strain
        The checkpoint, and the strain of the realization furthest on in it; None if there is none.

    Raises
    ------
    DirectoryTaken
        The directory holds a run that is finished, or another one.
    BadCheckpoint
        There are checkpoints, and none is sound.
    """

    def __init__(
        self,
        world: Ranks,
        read: ReadInput,
        directory: RunDirectory | None,
        plan: Plan,
        wanted: bool,
    ) -> None:
        self._plan = plan
        self._settings = read.settings
        self.progress = Progress()
        self.avalanches_of_done = self.number = 0
        self.created: str | None = None
        self.path: Path | None = None
        self.strain: float | None = None
        self._unsound: dict[Path, str] = {}
        self._begun: dict[int, tuple[Path, int, int]] = {}  # with records and snapshots
        self._early: set[int] = set()  # finished, but for one before them
        self._kept = (len(plan.record_strains), len(plan.snapshot_strains))
        folder = world.bcast(directory.checkpoints if directory and wanted else None)
        if folder is None:
            return
        identity = world.bcast(read_identity(directory.run_file) if directory else None)
        try:
            header, self._unsound = newest_checkpoint(folder, world)
        except ForeignCheckpoint as error:
            raise DirectoryTaken(str(error)) from None
        refused = world.bcast(self._why_not(identity, header))
        if refused is not None:
            raise DirectoryTaken(f"{read.settings.output.directory}: {refused}")
        self._go_on_from(identity, header)

    def _why_not(self, identity: Identity | None, header: CheckpointHeader | None) -> str | None:
        """Return why what is there cannot be continued, if so."""
        ours = json.loads(resolved(self._settings))
        for settings in [one.settings for one in (identity, header) if one]:
            changed = list(differences(settings, ours, FREE_TO_CHANGE))
            target, before = ours["loading"]["target"], settings["loading"]["target"]
            several = max(ours["realizations"], settings["realizations"]) > 1
            if several and target != before:
                said = "of several realizations it must stay"
                changed.append(f"loading.target: was {before}, is now {target}; {said}")
            if changed:
                told = "\n  ".join(changed)
                return f"holds a run of another input, and it was not touched:\n  {told}"
        return self._why_too_far(identity, header) if identity or header else None

    def _why_too_far(
        self, identity: Identity | None, header: CheckpointHeader | None
    ) -> str | None:
        """Return why what is there has come too far to be continued, if so."""
        known = header or identity
        assert known is not None
        n, target = self._settings.realizations, self._settings.loading.target
        before = known.settings["loading"]["target"]
        done = max(
            header.progress.realizations if header else 0,
            identity.progress["realizations"] if identity else 0,
        )
        if done > n:
            return f"holds a run that has {done} realizations already; it was not touched."
        if done == n and target <= before + SAME_STRAIN:
            told = f"strain {before:g} was reached" + (f" by {n} realizations" if n > 1 else "")
            return f"holds a finished run ({told}), and it was not touched."
        if abs(target - before) > SAME_STRAIN:
            if done and (header is None or not header.begun):
                return "holds a finished run without the checkpoint of its end; it was not touched."
            reached = self._reached(header) if header else 0.0
            if target < reached:
                said = f"at strain {reached:g} already, beyond loading.target {target:g}"
                return f"holds a run that is {said}, and it was not touched."
        return None

    @staticmethod
    def _reached(header: CheckpointHeader) -> float:
        """Return the strain that a run has come to, of a loading step or a record."""
        plan = _plan_of(header)
        reached = list(header.strain.values())
        for _, records, snapshots in header.begun.values():
            reached += [
                *plan.record_strains[:records][-1:],
                *plan.snapshot_strains[:snapshots][-1:],
            ]
        return max(reached, default=0.0)

    def _go_on_from(self, identity: Identity | None, header: CheckpointHeader | None) -> None:
        if identity is not None:
            self.created = identity.created
            self.progress = Progress(**identity.progress)
            self.avalanches_of_done = self.progress.avalanches
        if header is None:
            return
        self.number, self.path, self.created = header.number, header.path, header.created
        self.strain = max(header.strain.values(), default=None)
        self._begun = dict(header.begun)
        another = header.settings["loading"]["target"] != self._settings.loading.target
        if another or header.progress.realizations >= self.progress.realizations:
            self.progress = header.progress
            self.avalanches_of_done = header.avalanches_of_done
        first, last = self.progress.realizations, self._settings.realizations
        self._early = {r for r in header.early if first <= r < last}
        if another:
            self._to_another_target(_plan_of(header))

    def _to_another_target(self, before: Plan) -> None:
        """Keep the rows at strains of both targets, and the state at the end of the first."""
        records = _common(before.record_strains, self._plan.record_strains)
        snapshots = _common(before.snapshot_strains, self._plan.snapshot_strains)
        self._kept = records, snapshots
        there = self.progress
        self.progress = Progress(
            0,
            min(there.observables, records),
            min(there.profiles, records),
            there.avalanches,
            min(there.fields, snapshots),
        )
        self.avalanches_of_done = 0

    def realization(self, number: int, lattice: Lattice) -> UnderWay | None:
        """Return where a realization goes on; None if it begins. Collective on its group."""
        if number not in self._begun:
            return None
        path, found = self._begun[number][0], None
        problem = damage_seen_together(path, lattice.ranks) if path != self.path else None
        try:
            found = read_under_way(path, number, lattice, self._kinds) if problem is None else None
        except BadCheckpoint as error:
            problem = str(error)
        lattice.ranks.raise_together(problem)
        assert found is not None
        records, snapshots = self._kept
        return found._replace(
            records=min(found.records, records), snapshots=min(found.snapshots, snapshots)
        )

    @property
    def _kinds(self) -> dict[str, np.dtype[Any]]:
        """The dtypes of rows in checkpoints."""
        kinds = self._plan.tables
        return {**kinds, "fields": np.dtype([])} if snapshots_are_large(self._plan) else kinds

    def add_early(self, store: Store) -> None:
        """Add the rows of realizations that were finished before an earlier one. On rank 0."""
        if self.path is not None:
            for realization, rows in read_early(self.path, self._early, self._kinds).items():
                store.add(realization, rows, finished=True)

    @property
    def queue(self) -> list[int]:
        """The realizations that are to be sheared, or to be gone on with."""
        first, last = self.progress.realizations, self._settings.realizations
        return [r for r in range(first, last) if r not in self._early]

    @property
    def kept_fields(self) -> set[int]:
        """The large snapshots, by number, of realizations that are not in the tables yet."""
        per_realization = len(self._plan.snapshot_strains)
        there = {number: min(n, self._kept[1]) for number, (_, _, n) in self._begun.items()}
        there.update(dict.fromkeys(self._early, per_realization))
        return {number * per_realization + k for number, n in there.items() for k in range(n)}

    def remove_unsound(self) -> None:
        """Remove checkpoints that were found damaged."""
        for path in self._unsound:
            path.unlink(missing_ok=True)

    @property
    def warnings(self) -> list[str]:
        """What a user should know of damaged checkpoints."""
        said = list(self._unsound.values())
        return [*said, "an older checkpoint is used"] if said else []

    def waiting(self, queue: list[int]) -> dict[int, tuple[Path, int, int]]:
        """Return where the realizations of a queue are gone on with that were begun before."""
        return {number: self._begun[number] for number in queue if number in self._begun}


def _plan_of(header: CheckpointHeader) -> Plan:
    """Return what the part of a run kept that wrote a checkpoint."""
    keys = {key: value for key, value in header.settings.items() if key != "plugins"}
    return plan_of(Input.model_validate(keys))


def _common(before: tuple[float, ...], now: tuple[float, ...]) -> int:
    """Return how many strains two lists have in common from their beginning on, to the last bit."""
    pairs = enumerate(zip(before, now, strict=False))
    return next((k for k, (a, b) in pairs if a != b), min(len(before), len(now)))


def differences(before: Any, now: Any, free: tuple[str, ...], path: str = "") -> Iterator[str]:
    """Say in which keys two resolved inputs differ, but for those that are free to change."""
    if path in free:
        return
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*before, *now]):
            inside = f"{path}.{key}" if path else key
            yield from differences(before.get(key), now.get(key), free, inside)
    elif before != now:
        yield f"{path}: was {json.dumps(before)}, is now {json.dumps(now)}"
