"""How wide a shear band is: where plastic strain goes on, across the band."""

from typing import Final, NamedTuple

import h5py
import numpy as np

from hpcepm.analysis.statistics import Estimate, Floats, mean

from ..harness import Run
from .estimators import fit_power_of_size

WINDOW: Final = 2
"""Records over which an increment is taken."""

KNOWN_FROM: Final = 0.2
"""Strain at which it is decided whether the band lies along x or y."""

FIT: Final = (0.1, 0.5)
"""Strains between which the width is fitted by a power."""


class Bands(NamedTuple):
    """Band width against strain."""

    strain: Floats
    width: list[Estimate]  # in cells
    growth: Estimate  # b of width ~ strain^b


def widths(strain: Floats, profiles: Floats) -> tuple[Floats, Floats]:
    """Return strains, and there the width of the increment of the profile.

    It is the participation 1/Σp², p being the share of each row in the increment.

    Parameters
    ----------
    strain
        Of the records, (record,).
    profiles
        Mean plastic strain along x and along y, (2, realization, record, N).

    Returns
    -------
    tuple
        Shapes (record − `WINDOW`,) and (realization, record − `WINDOW`); NaN where nothing yielded.
    """
    known = np.argmin(abs(strain - KNOWN_FROM))
    direction = profiles[:, :, known].var(axis=-1).argmax(axis=0)
    profile = np.take_along_axis(profiles, direction[None, :, None, None], axis=0)[0]
    grown = profile[:, WINDOW:] - profile[:, :-WINDOW]
    with np.errstate(invalid="ignore"):
        width = grown.sum(axis=-1) ** 2 / (grown**2).sum(axis=-1)
    return (strain[WINDOW:] + strain[:-WINDOW]) / 2, width


def read_bands(run: Run) -> Bands:
    """Return how wide the bands of a run are, mean over realizations."""
    with h5py.File(run.file, "r") as file:
        strain = file["observables/strain"][:]
        profiles = np.stack([file["profiles/along_x"][:], file["profiles/along_y"][:]])
    middle, width = widths(strain, profiles)
    growth = mean(np.array([_growth(middle, w) for w in width]))
    return Bands(middle, [mean(w) for w in width.T], growth)


def _growth(strain: Floats, width: Floats) -> float:
    """Return the power by which the width of a realization grows."""
    at = (strain > FIT[0]) & (strain < FIT[1])
    return fit_power_of_size(strain[at], width[at], np.ones(at.sum()))[0].value
