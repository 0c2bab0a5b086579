"""Sections of an input: mappings of keys, each with its type, limits and default."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, fields
from functools import cache
from typing import Any, ClassVar, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model
from pydantic_core import (
    CoreSchema,
    InitErrorDetails,
    PydanticCustomError,
    PydanticKnownError,
    ValidationError,
    core_schema,
)

from hpcepm.model.registry import Registry

from .meanings import Meaning, meanings_of
from .problems import SYNONYMS, did_you_mean, listed, not_one_of, shorten, shown


class Section(BaseModel):
    """A mapping of the input: unknown keys, wrong types, NaN and infinity are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)
    meanings: ClassVar[Mapping[str, Meaning]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        cls.meanings = {**cls.meanings, **meanings_of(cls)}


@cache
def keys_of(kind: type) -> type[Section]:
    """Return the keys of a section whose values are the fields of a dataclass."""
    hints = get_type_hints(kind, include_extras=True)
    keys: Any = {
        f.name: (hints[f.name], ... if f.default is MISSING else f.default) for f in fields(kind)
    }
    made = create_model(kind.__name__, __base__=Section, **keys)
    made.meanings = meanings_of(kind)
    return made


class Choice:
    """A section that is one of the dataclasses of a registry, or a preset.

    Parameters
    ----------
    registry
        The dataclasses by name, those of plug-ins included, and which key names them.
    more
        Others that this section can be.
    presets
        Words that may stand for the whole section.
    optional
        Whether there may be none.
    """

    def __init__(
        self,
        registry: Registry,
        more: Mapping[str, type] | None = None,
        presets: Iterable[str] = (),
        optional: bool = False,
    ) -> None:
        self.registry = registry
        self.key = registry.key
        self.more = more or {}
        self.presets = list(presets)
        self.optional = optional

    def __get_pydantic_core_schema__(self, *_: Any) -> CoreSchema:
        written = core_schema.plain_serializer_function_ser_schema(self.written)
        return core_schema.no_info_plain_validator_function(self.read, serialization=written)

    @property
    def kinds(self) -> dict[str, type]:
        """All that the section can be, by name."""
        return {**self.registry, **self.more}

    def keys(self, content: dict[str, Any]) -> list[str]:
        """Return the keys that a section may have, by what it says that it is."""
        kind = self._kind(content.get(self.key, self.registry.default))
        return [self.key, *keys_of(kind).model_fields]

    def keys_at(self, path: Sequence[str | int], content: Any) -> list[str]:
        """Return the keys that a mapping in the section may have, at a path below it."""
        return self.keys(content)

    def goes_with(self, key: str, content: dict[str, Any]) -> str | None:
        """Return what a key goes with that the section has only if it is something else."""
        kinds = [name for name, kind in self.kinds.items() if key in keys_of(kind).model_fields]
        return f"{key} goes with {self.key}: {' or '.join(kinds[:3])}" if kinds else None

    def wrapped(self, value: Any) -> str:
        """Return how to write one value that was given as the section; nothing if none takes it."""
        meant = SYNONYMS.get(value.lower(), value) if isinstance(value, str) else None
        if meant in self.kinds:
            return f"{{{self.key}: {meant}}}"
        if self.registry.default is None:
            return ""
        keys = keys_of(self.kinds[self.registry.default])
        key = accepting(keys, value)
        return f"{{{key}: {shown(value)}}}" if key else ""

    def read(self, value: Any) -> Any:
        """Return the dataclass that a section is, or the preset."""
        absent = value is None and self.optional
        if absent or type(value) in self.kinds.values() or value in self.presets:
            return value
        if not isinstance(value, dict):
            if self.presets:
                raise ValueError(not_one_of(value, self.presets, self._otherwise(value)))
            raise PydanticKnownError("model_type", {"class_name": self.key})
        kind = self._kind(value.get(self.key, self.registry.default))
        others = {key: one for key, one in value.items() if key != self.key}
        return self.registry.make(kind, dict(keys_of(kind).model_validate(others)))

    def _otherwise(self, value: Any) -> str:
        """Say what the section can be besides a preset."""
        if isinstance(value, str) and re.search(r"\.(csv|txt|dat|npy|npz|h5|hdf5)\b", value):
            files = [
                name for name, one in self.kinds.items() if "file" in keys_of(one).model_fields
            ]
            written = [f"{{{self.key}: {name}, file: {shorten(value)}}}" for name in files]
            return f"; write {' or '.join(written)}"
        name = value if isinstance(value, str) and value in self.kinds else "weibull"
        first = list(keys_of(self.kinds[name]).model_fields)[-2:]
        return f"; or write {{{self.key}: {name}, {': …, '.join(first)}: …}}"

    def _kind(self, name: Any) -> type:
        """Return what is called so."""
        if isinstance(name, str) and name in self.kinds:
            return self.kinds[name]
        if self.registry.default is not None:
            wrong = InitErrorDetails(
                type="literal_error",
                loc=(self.key,),
                input=name,
                ctx={"expected": listed(self.kinds)},
            )
            raise ValidationError.from_exception_data(self.key, [wrong])
        if not isinstance(name, str):
            raise ValueError(
                "name a distribution, such as {distribution: weibull, shape: 2, scale: 1}"
            )
        known = did_you_mean(name, self.kinds) or f" (known: {', '.join(self.kinds)})"
        raise ValueError(f"unknown {self.key} {shown(name)}{known}")

    def written(self, value: Any) -> Any:
        """Return a section as the input has it."""
        if value is None or isinstance(value, str):
            return value
        name = next(name for name, kind in self.kinds.items() if kind is type(value))
        return {self.key: name, **{f.name: getattr(value, f.name) for f in fields(value)}}


def problem_at(place: tuple[str | int, ...], said: str) -> InitErrorDetails:
    """Return an error at a place of the input, for a check that must know other places."""
    kind = PydanticCustomError("value_error", "{error}", {"error": said})
    return InitErrorDetails(type=kind, loc=place, input=None)


def refuse(problems: list[InitErrorDetails]) -> None:
    """Raise the exception that says what is wrong in an input, if anything is."""
    if problems:
        raise ValidationError.from_exception_data("input", problems)


def wrong_at(place: tuple[str | int, ...], *said: str) -> ValidationError:
    """Return the exception that says what is wrong at a place of the input."""
    return ValidationError.from_exception_data("input", [problem_at(place, one) for one in said])


def accepting(section: type[Section], value: Any) -> str | None:
    """Return the first key of a section that takes a value."""
    for name, field in section.model_fields.items():
        key = field.alias or name
        try:
            section.model_validate({key: value})
        except ValidationError as error:
            if any(details["loc"][:1] == (key,) for details in error.errors(include_url=False)):
                continue
        return key
    return None


@contextmanager
def inside(key: str) -> Iterator[None]:
    """Let what is wrong in a part of a section be wrong in the section, which has it at a key."""
    try:
        yield
    except ValidationError as error:
        raise ValidationError.from_exception_data(key, located(error, key)) from None


def located(error: ValidationError, at: str | int) -> list[InitErrorDetails]:
    """Return the errors of a part of the input as those of the whole, which has it at a place."""
    found = []
    for one in error.errors(include_url=False):
        kind: Any = one["type"]
        if kind not in get_args(core_schema.ErrorType):  # of a type that a plug-in brought
            kind = PydanticCustomError("value_error", one["msg"])
        place = (at, *one["loc"])
        found.append(
            InitErrorDetails(type=kind, loc=place, input=one["input"], ctx=one.get("ctx", {}))
        )
    return found
