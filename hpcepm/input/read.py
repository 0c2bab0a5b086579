"""From a file to a valid input: read, override, validate, and load what it names.

On one rank; nothing here is collective.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hpcepm.model.distributions import Distribution, Samples
from hpcepm.model.registry import with_data
from hpcepm.model.thresholds import GivenField, preset
from hpcepm.names import expanded, place_of

from .misplaced import hint_for_key
from .named_files import NamedFiles, Statistics
from .plain import plain
from .problems import InputError, Path, dotted, shorten
from .schema import Input
from .sections import Section
from .source import read_document
from .strict_yaml import Document
from .wording import is_of_mapping, missing, said_of, wrapped

Model = TypeVar("Model", bound=Section)

WITH_FILES = ("kernel", "thresholds.initial", "thresholds.renewal", "slip", "loading")
"""Sections that may name files."""

BELOW_0 = -1e-9
"""A drawn threshold below 0, and not for the rounding of a distribution that is cut off there."""

BYTES_PER_SITE = 50  # the fields and what an engine needs at the least


@dataclass
class ReadInput:
    """A valid input and all that came with it.

    Attributes
    ----------
    text
        The YAML as read.
    settings
        What it says, every default filled in.
    data
        What the files of sections hold, by the key of the section, as ``thresholds.renewal``.
    files
        Digests of the files that were read, by their names in the input.
    folder
        Where the input lies; the files it names are relative to it.
    place_of_shape
        Where ``lattice.shape`` stands.
    statistics
        Of the values of samples and fields, by the names of their files in the input.
    """

    text: str
    settings: Input
    data: dict[str, Any]
    files: dict[str, str]
    folder: str
    place_of_shape: str
    statistics: dict[str, Statistics] = field(default_factory=dict)


def read_input(path: str, assignments: list[str], directory: str | None = None) -> ReadInput:
    """Return a valid input.

    Parameters
    ----------
    path, assignments
        As `read_document` takes them.
    directory
        Overrides ``output.directory``, from ``--output``.

    Raises
    ------
    InputError
        With all that is wrong.
    """
    raw, document = read_document(path, assignments)
    return _read(document, raw.decode("utf-8-sig"), path, directory)


def read_mapping(
    source: str | os.PathLike[str] | Mapping[str, Any], changes: Mapping[str, Any]
) -> ReadInput:
    """Return a valid input from the path of a YAML file or a mapping, with some keys changed.

    Files that a mapping names are looked for in the present folder. Values may be of numpy, tuples
    and paths. The text of the input is what was changed, written as YAML.

    Raises
    ------
    InputError
        With all that is wrong.
    """
    if isinstance(source, Mapping):
        document, path = Document("input", {}, {(): "input"}), "input"
        source = plain(source, path)
    else:
        if not isinstance(source, str | bytes | os.PathLike):
            raise TypeError(f"source: give the path of an input, or a mapping, not {source!r}")
        try:
            path = place_of(source)
        except ValueError as error:
            raise InputError([f"{shorten(repr(source))}: {error}"]) from None
        _, document = read_document(path)
        source = document.content
    changes = {key: plain(value, f"{shorten(key)}=…", (key,)) for key, value in changes.items()}
    document.content = _merged(source, changes)
    try:
        text = yaml.safe_dump(document.content, sort_keys=False, allow_unicode=True)
    except (yaml.YAMLError, ValueError) as error:
        raise InputError([f"{path}: holds what no input can: {shorten(str(error))}"]) from None
    for key in changes:
        document.places[(key,)] = document.key_places[(key,)] = f"{key}=…"
    return _read(document, text, path, None)


def _merged(before: Any, now: Any) -> Any:
    """Return a value in which the keys of a mapping replace those of another."""
    if not (isinstance(before, Mapping) and isinstance(now, Mapping)):
        return now
    return {**before, **{key: _merged(before.get(key), value) for key, value in now.items()}}


def _read(document: Document, text: str, path: str, directory: str | None) -> ReadInput:
    settings = validated(document, Input)
    if not _writable(directory or path):
        remedy = "if it should be, set LC_ALL=C.UTF-8"
        raise InputError([f"{shorten(directory or path)}: is not a name in UTF-8; {remedy}"])
    settings = settings.with_output(directory=_directory(document, settings, path, directory))
    folder = os.path.dirname(os.path.abspath(path))
    files = NamedFiles(folder, (settings.lattice.shape[0], settings.lattice.shape[1]))
    data = _load_named_files(document, settings, files)
    place = document.place(("lattice", "shape"))
    return ReadInput(text, settings, data, files.digests, folder, place, files.statistics)


def _directory(document: Document, settings: Input, path: str, directory: str | None) -> str:
    """Return where the run goes, by the option ``--output``, the input, or its name."""
    name = directory or settings.output.directory
    if not name:
        return os.path.join("runs", os.path.splitext(os.path.basename(path))[0])
    try:
        return expanded(name)
    except ValueError as error:
        at = "--output" if directory else document.place(("output", "directory"))
        key = "" if directory else "output.directory: "
        raise InputError([f"{at}: {key}{error}"]) from None


def refuse_too_large(read: ReadInput, memory: int) -> None:
    """Raise `InputError` if a run cannot fit into so many bytes of memory.

    Of all its nodes together.
    """
    nx, ny = read.settings.lattice.shape
    needed = nx * ny * BYTES_PER_SITE
    if needed > memory:
        said = (
            f"{nx} × {ny} sites need at least {needed / 2**30:.0f} GiB of memory, and the nodes of "
            f"this run have {memory / 2**30:.0f} GiB; take a smaller lattice, or more nodes"
        )
        raise InputError([f"{read.place_of_shape}: lattice.shape: {said}"])


def _writable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def validated(document: Document, model: type[Model]) -> Model:
    """Return what a document says, by its schema; raise `InputError` with all that is wrong."""
    try:
        return model.model_validate(document.content, context={"written": True})
    except ValidationError as error:
        lines = [_line(document, model, details) for details in error.errors(include_url=False)]
        raise InputError(sorted(_joined(lines), key=_in_order_of_place)) from None


def _joined(lines: list[str]) -> list[str]:
    """Return lines in which what a value may be instead is told once."""
    found: dict[str, str] = {}
    for line in dict.fromkeys(lines):
        place, must_be, said = line.partition(": must be ")
        before = found.get(place) if must_be else None
        either = before.rpartition(", not ")[0] if before else ""
        found[place if must_be else line] = f"{either} or {said}" if either else line
    return list(found.values())


def _in_order_of_place(line: str) -> tuple[int, ...]:
    place = re.search(r":(\d+):(\d+): ", line)
    return (int(place[1]), int(place[2])) if place else (0, 0)


def _line(document: Document, model: type[Section], details: ErrorDetails) -> str:
    kind = details["type"]
    path = _as_written(document.content, details["loc"], kind == "missing")
    value = details["input"]
    if kind == "missing":
        where = document.place(path[:-1])
        return f"{where}: {dotted(path)}: {missing(dotted(path))}"
    if kind == "extra_forbidden":
        where = document.place(path, of_key=True)
        hint = hint_for_key(model, path, document.content, value)
        return f"{where}: {dotted(path)}: unknown key{hint}"
    said = said_of(details, path)
    if kind == "value_error":
        path, said = _of_its_key(document.content, model, path, said)
    if is_of_mapping(kind) and ";" not in said:
        said += wrapped(model, path, value)
    return f"{document.place(path)}: {dotted(path) or 'input'}: {said}"


def _of_its_key(content: Any, model: type[Section], path: Path, said: str) -> tuple[Path, str]:
    """Return the path of the key that a message begins with, as ``loading.cycle: …``, and the rest.

    So a check of a whole section, or of the whole input, tells where the wrong value stands.
    """
    key, colon, rest = said.partition(": ")
    parts = key.split(".")
    for part in path:
        content = content[part]
    known = isinstance(content, dict) and parts[0] in (content if path else model.model_fields)
    return ((*path, *parts), rest) if colon and known else (path, said)


def _as_written(content: Any, location: tuple[int | str, ...], last_is_missing: bool) -> Path:
    """Return a location without the names of union members that pydantic puts in.

    They are in no input.
    """
    path: list[int | str] = []
    inside = content
    for k, part in enumerate(location):
        present = (
            part in inside
            if isinstance(inside, dict)
            else isinstance(inside, list) and isinstance(part, int)
        )
        if present:
            inside = inside[part]
        if present or (last_is_missing and k == len(location) - 1):
            path.append(part)
    return tuple(path)


def _load_named_files(document: Document, settings: Input, files: NamedFiles) -> dict[str, Any]:
    """Return what the files that sections name hold, by section."""
    data: dict[str, Any] = {}
    problems: list[str] = []
    of_regions = [f"regions.{k}.thresholds.draw" for k in range(len(settings.regions or ()))]

    def complain(path: Path, said: object) -> None:
        problems.append(f"{document.place(path)}: {dotted(path)}: {said}")

    for key in (*WITH_FILES, *of_regions):
        section = section_of(settings, key)
        try:
            if hasattr(section, "read_files"):
                data[key] = section.read_files(files)
            files.add_unread(section)
        except (ValueError, OSError) as error:
            complain((*_path_of(key), files.unread(section)), error)
    if settings.initial_plastic_strain is not None:
        try:
            files.check_field(settings.initial_plastic_strain)
        except ValueError as error:
            complain(("initial_plastic_strain",), error)
    for key in ("thresholds.initial", "thresholds.renewal", *of_regions):
        low = None
        if not problems and settings.yielding.sides == "two":
            low = _too_low(filled(settings, data, key))
        if low is not None:
            said = f"has thresholds down to {low:.3g}, and with yielding.sides: two they must be"
            complain(_path_of(key), f"{said} above 0; take others")
    if problems:
        raise InputError(problems)
    return data


def _too_low(thresholds: Any) -> float | None:
    """Return the lowest threshold if it is not above 0."""
    if isinstance(thresholds, GivenField):
        return thresholds.data if thresholds.data <= 0 else None
    if not isinstance(thresholds, Distribution):
        return None
    low, limit = thresholds.limits[0], 0.0 if isinstance(thresholds, Samples) else BELOW_0
    return low if low <= limit else None


def _path_of(key: str) -> Path:
    return tuple(int(part) if part.isdigit() else part for part in key.split("."))


def filled(settings: Input, data: Mapping[str, Any], key: str) -> Any:
    """Return a section with what its files hold; a preset is written out."""
    section = section_of(settings, key)
    if isinstance(section, str):
        return preset(section)
    return with_data(section, data[key]) if key in data else section


def section_of(settings: Input, key: str) -> Any:
    """Return the section of a dotted key."""
    inside: Any = settings
    for part in _path_of(key):
        inside = inside[part] if isinstance(part, int) else getattr(inside, str(part))
    return inside
