"""From where a run is continued, and what may have changed in its input (docs/model.md)."""

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from hpcepm.identity import Identity
from hpcepm.input.plugins import resolved
from hpcepm.input.read import ReadInput
from hpcepm.layout import SAME_STRAIN, snapshot_name
from hpcepm.parallel.ranks import ProblemOnRank, Ranks
from hpcepm.parallel.rows import Lattice
from hpcepm.reading import BadFile, open_hdf5, reading
from hpcepm.schedule import common
from hpcepm.storage.checkpoint import (
    CheckpointHeader,
    ForeignCheckpoint,
    UnderWay,
    read_early,
    read_under_way,
)
from hpcepm.storage.checkpoints import newest_checkpoint, remedy
from hpcepm.storage.directory import DirectoryTaken, Folder
from hpcepm.storage.fields import damage_seen_together
from hpcepm.storage.plan import (
    Lists,
    Plan,
    Progress,
    Start,
    snapshots_are_large,
    whole_realizations,
)
from hpcepm.storage.store import Store
from hpcepm.storage.tables import check_snapshot

from .changes import FREE_TO_CHANGE, differences
from .provenance import changed
from .salvage import Found, found_in, pieces_of, settings_of, written
from .save_points import plan_of


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
    versions
        On rank 0: of the software of this part.
    wanted
        Whether to look for what is there; else all begins afresh.

    Attributes
    ----------
    identity
        Of the run: that of what is there, or a new one.
    start
        How far the tables have come.
    header
        Of the checkpoint; None if there is none.
    strain
        Of the realization furthest on in the checkpoint; None if there is none.
    warnings
        What a user should know.

    Raises
    ------
    DirectoryTaken
        The directory holds a run that is finished, or another one.
    ProblemOnRank
        What there is of it cannot be used.
    """

    def __init__(
        self,
        world: Ranks,
        read: ReadInput,
        directory: Folder | None,
        plan: Plan,
        versions: Mapping[str, str],
        wanted: bool,
    ) -> None:
        self._plan = plan
        self._read = read
        self.start = Start()
        self.header: CheckpointHeader | None = None
        self.strain: float | None = None
        self.warnings: list[str] = []
        self._begun: dict[int, tuple[Path, int, int]] = {}
        self._early: set[int] = set()  # finished, but for one before them
        self._kept = (len(plan.records), len(plan.snapshots))
        if plan.counted:
            self._kept = sys.maxsize, sys.maxsize
        identity = Identity.new()
        if world.bcast(directory is not None and wanted):
            identity = self._look(world, directory) or identity
        if identity.parts:
            self.warnings += changed(identity.parts[-1], versions)
        ours = json.loads(resolved(read))
        self.identity = world.bcast(identity.with_part(versions)._replace(settings=ours))

    def _look(self, world: Ranks, directory: Folder | None) -> Identity | None:
        """Find out from where to go on; return which run it is. Collective."""
        found, problem = None, None
        if directory is not None:
            try:
                found = found_in(directory, self.warnings)
            except (BadFile, OSError) as error:
                problem = str(error)
        world.raise_together(problem)
        found = world.bcast(found)
        folder = Path(self._read.settings.output.directory) / "checkpoints"
        try:
            run = found.identity.run if found else None
            self.header, unsound = newest_checkpoint(folder, world, run)
        except ForeignCheckpoint as error:
            raise DirectoryTaken(str(error)) from None
        except BadFile as error:
            self._refuse_foreign_output(folder, world, run)
            raise ProblemOnRank(str(error)) from None
        if unsound:
            self.warnings += [*unsound, "an older checkpoint is used"]
        refused = None
        with world.collective_errors(str(folder.parent)):
            if world.is_root:
                with reading(folder):
                    self._refuse_odd_progress()
                    refused = self._why_not(found)
        refused = world.bcast(refused)
        if refused is not None:
            raise DirectoryTaken(f"{self._read.settings.output.directory}: {refused}")
        with world.collective_errors(f"{folder.parent}: cannot be continued"):
            self.start = self._start_from(found, directory)
        self.start = world.bcast(self.start)
        self._check_snapshots(world, folder.parent / "pieces", found)
        known = self.header or found
        return known.identity if known else None

    @staticmethod
    def _refuse_foreign_output(folder: Path, world: Ranks, run: str | None) -> None:
        """Raise `DirectoryTaken` if checkpoints are sound, and ``run.h5`` is of another run."""
        with suppress(BadFile):
            header, _ = newest_checkpoint(folder, world, None)
            if header is not None and header.identity.run != run:
                said = "is of another run than the checkpoints beside it, and nothing was touched"
                remedy = "If they are what is to go on, move it away: it is made anew"
                raise DirectoryTaken(f"{folder.parent / 'run.h5'}: {said}. {remedy}.")

    def _why_not(self, found: Found | None) -> str | None:
        """Return why what is there cannot be continued, if so."""
        ours, header = json.loads(resolved(self._read)), self.header
        for one in [one for one in (found, header) if one]:
            changed = list(differences(written(one.identity), ours, FREE_TO_CHANGE))
            target, before = self._read.settings.loading.target, _target(one)
            there = settings_of(one.identity).realizations
            several = max(ours["realizations"], there) > 1
            if (several or self._plan.counted) and target != before:
                said = "of several realizations it must stay"
                if self._plan.counted:
                    said = "it must stay but for records at known strains and no rules"
                changed.append(f"loading.target: was {before}, is now {target}; {said}")
            if changed:
                told = "\n  ".join(changed)
                return f"holds a run of another input, and it was not touched:\n  {told}"
        return self._why_too_far(found)

    def _why_too_far(self, found: Found | None) -> str | None:
        """Return why what is there has come too far to be continued, if so."""
        header = self.header
        if (known := header or found) is None:
            return None
        n, target = self._read.settings.realizations, self._read.settings.loading.target
        before = _target(known)
        done = max(
            header.progress.realizations if header else 0,
            found.whole.realizations if found and _target(found) == before else 0,
        )
        if done > n:
            return f"holds a run that has {done} realizations already; it was not touched."
        lower, further = target < before - SAME_STRAIN, target > before + SAME_STRAIN
        shown = found is not None and found.shows_the_end(n) and _target(found) == before
        if done == n and (lower or (shown and not further)):  # else its run.h5 is brought up to it
            told = f"strain {before:g} was reached" if self._plan.records else "it ended"
            told += f" by {n} realizations" if n > 1 else ""
            several = n > 1 or self._plan.counted
            more = "realizations for more" if several else "loading.target to go further"
            return f"holds a finished run ({told}), and it was not touched. Raise {more}."
        if abs(target - before) > SAME_STRAIN:
            if done and (header is None or not header.begun):
                return "holds a finished run without the checkpoint of its end; it was not touched."
            if header is None:
                said = f"loading.target must stay {before:g}"
                return f"holds a run without checkpoints: {said}; it was not touched."
            reached = self._reached(header)
            if target < reached:
                said = f"at strain {reached:g} already, beyond loading.target {target:g}"
                return f"holds a run that is {said}, and it was not touched."
        return None

    @staticmethod
    def _reached(header: CheckpointHeader) -> float:
        """Return the strain that a run has come to, of a loading step or a record."""
        plan = plan_of(settings_of(header.identity))
        reached = list(header.strain.values())
        for _, records, snapshots in header.begun.values():
            reached += [*plan.records[:records][-1:], *plan.snapshots[:snapshots][-1:]]
        return max(reached, default=0.0)

    def _start_from(self, found: Found | None, directory: Folder | None) -> Start:
        """Return how far the tables have come, and note who is under way."""
        target, header = self._read.settings.loading.target, self.header
        same = found is not None and _target(found) == target
        n = self._read.settings.realizations  # rows of one begun beyond these are not of this run
        start = Start(shown=self._shown(found) if found else Progress())
        done = found.whole if found and same else Progress()
        if header is not None:
            self.strain = max(header.strain.values(), default=None)
            self._begun = {k: place for k, place in header.begun.items() if k < n}
            if beyond := sorted(k for k in {*header.begun, *header.early} if k >= n):
                self.warnings.append(f"what was done of realizations {beyond} is left out")
            another = _target(header) != target
            if another or header.progress.realizations >= done.realizations:
                start = start._replace(
                    progress=header.whole if header.whole.realizations == n else header.progress,
                    of_done=header.whole.lists,
                    pieces=header.pieces,
                )
                done = Progress()
            if another:
                start = self._to_another_target(start, plan_of(settings_of(header.identity)))
        if done.realizations and directory is not None and found is not None:
            pieces = pieces_of(directory.pieces, found.identity)
            start = start._replace(progress=done, of_done=done.lists, pieces=pieces)
        first = start.progress.realizations
        self._early = {r for r in (header.early if header else ()) if first <= r < n}
        return start

    def _shown(self, found: Found) -> Progress:
        """Return the rows that ``run.h5`` shows, without those of another target alone."""
        before, rows = plan_of(settings_of(found.identity)), found.rows
        if found.whole.realizations == self._read.settings.realizations:
            rows = found.whole
        if before.record_strains == self._plan.record_strains:
            return rows
        records = min(rows.observables, common(before.records, self._plan.records))
        strains = before.snapshots, self._plan.snapshots
        maps = min(rows.fields, common(*strains))
        return Progress(0, records, records, rows.avalanches, maps, events=rows.events)

    def _refuse_odd_progress(self) -> None:
        """Refuse a checkpoint that counts on rows of which no run can have so many. On rank 0."""
        if (header := self.header) is None:
            return
        plan, whole = plan_of(settings_of(header.identity)), header.whole
        n, observables, profiles, _, fields, cycles, _ = header.progress
        lists = header.progress.lists
        possible = (
            n == whole.realizations <= settings_of(header.identity).realizations
            and whole.observables <= observables == profiles
            and whole.fields <= fields
            and whole.cycles <= cycles
            and all(done <= rows for done, rows in zip(whole.lists, lists, strict=True))
        )
        if not plan.counted:
            known = whole_realizations(plan, n, whole.lists)
            most = whole_realizations(plan, n + 1, lists)
            possible &= (
                whole == known
                and observables <= most.observables
                and fields <= (n + 1) * len(plan.snapshots)
            )
        if not possible:
            raise BadFile(f"{header.path}: counts on rows that no run can have")

    def _check_snapshots(self, world: Ranks, pieces: Path, found: Found | None) -> None:
        """Compare checksum, run and strain of all large snapshots that count. Collective."""
        strains, known = self._plan.snapshots, self.header or found
        if known is None or not snapshots_are_large(self._plan):
            return
        counted = set(range(self.start.progress.fields))
        for realization, (_, _, n) in self._begun.items():
            first = realization * len(strains)  # counted ones are of one realization
            counted |= set(range(first, first + min(n, self._kept[1])))
        for realization in self._early:
            counted |= set(range(realization * len(strains), (realization + 1) * len(strains)))
        for number in sorted(counted):
            path = pieces / snapshot_name(number)
            problem = damage_seen_together(path, world)
            if problem is None and world.is_root:
                try:
                    with open_hdf5(path, checked=True) as file:
                        check_snapshot(file, known.identity.run, number, strains)
                except BadFile as error:
                    problem = str(error)
            world.raise_together(problem and f"{problem}. {remedy(self.header)}")

    def _to_another_target(self, start: Start, before: Plan) -> Start:
        """Keep the rows at strains of both targets, and the state at the end of the first."""
        records = common(before.records, self._plan.records)
        snapshots = common(before.snapshots, self._plan.snapshots)
        self._kept = records, snapshots
        there = start.progress
        kept = Progress(
            0,
            min(there.observables, records),
            min(there.profiles, records),
            there.avalanches,
            min(there.fields, snapshots),
            events=there.events,
        )
        return start._replace(progress=kept, of_done=Lists())

    def realization(self, number: int, lattice: Lattice) -> UnderWay | None:
        """Return where a realization goes on; None if it begins. Collective on its group."""
        if number not in self._begun:
            return None
        path, found = self._begun[number][0], None
        checked = self.header is not None and path == self.header.path
        problem = None if checked else damage_seen_together(path, lattice.ranks)
        if problem is None:
            try:
                found = read_under_way(
                    path, self.identity.run, number, lattice, self._kinds, self._fields
                )
                self._refuse_missing_rows(path, found)
            except BadFile as error:
                problem = str(error)
        lattice.ranks.raise_together(problem)
        assert found is not None
        records, snapshots = self._kept
        return found._replace(
            records=min(found.records, records), snapshots=min(found.snapshots, snapshots)
        )

    def _refuse_missing_rows(self, path: Path, one: UnderWay) -> None:
        """Refuse a realization whose rows are not those of its records and snapshots."""
        there, maps, cycles = (
            len(rows) for rows in (one.rows.observables, one.rows.fields, one.rows.cycles)
        )
        progress, whole = Progress(), Progress()
        if self.header is not None:
            progress, whole = self.header.progress, self.header.whole
        if one.realization < progress.realizations:  # the only one, and it is finished
            whole = Progress()
        if one.realization <= progress.realizations:  # its rows are in the tables
            there += progress.observables - whole.observables
            maps += progress.fields - whole.fields
            cycles += progress.cycles - whole.cycles
        if (there, maps, cycles) != (one.records, one.snapshots, one.state.cycles):
            told = f"{one.records} records and {one.snapshots} snapshots"
            raise BadFile(f"{path}: realization {one.realization} has {told}, and other rows")

    def file_of(self, number: int) -> Path:
        """Return the checkpoint that a realization goes on from."""
        return self._begun[number][0]

    @property
    def _fields(self) -> Sequence[str]:
        """The fields that a state has."""
        return self._read.settings.state_fields

    @property
    def _kinds(self) -> dict[str, np.dtype[Any]]:
        """The dtypes of rows in checkpoints."""
        kinds = self._plan.tables
        return {**kinds, "fields": np.dtype([])} if snapshots_are_large(self._plan) else kinds

    def add_early(self, store: Store) -> None:
        """Add the rows of realizations that were finished before an earlier one. On rank 0."""
        if self.header is not None:
            found = read_early(self.header.path, self._early, self._kinds)
            for realization, rows in found.items():
                store.add(realization, rows, finished=True)

    @property
    def queue(self) -> list[int]:
        """The realizations that are to be sheared, or to be gone on with."""
        first, last = self.start.progress.realizations, self._read.settings.realizations
        return [r for r in range(first, last) if r not in self._early]

    def waiting(self, queue: list[int]) -> dict[int, tuple[Path, int, int]]:
        """Return where the realizations of a queue are gone on with that were begun before."""
        return {number: self._begun[number] for number in queue if number in self._begun}


def _target(one: Found | CheckpointHeader) -> float:
    return settings_of(one.identity).loading.target
