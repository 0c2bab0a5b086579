"""Loads that turn: trained, unloaded, reversed, read out, or cycled."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Annotated

import numpy as np
from pydantic import Field

from hpcepm.model.state import CYCLED
from hpcepm.schedule import MOST_TURNS

from .base import Loading
from .extremal import Extremal
from .strain import Strain
from .until import Until

Turn = Annotated[float, Field(ge=-1e6, le=1e6)]


class _Path(Loading):
    """Several segments, one after the other."""

    @property
    def target(self) -> float:  # type: ignore[override]
        """The last load."""
        return self.segments[-1].target

    @property
    def is_strain(self) -> bool:
        """Whether the load is the strain, from the beginning to the end."""
        return all(type(segment) is Strain for segment in self.segments)


@dataclass(frozen=True)
class Path(_Path):
    """One loading after the other; each begins at the stress at which the one before it ends."""

    parts: tuple[Loading, ...]

    @cached_property
    def _segments(self) -> Sequence[tuple[Loading, int]]:
        """The segments, each with the index of the loading of the list that it is of."""
        found: list[tuple[Loading, int]] = []
        for k, part in enumerate(self.parts):
            before = found[-1][0] if found else Strain(0.0)
            is_there = part.follows(before) and not (k and self.parts[k - 1].until.any)
            begins = before.target if is_there else np.nan
            found += [(segment, k) for segment in part.after(begins)]
        return found

    @cached_property
    def segments(self) -> Sequence[Loading]:
        """What the loadings do: each moves to its target, and may stay there."""
        return [segment for segment, _ in self._segments]

    def item(self, segment: int) -> int:
        """Return the index of the loading that a segment is of."""
        return self._segments[segment][1]

    def rules(self, segment: int) -> Until:
        """Return the rules that hold in a segment: those of its loading."""
        return self.parts[self.item(segment)].until

    def __post_init__(self) -> None:
        if len(self.parts) == 0:
            raise ValueError("an empty list: write one {target: …} for each load to reach")
        if len(self.parts) > MOST_TURNS:
            raise ValueError(f"more than {MOST_TURNS:,} turning points are too many")
        first = self.parts[0]
        if first.target == 0 and not first.hold:
            raise ValueError(f"{_named(first)} 0 is where the load begins")
        for before, after in pairwise(self.parts):
            if isinstance(before, Extremal) and not before.until.any:
                raise ValueError("what comes after extremal loading is never reached")
            there = after.target == before.target and after.follows(before)
            if there and not before.until.any and not after.hold:
                raise ValueError(f"{_named(after)} {after.target:g} comes twice, one after another")


def _named(one: Loading) -> str:
    return type(one).__name__.lower()


@dataclass(frozen=True)
class Cycles(_Path):
    """Through the turning points of a cycle, again and again.

    At each turning point the engine finds the stress anew, so that what a cycle does follows from
    the wells that the sites are in, and from nothing else.

    Attributes
    ----------
    cycle : strain
        The turning points, two or more. The landscape must be quenched.
    cycles : 1
        How many cycles there are at the most.
    """

    cycle: tuple[Turn, ...]
    cycles: Annotated[int, Field(ge=1, le=100_000)]

    @property
    def more_fields(self) -> Sequence[str]:  # type: ignore[override]
        """What a cycle is compared with."""
        return CYCLED

    @cached_property
    def segments(self) -> Sequence[Loading]:
        """The loadings, to one turning point each."""
        once = tuple(Strain(turn) for turn in self.cycle)
        return once * self.cycles

    @property
    def begins_anew(self) -> bool:
        """Whether the engine finds the stress anew at each turning point."""
        return True

    def __post_init__(self) -> None:
        if len(self.cycle) < 2:
            raise ValueError("cycle: a cycle has two turning points, or more")
        if len(self.cycle) * self.cycles > MOST_TURNS:
            raise ValueError(f"more than {MOST_TURNS:,} turning points are too many")
        if self.cycle[0] == 0:
            raise ValueError("cycle: begins with strain 0, where the load is already")
        for before, after in pairwise((*self.cycle, self.cycle[0])):
            if before == after:
                raise ValueError(f"cycle: strain {after:g} comes twice, one after another")
