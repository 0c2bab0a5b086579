"""The target file of a calibration: what is fitted, to what, and on which ensemble."""

import csv
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

from hpcepm.input import Input, InputError, ReadInput, read_input
from hpcepm.input.problems import Path, did_you_mean, dotted, shorten
from hpcepm.input.read import bytes_of, validated
from hpcepm.input.schema import FileName, NotNegative, Number, Positive, Section
from hpcepm.input.strict_yaml import Document, parse
from hpcepm.model.observables import OBSERVABLES
from hpcepm.run.save_points import SAME_STRAIN, strains_of

from .emulator import Box
from .statistics import NAMES, Goal, Statistics

Floats = NDArray[np.float64]

FITTABLE: Final = ("elasticity", "thresholds", "slip", "initial_stress")
MOST_ROWS: Final = 10_000
LEAST_ERROR: Final = 1e-9


class FittedKey(Section):
    """``fit.KEY``: a first guess and the range to search."""

    start: Number
    lowest: Annotated[Number, Field(alias="from")]
    highest: Annotated[Number, Field(alias="to")]

    @model_validator(mode="after")
    def _in_order(self) -> "FittedKey":
        if not self.lowest < self.highest:
            raise ValueError("from must be less than to")
        if not self.lowest <= self.start <= self.highest:
            raise ValueError("start must lie between from and to")
        return self


class Measured(Section):
    """``target.peak``, ``target.peak_strain``: a number and its standard error."""

    value: Number
    error: Positive


class MeasuredPlateau(Measured):
    """``target.plateau``: the mean stress in a window of strain."""

    window: Annotated[list[NotNegative], Field(min_length=2, max_length=2)] = [0.5, 1.0]  # noqa: RUF012 (pydantic copies it)

    @model_validator(mode="after")
    def _in_order(self) -> "MeasuredPlateau":
        if not self.window[0] < self.window[1]:
            raise ValueError("window: the first strain must be less than the second")
        return self


class MeasuredCurve(Section):
    """``target.curves.NAME``: a CSV file with the columns strain, NAME, error."""

    file: FileName
    errors: Literal["correlated", "independent"] = "correlated"


class GoalInput(Section):
    """``target``."""

    plateau: MeasuredPlateau | None = None
    peak: Measured | None = None
    peak_strain: Measured | None = None
    curves: dict[str, MeasuredCurve] = {}  # noqa: RUF012 (pydantic copies it)

    @model_validator(mode="after")
    def _makes_sense(self) -> "GoalInput":
        if not self.curves and all(getattr(self, name) is None for name in NAMES):
            raise ValueError("name what is to be met: plateau, peak, peak_strain or curves")
        if self.plateau and self.peak and self.peak.value <= self.plateau.value:
            raise ValueError("the peak is not above the plateau: leave the peak out")
        return self


class TargetInput(Section):
    """A whole target file."""

    input: FileName
    fit: Annotated[dict[str, FittedKey], Field(min_length=1, max_length=6)]
    target: GoalInput
    realizations: Annotated[int, Field(ge=10, le=1_000_000)] = 100
    confidence: Annotated[float, Field(ge=0.5, le=0.999)] = 0.95
    output: FileName = "calibration"


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
        try:
            return replace(
                self.read,
                settings=with_keys(
                    self.read.settings, dict(zip(self.keys, map(float, point), strict=True))
                ),
            )
        except ValidationError as error:
            at = ", ".join(
                f"{key} = {value:.6g}" for key, value in zip(self.keys, point, strict=True)
            )
            raise InputError([f"{self.settings.input}: at {at}: {_said(error)}"]) from None


def with_keys(settings: Input, values: dict[str, float]) -> Input:
    """Return settings with some keys changed, validated afresh."""
    content = settings.model_dump()
    for key, value in values.items():
        *sections, last = key.split(".")
        inside = content
        for section in sections:
            inside = inside[section]
        inside[last] = value
    return Input.model_validate(content)


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
    document = parse(bytes_of(path), path)
    for assignment in assignments:
        document.set(assignment)
    settings = validated(document, TargetInput)
    if directory is not None:
        settings = settings.model_copy(update={"output": directory})
    folder = os.path.dirname(path)
    name = os.path.join(folder, settings.input)
    if not os.path.isfile(name):
        raise InputError([f"{document.place(('input',))}: input: {name}: no such file"])
    read = read_input(name, [])
    problems = [
        *_problems_of_keys(document, settings, read),
        *_problems_of_strains(document, settings, read),
        *_problems_of_observables(document, settings),
    ]
    if problems:
        raise InputError(problems)
    curves = {
        name: _read_curve(document, settings, name, read, folder) for name in settings.target.curves
    }
    statistics, goal = _compared(settings, read, curves)
    if len(goal.names) < len(settings.fit):
        said = f"{len(settings.fit)} keys cannot be found from {len(goal.names)} number{'s'[: len(goal.names) > 1]}"
        raise InputError(
            [f"{document.place(('target',))}: target: {said}; give more targets, or fit fewer keys"]
        )
    low, start, high = np.array(
        [(key.lowest, key.start, key.highest) for key in settings.fit.values()]
    ).T
    return Target(
        settings, read, tuple(settings.fit), start, Box(low, high), statistics, goal, curves
    )


def _said(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    return str(first.get("ctx", {}).get("error", first["msg"].removeprefix("Input ")))


def _problems_of_keys(document: Document, settings: TargetInput, read: ReadInput) -> Iterator[str]:
    """Yield what is wrong with the keys to fit.

    Unknown, no number, or a range that no input may have.
    """
    numbers = dict(_numbers(read.settings.model_dump(include=set(FITTABLE))))
    for key, fitted in settings.fit.items():
        path: Path = ("fit", key)
        if key not in numbers:
            yield f"{document.place(path, of_key=True)}: {dotted(path)}: {_why_not(key, read.settings, list(numbers))}"
            continue
        for name, value in (
            ("from", fitted.lowest),
            ("start", fitted.start),
            ("to", fitted.highest),
        ):
            try:
                with_keys(read.settings, {key: value})
            except ValidationError as error:
                yield f"{document.place((*path, name))}: {dotted((*path, name))}: {key} {_said(error)}, not {value:g}"


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
            return f"the input has a preset there, {inside}; to fit a number of it write it out, as {{distribution: weibull, …}}"
        if not isinstance(inside, dict) or part not in inside:
            return f"unknown key of the input{known}"
        inside = inside[part]
    return f"is not a number that can be fitted{known}"


def _problems_of_strains(
    document: Document, settings: TargetInput, read: ReadInput
) -> Iterator[str]:
    """Yield what the runs of the input will not show."""
    plateau, last = settings.target.plateau, read.settings.loading.target
    if plateau is None:
        return
    place = document.place(("target", "plateau", "window"))
    if plateau.window[1] > last + SAME_STRAIN:
        said = f"ends at strain {plateau.window[1]:g}, but loading.target of {settings.input} is {last:g}"
        yield f"{place}: target.plateau.window: {said}"
    elif read.settings.output.observables.every > (plateau.window[1] - plateau.window[0]) / 2:
        said = f"holds fewer than three records; lower output.observables.every in {settings.input}"
        yield f"{place}: target.plateau.window: {said}"


def _problems_of_observables(document: Document, settings: TargetInput) -> Iterator[str]:
    """Yield curves of what no run measures."""
    known = [observable.name for observable in OBSERVABLES]
    for name in settings.target.curves:
        if name not in known:
            path: Path = ("target", "curves", name)
            hint = did_you_mean(name, known) or f" (can be: {', '.join(known)})"
            yield f"{document.place(path, of_key=True)}: {dotted(path)}: unknown observable{hint}"


def _read_curve(
    document: Document, settings: TargetInput, observable: str, read: ReadInput, folder: str
) -> Floats:
    """Return strain, value and error of the points of a target curve, (rows, 3)."""
    path: Path = ("target", "curves", observable, "file")
    place = f"{document.place(path)}: {dotted(path)}"
    name = os.path.join(folder, settings.target.curves[observable].file)
    try:
        curve = read_curve(name, observable)
    except OSError as error:
        raise InputError([f"{place}: {name}: {error.strerror or error}"]) from None
    except ValueError as error:
        raise InputError([f"{place}: {error}"]) from None
    last = read.settings.loading.target
    if curve[-1, 0] > last + SAME_STRAIN:
        said = (
            f"goes to strain {curve[-1, 0]:g}, but loading.target of {settings.input} is {last:g}"
        )
        raise InputError([f"{place}: {said}"])
    return curve


def read_curve(name: str, observable: str) -> Floats:
    """Return the rows of a CSV file with the columns strain, observable, error, (rows, 3).

    A heading and # lines are skipped.

    Raises
    ------
    ValueError
        It is malformed; the message says where.
    """
    rows: list[list[float]] = []
    columns = ["strain", observable, "error"]
    try:
        with open(name, newline="", encoding="utf-8-sig") as file:
            for number, row in enumerate(csv.reader(file), 1):
                if (
                    not row
                    or row[0].lstrip().startswith("#")
                    or (not rows and [c.strip() for c in row] == columns)
                ):
                    continue
                rows.append(_row(row, columns, f"{name}:{number}", rows[-1][0] if rows else -1.0))
                if len(rows) > MOST_ROWS:
                    raise ValueError(f"{name}: has more than {MOST_ROWS} rows; thin it out")
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{name}: is not a CSV file: {error}") from None
    if not rows:
        raise ValueError(f"{name}: holds no rows; three columns are expected: {', '.join(columns)}")
    return np.array(rows)


def _row(row: list[str], columns: list[str], place: str, strain_before: float) -> list[float]:
    if len(row) != 3:
        raise ValueError(
            f"{place}: has {len(row)} column{'s'[: len(row) > 1]}; three are expected: {', '.join(columns)}"
        )
    try:
        strain, value, error = (float(cell) for cell in row)
    except ValueError:
        raise ValueError(
            f"{place}: '{shorten(','.join(row))}' are not three numbers: {', '.join(columns)}"
        ) from None
    if not all(abs(number) <= 1e12 for number in (strain, value, error)):
        raise ValueError(f"{place}: numbers must be finite")
    if strain < 0 or strain <= strain_before + SAME_STRAIN:
        raise ValueError(
            f"{place}: strain {strain:g} is not above the one before; rows must ascend from 0"
        )
    if not error > LEAST_ERROR:
        raise ValueError(
            f"{place}: the error is {error:g}; it must be above {LEAST_ERROR:g} (leave out points that are exact, as strain 0)"
        )
    return [strain, value, error]


def _compared(
    settings: TargetInput, read: ReadInput, curves: dict[str, Floats]
) -> tuple[Statistics, Goal]:
    wanted = settings.target
    scalars = [(name, getattr(wanted, name)) for name in NAMES if getattr(wanted, name) is not None]
    every, last = read.settings.output.observables.every, read.settings.loading.target
    strains = np.sort(
        np.concatenate([strains_of(every, last), *(curve[:, 0] for curve in curves.values())])
    )
    strains = strains[np.concatenate([[True], np.diff(strains) > SAME_STRAIN])]
    window = (
        wanted.plateau.window if wanted.plateau else MeasuredPlateau.model_fields["window"].default
    )
    at = {name: curve[:, 0] for name, curve in curves.items()}
    statistics = Statistics(strains, (window[0], window[1]), tuple(name for name, _ in scalars), at)
    names = [name for name, _ in scalars] + [
        f"{name} at {strain:g}" for name in at for strain in at[name]
    ]
    numbers = np.reshape([(one.value, one.error) for _, one in scalars], (-1, 2))
    values, errors = np.concatenate([numbers, *(curve[:, 1:] for curve in curves.values())]).T
    together = [wanted.curves[name].errors == "correlated" for name in at for _ in at[name]]
    of_curve = [0] * len(scalars) + [k for k, name in enumerate(at, 1) for _ in at[name]]
    return statistics, Goal(
        names, values, errors, np.array([False] * len(scalars) + together, bool), np.array(of_curve)
    )


def settings_as_json(settings: TargetInput) -> dict[str, Any]:
    """Return what the target file says, for `json`."""
    content: dict[str, Any] = json.loads(settings.model_dump_json(by_alias=True))
    return content
