"""The model at points of a search: mean curves of groups of realizations, computed by all ranks."""

from collections.abc import Callable, Sequence
from itertools import pairwise, product
from typing import Final

import numpy as np
from mpi4py import MPI

from hpcepm.analysis.statistics import Floats
from hpcepm.input.glass import glass_of, loading_of
from hpcepm.input.read import ReadInput
from hpcepm.model.dynamics import Dynamics
from hpcepm.model.finite import NotFinite
from hpcepm.model.loop import LoopExit
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from hpcepm.run.runner import Runner
from hpcepm.run.stopping import StopRequest
from hpcepm.schedule import SavePoint
from hpcepm.storage.plan import Plan

from .statistics import STRESS

MOST_GROUPS: Final = 40


class Interrupted(Exception):
    """The user asked to stop."""


def mean_curves(
    read: ReadInput, realizations: range, strains: Floats, observables: Sequence[str], ranks: Ranks
) -> Floats:
    """Return the mean of realizations of an input at ascending strains, (observables, strains).

    Collective.

    Raises
    ------
    NotFinite
        A field holds NaN or infinity.
    """
    nx, ny = read.settings.lattice.shape
    lattice = Lattice((nx, ny), ranks)
    glass, settings = glass_of(read, lattice), read.settings
    engine = settings.choice.engine
    loading = loading_of(read)
    if list(observables) == [STRESS]:  # it needs no look at the fields, and so half the time
        return np.mean(
            [_stress_of(Dynamics(lattice, glass, engine, None, loading), realizations, strains)],
            axis=1,
        )
    points = [SavePoint(float(strain)) for strain in strains]
    plan = Plan((nx, ny), tuple(point.strain for point in points), (), (), False)
    runner = Runner(lattice, glass, engine, points, plan, loading=loading)
    kept = [runner.sheared(realization).observables for realization in realizations]
    return np.mean([[records[name] for name in observables] for records in kept], axis=0)


def _stress_of(dynamics: Dynamics, realizations: range, strains: Floats) -> Floats:
    """Return the stress Σ of realizations, (realizations, strains). Collective."""
    stress = np.empty((len(realizations), strains.size))
    for row, realization in enumerate(realizations):
        dynamics.begin(dynamics.glass._replace(realization=realization))
        for k, strain in enumerate(strains):
            while dynamics.shear(strain) == LoopExit.TABLE_FULL:
                dynamics.take_avalanches()
            stress[row, k] = dynamics.stress_at(strain)
    return stress


class Ensemble:
    """Realizations 0, 1, … of inputs, in groups. Each group at each point is a task of one rank.

    Parameters
    ----------
    ranks
        All ranks. Making an `Ensemble` is Collective.
    realizations
        How many at each point; the same ones at all, so that the differences between points show
        little noise.
    strains, observables
        Where what is recorded.
    stop_request
        Looked at before each task.
    """

    def __init__(
        self,
        ranks: Ranks,
        realizations: int,
        strains: Floats,
        observables: Sequence[str],
        stop_request: StopRequest,
    ) -> None:
        self.ranks, self.alone = ranks, Ranks(MPI.COMM_SELF)
        self.strains, self.observables = strains, observables
        self.stop_request = stop_request
        n = min(realizations, MOST_GROUPS)
        whole, left = divmod(realizations, n)
        ends = [k * whole + min(k, left) for k in range(n + 1)]
        self.groups = [range(a, b) for a, b in pairwise(ends)]

    def curves(self, inputs: list[ReadInput], tell: Callable[[float], None]) -> Floats:
        """Return the mean curves of each group of each input, (inputs, G, observables, strains).

        The bits are the same on any number of ranks. Collective.

        Parameters
        ----------
        inputs
            One for each point, the same on all ranks.
        tell
            Called with the fraction that is done, on each rank for itself.

        Raises
        ------
        Interrupted
            A rank was asked to stop.
        ProblemOnRank
            A glass is not stable.
        """
        tasks = list(product(inputs, self.groups))
        mine = tasks[self.ranks.rank :: self.ranks.size]
        done, problem = [], None
        try:
            for k, (read, group) in enumerate(mine, 1):
                if self.stop_request.name is not None:
                    break  # the others hear of it below
                done.append(mean_curves(read, group, self.strains, self.observables, self.alone))
                tell(k / len(mine))
        except NotFinite as error:
            problem = str(error)
        self.ranks.raise_together(problem)
        if any(self.ranks.allgather(len(done) < len(mine))):
            raise Interrupted
        everything = np.empty((len(tasks), len(self.observables), self.strains.size))
        for rank, curves in enumerate(self.ranks.allgather(done)):
            if curves:
                everything[rank :: self.ranks.size] = curves
        return everything.reshape(len(inputs), len(self.groups), *everything.shape[1:])
