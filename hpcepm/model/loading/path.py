"""Strain that turns: trained, reversed, read out, or cycled."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from pydantic import Field

from hpcepm.schedule import MOST_TURNS

from .base import Loading
from .strain import Strain

Turn = Annotated[float, Field(ge=-1e6, le=1e6)]


class _Turning(Loading):
    """Strain control along a path."""

    stress, load, strain, for_loop = Strain.stress, Strain.load, Strain.strain, Strain.for_loop

    @property
    def target(self) -> float:  # type: ignore[override]
        """The last strain."""
        return self.turns[-1]

    def __post_init__(self) -> None:
        if len(self.turns) == 0:
            raise ValueError("an empty list: write one {target: …} for each strain to reach")
        if len(self.turns) > MOST_TURNS:
            raise ValueError(f"more than {MOST_TURNS:,} turning points are too many")
        before = 0.0
        for turn in self.turns[: 2 * len(set(self.turns)) + 1]:
            if turn == before:
                raise ValueError(f"strain {turn:g} comes twice, one after the other")
            before = turn


@dataclass(frozen=True)
class Segments(_Turning):
    """To one strain after the other."""

    targets: tuple[Turn, ...]

    @property
    def turns(self) -> Sequence[float]:
        """Where the load turns, and where it ends."""
        return self.targets


@dataclass(frozen=True)
class Cycles(_Turning):
    """Through the turning points of a cycle, again and again.

    At each turning point the engine finds the stress anew, so that what a cycle does follows from
    the wells that the sites are in, and from nothing else.
    """

    cycle: tuple[Turn, ...]
    cycles: Annotated[int, Field(ge=1, le=100_000)]

    @cached_property
    def turns(self) -> Sequence[float]:
        """Where the load turns, and where it ends."""
        return self.cycle * self.cycles

    def __post_init__(self) -> None:
        if len(self.cycle) < 2:
            raise ValueError("cycle: a cycle has two turning points, or more")
        super().__post_init__()

    @property
    def begins_anew(self) -> bool:
        """Whether the engine finds the stress anew at each turning point."""
        return True
