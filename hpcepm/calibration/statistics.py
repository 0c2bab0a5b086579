"""What is compared: plateau and peak of the mean stress, and whole curves of any observable."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hpcepm.analysis.statistics import PLATEAU, Floats, has_peak, peak, plateau, pseudo_values
from hpcepm.input.schema import Input
from hpcepm.layout import SAME_STRAIN
from hpcepm.schedule import strains_of

from .schema import GoalInput

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
        Which of `SCALARS` are wanted.
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
        """What must be measured, in the order of curves: the stress, and what else is wanted."""
        return (STRESS, *(name for name in self.curves if name != STRESS))

    def of(self, curves: Floats, top: NDArray[np.int64] | None = None) -> Floats:
        """Return the numbers, shape (..., S), of curves (..., observables, strains).

        ``top`` (...,) is the record of the peak; without it, that of the highest stress.
        """
        stress = curves[..., 0, :]
        height, where = peak(self.strains, stress, top)
        found = {"peak": height, "peak_strain": where}
        if "plateau" in self.names:
            found["plateau"] = plateau(self.strains, stress, self.window)
        columns = [found[name] for name in self.names]
        for name, strains in self.curves.items():
            k = self.observables.index(name)
            at = abs(self.strains[:, None] - strains).argmin(axis=0)
            columns += list(np.moveaxis(curves[..., k, at], -1, 0))
        return np.stack(columns, axis=-1)

    def pseudo_values(self, group_curves: Floats) -> Floats:
        """Return what each group of realizations says of the numbers of their common mean curve.

        By the jackknife (`hpcepm.analysis.statistics.pseudo_values`). Which record is the highest
        is decided by all groups: the jackknife would enlarge its jumps.

        Parameters
        ----------
        group_curves
            Mean curves of the groups, (..., G, observables, strains).

        Returns
        -------
        NDArray
            Shape (..., G, S).
        """
        groups = np.moveaxis(group_curves, -3, 0)
        top = groups.mean(axis=0)[..., 0, :].argmax(axis=-1)
        values = pseudo_values(
            groups, lambda means: self.of(means, np.broadcast_to(top, means.shape[:-2]))
        )
        return np.moveaxis(values, 0, -2)

    def has_peak(self, curves: Floats) -> NDArray[np.bool_]:
        """Return whether the stress of curves (..., observables, strains) has a peak, (...,).

        One before its plateau, and not at its end.
        """
        end = self.window[0] if self.window[0] > 0 else float(self.strains[-1])
        return has_peak(self.strains, curves[..., 0, :], end)


def compared(
    wanted: GoalInput, settings: Input, curves: Mapping[str, Floats]
) -> tuple[Statistics, Goal]:
    """Return what is compared, and with what.

    Parameters
    ----------
    wanted
        What the target file asks for.
    settings
        The input; its records are those of the curves, and the points of ``curves`` are added.
    curves
        Strain, value and error of the points of each curve, (points, 3), by observable.
    """
    every = settings.output.observables.every
    assert every is not None  # there is no clock
    records = strains_of(every, settings.loading.target)
    at = {name: curve[:, 0] for name, curve in curves.items()}
    strains = np.sort(np.concatenate([records, *at.values()]))
    strains = strains[np.diff(strains, prepend=-1.0) > SAME_STRAIN]
    low, high = wanted.plateau.window if wanted.plateau else PLATEAU
    scalars = wanted.scalars
    rows = [(name, number.value, number.error, False, 0) for name, number in scalars.items()]
    for k, (name, curve) in enumerate(curves.items(), 1):
        together = wanted.curves[name].errors == "correlated"
        rows += [(f"{name} at {x:g}", value, error, together, k) for x, value, error in curve]
    names, values, errors, correlated, of_curve = zip(*rows, strict=True)
    goal = Goal(
        list(names), np.array(values), np.array(errors), np.array(correlated), np.array(of_curve)
    )
    return Statistics(strains, (low, high), tuple(scalars), at), goal
