"""An oscillation: the load is a sine of time. Of Maxwell sites (`hpcepm.model.clock.maxwell`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, pi, sin
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from hpcepm.model.registry import Positive

from .base import Loading
from .strain import Strain
from .stress import Stress

FEWEST_STEPS: Final = 20
"""Of a cycle: the ninth harmonic is known from more than 18."""


@dataclass(frozen=True)
class Sine(Loading):
    """The load amplitude · sin(2π frequency · time), for some cycles.

    Attributes
    ----------
    waveform
        The form of the load in time; with ``clock: {type: maxwell}`` only.
    amplitude : of the load
        The largest strain ε, or stress Σ.
    frequency : 1/time
        Cycles per unit of time: ω/2π.
    cycles : 1
        How many.
    """

    waveform: Literal["sine"]
    amplitude: Positive
    frequency: Positive
    cycles: Annotated[int, Field(ge=1, le=10_000_000)] = 10
    target: ClassVar[float] = 0.0  # type: ignore[misc]
    control: ClassVar[str]

    @property
    def hold(self) -> float:  # type: ignore[override]
        """How long it lasts."""
        return self.cycles / self.frequency

    @property
    def segments(self) -> Sequence[Loading]:
        """It is one."""
        return (self,)

    def steps(self, longest: float) -> int:
        """Return of how many steps a cycle is, none of which is longer than this."""
        return max(FEWEST_STEPS, ceil((1 - 1e-12) / (self.frequency * longest)))

    def load_at(self, phase: float) -> float:
        """Return the load at a part of a cycle."""
        return self.amplitude * sin(2 * pi * phase)


@dataclass(frozen=True)
class SineOfStrain(Sine):
    """The strain is amplitude · sin(2π frequency · time), for some cycles."""

    control = "strain"
    stress = Strain.stress
    load = Strain.load
    strain = Strain.strain
    is_strain = Strain.is_strain
    for_loop = Strain.for_loop


@dataclass(frozen=True)
class SineOfStress(Sine):
    """The stress is amplitude · sin(2π frequency · time), for some cycles."""

    control = "stress"
    stress = Stress.stress
    load = Stress.load
    for_loop = Stress.for_loop
