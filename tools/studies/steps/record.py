"""Records what each step of a real run has to do. On one rank."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcepm.model.dynamics import Dynamics
from hpcepm.model.engines.base import unstable_sites, weakest_site
from hpcepm.model.engines.lazy.search import search_limit

from .stream import Step, Stream, Sweep

MOST_FOUND = 65536


def record(dynamics: Dynamics, n_steps: int) -> Stream:
    """Go on with a run of the lazy engine, and return what its steps had to do."""
    return Stream(dynamics.lattice.shape, list(_Recorder(dynamics).steps(n_steps)))


class _Recorder:
    """Asks an engine what the step loop will ask, and sees what changes.

    The loop then finds the same, and nothing left to sum: when a site is evaluated makes no
    difference to any number.
    """

    def __init__(self, dynamics: Dynamics) -> None:
        self.dynamics, self.engine = dynamics, dynamics.engine.arrays
        nx, ny = dynamics.lattice.shape
        b = self.engine.cell  # type: ignore[attr-defined]
        if nx % b or ny % b:
            raise ValueError(f"blocks of {b} × {b} must fill the lattice, {nx} × {ny}")
        evaluated = dynamics.state.fields.evaluated
        self.evaluated = evaluated.reshape(nx // b, b, ny // b, b).swapaxes(1, 2)
        self.found = np.zeros(MOST_FOUND, np.int64)

    def steps(self, n_steps: int) -> Iterator[Step]:
        """Do and yield so many steps."""
        dynamics, macro = self.dynamics, self.dynamics.state.macro[0]
        while dynamics._buffers.search_stress[0] == np.inf:  # a first search looks everywhere
            dynamics.shear(1e9, 1)
        for _ in range(n_steps):
            before = int(macro["events"])
            stress = dynamics.stress_at(float(macro["load"]))
            sweeps, sites = [], np.zeros(0, np.int64)
            if macro["in_avalanche"]:
                sweep, n = self.unstable(stress)
                sweeps, sites = [sweep], self.found[:n].copy()
            if begins := sites.size == 0:
                above, site = dynamics._buffers.search_stress[0], -1
                while site < 0:
                    sweep, site = self.weakest(stress + above)
                    sweeps.append(sweep)
                    above *= 2
                sites = np.array([site])
            dynamics.shear(1e9, 1)
            dynamics.take_avalanches()
            if int(macro["events"]) - before != sites.size:
                raise AssertionError("the step loop found other sites")
            rows = (np.sort(sites) // dynamics.lattice.ny).astype(np.uint16)
            yield Step(sweeps, begins, rows)

    def pending(self) -> int:
        """Return how many events are pending."""
        return int(self.engine.n_pending[0])  # type: ignore[attr-defined]

    def unstable(self, stress: float) -> tuple[Sweep, int]:
        """Return what a search for unstable sites does, and how many it puts into `found`."""
        before = self.look_into(stress)
        arguments = self.dynamics.state.fields, stress, self.found, self.dynamics.lattice.row_map
        n = unstable_sites(self.engine, 0, *arguments)
        return self.difference(*before), n

    def weakest(self, limit: float) -> tuple[Sweep, int]:
        """Return what a search for the weakest site does, and the site, or −1."""
        before = self.look_into(limit)
        arguments = self.dynamics.state.fields, limit, self.dynamics.lattice.row_map
        _, site = weakest_site(self.engine, 0, *arguments)
        return self.difference(*before), site

    def look_into(self, stress: float) -> tuple[NDArray[np.int64], ...]:
        """Return the blocks that a search looks into, and what is evaluated in them."""
        e: Any = self.engine
        rows, columns = e.lowest[0].shape
        bound = np.kron(e.bound[0], np.ones(e.cells_of_block, np.float32))[:rows, :columns]
        i, j = np.nonzero(e.lowest[0] - e.cell_bound[0] - bound <= search_limit(e, 0, stress))
        return i, j, self.evaluated[i, j]

    def difference(
        self, i: NDArray[np.int64], j: NDArray[np.int64], before: NDArray[np.int64]
    ) -> Sweep:
        """Return what was done since `look_into`."""
        block, row, column = np.nonzero(self.evaluated[i, j] != before)
        rows = i[block] * self.evaluated.shape[2] + row
        look_ups = self.pending() - before[block, row, column].astype(np.int64)
        opened = i * self.evaluated.shape[2]
        return Sweep(*(a.astype(np.uint16) for a in (opened, rows, look_ups)))
