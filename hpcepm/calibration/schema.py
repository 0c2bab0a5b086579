"""The keys of a target file, their defaults and limits (docs/calibration.md)."""

from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from hpcepm.input.sections import Section
from hpcepm.model.registry import FileName, NotNegative, Number, Positive

SCALARS: Final = ("plateau", "peak", "peak_strain")
"""Numbers of the stress curve that can be targets, besides the points of curves."""


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
    curves: dict[str, MeasuredCurve] = Field(default_factory=dict)

    @property
    def scalars(self) -> dict[str, Measured]:
        """What is given of `SCALARS`, by name."""
        return {name: given for name in SCALARS if (given := getattr(self, name)) is not None}

    @model_validator(mode="after")
    def _makes_sense(self) -> "GoalInput":
        if not self.curves and not self.scalars:
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
