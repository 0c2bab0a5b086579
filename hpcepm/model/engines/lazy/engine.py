"""The lazy engine: a rigorous bound says for how long the stress of a site need not be known.

The idea is that of a Verlet list. An event changes ``yields_at`` at once in a window around it, and
is otherwise deferred: it goes on a list of pending events. Each block of sites has a bound U. Each
event raises U by the largest stress that it can add to any site of the block from outside the
window. A site whose last known ``yields_at`` exceeds Σ by more than U has grown since cannot be
unstable. For all other sites the pending events are summed: they are evaluated. When these sums
have cost about as much as a convolution of ε_p, a convolution resynchronises all sites. It is
exact: the same events in the same steps as with the other engines.

Sums do not depend on their order: they are fixed-point (pre-rounded) reproducible summation.
(Demmel and Nguyen, "Fast reproducible floating-point summation", ARITH 2013; MOM6 does the same
with integers in ``MOM_coms``.) Each term is first rounded to a multiple of a quantum: small against
any stress, and large against the spacing of doubles at the largest stress (`quantum_of`). Sums and
differences of such numbers are exact. So the bits of ``yields_at`` do not depend on when a
site is evaluated, nor on the rank that has it, nor on restarts. (Stresses beyond 64 times their
scale would be rounded again; a slip that large has a probability of about e⁻⁴⁰.)
"""

from math import ceil, log2

import numpy as np

from hpcepm.model.convolution import Convolution
from hpcepm.model.cost import lazy_sizes
from hpcepm.model.engines.base import ONE_WAY, Engine, Ways
from hpcepm.model.kernel import Kernel
from hpcepm.model.state import MOST_PENDING, PENDING, State
from hpcepm.parallel.rows import Lattice, LocalField

from .ahead import lowest_of_hidden
from .arrays import LazyArrays
from .events import begin, begin_rows, find_all_lowest, forget
from .pool import make_pool
from .search import weakest_below
from .sums import LANES
from .tables import Tiles, make_tables

ADDED_AT_ONCE = 32 * LANES  # pending events whose indices into the table of G are found together
MOST_EVALUATED = 4096  # sites that are evaluated together, by all ranks of a node
RARELY = 10  # times as much pending cost has a loading whose events come one by one: each has
# one search, in which the few sites are evaluated that may be the weakest
HEADROOM = 6  # the largest representable stress is 2^6 times the scale of stresses


class LazyEngine(Engine):
    """Redistribution that defers what cannot matter yet. Best for all but small lattices."""

    name = "lazy"

    def __init__(
        self, lattice: Lattice, kernel: Kernel, scale: float, ways: Ways = ONE_WAY
    ) -> None:
        super().__init__(lattice, kernel, scale, ways)
        self.convolution = Convolution(lattice, kernel)  # now, so that `nbytes` has it
        ny = lattice.shape[1]
        half_window, max_pending_cost, max_events_per_step = lazy_sizes(lattice.shape)
        self._max_pending_cost = max_pending_cost
        window_cells, tiles = _tiles(lattice, half_window)
        near, far, near_bound, cell_table, far_bound = make_tables(
            lattice, kernel, tiles, half_window, window_cells, 2 if ways.both_signs else 1
        )
        block, width = tiles.block
        sides = 2 if ways.two_sides else 1
        blocks = (sides, -(-lattice.rows // block), tiles.blocks[1])
        cells = (sides, -(-lattice.rows // tiles.cell), tiles.cells[1])
        capacity = max(MOST_EVALUATED, block * width)
        lowest, two_levels = np.full(cells, np.inf, np.float32), tiles.nearby[0] >= 0
        self.arrays: LazyArrays = LazyArrays(
            cell=tiles.cell,
            block=block,
            block_width=width,
            cells_of_block=(block // tiles.cell, width // tiles.cell),
            local_cell_row=lattice.row_map.local_row[:: tiles.cell] // tiles.cell,  # −1 remains
            two_levels=two_levels,
            nearby=tiles.nearby,
            half_window=half_window,
            window_cells=window_cells,
            max_pending_cost=max_pending_cost,
            max_events_per_step=max_events_per_step,
            rounding_constant=1.5 * 2.0**52 * quantum_of(scale),
            most=float(max(far.max(), -far.min())),
            near=near,
            far=far.ravel(),
            near_bound=near_bound,
            cell_table=cell_table,
            far_bound=far_bound,
            bound=np.zeros(blocks, np.float32),
            cell_bound=np.zeros(cells, np.float32),
            lowest=lowest,
            lowest_of_block=np.full(blocks, np.inf, np.float32) if two_levels else lowest,
            lowest_of_row=np.zeros(blocks[1], np.float32),
            candidate_blocks=np.zeros(blocks[1] * blocks[2], np.int32),
            table_index=np.zeros(ADDED_AT_ONCE, np.int32),
            column_min=np.zeros(ny),
            cell_min=np.zeros(cells[2], np.float32),
            largest_bound=np.zeros((sides, 2)),
            rounding_error=np.zeros(sides),
            bound_at=np.zeros((sides, lattice.rows, ny), np.float32),
            ahead=self.ahead,
            n_pending=np.zeros(1, np.int64),
            pending_i=np.zeros(MOST_PENDING, np.int32),
            pending_j=np.zeros(MOST_PENDING, np.int32),
            slips=np.zeros(MOST_PENDING),
            exchange=lattice.ranks.exchange,
            pool=make_pool(lattice.ranks.node, capacity),
            candidates=np.zeros(capacity, np.int64),
        )

    def load(self, state: State) -> None:
        """Round ``yields_at``, and find the bounds from the pending events. Collective."""
        begin(self.arrays, state.fields, state.pending, self.lattice.row_map)

    def rise(self) -> float:
        """Return by how much the bound of a cell is raised at an event of slip 1, about."""
        arrays = self.arrays
        far, near = float(arrays.far_bound[0].mean()), arrays.cell_table[0]
        share = near[0, 0].size / arrays.cell_bound[0].size
        return super().rise() + far + share * float(near.mean()) * arrays.two_levels

    def expect(self, one_by_one: bool) -> None:
        """Be told whether each event of the loading to come is a step of its own."""
        cost = self._max_pending_cost * (RARELY if one_by_one else 1)
        self.arrays = self.arrays._replace(max_pending_cost=cost)

    def complete(self, state: State) -> None:
        """Copy the pending events into the state."""
        arrays, n = self.arrays, self.arrays.n_pending[0]
        state.pending = np.zeros(n, PENDING)
        state.pending["i"], state.pending["j"], state.pending["slip"] = (
            a[:n] for a in (arrays.pending_i, arrays.pending_j, arrays.slips)
        )

    def synchronize(self, state: State) -> None:
        """Set ``yields_at`` from the plastic strain. Collective."""
        state.macro[0]["pending_cost"] = 0
        state.pending = np.zeros(0, PENDING)
        arrays, fields, begun = self.arrays, state.fields, 0
        forget(arrays)

        def begin_with(done: int) -> None:
            nonlocal begun
            last = done // arrays.cell if done < self.lattice.rows else arrays.lowest.shape[1]
            fields.evaluated[begun * arrays.cell : last * arrays.cell] = 0
            begin_rows(arrays, fields, begun, last)
            begun = last

        self.find_yields_at(state, begin_with)
        find_all_lowest(arrays)

    def lowest_yields_at(self, state: State, limit: float) -> float:
        """Return the smallest ``yields_at`` of this rank, or inf if it is above a limit."""
        fields, row_map = state.fields, self.lattice.row_map
        found = float(weakest_below(self.arrays, 0, fields, limit, row_map)[0])
        hidden = lowest_of_hidden(self.arrays, fields, row_map)
        return min(found, hidden) if hidden <= limit else found  # others may be between

    def internal_stress(self, state: State) -> LocalField:
        """Return σ − Σ on the rows of this rank, in units of stress. Collective.

        It lies in memory of the convolution.
        """
        stress = self.convolution.stress_of(state.fields.epsilon_p, self.convolution.spare_field())
        if self.initial_stress is not None:
            stress += self.initial_stress
        return stress

    @property
    def nbytes(self) -> int:
        """Memory of the engine on this rank, in bytes, with its part of what a node shares."""
        a, ranks = self.arrays, self.lattice.ranks.node.size
        tables = sum(t.nbytes for t in (a.near, a.far, a.near_bound, a.cell_table, a.far_bound))
        shared = tables + a.pool.to_evaluate.nbytes + a.pool.sums.nbytes
        return super().nbytes - tables + shared // ranks


def quantum_of(scale: float) -> float:
    """Return the quantum for stresses of a scale: a power of two, about 2⁻⁴⁵ of the scale."""
    return 2.0 ** (ceil(log2(scale)) + HEADROOM - 51)


def _tiles(lattice: Lattice, half_window: int) -> tuple[int, Tiles]:
    """Return how many cells away a window reaches, and the tiles, as measured (docs).

    A row of blocks belongs to one rank. The blocks that a window overlaps are nearby.
    """
    cell, width, nearby = _sides(lattice.strip)
    block = (lattice.strip, width)
    tiles = Tiles(lattice.shape, cell, block, nearby)
    window_cells = -(-half_window // cell) + any(n % cell > 0 for n in lattice.shape)
    if nearby[0] < 0:
        return window_cells, tiles
    overlapped = (
        -(-window_cells // (b // cell)) + (cells % (b // cell) > 0)
        for cells, b in zip(tiles.cells, block, strict=True)
    )
    x, y = map(max, nearby, overlapped)
    return window_cells, tiles._replace(nearby=(x, y))


def _sides(strip: int) -> tuple[int, int, tuple[int, int]]:
    """Return the side of a cell, the columns of a block, and how far blocks are nearby.

    On small lattices a second level costs more than it saves.
    """
    if strip < 16:
        return strip, strip, (-1, -1)
    return 8, 64, (8, 2)
