"""From a file to a valid input: read, override, validate, and load what it names.

On one rank; nothing here is collective.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hpcepm.files import open_regular, told

from .named_files import NamedFiles
from .problems import InputError, Path, did_you_mean, dotted, shorten, shown
from .schema import Choice, Input, Section
from .strict_yaml import MOST_BYTES, Document, parse

Model = TypeVar("Model", bound=Section)

WITH_FILES = ("kernel", "thresholds.initial", "thresholds.renewal", "slip", "loading")
"""Sections that may name files."""

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
    """

    text: str
    settings: Input
    data: dict[str, Any]
    files: dict[str, str]
    folder: str
    place_of_shape: str


def read_input(path: str, assignments: list[str], directory: str | None = None) -> ReadInput:
    """Return a valid input.

    Parameters
    ----------
    path
        The YAML file.
    assignments
        ``key.path=value``, from ``--set``.
    directory
        Overrides ``output.directory``, from ``--output``.

    Raises
    ------
    InputError
        With all that is wrong.
    """
    raw = bytes_of(path)
    document = parse(raw, path)
    problems: list[str] = []
    for assignment in assignments:
        try:
            document.set(assignment)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return _read(document, raw.decode("utf-8-sig"), path, directory)


def read_mapping(
    source: str | os.PathLike[str] | Mapping[str, Any], changes: Mapping[str, Any]
) -> ReadInput:
    """Return a valid input from the path of a YAML file or a mapping, with some keys changed.

    Files that a mapping names are looked for in the present folder. The text of the input is what
    was changed, written as YAML.

    Raises
    ------
    InputError
        With all that is wrong.
    """
    if isinstance(source, Mapping):
        document, path = Document("input", {}, {(): "input"}), "input"
    else:
        path = os.fspath(source)
        document = parse(bytes_of(path), path)
        source = document.content
    try:
        document.content = _merged(source, changes)
        text = yaml.safe_dump(document.content, sort_keys=False, allow_unicode=True)
    except (
        yaml.YAMLError,
        ValueError,
        RecursionError,
    ) as error:  # the last two: a huge number, a deep nest
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
        raise InputError([f"{shorten(directory or path)}: is not a name in UTF-8"])
    if directory is not None or not settings.output.directory:
        stem = os.path.splitext(os.path.basename(path))[0]
        named = {"directory": directory or os.path.join("runs", stem)}
        output = settings.output.model_copy(update=named)
        settings = settings.model_copy(update={"output": output})
    folder = os.path.dirname(os.path.abspath(path))
    files = NamedFiles(folder, (settings.lattice.shape[0], settings.lattice.shape[1]))
    data = _load_named_files(document, settings, files)
    place = document.place(("lattice", "shape"))
    return ReadInput(text, settings, data, files.digests, folder, place)


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


def bytes_of(path: str) -> bytes:
    """Return the content of a file that the user named, cut off where no input goes on."""
    name = shorten(path, 500)
    try:
        with open_regular(path) as file:
            return file.read(MOST_BYTES + 1) or b""  # None: a file of /proc without an end
    except IsADirectoryError:
        raise InputError([f"{name}: is a directory; name the file in it"]) from None
    except FileNotFoundError:
        raise InputError([f"{name}: no such file"]) from None
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise InputError([told(name, error)]) from None


def validated(document: Document, model: type[Model]) -> Model:
    """Return what a document says, by its schema; raise `InputError` with all that is wrong."""
    try:
        return model.model_validate(document.content)
    except ValidationError as error:
        lines = [_line(document, model, details) for details in error.errors(include_url=False)]
        raise InputError(sorted(dict.fromkeys(lines), key=_in_order_of_place)) from None


def _in_order_of_place(line: str) -> tuple[int, ...]:
    place = re.search(r":(\d+):(\d+): ", line)
    return (int(place[1]), int(place[2])) if place else (0, 0)


def _line(document: Document, model: type[Section], details: ErrorDetails) -> str:
    kind = details["type"]
    path = _as_written(document.content, details["loc"], kind == "missing")
    value = details["input"]
    context = details.get("ctx", {})
    if kind == "missing":
        return f"{document.place(path[:-1])}: {dotted(path)}: is required"
    if kind == "extra_forbidden":
        known = _known_keys(model, path[:-1], document.content)
        hint = did_you_mean(path[-1], known) or (
            f" (known here: {', '.join(known)})" if known else ""
        )
        return f"{document.place(path, of_key=True)}: {dotted(path)}: unknown key{hint}"
    where = f"{document.place(path)}: {dotted(path) or 'input'}: "
    if kind == "literal_error":
        expected = context["expected"].replace("'", "").replace(" or ", ", ").split(", ")
        return (
            where
            + f"must be {context['expected']}, not {shown(value)}{did_you_mean(value, expected)}"
        )
    if kind == "value_error":
        return where + str(context["error"])
    message = details["msg"].removeprefix("Input ")
    if kind == "model_type" or kind.endswith("model_attributes_type"):
        message = "should be a mapping of keys and values"
    return where + f"{message}, not {shown(value)}"


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


def _known_keys(model: type[Section], path: Path, content: Any) -> list[str]:
    """Return the keys that a mapping of the input may have."""
    inside, fields = content, model.model_fields
    for part in path:
        inside = inside[part]
        if (
            part not in fields
        ):  # a name of the user's own choice, of the same schema as its neighbours
            continue
        field = fields[str(part)]
        for choice in field.metadata:
            if isinstance(choice, Choice):
                return choice.keys(inside)
        choices = [field.annotation, *getattr(field.annotation, "__args__", ())]
        fields = next(
            c for c in choices if isinstance(c, type) and issubclass(c, Section)
        ).model_fields
    return [field.alias or name for name, field in fields.items()]


def _load_named_files(document: Document, settings: Input, files: NamedFiles) -> dict[str, Any]:
    """Return what the files that sections name hold, by section."""
    data: dict[str, Any] = {}
    problems: list[str] = []
    for key in WITH_FILES:
        section = section_of(settings, key)
        try:
            if hasattr(section, "read_files"):
                data[key] = section.read_files(files)
            files.add_unread(section)
        except (ValueError, OSError) as error:
            path = (*key.split("."), "file")
            problems.append(f"{document.place(path)}: {dotted(path)}: {error}")
    if problems:
        raise InputError(problems)
    return data


def section_of(settings: Input, key: str) -> Any:
    """Return the section of a dotted key."""
    return reduce(getattr, key.split("."), settings)
