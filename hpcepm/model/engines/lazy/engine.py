"""The lazy engine: most sites are far from yielding, and a rigorous bound says for how long their stress need not be known.

The idea is that of a Verlet list. An event changes ``yields_at`` at once in a window around it, and is otherwise put on a list
of pending events. Each block of sites has a bound U, grown by each event by the largest stress that it can add to any site of
the block from outside the window. A site whose ``yields_at``, as far as it is evaluated, exceeds Σ by more than U has grown
since cannot be unstable. For the others the pending events are summed. When that has cost about as much as a convolution of
ε_p, one makes a clean sheet. It is exact: the same events in the same steps as the other engines.

Sums are associative. Each contribution is rounded to a multiple of a quantum, small against any stress and large against the
spacing of doubles at the largest (`quantum_of`), so that adding and subtracting such numbers is exact: the bits of ``yields_at``
do not depend on when a site is evaluated, and so neither on the slab it lies in nor on restarts. (Stresses beyond 64 times their
scale would round again; a slip that large has a probability of about e⁻⁴⁰.)
"""

from math import ceil, log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcepm.model.convolution import Convolution
from hpcepm.model.engines.base import Engine
from hpcepm.model.kernel import Kernel
from hpcepm.model.state import PENDING, State
from hpcepm.parallel.rows import Lattice, LocalField

from .arrays import LazyArrays
from .events import begin
from .pool import make_pool
from .search import weakest_below
from .sums import LANES

MOST_PENDING = 65535  # events, which `evaluated` can count
ADDED_AT_ONCE = (
    32 * LANES
)  # pending events whose places in the table of G are found, and then looked up
MOST_EVALUATED = (
    4096  # sites that are evaluated at once, and whose pending events all ranks sum up together
)
HEADROOM = 6  # the largest representable stress is 2^6 times the scale of stresses


class LazyEngine(Engine):
    """Redistribution that puts off what cannot matter yet; for all but small lattices."""

    name = "lazy"

    def __init__(self, lattice: Lattice, kernel: Kernel, scale: float) -> None:
        super().__init__(lattice, kernel, scale)
        self.convolution = Convolution(
            lattice, kernel
        )  # at once: its memory is that of this engine
        nx, ny = lattice.shape
        block = lattice.strip  # a row of blocks belongs to one rank
        half_window, max_pending_cost, max_events_per_step = _sizes(nx, ny)
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
        """Round ``yields_at`` to the grid, and find the bounds from the pending events.

        Collective.
        """
        begin(self.arrays, state.fields, state.pending, self.lattice.row_map)

    def complete(self, state: State) -> None:
        """Put the pending events into the state."""
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
        """Return the smallest ``yields_at`` of this slab, or inf if it is above a limit."""
        return float(weakest_below(self.arrays, state.fields, limit, self.lattice.row_map)[0])

    def internal_stress(self, state: State) -> LocalField:
        """Return σ − Σ on the slab, in units of stress, in memory of the convolution.

        Collective.
        """
        stress = self.convolution.stress_of(state.fields.epsilon_p, self.convolution.spare_field())
        if self.initial_stress is not None:
            stress += self.initial_stress
        return stress

    @property
    def nbytes(self) -> int:
        """Memory of the engine on this rank, in bytes.

        Of what the ranks of its machine share, its share.
        """
        a, ranks = self.arrays, self.lattice.ranks.node.size
        shared = sum(table.nbytes for table in (a.near, a.far, a.near_bound, a.far_bound))
        return (
            super().nbytes
            - shared
            + shared // ranks
            + (a.pool.to_evaluate.nbytes + a.pool.sums.nbytes) // ranks
        )


def quantum_of(scale: float) -> float:
    """Return the quantum for stresses of a scale.

    A power of two, 2⁻⁴⁵ of the scale or a little more.
    """
    return 2.0 ** (ceil(log2(scale)) + HEADROOM - 51)


def _sizes(nx: int, ny: int) -> tuple[int, int, int]:
    """Return the half-width of the window, the max_pending_cost and what is a max_events_per_step.

    As measured, see docs.

    A row of the window has 2R + 2 numbers, which should fill vector registers.
    """
    n = (nx * ny) ** 0.5
    half_window = 11 if n < 384 else 23 if n < 1536 else 31
    return half_window, int(63000 * (n / 256) ** 1.4), int(150 * (n / 256) ** 1.15)


def _look_ups(
    lattice: Lattice, kernel: Kernel, block: int, half_window: int
) -> tuple[NDArray[Any], ...]:
    """Return G within the window, G outside, and bounds on either between blocks. Collective.

    The table of G is a quarter of a field: one rank of each machine makes it, and all look at the
    same.
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
    """Return the largest G of a quarter table between a site of one block and a site of another, by difference of blocks.

    Blocks begin at multiples of b; across the period a difference of blocks is short by what the last block lacks.
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
