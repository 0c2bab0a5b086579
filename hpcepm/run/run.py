"""A whole run: from a valid input to sheared glasses in a directory, or in memory.

In words, on each group of ranks:

    as long as there are realizations to shear:
        prepare one, or go on from a checkpoint
        for each strain at which something is saved, up to the target:
            shear to it, pausing now and then to report, to save and to write checkpoints
            record
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NoReturn

from hpcepm.files import no_check
from hpcepm.input.glass import glass_of, loading_of
from hpcepm.input.read import ReadInput
from hpcepm.model.consistency import ImpossibleState
from hpcepm.model.finite import NotFinite
from hpcepm.model.glass import mean_initial_threshold
from hpcepm.model.snapshot import Snapshot
from hpcepm.parallel.ranks import ProblemOnRank, Ranks
from hpcepm.parallel.rows import Lattice
from hpcepm.reading import BadFile
from hpcepm.storage.checkpoint import UnderWay, write_checkpoint
from hpcepm.storage.checkpoints import Checkpoints, remedy
from hpcepm.storage.directory import DirectoryUnusable, RunDirectory
from hpcepm.storage.store import FileStore, Store
from hpcepm.storage.writers import writers_in

from . import provenance
from .groups import SECONDS_BETWEEN_LOOKS, Order, Result, Task, make_groups, wait
from .manager import Manager
from .pace import steps_of
from .report import ending, show, told_of
from .resources import DiskWatch
from .resume import Resume
from .runner import Destination, Runner
from .save_points import cadences_of, plan_of, save_points
from .stopping import Deadline, Files, Stopped, StopRequest
from .terminal import Progress
from .watchdog import Watchdog

SECONDS_A_PAUSE: Final = 0.25

UNMEASURED_BYTES_A_SECOND: Final = 50e6
"""How fast a checkpoint is written, until one has been."""


class RunFailed(Exception):
    """The run cannot go on; the last checkpoint stands."""


class RunStopped(RunFailed):
    """The run was asked to stop before its target."""


class Run:
    """One run of one or many realizations, shared by all ranks.

    Parameters
    ----------
    world
        All ranks. Making a `Run`, and all its methods, are Collective.
    read
        A valid input, the same on all ranks.
    directory
        Rank 0's hold on the run directory; None elsewhere, or everywhere to keep all in memory.
    resume
        Go on from the newest checkpoint, if there is one.
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
    DirectoryUnusable
        Not all of it can be written.
    ProblemOnRank
        What is there cannot be used.
    """

    def __init__(
        self,
        world: Ranks,
        read: ReadInput,
        directory: RunDirectory | None = None,
        resume: bool = False,
        progress: Progress | None = None,
        stop_request: StopRequest | None = None,
        deadline: Deadline | None = None,
    ) -> None:
        self.world, self.read, self.settings = world, read, read.settings
        self.directory, self.progress = directory, progress
        self.stop_request = stop_request or StopRequest()
        self.files = Files(directory.path) if directory else None
        self.path: Path | None = world.bcast(directory.path if directory else None)
        self.watchdog = Watchdog(world, read.settings.stall)
        try:
            self._prepare(resume, deadline)
        except BaseException:
            self.watchdog.stop()
            raise

    def _prepare(self, resume: bool, deadline: Deadline | None) -> None:
        """Make all that the run has, or see what there is. Collective."""
        world, read, directory = self.world, self.read, self.directory
        settings, (nx, ny) = read.settings, read.settings.lattice.shape
        self.groups = make_groups(world, settings)
        self.group = self.groups.group
        self.writers = writers_in(self.path, world) if self.path else None
        self.lattice = Lattice((nx, ny), self.group)
        with world.collective_errors("a file of the input cannot be read any more"):
            self.glass = glass_of(read, self.lattice)
        self.mean_initial = mean_initial_threshold(self.glass, self.lattice)
        self.choice = settings.choice
        self.plan = plan_of(settings)._replace(in_memory=self.path is None)
        self.versions = world.on_root(provenance.versions)
        self.resume = Resume(world, read, directory, self.plan, self.versions, wanted=resume)
        if problem := world.bcast(directory.unwritable() if directory is not None else None):
            remedy = "ask its owner, or go on in a copy of the directory"
            raise DirectoryUnusable(f"{self.path}: cannot be used for output: {problem}; {remedy}")
        self.attributes = world.on_root(self._attributes)
        claim, points = world.bcast(directory.claim if directory else None), save_points(settings)
        folder = self.path / "pieces" if self.path else None
        place = Destination(folder, self.attributes, claim) if folder and claim else None
        what = (self.lattice, self.glass, self.choice.engine, points, self.plan, place)
        self.runner = Runner(*what, loading_of(read), cadences_of(settings), settings.clock)
        self.store = self._make_store()
        self.checkpoints = None
        if directory is not None:
            keep, run = settings.checkpoint.keep, self.resume.identity.run
            newest, check = self.resume.header, directory.claim.check
            self.checkpoints = Checkpoints(directory.checkpoints, run, keep, newest, check)
        self.manager = None
        if self.store is not None:
            queue = self.resume.queue
            self.manager = Manager(self.groups, self.store, settings, self.files, deadline, queue)
        self.shearing = False
        self.events_before, self._steps = 0, 64
        self._slowest_checkpoint = 0.0
        self._disk = DiskWatch(settings, min(self.groups.n_working, settings.realizations))
        self._paused = time.monotonic()
        self._next_look = 0.0
        self._signals_told = 0

    def _attributes(self) -> dict[str, Any]:
        """Return what every file says of the run."""
        return {**provenance.of_run(self), **self.resume.identity.attributes()}

    def _make_store(self) -> Store | None:
        """Return the store on rank 0, None elsewhere. Collective."""
        store, problem = None, None
        if self.world.is_root:
            try:
                if self.directory is None:
                    store = Store(self.plan, self.attributes)
                else:
                    start = self.resume.start
                    store = FileStore(self.directory, self.plan, self.attributes, start)
                    self.resume.add_early(store)
            except (BadFile, OSError) as error:
                problem = f"{error}. {remedy(self.resume.header)}"
        self.world.raise_together(problem)
        return store

    def run(self) -> Iterator[Snapshot]:
        """Shear all realizations to the target; yield the glass at each record of this group's.

        Raises
        ------
        RunFailed
            The run cannot go on; the last checkpoint stands.
        Stopped
            It was asked to stop, and wrote a checkpoint.
        """
        try:
            with told_of(self):
                yield from self._run()
        finally:
            self.watchdog.stop()

    def _run(self) -> Iterator[Snapshot]:
        if self.path is not None:
            self._bring_to_disk()  # makes a ``run.h5``, if there is none that shows more
            if self.files is not None:
                self.files.begin()
        while (task := self._next_task()).order is not Order.END:
            if task.order is not Order.SHEAR:
                self._obey(task.order)
                continue
            try:
                yield from self._shear(task.realization)
            except (NotFinite, ProblemOnRank) as error:
                several = self.settings.realizations > 1
                self._fail(f"realization {task.realization}: {error}" if several else str(error))
        if self.store is not None:
            self.store.finished = True
        if self.path is None:
            self._collect_all()
        else:
            self._write_checkpoint()

    def _bring_to_disk(self) -> None:
        """Bring all rows that were added to disk. Collective on all ranks."""
        with self.world.collective_errors(f"{self.path}: the output cannot be written"):
            if self.store is not None:
                self.store.save()

    def _next_task(self) -> Task:
        """Return what this group does next. Collective on the group."""
        self.watchdog.idle = True
        turns = 0
        while True:
            signal, task = self._signal(), None
            if self.manager is not None:
                show(self)
                task = self.manager.next_task(*signal, self._seconds_to_stop())
            elif self.group.is_root:
                self._tell_signal(*signal)
                task = self.groups.poll()
            task = self.group.bcast(task)
            if task is not None:
                self.watchdog.idle = False
                return task
            wait(turns)
            turns += 1

    def _signal(self) -> tuple[int, str | None]:
        """Return urgency and name of what was asked of any rank. Collective on the group."""
        request = self.stop_request
        asked = self.group.allgather((request.urgency, request.name))
        return max(asked, key=lambda one: one[0])

    def _shear(self, realization: int) -> Iterator[Snapshot]:
        """Shear a realization, and hand over its rows. Collective on the group."""
        before = self.resume.realization(realization, self.lattice)
        try:
            self.runner.begin(realization, before)
        except ImpossibleState as error:
            self._fail(f"{self.resume.file_of(realization)}: realization {realization}: {error}")
        self.events_before = int(self.runner.dynamics.state.macro[0]["events"])
        self.shearing = True
        self.watchdog.doing = f"shears realization {realization}"
        yield from self.runner.shear(self._pause, self._steps)
        rows = self.runner.take_rows()
        self.shearing = self.settings.realizations == 1  # its state serves a larger target
        if self.store is not None:
            self.store.add(realization, rows, finished=True)
        elif self.group.is_root:
            self.groups.report(Result(realization, rows))

    def _pause(self, full_stretch: bool) -> int:
        """Report, save, write a checkpoint or stop, as rank 0 sees fit; return steps to go on.

        After a full stretch the next one is made to last about `SECONDS_A_PAUSE`. Collective.
        """
        now = time.monotonic()
        self.watchdog.step()
        if self.progress:
            self.progress.pace.pause()
        if full_stretch:
            self._steps = steps_of(SECONDS_A_PAUSE, self._steps, now - self._paused)
        self._paused = now
        if self.group.size == 1 and now < self._next_look and self.stop_request.name is None:
            return self._steps  # save points of small lattices are microseconds apart
        self._next_look = now + SECONDS_BETWEEN_LOOKS
        signal, order = self._signal(), Order.CONTINUE
        if self.group.is_root:
            order = self._decide(*signal)
        order, self._steps = self.group.bcast((order, self._steps))
        self._obey(order)
        return self._steps

    def _obey(self, order: Order) -> None:
        """Do what rank 0 ordered. Collective on the group, or on all ranks: see `Order`."""
        if order is Order.SAVE:
            try:
                self._save()
            except ProblemOnRank as error:
                self._fail(str(error))
        elif order is not Order.CONTINUE:
            self._meet(order)

    def _decide(self, urgency: int, signal: str | None) -> Order:
        """Return what this group does. On its leader."""
        if self.manager is not None:
            show(self)
            return self.manager.decide(urgency, signal, self._seconds_to_stop())
        self._tell_signal(urgency, signal)
        task = self.groups.poll()
        return task.order if task else Order.CONTINUE

    def _tell_signal(self, urgency: int, signal: str | None) -> None:
        """Tell rank 0 of a signal that reached this group."""
        if signal is not None and urgency > self._signals_told:
            self._signals_told = urgency
            self.groups.report(Result(signal=(urgency, signal)))

    def _seconds_to_stop(self) -> float:
        """Return how long stopping will take: a checkpoint as slow as the slowest, and a pause."""
        if self.path is None:
            return 0.0
        fields = sum(field.nbytes for field in self.runner.dynamics.state.fields)
        unmeasured = fields * self.world.size / UNMEASURED_BYTES_A_SECOND
        return 2 * SECONDS_A_PAUSE + 1.5 * (self._slowest_checkpoint or unmeasured)

    def _save(self) -> None:
        """Bring what there is to disk. Collective on the group of rank 0."""
        self._add_rows()
        with self.group.collective_errors(f"{self.path}: the output cannot be written"):
            if self.store is not None and self.manager is not None:
                self.store.save()
                assert self.path is not None
                self._disk.look(self.path, self.progress)
                self.manager.saved = time.monotonic()

    def _add_rows(self) -> None:
        """Add the rows under way to the tables, if it is their turn. Collective on the group."""
        done = self.store.n_done if self.store is not None else -1
        if self.shearing and self.group.bcast(done) == self.runner.realization:
            rows = self.runner.take_rows()
            if self.store is not None:
                self.store.add(done, rows, finished=False)

    def _fail(self, problem: str) -> NoReturn:
        """End the run, for this group cannot go on. Collective on the group."""
        self.shearing = False
        if self.manager is not None:
            self.manager.problem = problem
            self.groups.order_all(Order.CANCEL)
        elif self.group.is_root:
            self.groups.report(Result(problem=problem))
        if self.groups.is_first:
            self._meet(Order.CANCEL)
        while True:  # a checkpoint may come first
            self._obey(self._next_task().order)

    def _meet(self, order: Order) -> None:
        """Do what rank 0 ordered, all ranks together. Collective on all ranks."""
        if order is not Order.CANCEL and self.path is not None:
            try:
                self._write_checkpoint()
            except ProblemOnRank as error:
                raise RunFailed(str(error)) from None
        else:
            self._collect_all()
        if order is Order.CHECKPOINT:
            return
        problem, stopped = self.world.bcast(ending(self, order is Order.STOP))
        raise RunFailed(problem) if problem else Stopped(stopped)

    def _collect_all(self) -> None:
        """Take in all that other groups have sent. Collective on all ranks."""
        for result in self.groups.collect_all():
            assert self.manager is not None
            self.manager.collect(result)

    def _write_checkpoint(self) -> None:
        """Write a checkpoint, the output first: what it counts on is on disk. Collective on all."""
        began = time.monotonic()
        doing, self.watchdog.doing = self.watchdog.doing, "writes a checkpoint"
        self._collect_all()
        problem = self.world.bcast(self.manager.problem if self.manager else None)
        if problem is not None:  # a realization that cannot go on must not be left out
            raise RunFailed(problem)
        if self.groups.is_first:
            self._add_rows()
        self._bring_to_disk()
        mine: UnderWay | None = self.runner.under_way() if self.shearing else None
        waiting = self.resume.waiting(self.manager.queue) if self.manager else None
        assert self.path is not None
        folder = self.path / "checkpoints"
        number = self.world.bcast(self.checkpoints.next_number() if self.checkpoints else 0)
        check = self.directory.claim.check if self.directory else no_check
        path = write_checkpoint(
            folder, number, self.world, self.lattice, mine, self.store, waiting, check
        )
        with self.world.collective_errors(f"{folder}: cannot be written"):
            if self.checkpoints is not None and isinstance(self.store, FileStore):
                self.store.remove_unused(self.checkpoints.wrote(path))
        if self.manager is not None:
            self.manager.checkpointed = self.manager.saved = time.monotonic()
            self._slowest_checkpoint = max(self._slowest_checkpoint, time.monotonic() - began)
        self.watchdog.doing = doing
