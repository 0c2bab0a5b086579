"""The keys of ``regions``: parts of the lattice whose thresholds differ at the start."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, WithJsonSchema, model_validator
from pydantic_core import InitErrorDetails

from hpcepm.model.distributions import Distribution
from hpcepm.model.distributions import distribution as distributions
from hpcepm.model.regions import Change, Region
from hpcepm.model.registry import Number, Positive
from hpcepm.model.thresholds import PRESETS

from .problems import shown
from .sections import Choice, Section, problem_at, wrong_at


class ChangeInput(Section):
    """``regions[…].thresholds``: what becomes of the thresholds of a region; one of the three.

    Attributes
    ----------
    multiply : 1
        What was there before times this.
    set : stress
        All this value.
    draw
        Drawn anew, of a preset or a distribution.
    """

    multiply: Positive | None = None
    set: Number | None = None
    draw: Annotated[Any, Choice(distributions, presets=PRESETS, optional=True)] = None

    @model_validator(mode="after")
    def _one_of_them(self) -> "ChangeInput":
        if sum(value is not None for value in (self.multiply, self.set, self.draw)) != 1:
            raise ValueError(
                "give one of multiply, set and draw, such as {multiply: 0.5}, {set: 0.4}, "
                "{draw: MCT}"
            )
        return self


def _lengths(value: Any) -> Any:
    """Return a number, or some in a list, as a tuple."""
    numbers = value if isinstance(value, list | tuple) else [value]
    if not all(type(one) in (int, float) and abs(one) <= 2**20 for one in numbers):
        raise ValueError(f"must be a number of cells, or two, as [x, y]; not {shown(value)}")
    return tuple(map(float, numbers))


_NUMBER = {"type": "number", "minimum": -(2**20), "maximum": 2**20}
_SOME = {"type": "array", "items": _NUMBER, "minItems": 1, "maxItems": 2}
_AS_WRITTEN = WithJsonSchema({"anyOf": [_NUMBER, _SOME]})

Lengths = Annotated[tuple[float, ...], BeforeValidator(_lengths), _AS_WRITTEN]


class RegionInput(Section):
    """``regions[…]``: a part of the lattice with other thresholds at the start.

    Attributes
    ----------
    shape
        Its shape.
    centre : cells
        Its centre [x, y]; of a band one number. Site (i, j) has its centre at x = i, y = j.
    size : cells
        Of a disc the diameter, of a rectangle [wx, wy], of a band the width.
    along
        Of a band: the direction in which it goes through the lattice.
    thresholds
        What becomes of the thresholds in it.
    """

    shape: Literal["disc", "band", "rectangle"]
    centre: Lengths
    size: Lengths
    along: Literal["x", "y"] | None = None
    thresholds: ChangeInput

    @model_validator(mode="after")
    def _has_a_meaning(self) -> "RegionInput":
        wrong = [f"must be above 0, not {one:g}; give cells" for one in self.size if one <= 0]
        if wrong:
            raise wrong_at(("size",), wrong[0])
        self.region(None)
        return self

    def __str__(self) -> str:
        change = self.thresholds
        does = f"× {change.multiply:g}" if change.multiply is not None else ""
        does = f"= {change.set:g}" if change.set is not None else does
        does = does or f"of {change.draw if isinstance(change.draw, str) else 'their own'}"
        centre, size = (", ".join(f"{n:g}" for n in some) for some in (self.centre, self.size))
        along = f" along {self.along}" if self.along else ""
        return f"{self.shape}{along} at {centre}, size {size}: thresholds {does}"

    def region(self, drawn_from: Distribution | None) -> Region:
        """Return the region; ``draw`` has what its files hold only in ``drawn_from``.

        Raises
        ------
        ValueError
            The keys contradict each other.
        """
        change = Change(self.thresholds.multiply, self.thresholds.set, drawn_from)
        return Region(self.shape, self.centre, self.size, change, self.along)


def problems_of(
    regions: Sequence[RegionInput], shape: tuple[int, int], two_sides: bool
) -> Iterator[InitErrorDetails]:
    """Yield what does not fit the lattice, or the sides on which sites yield."""
    for number, one in enumerate(regions):
        problem, value = one.region(None).problem(shape), one.thresholds.set
        if two_sides and value is not None and value <= 0:
            said = f"{value:g}, and with yielding.sides: two thresholds must be above 0"
            problem = problem or ("thresholds.set", f"{said}; raise it")
        if problem is not None:
            key, said = problem
            yield problem_at(("regions", number, *key.split(".")), said)
