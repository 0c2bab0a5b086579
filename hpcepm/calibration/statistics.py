"""What is compared: the plateau and the peak of the stress, and whole curves of any observable."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NAMES: Final = ("plateau", "peak", "peak_strain")
STRESS: Final = "stress"


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
        Which errors go together as those of neighbouring points of a curve do, (S,); the others are
        independent.
    curve
        Of which curve each is a point, (S,): 1, 2, …; 0 for a number of its own. None if there are
        no curves.
    modes
        What is compared instead of the numbers themselves, (modes, S): sums of them. None for the
        numbers.
    """

    names: list[str]
    values: Floats
    errors: Floats
    correlated: NDArray[np.bool_]
    curve: NDArray[np.int64] | None = None
    modes: Floats | None = None


def plateau(strains: Floats, curves: Floats, window: tuple[float, float]) -> Floats:
    """Return the mean stress in a window of strain, shape (...,), of curves (..., strains).

    The area below, by its width.
    """
    inside = (strains >= window[0] - 1e-9) & (strains <= window[1] + 1e-9)
    x = strains[inside]
    y = curves[..., inside]
    area: Floats = ((y[..., 1:] + y[..., :-1]) / 2) @ np.diff(x)
    return area / (x[-1] - x[0])


def highest(curves: Floats) -> NDArray[np.int64]:
    """Return which record of curves (..., strains) is the highest, (...,)."""
    return np.argmax(curves, axis=-1)


def peak(strains: Floats, curves: Floats, top: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return height and strain of the peak, each (...,).

    Of the parabola through the record ``top`` (...,) and its neighbours.
    """
    k = np.clip(top, 1, strains.size - 2)
    around = k[..., None] + np.array([-1, 0, 1])
    x, y = strains[around], np.take_along_axis(curves, around, axis=-1)
    left, right = x[..., 0] - x[..., 1], x[..., 2] - x[..., 1]
    fall, rise = (y[..., 0] - y[..., 1]) / left, (y[..., 2] - y[..., 1]) / right
    bend = (rise - fall) / (right - left)
    slope = rise - bend * right
    to_top = np.divide(-slope, 2 * bend, out=np.zeros_like(slope), where=bend < 0)
    to_top = np.where(
        top < k, left, np.where(top > k, right, to_top)
    )  # highest at the first or last record
    return y[..., 1] + (slope + bend * to_top) * to_top, x[..., 1] + to_top


@dataclass(frozen=True)
class Statistics:
    """Takes from mean curves the numbers of a goal.

    Attributes
    ----------
    strains
        Where curves are recorded, (strains,), ascending.
    window
        The strains of the plateau.
    names
        Which of `NAMES` are wanted.
    curves
        Of each observable that is itself wanted, after those: at which strains, each one of
        ``strains``.
    """

    strains: Floats
    window: tuple[float, float]
    names: tuple[str, ...]
    curves: Mapping[str, Floats]

    @property
    def observables(self) -> tuple[str, ...]:
        """What must be measured, in the order that curves have it.

        The stress, and what else is wanted.
        """
        return (STRESS, *(name for name in self.curves if name != STRESS))

    def of(self, curves: Floats, top: NDArray[np.int64] | None = None) -> Floats:
        """Return the numbers, shape (..., S), of curves (..., observables, strains).

        ``top`` (...,) is the record of the peak; without it, that of the highest stress.
        """
        stress = curves[..., 0, :]
        height, where = peak(self.strains, stress, highest(stress) if top is None else top)
        found = {"peak": height, "peak_strain": where}
        if "plateau" in self.names:
            found["plateau"] = plateau(self.strains, stress, self.window)
        columns = [found[name] for name in self.names]
        for name, strains in self.curves.items():
            k = self.observables.index(name)
            columns += [
                curves[..., k, np.argmin(np.abs(self.strains - strain))] for strain in strains
            ]
        return np.stack(columns, axis=-1)

    def pseudo_values(self, group_curves: Floats) -> Floats:
        """Return what each group of realizations says of the numbers of their common mean curve.

        The jackknife: T(all) + (G − 1)·(mean of T(all but one group) − T(all but this group)).
        Their mean is T(all), and their scatter gives its error, also where T, as a peak, is no mean
        over realizations. Which record is the highest is decided by all groups: the jackknife would
        blow up its jumps.

        Parameters
        ----------
        group_curves
            Mean curves of the groups, (..., G, observables, strains).

        Returns
        -------
        NDArray
            Shape (..., G, S).
        """
        groups = group_curves.shape[-3]
        mean = group_curves.mean(axis=-3, keepdims=True)
        without = (groups * mean - group_curves) / (groups - 1)
        left_out = self.of(without, np.broadcast_to(highest(mean[..., 0, :]), without.shape[:-2]))
        return self.of(mean) + (groups - 1) * (left_out.mean(axis=-2, keepdims=True) - left_out)

    def has_peak(self, curves: Floats) -> NDArray[np.bool_]:
        """Return whether the stress of curves (..., observables, strains) has a peak before its plateau, and not at its end."""
        top = highest(curves[..., 0, :])
        end = self.window[0] if self.window[0] > 0 else self.strains[-1]
        return (top > 0) & (top < self.strains.size - 1) & (self.strains[top] < end)
