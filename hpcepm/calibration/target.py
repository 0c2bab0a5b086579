"""The target file of a calibration, read with all that it names, and checked."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from pydantic import ValidationError

from hpcepm.analysis.statistics import Floats
from hpcepm.input.problems import InputError, Path, did_you_mean, dotted
from hpcepm.input.read import ReadInput, read_input, validated
from hpcepm.input.schema import Input
from hpcepm.input.source import bytes_of, read_document
from hpcepm.input.strict_yaml import Document
from hpcepm.input.wording import reason_of
from hpcepm.layout import SAME_STRAIN
from hpcepm.model.observables import OBSERVABLES
from hpcepm.names import expanded

from .curve_file import read_curve
from .emulator import Box
from .schema import TargetInput
from .statistics import Goal, Statistics, compared

FITTABLE: Final = ("elasticity", "thresholds", "slip", "initial_stress")


@dataclass(frozen=True)
class Target:
    """A valid target and all that it names.

    Attributes
    ----------
    settings
        What the file says, every default filled in.
    read
        The input that it names.
    keys, start, bounds
        What is fitted, (p,).
    statistics, goal
        What is compared, and with what.
    curves
        The rows of the CSV file of each observable, (rows, 3).
    """

    settings: TargetInput
    read: ReadInput
    keys: tuple[str, ...]
    start: Floats
    bounds: Box
    statistics: Statistics
    goal: Goal
    curves: dict[str, Floats]

    def input_at(self, point: Floats) -> ReadInput:
        """Return the input with the fitted keys at a point (p,).

        Raises
        ------
        InputError
            Together they are no valid input.
        """
        values = dict(zip(self.keys, map(float, point), strict=True))
        try:
            return replace(self.read, settings=with_keys(self.read.settings, values))
        except ValidationError as error:
            at = ", ".join(f"{key} = {value:.6g}" for key, value in values.items())
            raise InputError([f"{self.settings.input}: at {at}: {reason_of(error)}"]) from None


def with_keys(settings: Input, values: dict[str, float]) -> Input:
    """Return settings with some keys changed, validated afresh."""
    content = settings.model_dump()
    for key, value in values.items():
        set_key(content, key, value)
    return Input.model_validate(content)


def set_key(content: dict[str, Any], key: str, value: float) -> None:
    """Set a dotted key of nested mappings; those that are not there are made."""
    *sections, last = key.split(".")
    for section in sections:
        content = content.setdefault(section, {})
    content[last] = value


def read_target(path: str, assignments: list[str], directory: str | None) -> Target:
    """Return a valid target.

    Parameters
    ----------
    path
        The target file.
    assignments
        ``key=value`` for the target file, from ``--set``.
    directory
        Overrides ``output``.

    Raises
    ------
    InputError
        With what is wrong, in the target file or in the files that it names.
    """
    _, document = read_document(path, assignments)
    settings = validated(document, TargetInput)
    folder = os.path.dirname(path)
    output = _expanded(document, ("output",), settings.output if directory is None else directory)
    settings = settings.model_copy(update={"output": output})
    name = os.path.join(folder, _expanded(document, ("input",), settings.input))
    try:
        bytes_of(name)
    except InputError as error:
        raise InputError([_line(document, ("input",), str(error))]) from None
    read = read_input(name, [])
    problems = [*_wrong_keys(document, settings, read), *_wrong_targets(document, settings, read)]
    if problems:
        raise InputError(problems)
    curves = {
        observable: _read_curve(document, settings, observable, folder, read)
        for observable in settings.target.curves
    }
    statistics, goal = compared(settings.target, read.settings, curves)
    n, keys = len(goal.names), tuple(settings.fit)
    if n < len(keys):
        said = f"{len(keys)} keys cannot be found from {n} number{'s'[: n > 1]}"
        hint = "give more targets, or fit fewer keys"
        raise InputError([_line(document, ("target",), f"{said}; {hint}")])
    ranges = [(key.lowest, key.start, key.highest) for key in settings.fit.values()]
    low, start, high = np.array(ranges).T
    return Target(settings, read, keys, start, Box(low, high), statistics, goal, curves)


def _expanded(document: Document, path: Path, name: str) -> str:
    """Return a name that stands at a path, with ``~`` and ``$VARIABLE`` written out."""
    try:
        return expanded(name)
    except ValueError as error:
        raise InputError([_line(document, path, str(error))]) from None


def _line(document: Document, path: Path, said: str, of_key: bool = False) -> str:
    """Return a line for the user: where the problem is, and what."""
    return f"{document.place(path, of_key=of_key)}: {dotted(path)}: {said}"


def _wrong_keys(document: Document, settings: TargetInput, read: ReadInput) -> Iterator[str]:
    """Yield what is wrong with the keys to fit: unknown, no number, an impossible range."""
    numbers = dict(_numbers(read.settings.model_dump(include=set(FITTABLE))))
    for key, fitted in settings.fit.items():
        if key not in numbers:
            said = _why_not(key, read.settings, list(numbers))
            yield _line(document, ("fit", key), said, of_key=True)
            continue
        for name, value in fitted.model_dump(by_alias=True).items():
            try:
                with_keys(read.settings, {key: value})
            except ValidationError as error:
                said = f"{key} {reason_of(error)}"
                yield _line(document, ("fit", key, name), said)


def _numbers(content: dict[str, Any], before: str = "") -> Iterator[tuple[str, float]]:
    """Yield all real numbers of nested mappings by their dotted keys."""
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _numbers(value, f"{before}{name}.")
        elif isinstance(value, float):
            yield before + name, value


def _why_not(key: str, settings: Input, numbers: list[str]) -> str:
    known = did_you_mean(key, numbers) or f" (can be: {', '.join(numbers)})"
    inside: Any = settings.model_dump()
    for part in key.split("."):
        if isinstance(inside, str):
            return (
                f"the input has a preset there, {inside}; to fit a number of it write it out, "
                "as {distribution: weibull, …}"
            )
        if not isinstance(inside, dict) or part not in inside:
            return f"unknown key of the input{known}"
        inside = inside[part]
    return f"is not a number that can be fitted{known}"


def _wrong_targets(document: Document, settings: TargetInput, read: ReadInput) -> Iterator[str]:
    """Yield targets that the runs of the input will not show."""
    every = read.settings.output.observables.every
    if read.settings.clock is not None or every is None:
        said = f"{settings.input} has a clock, and what is fitted is quasi-static: leave it out"
        yield _line(document, ("input",), said)
        return
    loading = read.settings.model_dump()["loading"]
    parts = [loading] if isinstance(loading, dict) else loading
    one = {**parts[0], "target": parts[0].get("target", 0.0) > 0}
    if len(parts) > 1 or one != {"control": "strain", "target": True}:
        said = f"{settings.input} has another loading than one strain, over which curves are fitted"
        yield _line(document, ("input",), f"{said}: write loading: {{target: …}}, and no more")
        return
    known = [observable.name for observable in OBSERVABLES]
    for name in settings.target.curves:
        if name not in known:
            hint = did_you_mean(name, known) or f" (can be: {', '.join(known)})"
            path: Path = ("target", "curves", name)
            yield _line(document, path, f"unknown observable{hint}", of_key=True)
    if settings.target.plateau is None:
        return
    first, last = settings.target.plateau.window
    path = ("target", "plateau", "window")
    end = read.settings.loading.target
    if last > end + SAME_STRAIN:
        said = f"ends at strain {last:g}, but loading.target of {settings.input} is {end:g}"
        yield _line(document, path, said)
    elif every > (last - first) / 2:
        hint = f"lower output.observables.every in {settings.input}"
        yield _line(document, path, f"holds fewer than three records; {hint}")


def _read_curve(
    document: Document, settings: TargetInput, observable: str, folder: str, read: ReadInput
) -> Floats:
    """Return strain, value and error of the points of a target curve, (rows, 3)."""
    path: Path = ("target", "curves", observable, "file")
    named = settings.target.curves[observable].file
    name = os.path.join(folder, _expanded(document, path, named))
    try:
        curve = read_curve(name, observable)
    except ValueError as error:
        said = str(error)
    else:
        last, end = curve[-1, 0], read.settings.loading.target
        if last <= end + SAME_STRAIN:
            return curve
        said = f"goes to strain {last:g}, but loading.target of {settings.input} is {end:g}"
    raise InputError([_line(document, path, said)])
