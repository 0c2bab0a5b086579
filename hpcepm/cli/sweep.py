"""``hpcepm sweep``: many runs of one input, and what they come to."""

import argparse
import os
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from hpcepm.faults import DIRECTORY_TAKEN, FAILED, REACHED, STOPPED, WRONG_INPUT, NoRun
from hpcepm.files import told
from hpcepm.input.plugins import load_plugin
from hpcepm.input.problems import InputError
from hpcepm.input.read import ReadInput
from hpcepm.parallel.mpiexec import mpiexec, not_launched, ranks_started
from hpcepm.run.stopping import Deadline, StopRequest, seconds_of_walltime
from hpcepm.run.terminal import Progress
from hpcepm.storage.directory import DirectoryTaken, DirectoryUnusable
from hpcepm.sweep.grid import Point
from hpcepm.sweep.plan import Sweep, of_another_input, read_all, refuse_others, sweep_of, to_do

from .base import UsageError, complain, on_all_ranks, on_one_process, say
from .options import run_parser, sweep_parser
from .typed import command

if TYPE_CHECKING:
    from hpcepm.parallel.ranks import Ranks

Thing = TypeVar("Thing")

WORDS: Final = {
    REACHED: "finished",
    STOPPED: "stopped",
    DIRECTORY_TAKEN: "left alone",
    WRONG_INPUT: "refused",
}

SECONDS_TO_STOP: Final = 15.0
"""Before the end of its time a sweep asks its points to write their checkpoints; of a short time a
quarter."""

WAITING: Final = (None, STOPPED)
"""Exit codes of points that have not failed: None of one that was not started, or is another's."""


class Asked(NamedTuple):
    """What a command line asks for, as rank 0 found it: others may see another disk by now."""

    sweep: Sweep
    points: list[Point]
    to_do: list[Point]


def main(arguments: list[str], stop_request: StopRequest) -> int:
    """Carry out a sweep; return the exit code. Under a launcher: Collective."""

    def carry_out(ranks: "Ranks | None", options: argparse.Namespace) -> int:
        return _carry_out(ranks, options, stop_request)

    how = sweep_parser(), arguments, _check
    if _is_rank():
        return on_all_ranks(*how, carry_out)
    return on_one_process(*how, partial(carry_out, None))


def _is_rank() -> bool:
    """Return whether a launcher started this process as a rank, be it the only one.

    A step of SLURM with one task may be that of a shell; it has a rank if PMIx gave it one.
    """
    name, started = ranks_started()
    step = name.startswith("SLURM") and "PMIX_RANK" not in os.environ
    return started > 1 or (name != "" and not step)


def _carry_out(
    ranks: "Ranks | None", options: argparse.Namespace, stop_request: StopRequest
) -> int:
    """Read all inputs, and do what is asked for; return the exit code. Collective."""
    asked, reads, refused = None, list[ReadInput](), ("", FAILED)
    if ranks is None or ranks.is_root:
        try:
            asked, reads = _look(options)
        except InputError as error:
            told = f"{error}\nhpcepm: the sweep is wrong (above); nothing was started"
            refused = told, WRONG_INPUT
        except (UsageError, DirectoryUnusable) as error:
            refused = f"hpcepm: {error}", WRONG_INPUT
        except DirectoryTaken as error:
            refused = f"hpcepm: {error}", DIRECTORY_TAKEN
    if ranks is not None:
        asked, refused = ranks.bcast((asked, refused))
    if asked is None:
        return complain(ranks.rank if ranks else 0, *refused)
    return Job(asked, reads, options, stop_request, ranks).carry_out()


def _look(options: argparse.Namespace) -> tuple[Asked, list[ReadInput]]:
    """Return what is asked for, and the inputs of its points."""
    for path in options.plugin:
        load_plugin(path)
    sweep, problems = _sweep_of(options)
    points = sweep.points
    if options.point is not None:
        points = [_chosen(sweep, options.point)]
    reads = read_all(sweep, options.set, points, problems)
    refuse_others(sweep, reads)
    return Asked(sweep, points, to_do(points, reads)), reads


def _check(options: argparse.Namespace) -> None:
    if options.input is None or not options.axes:
        said = "name an input and what varies: hpcepm sweep inputs/esl.yaml seed=1..8"
        sweep_parser().error(said)
    for name, value in (("-j", options.at_a_time), ("-n", options.ranks)):
        if value is not None and value < 1:
            raise UsageError(f"{name} wants a number from 1 on, not {value}")
    if options.output == "":
        raise UsageError("--output needs the name of a folder")
    if options.max_walltime is not None:
        options.max_walltime = seconds_of_walltime(options.max_walltime)


def _sweep_of(options: argparse.Namespace) -> tuple[Sweep, list[str]]:
    named = {"--plugin": options.plugin, "--set": options.set}
    common = [word for name, values in named.items() for value in values for word in (name, value)]
    return sweep_of(options.input, options.axes, options.output, common)


def _chosen(sweep: Sweep, number: int) -> Point:
    if not 1 <= number <= len(sweep.points):
        raise UsageError(f"--point {number}: the points are 1 to {len(sweep.points)}")
    return sweep.points[number - 1]


def directory_of(arguments: list[str]) -> str:
    """Return the directory that ``--point`` of a command line means; for job scripts."""
    options = sweep_parser().parse_args(arguments)
    sweep, _ = _sweep_of(options)
    return str(sweep.directory(_chosen(sweep, options.point)))


class Job:
    """A sweep that is carried out, as a command line asks for.

    Parameters
    ----------
    asked
        What for.
    reads
        On rank 0: the inputs of its points.
    options
        Of the command line.
    stop_request
        Of this process.
    ranks
        Those of this MPI job; None for a process alone.
    """

    def __init__(
        self,
        asked: Asked,
        reads: list[ReadInput],
        options: argparse.Namespace,
        stop_request: StopRequest,
        ranks: "Ranks | None",
    ) -> None:
        self.sweep, self.points, self.to_do = asked
        self.reads, self.options = reads, options
        self.stop_request, self.ranks = stop_request, ranks
        self.is_root = ranks is None or ranks.is_root
        self.progress = Progress(None, options.quiet or not self.is_root)
        self.codes: dict[int, int] = {}
        self.deadline: Deadline | None = None

    def urgency(self) -> int:
        """Return how often it was asked to stop, the end of its time being once."""
        return max(self.stop_request.urgency, int(self._out_of_time() is not None))

    def _out_of_time(self) -> str | None:
        most = self.options.max_walltime
        before = SECONDS_TO_STOP if most is None else min(SECONDS_TO_STOP, most / 4)
        return self.deadline.reached(before) if self.deadline else None

    def _of_root(self, thing: Thing) -> Thing:
        """Return the argument of rank 0. Collective."""
        return thing if self.ranks is None else self.ranks.bcast(thing)

    def carry_out(self) -> int:
        """Do what is asked for; return the exit code. Collective."""
        if self.options.dry_run or self.options.array:
            if self.is_root:
                say(self._script() if self.options.array else "\n".join(self._listed()))
            return REACHED
        if self.options.point is not None:
            return self._one_point()
        if self.ranks is not None and self.ranks.size < self.options.ranks:
            said = f"hpcepm: -n {self.options.ranks}: this job has {self.ranks.size} ranks"
            return complain(self.ranks.rank, said, WRONG_INPUT)
        deadline = Deadline(self.options.max_walltime) if self.is_root else None
        self.progress.warn(deadline.warnings if deadline else [])
        self.deadline = self._of_root(deadline)
        n, left = len(self.points), len(self.to_do)
        done = f", {n - left} of them finished before" if left < n else ""
        self.progress.say([f"hpcepm sweep: {n} points in {self.sweep.folder}{done}"])
        if not self.to_do:
            return self._of_root(self._end() if self.is_root else REACHED)
        return self._here() if self.ranks is None else self._in_job(self.ranks)

    def _script(self) -> str:
        from hpcepm.sweep.array import script

        sweep = self.sweep
        output = ["--output", str(sweep.folder)]
        words = ["sweep", sweep.input, *self.options.axes, *sweep.common, *output]
        return script(sweep, words, self.options.ranks).rstrip()

    def _listed(self) -> list[str]:
        wanted = {point.number for point in self.to_do}
        lines = [
            f"{point.number:5d}  {'to do   ' if point.number in wanted else 'finished'}  "
            f"{self.sweep.directory(point)}"
            for point in self.points
        ]
        return [*lines, f"{len(self.points)} points, {len(wanted)} to do; nothing was started"]

    def _one_point(self) -> int:
        from . import run

        if not self.to_do:
            self.progress.say([f"{self.sweep.directory(self.points[0])}: is finished already"])
            return REACHED
        quiet = ["--quiet"] if self.options.quiet else []
        most = self.options.max_walltime
        limit = [] if most is None else ["--max-walltime", f"{most:.1f} s"]
        return run.main([*self.sweep.arguments(self.to_do[0]), *quiet, *limit], self.stop_request)

    def _here(self) -> int:
        """Run points on this machine; return the exit code."""
        from hpcepm.parallel.processors import IdleProcessors
        from hpcepm.sweep.local import run_here

        ranks, at_a_time = self.options.ranks, self.options.at_a_time
        try:
            launcher = mpiexec(ranks) if ranks > 1 else []
        except OSError as error:
            return complain(0, f"{not_launched(error, ranks)}; nothing was started", WRONG_INPUT)
        if at_a_time is None:
            at_a_time = max(1, IdleProcessors().count() // ranks)
        at_a_time = min(at_a_time, len(self.to_do))
        of = f" on {ranks} ranks each" if ranks > 1 else ""
        self.progress.say([f"  {at_a_time} at a time{of}; -j takes another number"])
        how = at_a_time, launcher, command(), self.progress, self.urgency, self._ended
        run_here(self.sweep, self.to_do, *how)
        return self._end()

    def _ended(self, point: Point, code: int, errors: str = "") -> None:
        """Note how a point ended, and say so."""
        if code == DIRECTORY_TAKEN and not to_do([point], [self.reads[point.number - 1]]):
            self.progress.say([f"  {point.name}: finished by others"])
            return
        if code != DIRECTORY_TAKEN or not self.sweep.in_use(point):  # else it is another's
            self.codes[point.number] = code
        said = f"{point.name}: {WORDS.get(code, f'failed with exit code {code}')}"
        if code in (REACHED, STOPPED):
            self.progress.say([f"  {said}"])
        else:
            why = errors.removeprefix("hpcepm: ")
            self.progress.warn([f"{said}: {why}" if why else said])

    def _in_job(self, ranks: "Ranks") -> int:
        """Run points on the ranks of this MPI job; return the exit code. Collective."""
        from hpcepm.sweep.job import run_in_job

        from . import run

        def run_point(group: "Ranks", arguments: list[str]) -> int:
            parsed = run_parser().parse_args([*arguments, "--quiet"])
            return run.run_on(group, parsed, self.stop_request, self.deadline)

        def ended(point: Point, code: int) -> None:
            if not self.options.quiet:
                say(f"  {point.name}: {WORDS.get(code, f'failed with exit code {code}')}")

        at_a_time = min(ranks.size // self.options.ranks, len(self.to_do))
        self.progress.say([f"  {at_a_time} at a time, in one MPI job of {ranks.size} ranks"])
        how = self.options.ranks, run_point, self.urgency, ended
        self.codes = run_in_job(ranks.comm, self.sweep, self.to_do, *how)
        return ranks.bcast(self._end() if ranks.is_root else REACHED)

    def _end(self) -> int:
        """Make the table and the figure; say what is left; return the exit code. On rank 0."""
        # Before the look at what is left: a point may be finished meanwhile.
        at_work = any(self.sweep.in_use(point) for point in self.to_do)
        n, left = len(self.points), to_do(self.points, self.reads)
        made = REACHED
        if len(left) < n:
            try:
                self.progress.say(_results(self.sweep, left))
            except OSError as error:
                said = f"the results cannot be written: {told(self.sweep.folder, error)}"
                made = complain(0, f"hpcepm: {said}", FAILED)
        if not left:
            return made
        said, again = f"{n - len(left)} of {n} points are finished", command()
        self._tell_of_changed([one for one in left if self.codes.get(one.number) == REACHED])
        failed = [one.name for one in left if self.codes.get(one.number) not in WAITING]
        if self.urgency() or STOPPED in self.codes.values():
            by = f"stopped by {self.stop_request.name or self._out_of_time() or 'request'}"
            return complain(0, f"hpcepm: {by}; {said}, go on with: {again}", STOPPED)
        if not failed:
            why = "others left the rest unfinished. Go on with"
            if at_work:
                why = "others are at work on the rest. When they are done"
            return complain(0, f"hpcepm: {said}; {why}: {again}", STOPPED)
        some = ", ".join(failed[:5]) + (", …" if len(failed) > 5 else "")
        said = f"{said}; failed: {some}. Why is said above, or in run.log; to try again: {again}"
        return complain(0, f"hpcepm: {said}", FAILED)

    def _tell_of_changed(self, finished: list[Point]) -> None:
        """Say of points that came to an end, and not to that of the input as it was read."""
        for point in finished:
            not_there = f"{self.sweep.directory(point)}: came to another end than was asked for"
            why = of_another_input(self.reads[point.number - 1]) or not_there
            remedy = "the input was changed meanwhile: remove that run, or change the input back"
            self.progress.warn([f"{why}; {remedy}"])


def _results(sweep: Sweep, left: list[Point]) -> list[str]:
    """Write table and figure; return what to say."""
    from hpcepm.sweep import figure, results

    rows, problems = results.rows_of(sweep, left)
    told = [f"  left out: {problem}" for problem in problems]
    if not rows:
        return told
    table, picture = (sweep.folder / name for name in ("sweep.csv", "sweep.png"))
    results.write_table(rows, sweep.keys, table)
    try:
        figure.draw(rows, sweep.keys, _title(sweep), picture)
        drawn = str(picture)
    except NoRun as error:
        drawn = f"none: {error}"
    return [
        "",
        *results.lines(rows, sweep.keys),
        "",
        *told,
        f"  table     {table}",
        f"  figure    {drawn}",
    ]


def _title(sweep: Sweep) -> str:
    what = f"{sweep.folder.name}: {os.path.basename(sweep.input)}, {len(sweep.points)} points"
    return f"{what}; bands and bars: standard errors"
