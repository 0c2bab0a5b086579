"""The keys of an input, their defaults and limits (docs/model.md, section 4).

Sections that are physics (thresholds, slip, kernel, loading) are the dataclasses of the model,
found by name in its registries; the others are here.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from hpcepm.layout import ALWAYS_THERE, SAME_STRAIN
from hpcepm.model.choice import Choice as EngineChoice
from hpcepm.model.choice import choose_engine
from hpcepm.model.clock import Maxwell
from hpcepm.model.clock import clock as clocks
from hpcepm.model.distributions import distribution as distributions
from hpcepm.model.engines import ENGINES
from hpcepm.model.kernel import NoCoupling, Shuffled, try_on
from hpcepm.model.kernel import kernel as kernels
from hpcepm.model.loading import Cycles, Sine
from hpcepm.model.loading import loading as loadings
from hpcepm.model.registry import FileName, NotNegative, Positive, is_built_in
from hpcepm.model.slip import ToStress
from hpcepm.model.slip import slip as slips
from hpcepm.model.thresholds import PRESETS, GivenField
from hpcepm.model.yielding.rule import Damage, Yielding
from hpcepm.schedule import MOST_RECORDS, Cadence, is_known, travelled, turns_of

from .clock import EXAMPLE, MAXWELL, ClockChoice, time_of
from .loading import LoadingChoice, check_segments
from .maxwell import check_maxwell
from .output import CadenceInput, OutputInput
from .problems import shown
from .regions import RegionInput, problems_of
from .seconds import SECONDS, SECONDS_OR_0
from .sections import Choice, Section, keys_of, problem_at, refuse, wrong_at
from .values import whole_meant


def _is_no_truth(value: Any) -> Any:
    """Refuse ``true`` and ``1.0``, which Python takes for 1."""
    if isinstance(value, bool | float):
        raise ValueError(f"must be a whole number, not {shown(value)}{whole_meant(value)}")
    return value


class LatticeInput(Section):
    """``lattice``: number of sites along x and y.

    Attributes
    ----------
    shape : 1
        Sites along x and along y, at least 2 and 3. They need not be equal, even, or a multiple of
        anything.
    """

    shape: Annotated[list[Annotated[int, Field(ge=2, le=2**20)]], Field(min_length=2, max_length=2)]

    @model_validator(mode="after")
    def _wide_enough(self) -> "LatticeInput":
        if (
            self.shape[1] < 3
        ):  # mpi4py-fft takes two columns of wavevectors for a row of real numbers
            raise ValueError("shape: the second number (along y) must be at least 3")
        return self


class ElasticityInput(Section):
    """``elasticity``: μ and K.

    Attributes
    ----------
    shear_modulus : stress
        μ: Σ = 2μ (ε − ⟨ε_p⟩), and an event changes stress by its slip times about
        μ* = μ/(1 + μ/K).
    bulk_modulus : stress
        K, two-dimensional: K = λ + μ. It matters by μ* = μ/(1 + μ/K) alone.
    """

    shear_modulus: Positive = 14.7
    bulk_modulus: Positive = 52.0


class ThresholdsInput(Section):
    """``thresholds``: at the start, and after each event of a site.

    Attributes
    ----------
    initial
        p_i, of which thresholds σ_c are drawn at the start: a preset or a distribution.
    renewal
        p_r, of which a threshold is drawn after each event of a site: a preset or a distribution.
    """

    initial: Annotated[Any, Choice(distributions, {"field": GivenField}, PRESETS)] = "ESL"
    renewal: Annotated[Any, Choice(distributions, presets=PRESETS)] = "MCT"


class InitialStressInput(Section):
    """``initial_stress``: of the equilibrated stress at strain 0.

    Attributes
    ----------
    std : stress
        w, the standard deviation of a Gaussian stress in mechanical equilibrium,
        σ̂ ∝ √|Ĝ(q)| ξ̂(q).
    """

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


class CheckpointInput(Section):
    """``checkpoint``: from which a run goes on.

    Attributes
    ----------
    every : wall time
        Wall time between two (seconds once read).
    keep : 1
        How many of the newest to keep.
    """

    every: Annotated[Positive, *SECONDS] = 1800.0
    keep: Annotated[int, Field(ge=1, le=1000)] = 2


class Input(Section):
    """A whole input.

    Attributes
    ----------
    lattice
        The lattice, periodic in both directions.
    elasticity
        The elastic moduli.
    kernel
        How a slip changes the stress around it: δσ = G * δε_p.
    thresholds
        The local yield stresses σ_c: a site slips when σ ≥ σ_c.
    slip
        How far a site slips, by the threshold σ_c that it has just overcome.
    regions
        Parts of the lattice with other thresholds at the start; later ones win.
    initial_stress
        The stress at strain 0.
    initial_plastic_strain
        A dataset ``f.h5:/path`` of shape (nx, ny): ε_p at the start; σ is G * ε_p then.
    yielding
        When a site yields, and what it remembers.
    clock
        What time is. Without it a run is quasi-static: sites yield when they must, and no time
        passes. Also written by its type alone: ``clock: {thermal: {temperature: 0.05}}``.
    loading
        How the glass is driven: one loading, a list of them, or cycles of strain.
    engine
        How stress is redistributed: the same events, at another speed.
    seed : 1
        The key of all random numbers: another seed, another sample of the same glass.
    realizations : 1
        How many independent samples are sheared in one run.
    ranks_per_realization : 1
        How many ranks share one of several realizations.
    output
        What is kept, and where.
    checkpoint
        From which a run goes on.
    stall : wall time
        After so long without a step several ranks end themselves; 0 is never.
    """

    lattice: LatticeInput
    elasticity: ElasticityInput = ElasticityInput()
    kernel: Annotated[Any, Choice(kernels)] = kernels["continuum"]()
    thresholds: ThresholdsInput = ThresholdsInput()
    slip: Annotated[Any, Choice(slips)] = slips["exponential"]()
    regions: Annotated[list[RegionInput], Field(max_length=1000)] | None = None
    initial_stress: InitialStressInput = InitialStressInput()
    initial_plastic_strain: FileName | None = None
    yielding: YieldingInput = YieldingInput()
    clock: Annotated[Any, ClockChoice(clocks, optional=True)] = None
    loading: Annotated[Any, LoadingChoice(loadings)]
    engine: Literal[("auto", *ENGINES)] = "auto"  # type: ignore[valid-type]
    seed: Annotated[int, Field(ge=0, lt=2**64)] = 1
    realizations: Annotated[int, Field(ge=1, le=10**7), BeforeValidator(_is_no_truth)] = 1
    ranks_per_realization: Annotated[
        Literal["auto"] | Annotated[int, Field(ge=1, le=10**6)], BeforeValidator(_is_no_truth)
    ] = "auto"
    output: OutputInput = OutputInput()
    checkpoint: CheckpointInput = CheckpointInput()
    stall: Annotated[NotNegative, *SECONDS_OR_0] = 600.0

    @property
    def choice(self) -> EngineChoice:
        """The engine that the run has, and why."""
        nx, ny = self.lattice.shape
        return choose_engine(self.engine, (nx, ny), isinstance(self.kernel, Shuffled))

    def with_output(self, **changes: Any) -> "Input":
        """Return it with other keys of ``output``, which are taken as they are."""
        return self.model_copy(update={"output": self.output.model_copy(update=changes)})

    @property
    def state_fields(self) -> tuple[str, ...]:
        """Names of the fields that the state of a realization has."""
        of_clock = self.clock.more_fields if self.clock is not None else ()
        return (*self.yielding.rule().fields, *self.loading.more_fields, *of_clock)

    @model_serializer(mode="wrap")
    def _as_written(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave a clock out that is not there: so runs of before are what they were."""
        keys: dict[str, Any] = written(self)
        return {key: one for key, one in keys.items() if key != "clock" or one is not None}

    @model_validator(mode="after")
    def _in_time(self) -> "Input":
        """Take the defaults of a run with a clock, and see that a run without needs none."""
        cadences = {"observables": self.output.observables, "fields": self.output.fields}
        if self.clock is None:
            said = f"time needs a clock: write {EXAMPLE}, say"
            timed = [name for name, one in cadences.items() if one is not None and one.of == "time"]
            refuse([problem_at(("output", name, "of"), said) for name in timed])
            return self
        if isinstance(self.clock, Maxwell):
            check_maxwell(self)
            self.__dict__["engine"] = "spectral"
        elif any(isinstance(segment, Sine) for segment in self.loading.segments):
            said = f"is of Maxwell sites: write {MAXWELL}, or a list of targets"
            raise wrong_at(("loading", "waveform"), said)
        if self.yielding.order == "weakest" and not self.clock.instant:
            raise ValueError(
                "yielding.order: weakest says nothing with this clock, by which one site yields at "
                "a time; leave it out"
            )
        self.__dict__["output"] = self.output.in_time(self.loading, self.clock.instant)
        return self

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
    def _regions_and_fields_fit(self) -> "Input":
        shape, sides = (self.lattice.shape[0], self.lattice.shape[1]), self.yielding.sides
        wrong = list(problems_of(self.regions or [], shape, sides == "two"))
        initial = self.thresholds.initial
        if sides == "one" and isinstance(initial, GivenField) and initial.file_backward:
            said = "sites yield on one side; set yielding.sides: two, or leave this out"
            wrong.append(problem_at(("thresholds", "initial", "file_backward"), said))
        refuse(wrong)
        return self

    @model_validator(mode="after")
    def _kernel_fits_the_lattice(self) -> "Input":
        kind = type(self.kernel)
        if not is_built_in(kind) and not hasattr(kind, "read_files"):
            try:
                try_on(self.kernel, (self.lattice.shape[0], self.lattice.shape[1]))
            except ValueError as error:
                raise wrong_at(("kernel",), str(error)) from None
        return self

    @model_validator(mode="after")
    def _has_a_stress(self) -> "Input":
        if isinstance(self.kernel, NoCoupling) and self.initial_stress.std > 0:
            said = "of kernel.type: none no stress is in equilibrium; write std: 0"
            raise wrong_at(("initial_stress", "std"), said)
        return self

    @model_validator(mode="after")
    def _can_be_shuffled(self) -> "Input":
        if isinstance(self.kernel, Shuffled):
            if self.engine not in ("auto", "direct"):
                raise ValueError(
                    f"engine: {self.engine} cannot shuffle what an event does; with kernel.type: "
                    "shuffled write engine: direct, or auto"
                )
            if self.initial_plastic_strain is not None:
                raise ValueError(
                    "initial_plastic_strain: with kernel.type: shuffled no stress follows from "
                    "plastic strain; take another kernel"
                )
            if isinstance(self.loading, Cycles):
                raise ValueError(
                    "loading.cycle: with kernel.type: shuffled a cycle does not follow from the "
                    "wells alone, and none comes back; write a list of targets, or take another "
                    "kernel"
                )
        return self

    @model_validator(mode="after")
    def _loadings_fit_the_sample(self) -> "Input":
        to_stress, uncoupled = isinstance(self.slip, ToStress), isinstance(self.kernel, NoCoupling)
        check_segments(self.loading, 2 * self.elasticity.shear_modulus, to_stress, uncoupled)
        return self

    @model_validator(mode="after")
    def _listed_strains_are_reached(self) -> "Input":
        written, fields = self.model_dump(), self.output.fields
        if fields is None or fields.at is None:
            return self
        wrong = []
        if isinstance(self.loading, Cycles) or not is_known(written):
            said = "is for loadings of strain without rules, whose strains are known beforehand, "
            wrong.append(f"{said}and not for cycles; write every, and of what")
        else:
            turns = [0.0, *turns_of(written["loading"])]
            low, high = min(turns), max(turns)
            beyond = [e for e in fields.at if not low - SAME_STRAIN <= e <= high + SAME_STRAIN]
            said = f"is never reached: the load goes from {low:g} to {high:g}"
            wrong += [f"{strain:g} {said}" for strain in beyond]
        if wrong:
            raise wrong_at(("output", "fields", "at"), *wrong)
        return self

    @model_validator(mode="after")
    def _not_too_many_records(self) -> "Input":
        cadences: dict[str, CadenceInput] = {"output.observables": self.output.observables}
        if self.output.fields is not None:
            cadences["output.fields"] = self.output.fields
        written = self.model_dump()
        known = is_known(written)  # not with a clock
        turns = turns_of(written["loading"]) if known else []
        for key, cadence in cadences.items():
            records = 0.0
            if known:
                every = Cadence.parse(cadence.model_dump()).every
                length = 0.0 if cadence.of == "cycle" else travelled(turns) / every
                records = length + len(turns)
            elif cadence.of == "time" and cadence.every is not None:
                records = time_of(self.loading) / cadence.every
            if records > MOST_RECORDS:
                said = f"so small that there would be more than {MOST_RECORDS:,} records; raise it"
                raise ValueError(f"{key}.every: {said}")
        return self
