"""The Bauschinger effect: the stress at an offset of plastic strain, going on and going back.

A glass is sheared, unloaded to Σ = 0, and sheared again, in the same direction or against it. The
offset is counted from the unloaded state.
"""

from pathlib import Path
from typing import Final, NamedTuple

import h5py
import numpy as np

from hpcepm.analysis.statistics import Estimate, Floats, mean, ratio, standard_error

from ..harness import Run
from .runs import Reversed, reversal_run

OFFSETS: Final = (0.001, 0.002, 0.005)
"""Plastic strains at which a glass is said to yield."""

GRID: Final = np.linspace(0.0, 0.06, 61)
"""Strains from the unloaded state at which curves are averaged."""


class Branches(NamedTuple):
    """A glass on its first way out, and after it was unloaded; each (record,), ascending."""

    first: tuple[Floats, Floats, Floats]  # strain, stress, plastic strain
    unloaded: tuple[float, float, float]
    then: tuple[Floats, Floats, Floats]  # from the unloaded state, in its direction


def branches(strain: Floats, stress: Floats, plastic: Floats, turn: float) -> Branches:
    """Return the branches of one glass that was unloaded after ``strain`` reached ``turn``."""
    top = int(np.argmax(strain >= turn - 1e-9))
    free = top + int(np.argmax(np.abs(stress[top:]) < 1e-12))
    both = (strain, stress, plastic)
    origin = (float(strain[free]), float(stress[free]), float(plastic[free]))
    way = np.sign(strain[-1] - origin[0])
    then = [way * (values[free:] - start) for values, start in zip(both, origin, strict=True)]
    first = [values[: top + 1] for values in both]
    return Branches((first[0], first[1], first[2]), origin, (then[0], then[1], then[2]))


def at_offset(branch: tuple[Floats, Floats, Floats], offset: float) -> float:
    """Return the stress at which the plastic strain first exceeds an offset, on straight lines."""
    _, stress, plastic = branch
    k = int(np.argmax(plastic > offset))
    if not plastic[k] > offset:
        return float("nan")
    part = (offset - plastic[k - 1]) / (plastic[k] - plastic[k - 1])
    return float(stress[k - 1] + part * (stress[k] - stress[k - 1]))


class Reversal(NamedTuple):
    """What glasses of one kind do; estimates by offset."""

    what: Reversed
    turned_at: Estimate  # stress
    recovered: Estimate  # plastic strain that unloading took back
    fresh: list[Estimate]
    on: list[Estimate]
    back: list[Estimate]
    softening: list[Estimate]  # back/on
    curves: dict[str, tuple[Floats, Floats]]  # stress on `GRID`, and its error


def _read(run: Run, turn: float) -> list[Branches]:
    with h5py.File(run.file, "r") as file:
        table = file["observables"]
        strain, stress, plastic = (
            table[name][()] for name in ("strain", "stress", "plastic_strain")
        )
        counts = table["records"][()]
    rows = zip(strain, stress, plastic, counts, strict=True)
    return [branches(e[:n], s[:n], p[:n], turn) for e, s, p, n in rows]


def _curve(of: list[tuple[Floats, Floats, Floats]]) -> tuple[Floats, Floats]:
    """Return the mean stress on `GRID`, and its error; NaN beyond the last strain."""
    curves = np.array([np.interp(GRID, e, stress, right=np.nan) for e, stress, _ in of])
    return curves.mean(axis=0), standard_error(curves)


def read_reversal(folder: Path, what: Reversed) -> Reversal:
    """Return what two runs of the same glasses found, the one back, the other on."""
    on, back = (_read(reversal_run(folder, what, way), what.strain) for way in (1, -1))
    ways = {
        "fresh": [glass.first for glass in on],
        "on": [glass.then for glass in on],
        "back": [glass.then for glass in back],
    }
    stresses = {
        name: np.array([[at_offset(branch, d) for branch in of] for d in OFFSETS])
        for name, of in ways.items()
    }
    turned = np.array([glass.first[1][-1] for glass in on])
    recovered = np.array([glass.first[2][-1] - glass.unloaded[2] for glass in on])
    soft = [ratio(b, o) for b, o in zip(stresses["back"], stresses["on"], strict=True)]
    curves = {name: _curve(of) for name, of in ways.items()}
    fresh, went_on, went_back = ([mean(row) for row in rows] for rows in stresses.values())
    return Reversal(what, mean(turned), mean(recovered), fresh, went_on, went_back, soft, curves)
