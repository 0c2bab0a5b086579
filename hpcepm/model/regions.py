"""Regions whose thresholds differ at the start: seeds, notches, soft bands (docs/model.md).

Site (i, j) has its centre at x = i, y = j, in cells, and all is periodic. A region is made from
these coordinates, on each rank for its own rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.parallel.rows import Lattice, LocalField

from .distributions import Distribution

Inside = NDArray[np.bool_]
"""Whether each site on the rows of this rank lies in a region, shape (rows, ny)."""

ALL: Inside = np.zeros((0, 0), np.bool_)
"""All sites; it takes no memory."""


@dataclass(frozen=True)
class Change:
    """What becomes of the thresholds of a region: one of the three.

    Attributes
    ----------
    multiply
        They are multiplied by it.
    set
        They are it.
    draw
        They are its quantiles at the uniform deviates of the sites: no other draw changes.
    """

    multiply: float | None = None
    set: float | None = None
    draw: Distribution | None = None

    def change_moments(self, first: LocalField, second: LocalField, inside: Inside) -> None:
        """Change the fields of ⟨σ_c⟩ and ⟨σ_c²⟩ in a region."""
        if self.multiply is not None:
            first[inside] *= self.multiply
            second[inside] *= self.multiply**2
        elif self.set is not None:
            first[inside], second[inside] = self.set, self.set**2
        elif self.draw is not None:
            first[inside], second[inside] = self.draw.moments()[0], self.draw.second_moment


class Span(NamedTuple):
    """Where a region lies along one axis."""

    centre: float
    size: float

    def distance(self, at: NDArray[Any], n: int) -> NDArray[np.float64]:
        """Return how far sites lie from the centre, around the border if that is nearer."""
        d = at - self.centre
        distance: NDArray[np.float64] = d - n * np.floor(d / n + 0.5)
        return distance


@dataclass(frozen=True)
class Region:
    """A part of the lattice, and what becomes of its thresholds.

    Attributes
    ----------
    shape
        A ``"disc"`` has the sites whose distance from the centre is half its size, or less. A
        ``"rectangle"`` has those with −w/2 ≤ distance < w/2 in both directions, so that a whole w
        is so many sites; a ``"band"`` in one direction.
    centre, size
        In cells: (x, y) and the diameter of a disc, (x, y) and (wx, wy) of a rectangle, one
        coordinate and the width of a band.
    thresholds
        What becomes of them.
    along
        Of a band: the direction in which it goes through the lattice.
    """

    shape: Literal["disc", "band", "rectangle"]
    centre: tuple[float, ...]
    size: tuple[float, ...]
    thresholds: Change
    along: Literal["x", "y"] | None = None

    def __post_init__(self) -> None:
        two = "two numbers, [x, y]"
        wanted = {"disc": (two, "one number"), "rectangle": (two, two)}
        for name, form in zip(
            ("centre", "size"), wanted.get(self.shape, 2 * ("one number",)), strict=True
        ):
            if (n := len(getattr(self, name))) != 1 + (form == two):
                raise ValueError(f"{name}: of a {self.shape} it is {form}; here it has {n}")
        if (self.along is None) == (self.shape == "band"):
            none = f"a {self.shape} has no direction; leave it out"
            raise ValueError(f"along: {none if self.along else 'a band needs along: x or y'}")

    @property
    def spans(self) -> tuple[Span, Span]:
        """Where it lies along x and along y."""
        if self.shape == "band":
            across, all_of_it = Span(self.centre[0], self.size[0]), Span(0.0, np.inf)
            return (across, all_of_it) if self.along == "y" else (all_of_it, across)
        x, y = self.centre
        return Span(x, self.size[0]), Span(y, self.size[-1])

    def contains(self, x: NDArray[Any], y: NDArray[Any], shape: tuple[int, int]) -> Inside:
        """Return which sites of some rows ``x`` and columns ``y`` lie in it."""
        both = self.spans
        dx, dy = (s.distance(at, n) for s, at, n in zip(both, (x, y), shape, strict=True))
        if self.shape == "disc":
            inside: Inside = dx[:, None] ** 2 + dy**2 <= (self.size[0] / 2) ** 2
            return inside
        in_x, in_y = (
            (-s.size / 2 <= d) & (d < s.size / 2) for s, d in zip(both, (dx, dy), strict=True)
        )
        return in_x[:, None] & in_y

    def sites(self, lattice: Lattice) -> Inside:
        """Return which sites on the rows of this rank lie in it."""
        return self.contains(lattice.row_map.global_row, np.arange(lattice.ny), lattice.shape)

    def problem(self, shape: tuple[int, int]) -> tuple[str, str] | None:
        """Return what does not fit a lattice: the key and what is wrong, if so."""
        named = [one for one in zip(self.spans, shape, "xy", strict=True) if one[0].size < np.inf]
        for span, n, axis in named:
            if not 0 <= span.centre < n:
                said = f"{axis} = {span.centre:g} lies outside the lattice"
                return "centre", f"{said}; give a number from 0 to below {n}"
            if span.size > n:
                said = f"{span.size:g} is more than the lattice has along {axis}"
                return "size", f"{said}; give at most {n}"
        near = [np.floor(span.centre).astype(np.int64) + np.arange(2) for span in self.spans]
        if not self.contains(near[0], near[1], shape).any():
            said = f"with {self.size[0]:g} no site lies in it, for they lie at whole numbers"
            return "size", f"{said}; give more"
        return None


def limits(regions: Sequence[Region], before: tuple[float, float]) -> tuple[float, float]:
    """Return limits of thresholds that had others before the regions; those may be too wide."""
    some = list(before)
    for region in regions:
        change = region.thresholds
        if change.multiply is not None:
            some += [change.multiply * one for one in some]
        elif change.set is not None:
            some.append(change.set)
        elif change.draw is not None:
            some += change.draw.limits
        some = [min(some), max(some)]
    return some[0], some[1]
