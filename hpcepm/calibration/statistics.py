"""What is compared of a stress–strain curve: its plateau, its peak, or all of it."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NAMES: Final = ("plateau", "peak", "peak_strain")


@dataclass(frozen=True)
class Goal:
    """What is to be met: S numbers, with their standard errors.

    Attributes
    ----------
    names
        Of the numbers, (S,).
    values, errors
        Shape (S,).
    correlated
        Which errors go together as those of neighbouring points of a curve do, (S,); the others are independent.
    """

    names: list[str]
    values: Floats
    errors: Floats
    correlated: NDArray[np.bool_]


def plateau(strains: Floats, curves: Floats, window: tuple[float, float]) -> Floats:
    """Return the mean stress in a window of strain, shape (...,), of curves (..., strains): the area below, by its width."""
    inside = (strains >= window[0] - 1e-9) & (strains <= window[1] + 1e-9)
    x = strains[inside]
    y = curves[..., inside]
    area: Floats = ((y[..., 1:] + y[..., :-1]) / 2) @ np.diff(x)
    return area / (x[-1] - x[0])


def highest(curves: Floats) -> NDArray[np.int64]:
    """Return which record of curves (..., strains) is the highest, (...,)."""
    return np.argmax(curves, axis=-1)


def peak(strains: Floats, curves: Floats, top: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return height and strain of the peak, each (...,): of the parabola through the record ``top`` (...,) and its neighbours."""
    k = np.clip(top, 1, strains.size - 2)
    around = k[..., None] + np.array([-1, 0, 1])
    x, y = strains[around], np.take_along_axis(curves, around, axis=-1)
    left, right = x[..., 0] - x[..., 1], x[..., 2] - x[..., 1]
    fall, rise = (y[..., 0] - y[..., 1]) / left, (y[..., 2] - y[..., 1]) / right
    bend = (rise - fall) / (right - left)
    slope = rise - bend * right
    to_top = np.divide(-slope, 2 * bend, out=np.zeros_like(slope), where=bend < 0)
    to_top = np.where(top < k, left, np.where(top > k, right, to_top))  # highest at the first or last record
    return y[..., 1] + (slope + bend * to_top) * to_top, x[..., 1] + to_top


@dataclass(frozen=True)
class Statistics:
    """Takes from mean stress curves the numbers of a goal.

    Attributes
    ----------
    strains
        Where curves are recorded, (strains,), ascending.
    window
        The strains of the plateau.
    names
        Which of `NAMES` are wanted.
    curve
        The strains at which the stress itself is wanted, after those; may be empty.
    """

    strains: Floats
    window: tuple[float, float]
    names: tuple[str, ...]
    curve: Floats

    def of(self, curves: Floats, top: NDArray[np.int64] | None = None) -> Floats:
        """Return the numbers, shape (..., S), of curves (..., strains); ``top`` (...,) is `highest` unless it is given."""
        height, where = peak(self.strains, curves, highest(curves) if top is None else top)
        found = {"peak": height, "peak_strain": where}
        if "plateau" in self.names:
            found["plateau"] = plateau(self.strains, curves, self.window)
        columns = [found[name] for name in self.names]
        for strain in self.curve:  # each is one of the strains of the curves
            columns.append(curves[..., np.argmin(np.abs(self.strains - strain))])
        return np.stack(columns, axis=-1)

    def pseudo_values(self, group_curves: Floats) -> Floats:
        """Return what each group of realizations says of the numbers of their common mean curve.

        The jackknife: T(all) + (G − 1)·(mean of T(all but one group) − T(all but this group)). Their mean is T(all), and their
        scatter gives its error, also where T, as a peak, is no mean over realizations. Which record is the highest is decided
        by all groups: the jackknife would blow up its jumps.

        Parameters
        ----------
        group_curves
            Mean curves of the groups, (..., G, strains).

        Returns
        -------
        NDArray
            Shape (..., G, S).
        """
        groups = group_curves.shape[-2]
        mean = group_curves.mean(axis=-2, keepdims=True)
        without = (groups * mean - group_curves) / (groups - 1)
        left_out = self.of(without, np.broadcast_to(highest(mean), without.shape[:-1]))
        return self.of(mean) + (groups - 1) * (left_out.mean(axis=-2, keepdims=True) - left_out)

    def has_peak(self, curves: Floats) -> NDArray[np.bool_]:
        """Return whether curves (..., strains) have a peak before their plateau: one above all that follows, and not its end."""
        top = highest(curves)
        end = self.window[0] if self.window[0] > 0 else self.strains[-1]
        return (top > 0) & (top < self.strains.size - 1) & (self.strains[top] < end)
