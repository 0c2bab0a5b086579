"""The keys of an input, their defaults and limits (docs/model.md, section 4).

Sections that are physics (thresholds, slip, kernel, loading) are the dataclasses of the model,
found by name in its registries; the others are here.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from functools import cache
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    create_model,
    model_validator,
)
from pydantic_core import (
    CoreSchema,
    InitErrorDetails,
    PydanticKnownError,
    ValidationError,
    core_schema,
)

from hpcepm.layout import ALWAYS_THERE, FIELDS
from hpcepm.model.distributions import PRESETS, GivenField
from hpcepm.model.distributions import distribution as distributions
from hpcepm.model.engines import ENGINES
from hpcepm.model.kernel import kernel as kernels
from hpcepm.model.loading import Cycles, Segments
from hpcepm.model.loading import loading as loadings
from hpcepm.model.loading.path import Turn
from hpcepm.model.registry import FileName as FileName
from hpcepm.model.registry import NotNegative as NotNegative
from hpcepm.model.registry import Number as Number
from hpcepm.model.registry import Positive as Positive
from hpcepm.model.registry import Registry
from hpcepm.model.slip import ToStress
from hpcepm.model.slip import slip as slips
from hpcepm.model.yielding.rule import Damage, Yielding

from .problems import did_you_mean, shown

MOST_RECORDS = 10_000_000
FIELD_NAMES = tuple(FIELDS)


def _is_no_truth(value: Any) -> Any:
    """Refuse ``true`` and ``1.0``, which Python takes for 1."""
    if isinstance(value, bool | float):
        raise ValueError(
            f"must be a whole number, not {value!r}".replace("True", "true").replace(
                "False", "false"
            )
        )
    return value


class Section(BaseModel):
    """A mapping of the input: unknown keys, wrong types, NaN and infinity are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


@cache
def keys_of(kind: type) -> type[Section]:
    """Return the keys of a section whose values are the fields of a dataclass."""
    hints = get_type_hints(kind, include_extras=True)
    keys: Any = {
        f.name: (hints[f.name], ... if f.default is MISSING else f.default) for f in fields(kind)
    }
    return create_model(kind.__name__, __base__=Section, **keys)


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
    """

    def __init__(
        self,
        registry: Registry,
        more: Mapping[str, type] | None = None,
        presets: Iterable[str] = (),
    ) -> None:
        self.registry = registry
        self.key = registry.key
        self.more = more or {}
        self.presets = list(presets)

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

    def read(self, value: Any) -> Any:
        """Return the dataclass that a section is, or the preset."""
        if type(value) in self.kinds.values() or value in self.presets:
            return value
        if not isinstance(value, dict):
            if self.presets:
                raise PydanticKnownError("literal_error", {"expected": _listed(self.presets)})
            raise PydanticKnownError("model_type", {"class_name": self.key})
        kind = self._kind(value.get(self.key, self.registry.default))
        others = {key: one for key, one in value.items() if key != self.key}
        return kind(**dict(keys_of(kind).model_validate(others)))

    def _kind(self, name: Any) -> type:
        """Return what is called so."""
        if isinstance(name, str) and name in self.kinds:
            return self.kinds[name]
        if self.registry.default is not None:
            wrong = InitErrorDetails(
                type="literal_error",
                loc=(self.key,),
                input=name,
                ctx={"expected": _listed(self.kinds)},
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
        if isinstance(value, str):
            return value
        name = next(name for name, kind in self.kinds.items() if kind is type(value))
        return {self.key: name, **{f.name: getattr(value, f.name) for f in fields(value)}}


class LoadingChoice(Choice):
    """``loading``: one of the registry, a list of strains to reach, or cycles of strain."""

    def keys(self, content: dict[str, Any]) -> list[str]:
        """Return the keys that a section may have, by what it says that it is."""
        if "cycle" in content:
            return [self.key, *keys_of(Cycles).model_fields]
        return [*super().keys(content), "cycle", "cycles"]

    def read(self, value: Any) -> Any:
        """Return the dataclass that a section is."""
        if isinstance(value, list | tuple) and not isinstance(value, Segments | Cycles):
            return self._segments(value)
        if isinstance(value, dict) and "cycle" in value and self._is_strain(value):
            others = {key: _as_tuple(one) for key, one in value.items() if key != self.key}
            return Cycles(**dict(keys_of(Cycles).model_validate(others)))
        return value if isinstance(value, Segments | Cycles) else super().read(value)

    def _is_strain(self, content: Mapping[str, Any]) -> bool:
        return content.get(self.key, self.registry.default) == "strain"

    def _segments(self, content: Sequence[Any]) -> Segments:
        targets = []
        for number, one in enumerate(content):
            if not isinstance(one, dict) or not self._is_strain(one):
                raise ValueError(
                    f"number {number + 1} of the list: write {{control: strain, target: …}}"
                )
            others = {key: value for key, value in one.items() if key != self.key}
            targets.append(SegmentInput.model_validate(others).target)
        return Segments(**dict(keys_of(Segments).model_validate({"targets": tuple(targets)})))

    def written(self, value: Any) -> Any:
        """Return a section as the input has it."""
        if isinstance(value, Segments):
            return [{self.key: "strain", "target": target} for target in value.targets]
        if isinstance(value, Cycles):
            return {self.key: "strain", "cycle": list(value.cycle), "cycles": value.cycles}
        return super().written(value)


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


class SegmentInput(Section):
    """One of a list of loadings."""

    target: Turn


def _listed(names: Iterable[str]) -> str:
    *others, last = map(repr, names)
    return f"{', '.join(others)} or {last}" if others else last


class LatticeInput(Section):
    """``lattice``: number of sites along x and y."""

    shape: Annotated[list[Annotated[int, Field(ge=2, le=2**20)]], Field(min_length=2, max_length=2)]

    @model_validator(mode="after")
    def _wide_enough(self) -> "LatticeInput":
        if (
            self.shape[1] < 3
        ):  # mpi4py-fft takes two columns of wavevectors for a row of real numbers
            raise ValueError("shape: the second number (along y) must be at least 3")
        return self


class ElasticityInput(Section):
    """``elasticity``: μ and K, in units of stress."""

    shear_modulus: Positive = 14.7
    bulk_modulus: Positive = 52.0


class ThresholdsInput(Section):
    """``thresholds``: at the start, and after each event of a site."""

    initial: Annotated[Any, Choice(distributions, {"field": GivenField}, PRESETS)] = "ESL"
    renewal: Annotated[Any, Choice(distributions, presets=PRESETS)] = "MCT"


class InitialStressInput(Section):
    """``initial_stress``: standard deviation of the equilibrated stress at strain 0."""

    std: NotNegative = 0.0


class DamageInput(keys_of(Damage)):  # type: ignore[misc]
    """``yielding.damage``: what events do to the thresholds of a site."""


class YieldingInput(keys_of(Yielding)):  # type: ignore[misc]
    """``yielding``: when a site yields, and what it remembers."""

    damage: DamageInput | None = None

    @model_validator(mode="after")
    def _has_a_meaning(self) -> "YieldingInput":
        self.rule()
        return self

    def rule(self) -> Yielding:
        """Return the rule.

        Raises
        ------
        ValueError
            The keys contradict each other.
        """
        damage = Damage(**dict(self.damage)) if self.damage else None
        return Yielding(**{**dict(self), "damage": damage})


class ObservablesInput(Section):
    """``output.observables``: strain between two records."""

    every: Positive = 0.005


class FieldsInput(Section):
    """``output.fields``: strain between two snapshots, and which fields they hold."""

    every: Positive = 0.25
    names: Annotated[list[Literal[FIELD_NAMES]], Field(min_length=1)] = list(ALWAYS_THERE)  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _each_once(self) -> "FieldsInput":
        if len(set(self.names)) < len(self.names):
            raise ValueError("names: each field can be named once")
        return self


class OutputInput(Section):
    """``output``."""

    directory: FileName = ""
    observables: ObservablesInput = ObservablesInput()
    fields: FieldsInput | None = None
    avalanches: bool = True


_DURATION = re.compile(
    r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*(s|sec|seconds?|min|minutes?|h|hours?|d|days?)\s*"
)
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _duration(value: Any) -> Any:
    """Return the seconds of ``30 min``; anything else is an error that pydantic words."""
    if isinstance(value, str):
        found = _DURATION.fullmatch(value)
        if not found:
            raise ValueError("write a time as '90 s', '30 min', '2 h' or '1 d'")
        return float(found[1]) * _SECONDS[found[2][0]]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("write a time as '90 s', '30 min', '2 h' or '1 d'")
    return value


class CheckpointInput(Section):
    """``checkpoint``: wall time between two (seconds once read), and how many to keep."""

    every: Annotated[Positive, BeforeValidator(_duration)] = 1800.0
    keep: Annotated[int, Field(ge=1, le=1000)] = 2


class Input(Section):
    """A whole input."""

    lattice: LatticeInput
    elasticity: ElasticityInput = ElasticityInput()
    kernel: Annotated[Any, Choice(kernels)] = kernels["continuum"]()
    thresholds: ThresholdsInput = ThresholdsInput()
    slip: Annotated[Any, Choice(slips)] = slips["exponential"]()
    initial_stress: InitialStressInput = InitialStressInput()
    yielding: YieldingInput = YieldingInput()
    loading: Annotated[Any, LoadingChoice(loadings)]
    engine: Literal[("auto", *ENGINES)] = "auto"  # type: ignore[valid-type]
    seed: Annotated[int, Field(ge=0, lt=2**64)] = 1
    realizations: Annotated[int, Field(ge=1, le=10**7), BeforeValidator(_is_no_truth)] = 1
    ranks_per_realization: Annotated[
        Literal["auto"] | Annotated[int, Field(ge=1, le=10**6)], BeforeValidator(_is_no_truth)
    ] = "auto"
    output: OutputInput = OutputInput()
    checkpoint: CheckpointInput = CheckpointInput()
    stall: Annotated[NotNegative, BeforeValidator(_duration)] = 600.0

    @model_validator(mode="after")
    def _fields_are_there(self) -> "Input":
        rule = self.yielding.rule()
        there = {*ALWAYS_THERE, *rule.fields}
        for name in self.output.fields.names if self.output.fields else ():
            if name not in there:
                needed = "landscape: quenched" if name == "well" else "sides: two"
                raise ValueError(f"output.fields.names: {name} needs yielding.{needed}")
        if isinstance(self.loading, Cycles) and not rule.quenched:
            raise ValueError(
                "loading.cycle: cycles that come back need yielding: {sides: two, landscape: "
                "quenched}; to cycle another glass write a list of targets"
            )
        if rule.quenched and isinstance(self.slip, ToStress):
            raise ValueError(
                "slip.distribution: to_stress slips by what the stress is, a quenched landscape by "
                "what was drawn; take another"
            )
        return self

    @model_validator(mode="after")
    def _not_too_many_records(self) -> "Input":
        cadences = {"output.observables.every": self.output.observables.every}
        if self.output.fields is not None:
            cadences["output.fields.every"] = self.output.fields.every
        for key, every in cadences.items():
            turns = self.loading.turns
            length = self.loading.travelled(len(turns) - 1, turns[-1])
            if length / every + len(turns) > MOST_RECORDS:
                raise ValueError(
                    f"{key} is so small that there would be more than {MOST_RECORDS:,} records; "
                    "raise it"
                )
        return self
