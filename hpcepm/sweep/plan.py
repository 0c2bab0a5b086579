"""A sweep that is to be carried out: its input, its points and their directories, all looked at."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hpcepm.files import reason
from hpcepm.input.plugins import resolved
from hpcepm.input.problems import InputError
from hpcepm.input.read import ReadInput, read_input
from hpcepm.input.strict_yaml import words_of
from hpcepm.reading import BadFile
from hpcepm.run.changes import FREE_TO_CHANGE, differences
from hpcepm.run.salvage import written
from hpcepm.run.status import is_finished, is_run
from hpcepm.storage.directory import DirectoryTaken, DirectoryUnusable, read_shown
from hpcepm.storage.lock import holder_of
from hpcepm.text import shorten

from .grid import Point, axis_of, points_of


@dataclass(frozen=True)
class Sweep:
    """Many runs of one input.

    Attributes
    ----------
    input
        The YAML file.
    common
        Assignments for all points, and plug-ins: options of ``hpcepm run``.
    folder
        Where the directories of the points are.
    points
        In order of their numbers.
    """

    input: str
    common: list[str]
    folder: Path
    points: list[Point]

    def directory(self, point: Point) -> Path:
        """Return the directory of a point."""
        return self.folder / point.name

    def arguments(self, point: Point) -> list[str]:
        """Return the command line of the run of a point."""
        assignments = [word for one in point.assignments for word in ("--set", one)]
        output = ["--output", str(self.directory(point)), "--continue"]
        return [self.input, *self.common, *assignments, *output]

    @property
    def keys(self) -> list[str]:
        """The keys that vary."""
        return list(self.points[0].values)

    def in_use(self, point: Point) -> bool:
        """Return whether somebody is at work on a point."""
        holder = holder_of(self.directory(point) / "run.lock")
        return holder is not None and holder.alive


def sweep_of(
    input_path: str, words: Sequence[str], folder: str | None, common: Sequence[str]
) -> tuple[Sweep, list[str]]:
    """Return the sweep that a command line means, of the words that can be read.

    And what is wrong with others. No file is read yet.

    Parameters
    ----------
    input_path
        The YAML file.
    words
        ``key=values``; see `hpcepm.sweep.grid`.
    folder
        Where to; ``runs/INPUT-sweep`` if None.
    common
        Options for all points.

    Raises
    ------
    InputError
        A key is there twice, or the points are too many.
    """
    axes, problems = [], list[str]()
    for word in words:
        try:
            axes.append(axis_of(word))
        except InputError as error:
            problems += error.problems
    stem = os.path.splitext(os.path.basename(input_path))[0]
    place = Path(folder or os.path.join("runs", f"{stem}-sweep"))
    return Sweep(input_path, list(common), place, points_of(axes)), problems


def read_all(
    sweep: Sweep, assignments: Sequence[str], points: Sequence[Point], problems: Sequence[str]
) -> list[ReadInput]:
    """Return the inputs of points of a sweep.

    Parameters
    ----------
    sweep
        Which.
    assignments
        For all points.
    points
        Of the sweep.
    problems
        Found before.

    Raises
    ------
    InputError
        With all that is wrong with any, each once.
    """
    reads: list[ReadInput] = []
    found = {problem: problem for problem in [*problems, *_overridden(sweep.keys, assignments)]}
    for point in points:
        wanted = [*assignments, *point.assignments]
        try:
            reads.append(read_input(sweep.input, wanted, str(sweep.directory(point))))
        except InputError as error:
            for one in error.problems:
                told = one.removeprefix("--set ")
                found.setdefault(told.partition(": ")[2], told)
    if found:
        raise InputError(found.values())
    _refuse_the_same(points, reads)
    return reads


def _refuse_the_same(points: Sequence[Point], reads: Sequence[ReadInput]) -> None:
    """Refuse points of one input: they would count as samples of their own."""
    seen: dict[str, Point] = {}
    for point, read in zip(points, reads, strict=True):
        settings = json.loads(resolved(read))
        del settings["output"]["directory"]
        before = seen.setdefault(json.dumps(settings), point)
        if before is not point:
            raise InputError([f"{before.name} and {point.name} are one point: leave one out"])


def _overridden(keys: Sequence[str], assignments: Sequence[str]) -> list[str]:
    """Return what is wrong with assignments that each point would replace."""
    return [
        f"--set {shorten(one, 60)}: {key} varies in this sweep; drop --set, or leave {key} out of "
        "what varies"
        for one in assignments
        for key in keys
        if words_of(one.partition("=")[0])[: len(words_of(key))] == words_of(key)
    ]


def refuse_others(sweep: Sweep, reads: Sequence[ReadInput]) -> None:
    """Raise `DirectoryTaken` if there are runs of other inputs where a sweep is to go.

    Raises `DirectoryUnusable` if that cannot be seen.
    """
    try:
        inside = sorted(sweep.folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        inside = []  # nothing can be there; what is wrong with the name, each run will say
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        said = f"cannot be used for output: {reason(error)}; name another with --output DIR"
        raise DirectoryUnusable(f"{sweep.folder}: {said}") from None
    if is_run(sweep.folder):
        said = "holds a run, and a sweep wants a folder of its own: name another with --output DIR"
        raise DirectoryTaken(f"{sweep.folder}: {said}")
    others = [why for read in reads if (why := of_another_input(read))]
    ours = {sweep.directory(point) for point in sweep.points}
    said = "is no point of this sweep"  # the table and the figure would leave runs of it out
    others += [f"{path}: {said}" for path in inside if path not in ours and is_run(path)]
    if others:
        more = [f"and {len(others) - 5} more"] if len(others) > 5 else []
        said = "they were not touched: name another folder with --output DIR, or remove them"
        raise DirectoryTaken("\n".join([*others[:5], *more, said]))


def to_do(points: Sequence[Point], reads: Sequence[ReadInput]) -> list[Point]:
    """Return the points that are not finished, by what is on the disk."""
    return [p for p, read in zip(points, reads, strict=True) if not _is_done(read)]


def of_another_input(read: ReadInput) -> str | None:
    """Return in what a run that is there already is of another input, if it is."""
    directory = Path(read.settings.output.directory)
    there = _settings_in(directory)
    if there is None:
        return None
    changed = list(differences(there, json.loads(resolved(read)), FREE_TO_CHANGE))
    return f"{directory}: holds a run of another input: {'; '.join(changed)}" if changed else None


def _settings_in(directory: Path) -> dict[str, object] | None:
    """Return the input of a run, with defaults of keys that came later, as ``--continue`` does.

    None if it cannot be read: the run itself will say why.
    """
    try:
        return written(read_shown(directory / "run.h5")[0])
    except (BadFile, OSError):
        return None


def _is_done(read: ReadInput) -> bool:
    """Return whether a run came to its end, and this is the end that it should come to."""
    directory = Path(read.settings.output.directory)
    there, wanted = _settings_in(directory), json.loads(resolved(read))
    free = tuple(key for key in FREE_TO_CHANGE if key not in ("loading.target", "realizations"))
    same = there is not None and not any(differences(there, wanted, free))
    return same and is_finished(directory / "run.h5")
