"""All that the runs of a plan found."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from hpcepm.analysis.statistics import Estimate, Floats

from ..physics.estimators import CutOff, fit_cut_off
from .cycles import Alone, Cycling, read_alone, read_cycling
from .flow import ALIKE, Flow, common_limit, extrapolate, read_flow, widened
from .reversal import Reversal, read_reversal
from .runs import Plan

AT_LEAST = 0.4
"""S_min, as for the avalanches of docs/physics.md."""

SHARPNESS = 2.0

FEWEST = 100
"""Avalanches to fit."""


class Results(NamedTuple):
    """Flow by size, cycles by size and order, reversals."""

    plan: Plan
    flows: list[Flow]
    cyclings: list[Cycling]
    reversals: list[Reversal]
    alone: list[Alone]

    @property
    def sizes(self) -> Floats:
        """The N of flow."""
        return np.array([float(flow.size) for flow in self.flows])

    def flow_stress(self, name: str) -> tuple[Estimate, Estimate, float]:
        """Return Σ_∞ of a definition, the power b of its convergence, and χ² by freedom."""
        return extrapolate(self.sizes, self._widened(name))

    def common_flow_stress(self, order: str) -> tuple[Estimate, float]:
        """Return the one Σ_∞ of all definitions of an order, and χ² by freedom."""
        return common_limit(self.sizes, [self._widened(name) for name in ALIKE[order]])

    def _widened(self, name: str) -> list[Estimate]:
        return [widened(flow.stress[name], flow.samples) for flow in self.flows]

    def limit(self, order: str, most: float) -> Estimate | None:
        """Return what the amplitude of irreversibility tends to for N → ∞, as Σ_∞ does.

        Amplitudes lie d apart: d/√12 is added to errors, in quadrature.
        """
        sizes, limits = [], []
        for cycling in self.cyclings:
            (value, error), sure = cycling.limit(most)
            if sure and cycling.order == order and cycling.is_square:
                sizes.append(float(cycling.shape[0]))
                apart = cycling.spacing(value) / 12**0.5
                limits.append(Estimate(value, float(np.hypot(error, apart))))
        return extrapolate(np.array(sizes), limits)[0] if len(sizes) > 3 else None

    def avalanches(self, name: str) -> CutOff | None:
        """Return τ and the cut-off of the avalanches of the largest lattice, if they are many."""
        if (self.flows[-1].slips[name] >= AT_LEAST).sum() < FEWEST:
            return None
        return fit_cut_off([self.flows[-1].slips[name]], AT_LEAST, SHARPNESS)


def read(folder: Path, plan: Plan) -> Results:
    """Read all runs."""
    return Results(
        plan,
        [read_flow(folder, plan, size) for size in plan.flowing],
        [read_cycling(folder, plan, c, order) for c in plan.cycled for order in c.orders],
        [read_reversal(folder, what) for what in plan.reversed],
        read_alone(folder, plan),
    )
