"""What the compiled parts of the lazy engine work on."""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.layout import record
from hpcepm.parallel.compiled import inlined
from hpcepm.parallel.exchange import EventExchange

at: Final = np.uint64
"""The type of an index that cannot be negative.

numba adds a test to any other index, and loops with tests do not use vector registers.
"""

ROUNDING: Final = 2.0**-22  # more than the relative error of a few single-precision operations
ONE_ROUNDING: Final = 2.0**-24 * (1.0 + 2.0**-10)  # more than that of one

TO_EVALUATE: Final = record(site="i8", first="i8", until="i8")
"""A site to evaluate, the first of its pending events, and how many groups of pending events this
site and those before it on the list have."""


class WorkPool(NamedTuple):
    """The lists of sites to evaluate that the ranks of a node share.

    The first index is the rank on the node.
    """

    size: int
    rank: int
    current_epoch: NDArray[np.int64]  # (1,): the number of this search; not shared
    epoch: NDArray[np.int64]  # (size, LINE), element 0: the search for which the list is
    n_to_evaluate: NDArray[np.int64]  # the same: length of the list
    work: NDArray[np.int64]  # the same: how many groups of pending events the list has
    next_group: NDArray[np.int64]  # the same: the first group that no rank has taken
    done: NDArray[np.int64]  # the same: how many groups are in the sums
    to_evaluate: NDArray[Any]  # (size, capacity) TO_EVALUATE
    sums: NDArray[np.float64]  # (size, capacity): stress that pending events add to each site


class LazyArrays(NamedTuple):
    """Arrays of the lazy engine.

    The rows of this rank are tiled by cells, and these by blocks; the last cell or block of a row
    or column may be smaller. The bound of a site is that of its block, U, for events far away, and
    that of its cell, V, for events in nearby blocks, which vary more from cell to cell.

    Where sites yield backward, too, there is one of each for each side: the first index is 0 for
    forward, 1 for backward. An event raises a bound by |slip| times the largest G, or the largest
    −G if slip and side have opposite signs: the first index of tables is 0 for G, 1 for −G.

    Bounds are in single precision, and safe: tables are rounded up, ``lowest`` is rounded down, and
    ``rounding_error`` holds what sums of bounds may have lost.
    """

    cell: int  # cells are c × c sites
    block: int  # rows of a block, a multiple of c
    block_width: int  # columns of a block, a multiple of c
    cells_of_block: tuple[int, int]  # along x and y: how many cells a block has
    local_cell_row: NDArray[np.int32]  # (cell rows of the lattice,): row of this rank, or −1
    two_levels: bool  # if not, each block is one cell, V is 0, and no block is nearby
    nearby: tuple[int, int]  # how many blocks away a block is nearby, along x and y
    half_window: int
    window_cells: int  # how many cells away a window reaches
    max_pending_cost: int  # a larger ``macro.pending_cost`` is followed by a convolution
    max_events_per_step: int  # more events in a step are followed by a convolution
    # (x + rounding_constant) − rounding_constant is x, rounded to a multiple of the quantum
    rounding_constant: float
    most: float  # largest |G| outside the window
    near: NDArray[np.float64]  # (wx, wy): G within the window
    far: NDArray[np.float64]  # (nx//2 + 1)(ny//2 + 1), row by row: G outside, 0 within
    # (signs, cell rows of a window, 2 × cell columns): bound on G between cells, in the window
    near_bound: NDArray[np.float32]
    # (signs, c, c, ...): the same, outside, between a site of a cell and the cells of nearby blocks
    cell_table: NDArray[np.float32]
    # (signs, block rows of the lattice, 2 × block columns): the same between blocks, 0 for nearby
    far_bound: NDArray[np.float32]
    bound: NDArray[np.float32]  # (sides, block rows, block columns): U
    cell_bound: NDArray[np.float32]  # (sides, cell rows, cell columns): V
    lowest: NDArray[np.float32]  # the same: no yields_at + bound_at of the cell is less
    lowest_of_block: NDArray[np.float32]  # as U: no ``lowest`` − V is less; may be ``lowest``
    lowest_of_row: NDArray[np.float32]  # (block rows,): scratch, the lowest bound of each
    candidate_blocks: NDArray[np.int32]  # (blocks,): scratch, the blocks that a search looks at
    table_index: NDArray[np.int32]  # scratch of sums: indices into `far` of some pending events
    column_min: NDArray[np.float64]  # (ny,): scratch, minimum of each column of a row of cells
    cell_min: NDArray[np.float32]  # (cell columns,): scratch, the same of a row of blocks
    # (sides, 2): no |U| or |V| is larger; nor was since the last convolution
    largest_bound: NDArray[np.float64]
    rounding_error: NDArray[np.float64]  # (sides,): how much too small U + V may be, from rounding
    bound_at: NDArray[np.float32]  # (sides, rows, ny): U + V when the site was last evaluated
    ahead: NDArray[np.float32]  # of a clock: ``bound_at`` is less by it
    n_pending: NDArray[np.int64]  # (1,): how many events are pending
    pending_i: NDArray[np.int32]  # (MOST_PENDING,): row of an event, as are
    pending_j: NDArray[np.int32]  # its column
    slips: NDArray[np.float64]  # its slip
    exchange: EventExchange
    pool: WorkPool
    candidates: NDArray[np.int64]  # local indices of sites that a search has evaluated


@inlined
def rounded_down(value: float) -> Any:
    """Return a number in single precision that is not above a double.

    A few roundings of the double are allowed for.
    """
    return np.float32(min(value * (1.0 - ROUNDING), value * (1.0 + ROUNDING)))  # inf remains inf
