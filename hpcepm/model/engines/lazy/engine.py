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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcepm.model.convolution import Convolution
from hpcepm.model.cost import lazy_sizes
from hpcepm.model.engines.base import Engine
from hpcepm.model.kernel import Kernel
from hpcepm.model.state import MOST_PENDING, PENDING, State
from hpcepm.parallel.rows import Lattice, LocalField

from .arrays import LazyArrays
from .events import begin
from .pool import make_pool
from .search import weakest_below
from .sums import LANES

ADDED_AT_ONCE = 32 * LANES  # pending events whose indices into the table of G are found together
MOST_EVALUATED = 4096  # sites that are evaluated together, by all ranks of a node
HEADROOM = 6  # the largest representable stress is 2^6 times the scale of stresses


class LazyEngine(Engine):
    """Redistribution that defers what cannot matter yet. Best for all but small lattices."""

    name = "lazy"

    def __init__(self, lattice: Lattice, kernel: Kernel, scale: float) -> None:
        super().__init__(lattice, kernel, scale)
        self.convolution = Convolution(lattice, kernel)  # now, so that `nbytes` has it
        nx, ny = lattice.shape
        block = lattice.strip  # a row of blocks belongs to one rank
        half_window, max_pending_cost, max_events_per_step = lazy_sizes(lattice.shape)
        near, far, near_bound, far_bound = _look_ups(lattice, kernel, block, half_window)
        ragged = nx % block > 0 or ny % block > 0
        blocks = (-(-lattice.rows // block), -(-ny // block))
        self.arrays: LazyArrays = LazyArrays(
            block=block,
            half_window=half_window,
            window_blocks=(half_window + block - 1) // block + ragged,
            max_pending_cost=max_pending_cost,
            max_events_per_step=max_events_per_step,
            rounding_constant=1.5 * 2.0**52 * quantum_of(scale),
            most=float(max(far.max(), -far.min())),
            near=near,
            far=far.ravel(),
            near_bound=near_bound,
            far_bound=far_bound,
            bound=np.zeros(blocks, np.float32),
            lowest=np.full(blocks, np.inf, np.float32),
            candidate_blocks=np.zeros(blocks[0] * blocks[1], np.int32),
            table_index=np.zeros(ADDED_AT_ONCE, np.int32),
            column_min=np.zeros(ny),
            rounding_error=np.zeros(2),
            bound_at=lattice.field(np.float32),
            n_pending=np.zeros(1, np.int64),
            pending_i=np.zeros(MOST_PENDING, np.int32),
            pending_j=np.zeros(MOST_PENDING, np.int32),
            block_i=np.zeros(MOST_PENDING, np.int32),
            block_j=np.zeros(MOST_PENDING, np.int32),
            slips=np.zeros(MOST_PENDING),
            exchange=lattice.ranks.exchange,
            pool=make_pool(lattice.ranks.node, max(MOST_EVALUATED, block**2)),
            candidates=np.zeros(max(MOST_EVALUATED, block**2), np.int64),
        )

    def load(self, state: State) -> None:
        """Round ``yields_at``, and find the bounds from the pending events. Collective."""
        begin(self.arrays, state.fields, state.pending, self.lattice.row_map)

    def complete(self, state: State) -> None:
        """Copy the pending events into the state."""
        arrays, n = self.arrays, self.arrays.n_pending[0]
        state.pending = np.zeros(n, PENDING)
        state.pending["i"], state.pending["j"], state.pending["slip"] = (
            a[:n] for a in (arrays.pending_i, arrays.pending_j, arrays.slips)
        )

    def synchronize(self, state: State) -> None:
        """Set ``yields_at`` from the plastic strain. Collective."""
        self.find_yields_at(state)
        state.fields.evaluated[...] = 0
        state.macro[0]["pending_cost"] = 0
        state.pending = np.zeros(0, PENDING)
        self.load(state)

    def lowest_yields_at(self, state: State, limit: float) -> float:
        """Return the smallest ``yields_at`` of this rank, or inf if it is above a limit."""
        return float(weakest_below(self.arrays, state.fields, limit, self.lattice.row_map)[0])

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
        tables = sum(table.nbytes for table in (a.near, a.far, a.near_bound, a.far_bound))
        shared = tables + a.pool.to_evaluate.nbytes + a.pool.sums.nbytes
        return super().nbytes - tables + shared // ranks


def quantum_of(scale: float) -> float:
    """Return the quantum for stresses of a scale: a power of two, about 2⁻⁴⁵ of the scale."""
    return 2.0 ** (ceil(log2(scale)) + HEADROOM - 51)


def _look_ups(
    lattice: Lattice, kernel: Kernel, block: int, half_window: int
) -> tuple[NDArray[Any], ...]:
    """Return G within the window, G outside, and the bounds on both between blocks. Collective.

    The table of G is as large as a quarter of a field. One rank of each node makes it, for all.
    """
    node, (nx, ny) = lattice.ranks.node, lattice.shape
    near = node.shared((min(2 * half_window + 1, nx), min(2 * half_window + 2, ny)))
    far = node.shared((nx // 2 + 1, ny // 2 + 1))
    near_bound, far_bound = (
        node.shared((-(-nx // block), 2 * -(-ny // block)), np.float32) for _ in range(2)
    )
    if node.rank == 0:
        far[...] = kernel.quarter_table(lattice.shape)
        inside, window = np.zeros(far.shape), np.s_[: half_window + 1, : half_window + 1]
        inside[window], far[window] = far[window], 0.0
        di, dj = (np.arange(w) - half_window for w in near.shape)
        near[...] = inside[np.ix_(_folded(di, nx), _folded(dj, ny))]
        near_bound[...] = _rounded_up(
            np.maximum(largest_between_blocks(inside, lattice.shape, block), 0.0)
        )
        far_bound[...] = _rounded_up(largest_between_blocks(far, lattice.shape, block))
    node.barrier()
    return near, far, near_bound, far_bound


def _folded(offsets: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    inside = offsets % n
    return np.minimum(inside, n - inside)


def largest_between_blocks(
    quarter: NDArray[np.float64], shape: tuple[int, int], block: int
) -> NDArray[np.float64]:
    """Return the largest G between a site of one block and a site of another.

    Parameters
    ----------
    quarter
        G(i, j) for 0 ≤ i ≤ nx/2, 0 ≤ j ≤ ny/2.
    shape, block
        (nx, ny), and b. Blocks begin at multiples of b; the last may be smaller, so that a
        difference of blocks across the period is shorter.

    Returns
    -------
    ndarray
        Shape (block rows, 2 × block columns), by difference of blocks; two periods of columns.
    """
    largest = quarter
    for axis, n in enumerate(shape):
        lacking = -n % block
        width = min(2 * block - 1 + lacking, n)
        firsts = np.arange(-(-n // block)) * block - (block - 1) - lacking
        within = (
            np.take(largest, _folded(first + np.arange(width), n), axis=axis).max(axis=axis)
            for first in firsts
        )
        largest = np.stack(list(within), axis=axis)
    return np.ascontiguousarray(np.tile(largest, (1, 2)))


def _rounded_up(table: NDArray[np.float64]) -> NDArray[np.float32]:
    single = table.astype(np.float32)
    return np.where(single < table, np.nextafter(single, np.float32(np.inf)), single)
