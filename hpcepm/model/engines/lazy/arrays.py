"""What the compiled parts of the lazy engine work on."""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.parallel.compiled import compiled
from hpcepm.parallel.exchange import EventExchange
from hpcepm.parallel.rows import LocalField

at: Final = np.uint64
"""An index that numba need not look at for being negative.

Without that look loops run in vector registers.
"""

ROUNDING: Final = 2.0**-22  # relative; above what a few operations in single precision round

LINE: Final = 8  # numbers of a cache line; what different ranks change lies on different ones

TO_EVALUATE: Final = np.dtype((np.record, [("site", "i8"), ("first", "i8"), ("until", "i8")]))
"""A site to evaluate, the first of its pending events, and how many groups of pending events this
site and those before it on the list have."""


class WorkPool(NamedTuple):
    """What the ranks of a machine see of each other's lists.

    The first index is the rank on the machine.
    """

    size: int
    rank: int
    current_epoch: NDArray[np.int64]  # (1,): how often lists were epoch
    epoch: NDArray[np.int64]  # (size, LINE): in the first, the round for which the list stands
    n_to_evaluate: NDArray[np.int64]  # the same: length of the list
    work: NDArray[np.int64]  # the same: its groups of pending events
    next_group: NDArray[np.int64]  # the same: how many of these someone has taken on, or more
    done: NDArray[np.int64]  # the same: how many are in the sums
    to_evaluate: NDArray[Any]  # (size, capacity) TO_EVALUATE
    sums: NDArray[np.float64]  # (size, capacity): what pending events bring to each site


class LazyArrays(NamedTuple):
    """Arrays of the lazy engine. Blocks are b × b sites of this slab, the last of a row or column smaller.

    Bounds are single precision, and safe: tables are rounded up, `lowest` is rounded down, and ``rounding_error`` holds what the sums
    of bounds may have lost.
    """

    block: int
    half_window: int
    window_blocks: int  # how many blocks away a window touches
    # how large ``macro.pending_cost`` may grow before a convolution: look-ups of a step go by what
    # is pending
    max_pending_cost: int
    max_events_per_step: int  # sites in a step that are cheaper to convolve at once
    # (x + rounding_constant) − rounding_constant is x, rounded to a multiple of the quantum
    rounding_constant: float
    most: float  # largest |G| outside the window
    near: NDArray[np.float64]  # (wx, wy): G within the window
    far: NDArray[np.float64]  # (nx//2 + 1)(ny//2 + 1), row by row: G outside, 0 within
    near_bound: NDArray[
        np.float32
    ]  # (block rows of the lattice, 2 × block columns): bound on G between blocks, in the window
    far_bound: NDArray[np.float32]  # the same, outside
    bound: NDArray[np.float32]  # (block rows, block columns): U
    lowest: NDArray[np.float32]  # the same: no yields_at + bound_at of the block is less
    candidate_blocks: NDArray[
        np.int32
    ]  # as many as there are blocks: scratch of searches, the blocks to be looked into
    table_index: NDArray[np.int32]  # scratch of sums: where in `far` some pending events are
    column_min: NDArray[np.float64]  # (ny,): scratch, the least of each column of a row of blocks
    rounding_error: NDArray[np.float64]  # (2,): largest |U| there can be; error that U can have
    bound_at: LocalField  # float32: U when the site was last evaluated
    n_pending: NDArray[np.int64]  # (1,)
    pending_i: NDArray[np.int32]  # (most,): row of an event, as are
    pending_j: NDArray[np.int32]  # its column
    block_i: NDArray[np.int32]  # row of its block in the lattice
    block_j: NDArray[np.int32]  # and column
    slips: NDArray[np.float64]  # its slip
    exchange: EventExchange
    pool: WorkPool
    candidates: NDArray[np.int64]  # local indices of sites that a search has evaluated


@compiled
def rounded_down(value: float) -> Any:
    """Return a number in single precision that is not above a double, a few roundings included."""
    return np.float32(min(value * (1.0 - ROUNDING), value * (1.0 + ROUNDING)))  # inf remains inf
