"""Many realizations in one run: handed out to groups of ranks as these get free, and kept in order.

Rank 0 hands out and works as well. At each stop of its own realization it looks at the clock, at
the files that speak to the run and at its mail; so do the leaders of the other groups with theirs.
What is kept does not depend on who sheared it, or when.
"""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple

from mpi4py import MPI

from hpcepm.input import ReadInput
from hpcepm.input.glass import glass_of
from hpcepm.model.dynamics import NotFinite
from hpcepm.model.engines import choose_engine
from hpcepm.model.glass import mean_initial_threshold
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from hpcepm.storage.directory import DirectoryTaken, RunDirectory, read_identity
from hpcepm.storage.ensemble_output import EnsembleOutput
from hpcepm.storage.tables import DamagedOutput
from hpcepm.text import duration

from . import provenance
from .realization import RealizationResult, Realizations
from .report import ensemble_header
from .save_points import schedule
from .simulation import SECONDS_A_PAUSE, SECONDS_A_SAVE, OutputFailed, Stopped, differences
from .stopping import Deadline, Files, StopRequest
from .terminal import Progress

FREE_TO_CHANGE: Final = ("checkpoint", "output.directory", "realizations", "ranks_per_realization")
SMALL: Final = 256**2
"""Sites up to which a second rank gains nothing, as measured (docs/performance.md)."""

SECONDS_TO_STOP: Final = 2.0
SECONDS_BETWEEN_LOOKS: Final = 0.0005

RESULT: Final = 1
ORDER: Final = 2
HALT: Final = 3
"""Tags: what a leader sends to rank 0; the answer.

And the word to drop everything, which each leader gets once.
"""

NO_MORE: Final = -1


class Mail(NamedTuple):
    """What the leader of a group tells rank 0, who answers with the next realization or `NO_MORE`."""

    realization: int  # which one it was; −1 at first
    sheared: RealizationResult | None = None  # None if it was interrupted
    asked_by: str | None = None  # the signal that reached the group
    problem: str | None = None  # why the run cannot go on


def ranks_of_a_group(asked: int | str, ranks: int, realizations: int, n_sites: int) -> int:
    """Return how many ranks share a realization.

    One for small lattices, else so many that all have work.
    """
    if isinstance(asked, int):
        return min(asked, ranks)
    return 1 if n_sites <= SMALL else max(1, ranks // realizations)


class Ensemble:
    """A run of several realizations.

    For the parameters see `Simulation`; making it, and `run`, are Collective.
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
        self.ranks, self.read, self.settings = ranks, read, read.settings
        self.directory, self.progress = directory, progress
        self.stop_request, self.deadline = stop_request or StopRequest(), deadline
        settings = read.settings
        nx, ny = settings.lattice.shape
        self.per_group = per_group = ranks_of_a_group(
            settings.ranks_per_realization, ranks.size, settings.realizations, nx * ny
        )
        self.group = Ranks(ranks.comm.Split(ranks.rank // per_group, ranks.rank))
        self.leaders = range(0, ranks.size, per_group)
        self.lattice = Lattice((nx, ny), self.group)
        self.glass = glass_of(read, self.lattice)
        self.choice = choose_engine(settings.engine, (nx, ny))
        names = tuple(settings.output.fields.names) if settings.output.fields else ()
        self.many = Realizations(
            self.lattice, self.glass, self.choice.engine, schedule(settings), names
        )
        self.mean_initial = mean_initial_threshold(self.glass, self.lattice)
        place = self._place_to_take_up(go_on)
        self.output: EnsembleOutput | None = None
        problem = None
        if directory is not None:
            engine, software = self.choice.engine, provenance.versions()
            attributes = provenance.of_run(
                read, self.glass, ranks, engine, self.mean_initial, self._created, software
            )
            self.versions = software
            try:
                self.output = EnsembleOutput(directory, settings, self.many, attributes, place)
            except DamagedOutput as error:
                problem = (
                    f"{error}. Without it the run cannot go on; begin it anew in another directory"
                )
        ranks.raise_together(problem)
        self.begun_with = self.output.n_done if self.output else 0
        self._next = self.begun_with
        self._asked_by: str | None = None
        self._problem: str | None = None
        self._signal: str | None = None
        self._halted = False
        self._left_to_dismiss = len(self.leaders) - 1
        self._saved = self._looked = self._answered = time.monotonic()

    def _place_to_take_up(self, go_on: bool) -> dict[str, int]:
        """Return how far the run in the directory came, having made sure that it is this one."""
        place, refused, self._created = {}, None, datetime.now(UTC).isoformat(timespec="seconds")
        if (
            self.directory is not None
            and go_on
            and (identity := read_identity(self.directory.run_file)) is not None
        ):
            self._created = identity.created
            where, wanted = self.settings.output.directory, self.settings.realizations
            place = identity.place
            changed = list(
                differences(
                    identity.settings, json.loads(self.settings.model_dump_json()), FREE_TO_CHANGE
                )
            )
            if changed or identity.settings["realizations"] == 1:
                told = "\n  ".join(changed) or f"realizations: was 1, is now {wanted}"
                refused = (
                    f"{where}: holds a run of another input, and it was not touched:\n  {told}"
                )
            elif place["realizations"] >= wanted:
                refused = f"{where}: holds a run that has {place['realizations']} realizations already; it was not touched."
        place, refused = self.ranks.bcast((place, refused))
        if refused is not None:
            raise DirectoryTaken(refused)
        return place

    def run(self) -> Iterator[int]:
        """Shear all realizations; yield, on rank 0, how many are kept, each time that there are more.

        Raises
        ------
        OutputFailed, NotFinite
            The run cannot go on; what was saved stands.
        Stopped
            It was asked to stop; what was saved stands.
        """
        self._started = time.monotonic()
        if self.output is not None and self.directory is not None:
            if self.progress:
                self.progress.say(ensemble_header(self))
            files = Files(self.directory.path)
            files.take(files.stop)  # meant for a run that is over
            self._save()
            yield from self._hand_out()
            self._dismiss()
        else:
            self._serve()
        problem, asked_by = self.ranks.bcast((self._problem, self._asked_by))
        if problem is not None:
            raise OutputFailed(problem)
        kept = self.ranks.bcast(self.output.n_done if self.output else 0)
        if asked_by is not None:
            said = (
                f"stopped after {kept} of {self.settings.realizations} realizations by {asked_by}"
            )
            raise Stopped(f"{said}; they are saved, --continue goes on with the next")
        if self.progress:
            took = time.monotonic() - self._started
            self.progress.say(
                [f"sheared {kept - self.begun_with} realizations in {duration(took)}"]
            )

    def _shear(self, realization: int, interrupted: Callable[[], bool]) -> Mail:
        """Shear a realization; return what came of it. Collective within the group."""
        try:
            return Mail(realization, self.many.shear(realization, interrupted))
        except NotFinite as error:  # the same on all ranks of the group
            return Mail(realization, problem=f"realization {realization}: {error}")

    # Rank 0

    def _hand_out(self) -> Iterator[int]:
        """Hand out what is left, and take part in the work."""
        assert self.output is not None
        for realization in iter(self._take_next, NO_MORE):
            self.group.bcast(realization)
            self._take_in(self._shear(realization, self._interrupted_in_its_group))
            yield self.output.n_done
        self.group.bcast(NO_MORE)

    def _take_next(self) -> int:
        if self._over or self._next >= self.settings.realizations:
            return NO_MORE
        self._next += 1
        return self._next - 1

    @property
    def _over(self) -> bool:
        return self._asked_by is not None or self._problem is not None

    def _interrupted_in_its_group(self) -> bool:
        if self.output is not None:
            self._look_around()
        return self.group.bcast(self._over)

    def _take_in(self, mail: Mail) -> None:
        assert self.output is not None
        if mail.sheared is not None:
            self.output.keep(mail.realization, mail.sheared)
        self._asked_by = self._asked_by or mail.asked_by
        self._problem = self._problem or mail.problem

    def _look_around(self) -> None:
        """Answer mail, report, save, and see whether anyone wants the run to stop."""
        assert self.directory is not None and self.output is not None
        now = time.monotonic()
        if (
            now - self._answered < SECONDS_BETWEEN_LOOKS
        ):  # stops of small lattices are microseconds apart
            return
        self._answered = now
        status = MPI.Status()
        while self.ranks.comm.Iprobe(tag=RESULT, status=status):
            self._take_in(self.ranks.comm.recv(source=status.source, tag=RESULT))
            order = self._take_next()
            self.ranks.comm.send(order, status.source, ORDER)
            self._left_to_dismiss -= order == NO_MORE
        self._asked_by = self._asked_by or self.stop_request.name
        if now - self._looked >= SECONDS_A_PAUSE:
            self._looked = now
            if self.progress:
                self.progress.realizations(
                    self.begun_with, self.output.n_done, self.settings.realizations
                )
            files = Files(self.directory.path)
            if files.stop.exists():
                self._asked_by = f"the file {files.stop.name}"
            elif self.deadline and (limit := self.deadline.reached(SECONDS_TO_STOP)):
                self._asked_by = limit
            if now - self._saved >= SECONDS_A_SAVE or files.take(files.checkpoint):
                self._save()
        if self._over:
            self._halt()

    def _halt(self) -> None:
        """Tell all groups to drop what they are at."""
        if not self._halted:
            self._halted = True
            for leader in self.leaders[1:]:
                self.ranks.comm.send(None, leader, HALT)

    def _dismiss(self) -> None:
        """Wait for the last results of all groups, and save."""
        assert self.output is not None
        while self._left_to_dismiss:
            self._look_around()
            time.sleep(0.0005)
        self._halt()
        self.output.finished = self.output.n_done == self.settings.realizations
        if self._problem is None:
            self._save()

    def _save(self) -> None:
        assert self.output is not None and self.directory is not None
        try:
            self.output.save()
        except OSError as error:
            self._problem = (
                f"{self.directory.path}: the output cannot be written: {error.strerror or error}"
            )
        self._saved = time.monotonic()

    # The others

    def _serve(self) -> None:
        """Shear what rank 0 says. On all other ranks; only leaders have mail."""
        comm, leads = self.ranks.comm, self.group.is_root
        if leads:
            comm.send(Mail(NO_MORE), 0, RESULT)
        with_rank_0 = self.ranks.rank < self.per_group
        interrupted = self._interrupted_in_its_group if with_rank_0 else self._interrupted
        while (
            order := self.group.bcast(comm.recv(source=0, tag=ORDER) if leads else NO_MORE)
        ) != NO_MORE:
            mail = self._shear(order, interrupted)
            if leads:
                comm.send(mail._replace(asked_by=self._signal), 0, RESULT)
        if leads:
            comm.recv(source=0, tag=HALT)

    def _interrupted(self) -> bool:
        """Return whether to drop the present realization. Collective within the group."""
        self._signal = self.group.first_not_none(self.stop_request.name)
        halted = self.group.is_root and self.ranks.comm.Iprobe(source=0, tag=HALT)
        return self.group.bcast(halted) or self._signal is not None
