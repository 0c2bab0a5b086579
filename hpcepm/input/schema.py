"""The keys of an input, their defaults and limits (SPEC 4)."""

import re
from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Literal

from numpy.typing import NDArray
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from hpcepm.model import disorder
from hpcepm.model.disorder import Distribution
from hpcepm.model.engines import ENGINES
from hpcepm.model.kernel import KERNELS

MOST_RECORDS = 10_000_000
FIELD_NAMES = ("sigma", "epsilon_p", "sigma_c", "n_events")

Positive = Annotated[float, Field(gt=0, ge=1e-12, le=1e12)]
NotNegative = Annotated[float, Field(ge=0, le=1e12)]
Number = Annotated[float, Field(ge=-1e12, le=1e12)]


def _is_a_name(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds a character that no name of a file should have")
    return text


FileName = Annotated[str, Field(min_length=1, max_length=4000), AfterValidator(_is_a_name)]


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


class KernelInput(Section):
    """``kernel``."""

    type: Literal[tuple(KERNELS)] = "continuum"  # type: ignore[valid-type]
    orientation: Literal["simple", "pure"] = "simple"


class ThresholdInput(Section):
    """A distribution of thresholds, as asked for."""

    @abstractmethod
    def build(self, values: NDArray[Any] | None) -> Distribution:
        """Return the distribution; ``values`` are those of its file, if it names one."""


class TwoWays(ThresholdInput):
    """A distribution given by shape and scale, or by mean and standard deviation."""

    shape: Annotated[float, Field(ge=0.05, le=1e4)] | None = None
    scale: Positive | None = None
    mean: Positive | None = None
    std: Positive | None = None
    largest_shape: ClassVar[float] = 1e4

    @model_validator(mode="after")
    def _one_way(self) -> "TwoWays":
        by_shape, by_mean = (self.shape, self.scale), (self.mean, self.std)
        if (None in by_shape) == (None in by_mean) or (any(by_shape) and any(by_mean)):
            raise ValueError("give shape and scale, or mean and std")
        if self.shape is not None and self.shape > self.largest_shape:
            raise ValueError(f"shape must be at most {self.largest_shape:g}")
        if self.mean and self.std and not 1e-3 <= self.std / self.mean <= 10:
            raise ValueError("std must lie between mean/1000 and 10·mean")
        return self

    def build(self, values: NDArray[Any] | None) -> Distribution:  # noqa: D102
        name = self.distribution  # type: ignore[attr-defined]
        if self.shape is not None:
            made: Distribution = getattr(disorder, name)(self.shape, self.scale)
        else:
            made = getattr(disorder, f"{name}_from_moments")(self.mean, self.std)
        return made


class WeibullInput(TwoWays):
    """Density ∝ x^(shape−1) exp(−(x/scale)^shape)."""

    distribution: Literal["weibull"]


class LognormalInput(TwoWays):
    """scale·exp(shape·ξ), ξ standard normal."""

    largest_shape: ClassVar[float] = 5.0

    distribution: Literal["lognormal"]


class GammaInput(TwoWays):
    """Density ∝ x^(shape−1) exp(−x/scale)."""

    distribution: Literal["gamma"]


class NormalInput(ThresholdInput):
    """Normal, cut off at 0 unless ``allow_negative``."""

    distribution: Literal["normal"]
    mean: Number
    std: Positive
    allow_negative: bool = False

    @model_validator(mode="after")
    def _something_is_left(self) -> "NormalInput":
        if not self.allow_negative and self.mean < -5 * self.std:
            raise ValueError(
                "next to nothing of this distribution lies above 0; raise mean, or set allow_negative: true"
            )
        return self

    def build(self, values: NDArray[Any] | None) -> Distribution:  # noqa: D102
        return disorder.normal(self.mean, self.std, self.allow_negative)


class UniformInput(ThresholdInput):
    """Uniform between low and high."""

    distribution: Literal["uniform"]
    low: Number
    high: Number

    @model_validator(mode="after")
    def _low_is_lower(self) -> "UniformInput":
        if not self.low < self.high:
            raise ValueError("low must be less than high")
        return self

    def build(self, values: NDArray[Any] | None) -> Distribution:  # noqa: D102
        return disorder.uniform(self.low, self.high)


class ExponentialInput(ThresholdInput):
    """Exponential."""

    distribution: Literal["exponential"]
    mean: Positive

    def build(self, values: NDArray[Any] | None) -> Distribution:  # noqa: D102
        return disorder.exponential(self.mean)


class ConstantInput(ThresholdInput):
    """One value."""

    distribution: Literal["constant"]
    value: Positive

    def build(self, values: NDArray[Any] | None) -> Distribution:  # noqa: D102
        return disorder.constant(self.value)


class SamplesInput(ThresholdInput):
    """The empirical distribution of a file: ``f.csv``, or ``f.h5:/path``."""

    distribution: Literal["samples"]
    file: FileName

    def build(self, values: NDArray[Any] | None) -> Distribution:  # noqa: D102
        assert values is not None
        return disorder.samples(values, f"samples({self.file}, {values.size} values)")


class FieldInput(Section):
    """One threshold a site, from ``f.h5:/path``."""

    distribution: Literal["field"]
    file: FileName


Preset = Literal[tuple(disorder.PRESETS)]  # type: ignore[valid-type]
RENEWALS = {
    "weibull": WeibullInput,
    "normal": NormalInput,
    "lognormal": LognormalInput,
    "gamma": GammaInput,
    "uniform": UniformInput,
    "exponential": ExponentialInput,
    "constant": ConstantInput,
    "samples": SamplesInput,
}
INITIALS = {**RENEWALS, "field": FieldInput}


def _which_distribution(value: Any) -> Any:
    if isinstance(value, dict):
        name = value.get("distribution")
        return name if isinstance(name, str) else None
    return getattr(value, "distribution", "preset")


def _union(models: dict[str, type[Section]]) -> Any:
    members: Any = Annotated[Preset, Tag("preset")]
    for name, model in models.items():
        members = members | Annotated[model, Tag(name)]
    return Annotated[members, Discriminator(_which_distribution)]


class ThresholdsInput(Section):
    """``thresholds``: at the start, and after each event of a site."""

    initial: _union(INITIALS) = "ESL"  # type: ignore[valid-type]
    renewal: _union(RENEWALS) = "MCT"  # type: ignore[valid-type]


class SlipInput(Section):
    """``slip``: mean c0 + c1 σ_c²; ``exponential``, or exactly the mean (``constant``)."""

    distribution: Literal["exponential", "constant"] = "exponential"
    c0: NotNegative = 0.0276
    c1: NotNegative = 0.0206

    @model_validator(mode="after")
    def _sites_slip(self) -> "SlipInput":
        if self.c0 + self.c1 == 0:
            raise ValueError(
                "c0 and c1 are both 0: a site that yields would not slip, and an avalanche would never end"
            )
        return self


class InitialStressInput(Section):
    """``initial_stress``: standard deviation of the equilibrated stress at strain 0."""

    std: NotNegative = 0.0


class LoadingInput(Section):
    """``loading``."""

    control: Literal["strain"] = "strain"
    target: Annotated[float, Field(gt=0, le=1e6)]


class ObservablesInput(Section):
    """``output.observables``: strain between two records."""

    every: Positive = 0.005


class FieldsInput(Section):
    """``output.fields``: strain between two snapshots, and which fields they hold."""

    every: Positive = 0.25
    names: Annotated[list[Literal[FIELD_NAMES]], Field(min_length=1)] = list(FIELD_NAMES)  # type: ignore[valid-type]

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
    kernel: KernelInput = KernelInput()
    thresholds: ThresholdsInput = ThresholdsInput()
    slip: SlipInput = SlipInput()
    initial_stress: InitialStressInput = InitialStressInput()
    loading: LoadingInput
    engine: Literal[("auto", *ENGINES)] = "auto"  # type: ignore[valid-type]
    seed: Annotated[int, Field(ge=0, lt=2**64)] = 1
    realizations: Annotated[int, Field(ge=1, le=10**7), BeforeValidator(_is_no_truth)] = 1
    ranks_per_realization: Annotated[
        Literal["auto"] | Annotated[int, Field(ge=1, le=10**6)], BeforeValidator(_is_no_truth)
    ] = "auto"
    output: OutputInput = OutputInput()
    checkpoint: CheckpointInput = CheckpointInput()

    @model_validator(mode="after")
    def _not_too_many_records(self) -> "Input":
        cadences = {"output.observables.every": self.output.observables.every}
        if self.output.fields is not None:
            cadences["output.fields.every"] = self.output.fields.every
        for key, every in cadences.items():
            if self.loading.target / every > MOST_RECORDS:
                raise ValueError(
                    f"{key} is so small that there would be more than {MOST_RECORDS:,} records; raise it"
                )
        return self
