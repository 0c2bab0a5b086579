"""The mean curves of an ensemble, and numbers of them with errors, by resampling realizations."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

import h5py
import numpy as np

from hpcepm.analysis.statistics import PLATEAU, Estimate, Floats, bootstrap, peak, plateau

PEAK_BEFORE: Final = 0.2
"""Peaks of the stress are looked for up to this strain."""


def difference(a: Estimate, b: Estimate) -> Estimate:
    """Return a − b, of independent a and b."""
    return Estimate(a.value - b.value, float(np.hypot(a.error, b.error)))


class Curves(NamedTuple):
    """The mean curves of an ensemble, or of a resample of it."""

    strain: Floats
    of: Mapping[str, Floats]


Statistic = Callable[[Curves], float]


@dataclass(frozen=True)
class Ensemble:
    """What an ensemble measured.

    Parameters
    ----------
    strain
        Of the records.
    of
        By the name of an observable, its values, (realization, record).
    strength, age
        s and r, as they follow from the input.
    """

    strain: Floats
    of: Mapping[str, Floats]
    strength: float = 0.0
    age: float = 0.0

    @property
    def size(self) -> int:
        """How many realizations there are."""
        return len(next(iter(self.of.values())))

    @cached_property
    def curves(self) -> Curves:
        """The mean curves."""
        return Curves(self.strain, {name: values.mean(axis=0) for name, values in self.of.items()})

    @cached_property
    def resampled(self) -> list[Curves]:
        """The mean curves of resamples; which, is the same each time."""
        means = {name: bootstrap(values) for name, values in self.of.items()}
        rows = (dict(zip(means, row, strict=True)) for row in zip(*means.values(), strict=True))
        return [Curves(self.strain, row) for row in rows]

    def estimate(self, statistic: Statistic) -> Estimate:
        """Return what a statistic of the mean curves is, and its error."""
        spread = np.std([statistic(curves) for curves in self.resampled], ddof=1)
        return Estimate(float(statistic(self.curves)), float(spread))


def load(run_file: Path, observables: tuple[str, ...]) -> Ensemble:
    """Return the ensemble in a ``run.h5``."""
    with h5py.File(run_file, "r") as file:
        of = {name: file["observables"][name][()] for name in observables}
        strain, attributes = file["observables/strain"][()], file.attrs
        return Ensemble(
            strain, of, float(attributes["disorder_strength"]), float(attributes["age"])
        )


def between(name: str, first: float, last: float) -> Statistic:
    """Return the statistic that is the mean of an observable between two strains."""
    return lambda curves: float(plateau(curves.strain, curves.of[name], (first, last)))


def in_flow(name: str) -> Statistic:
    """Return the statistic that is the mean of an observable over the strains of the plateau."""
    return between(name, *PLATEAU)


def at_end(name: str) -> Statistic:
    """Return the statistic that is the last value of an observable."""
    return lambda curves: float(curves.of[name][-1])


def peak_of(curves: Curves) -> tuple[float, float]:
    """Return height and strain of the peak of the stress, looked for up to `PEAK_BEFORE`."""
    early = curves.strain <= PEAK_BEFORE
    height, strain = peak(curves.strain[early], curves.of["stress"][early])
    return float(height), float(strain)


def maximum(name: str) -> Statistic:
    """Return the statistic that is the highest record of an observable."""
    return lambda curves: float(curves.of[name].max())


def strain_of_maximum(name: str) -> Statistic:
    """Return the statistic that is the strain of the highest record of an observable."""
    return lambda curves: float(curves.strain[curves.of[name].argmax()])
