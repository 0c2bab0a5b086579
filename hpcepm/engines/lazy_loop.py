"""The compiled half of the lazy engine: what is done at an event, and what is looked at in a search."""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..compiled import compiled
from ..lattice import Field
from ..parallel import Link, exchange_events, exchange_sums
from ..state import Fields
from .base import bind, redistribute, unstable_sites, weakest_site

at: Final = np.uint64
"""An index that numba need not look at for being negative: without that look loops run in vector registers."""

ROUNDING: Final = 2.0**-22  # relative; above what a few operations in single precision round
EVENTS_BETWEEN_LOOKS: Final = 128  # at the largest bound
WORTH_SHARING: Final = 1000  # look-ups of a step: about what it costs to exchange their sums


class LazyArrays(NamedTuple):
    """Arrays of the lazy engine. Blocks are b × b sites of this slab, the last of a row or column smaller.

    Bounds are single precision, and safe: tables are rounded up, `lowest` is rounded down, and ``slack`` holds what the sums
    of bounds may have lost.
    """

    block: int
    half_window: int
    reach: int  # how many blocks away a window touches
    limit: int  # events between two convolutions, at most
    to_grid: float  # (x + to_grid) − to_grid is x, rounded to a multiple of the quantum
    most: float  # largest |G| outside the window
    near: NDArray[np.float64]  # (wx, wy): G within the window
    far: NDArray[np.float64]  # (nx//2 + 1, ny//2 + 1): G outside, 0 within
    near_bound: NDArray[np.float32]  # (block rows of the lattice, 2 × block columns): bound on G between blocks, in the window
    far_bound: NDArray[np.float32]  # the same, outside
    bound: NDArray[np.float32]  # (block rows, block columns): U
    lowest: NDArray[np.float32]  # the same: no yields_at + bound_at of the block is less
    reached: NDArray[np.int32]  # as many as there are blocks: scratch of searches, the blocks to be looked into
    found: NDArray[np.int64]  # (b²,): scratch of the search for the weakest site
    slack: NDArray[np.float64]  # (2,): largest |U| there can be; error that U can have
    bound_at: Field  # float32: U when the site was last evaluated
    n_pending: NDArray[np.int64]  # (1,)
    pending_i: NDArray[np.int32]  # (limit,): row of an event, as are
    pending_j: NDArray[np.int32]  # its column
    block_i: NDArray[np.int32]  # row of its block; counted from this slab's first, around the lattice
    block_j: NDArray[np.int32]  # and column
    slips: NDArray[np.float64]  # its slip
    link: Link
    due: NDArray[Any]  # EVENT, the scratch of shared sums: this rank's sites, and in `first` the pending event to begin with
    all_due: NDArray[Any]  # of the same size: those of all ranks
    share: NDArray[np.float64]  # what this rank adds up of each
    sums: NDArray[np.float64]


@compiled
def take_stress(yields_at: Field, sigma_c: Field) -> None:
    """Turn the internal stress of sites, which is in ``yields_at``, into the stress at which they yield."""
    rows, ny = yields_at.shape
    for i in range(rows):
        for j in range(ny):
            yields_at[at(i), at(j)] = sigma_c[at(i), at(j)] - yields_at[at(i), at(j)]


@compiled
def begin(engine: Any, fields: Fields, pending: NDArray[Any], first_row: int, nx: int) -> None:
    """Round ``yields_at`` to the grid, and find all bounds anew from the list of pending events."""
    engine.n_pending[0] = 0
    engine.slack[:] = 0.0
    engine.bound[:] = 0.0
    for first in range(0, pending.size, EVENTS_BETWEEN_LOOKS):
        last = min(first + EVENTS_BETWEEN_LOOKS, pending.size)
        for k in range(first, last):
            _append(engine, pending[k].i, pending[k].j, pending[k].slip, first_row, nx)
        _raise_bounds(engine, first, last)
        engine.slack[0] = _largest(engine.bound)
    b, grid = engine.block, engine.to_grid
    rows, ny = fields.yields_at.shape
    for i in range(rows):
        for j in range(ny):
            fields.yields_at[at(i), at(j)] = (fields.yields_at[at(i), at(j)] + grid) - grid
            engine.bound_at[at(i), at(j)] = 0.0
            if fields.evaluated[at(i), at(j)] > 0:
                _evaluate(engine, fields, i, j, first_row + i, nx, engine.bound[i // b, j // b])
    _find_all_lowest(engine, fields.yields_at)


@compiled
def _find_all_lowest(engine: Any, yields_at: Field) -> None:
    b = engine.block
    rows, ny = yields_at.shape
    for block_i in range(engine.lowest.shape[0]):
        for block_j in range(engine.lowest.shape[1]):
            lowest = np.inf
            for i in range(block_i * b, min((block_i + 1) * b, rows)):
                for j in range(block_j * b, min((block_j + 1) * b, ny)):
                    lowest = min(lowest, yields_at[at(i), at(j)] + engine.bound_at[at(i), at(j)])
            engine.lowest[at(block_i), at(block_j)] = _rounded_down(lowest)


@compiled
def _rounded_down(value: float) -> Any:
    return np.float32(value - abs(value) * ROUNDING)


@compiled
def _list_blocks(engine: Any, limit: Any) -> int:
    """List the blocks whose lower bound is up to a limit; return how many there are."""
    lowest, bound, reached = engine.lowest, engine.bound, engine.reached
    columns = lowest.shape[1]
    n = 0
    for block_i in range(lowest.shape[0]):
        in_row = np.int32(0)  # a count as wide as what it counts fills vector registers
        for j in range(columns):
            in_row = np.int32(in_row + np.int32(lowest[at(block_i), at(j)] - bound[at(block_i), at(j)] <= limit))
        if in_row > 0:
            for j in range(columns):
                if lowest[at(block_i), at(j)] - bound[at(block_i), at(j)] <= limit:
                    reached[n] = block_i * columns + j
                    n += 1
    return n


@compiled
def _evaluate(engine: Any, fields: Fields, i: int, j: int, row: int, nx: int, bound: Any) -> None:
    """Take up the pending events at a site, which is on the lattice's row ``row``."""
    done, ny = fields.evaluated[at(i), at(j)], fields.yields_at.shape[1]
    _take_up(engine, fields, i, j, _sum_of_pending(engine, row, j, done, engine.n_pending[0], nx, ny), bound)


@compiled
def _take_up(engine: Any, fields: Fields, i: int, j: int, change: float, bound: Any) -> None:
    fields.yields_at[at(i), at(j)] -= change
    fields.evaluated[at(i), at(j)] = engine.n_pending[0]
    engine.bound_at[at(i), at(j)] = bound


@compiled
def _sum_of_pending(engine: Any, row: int, j: int, first: int, last: int, nx: int, ny: int) -> float:
    """Return the stress that the pending events from first to last, the last one excluded, bring to a site from far away."""
    grid, far = engine.to_grid, engine.far
    rows_of, columns_of, slips = engine.pending_i, engine.pending_j, engine.slips
    total = 0.0
    for k in range(at(first), at(last)):
        di, dj = abs(row - rows_of[k]), abs(j - columns_of[k])
        change = slips[k] * far[at(min(di, nx - di)), at(min(dj, ny - dj))]
        total += (change + grid) - grid
    return total


@bind(redistribute, LazyArrays)
@compiled
def _redistribute(engine: Any, fields: Fields, now: Any, first_row: int, nx: int, events: NDArray[Any], n: int) -> bool:
    m = engine.n_pending[0]
    if m + n > engine.limit or 4 * n > engine.limit:  # a crowd costs more than a convolution
        return True
    ny = fields.yields_at.shape[1]
    for k in range(n):
        i, j = events[k].site // ny, events[k].site % ny
        _append(engine, i, j, events[k].slip, first_row, nx)
        if 0 <= i - first_row < fields.yields_at.shape[0]:
            _put_on_grid(engine, fields.yields_at, i - first_row, j)
    for k in range(m, m + n):
        i, j, slip = engine.pending_i[k], engine.pending_j[k], engine.slips[k]
        _change_window(engine, fields.yields_at, i, j, slip, first_row, nx)
        _lower_near_blocks(engine, engine.block_i[k], engine.block_j[k], slip)
    _raise_bounds(engine, m, m + n)
    if engine.n_pending[0] // EVENTS_BETWEEN_LOOKS > m // EVENTS_BETWEEN_LOOKS:
        engine.slack[0] = _largest(engine.bound)
    return False


@compiled
def _largest(bound: NDArray[np.float32]) -> float:
    """Return the largest |U|: what it could be grows with each event, and much faster than what it is."""
    largest = np.float32(0.0)
    for i in range(bound.shape[0]):
        for j in range(bound.shape[1]):
            largest = max(largest, abs(bound[at(i), at(j)]))
    return float(largest)


@compiled
def _append(engine: Any, i: int, j: int, slip: float, first_row: int, nx: int) -> None:
    """Put an event on the list."""
    m = engine.n_pending[0]
    engine.pending_i[m] = i
    engine.pending_j[m] = j
    engine.block_i[m] = ((i - first_row) % nx) // engine.block
    engine.block_j[m] = j // engine.block
    engine.slips[m] = slip
    engine.n_pending[0] = m + 1
    engine.slack[0] += slip * engine.most
    engine.slack[1] += engine.slack[0] * ROUNDING + engine.to_grid * 2.0**-51


@compiled
def _put_on_grid(engine: Any, yields_at: Field, i: int, j: int) -> None:
    """Round the yields_at of a site that has a new threshold."""
    value = (yields_at[i, j] + engine.to_grid) - engine.to_grid
    yields_at[i, j] = value
    block_i, block_j = i // engine.block, j // engine.block
    engine.lowest[block_i, block_j] = min(engine.lowest[block_i, block_j], _rounded_down(value + engine.bound_at[i, j]))


@compiled
def _raise_bounds(engine: Any, first: int, last: int) -> None:
    """Let the bounds of all blocks grow by what events of the list can add to a site there from outside the window."""
    for block_i in range(engine.bound.shape[0]):
        for k in range(first, last):
            _raise_row(engine, block_i, k)


@compiled
def _raise_row(engine: Any, block_i: int, k: int) -> None:
    bound, far_bound = engine.bound, engine.far_bound
    columns = bound.shape[1]
    slip = np.float32(engine.slips[k])
    row = block_i - engine.block_i[k]
    if row < 0:
        row += far_bound.shape[0]
    shift = columns - engine.block_j[k]
    for j in range(columns):
        bound[at(block_i), at(j)] += slip * far_bound[at(row), at(shift + j)]


@compiled
def _lower_near_blocks(engine: Any, block_i: int, block_j: int, slip: float) -> None:
    """Lower what is known of the blocks that a window around a block reaches by the most that it takes from a site there."""
    rows, columns = engine.lowest.shape
    all_rows = engine.near_bound.shape[0]
    lost = np.float32(slip * (1.0 + ROUNDING))
    width = min(2 * engine.reach + 1, columns)
    start = (block_j - engine.reach) % columns
    first_part = min(width, columns - start)
    row = (block_i - engine.reach) % all_rows
    for _ in range(min(2 * engine.reach + 1, all_rows)):
        if row < rows:
            difference = row - block_i
            if difference < 0:
                difference += all_rows
            _lower_some(engine.lowest, engine.near_bound, row, difference, start, first_part, columns - block_j, lost)
            if first_part < width:
                _lower_some(engine.lowest, engine.near_bound, row, difference, 0, width - first_part, columns - block_j, lost)
        row += 1
        if row == all_rows:
            row = 0


@compiled
def _lower_some(
    lowest: NDArray[np.float32],
    near_bound: NDArray[np.float32],
    row: int,
    difference: int,
    start: int,
    n: int,
    shift: int,
    lost: Any,
) -> None:
    for m in range(start, start + n):
        value = lowest[at(row), at(m)] - lost * near_bound[at(difference), at(shift + m)]
        lowest[at(row), at(m)] = value - abs(value) * np.float32(ROUNDING)


@compiled
def _change_window(engine: Any, yields_at: Field, i: int, j: int, slip: float, first_row: int, nx: int) -> None:
    """Change yields_at at once in the window around (i, j), where it is on this slab."""
    rows, ny = yields_at.shape
    wx, wy = engine.near.shape
    start = (j - engine.half_window) % ny
    first_part = min(wy, ny - start)
    row = (i - engine.half_window) % nx - first_row
    for k in range(wx):
        if 0 <= row < rows:
            _subtract(yields_at, row, start, engine.near, k, 0, first_part, slip, engine.to_grid)
            if first_part < wy:
                _subtract(yields_at, row, 0, engine.near, k, first_part, wy - first_part, slip, engine.to_grid)
        row += 1
        if row == nx - first_row:
            row = -first_row


@compiled
def _subtract(
    yields_at: Field, row: int, start: int, near: NDArray[np.float64], k: int, first: int, n: int, slip: float, grid: float
) -> None:
    for m in range(n):
        yields_at[at(row), at(start + m)] -= (slip * near[at(k), at(first + m)] + grid) - grid


@bind(unstable_sites, LazyArrays)
@compiled
def _unstable_sites(engine: Any, fields: Fields, stress: float, found: NDArray[np.int64], first_row: int, nx: int) -> int:
    limit = _reach(engine, stress)
    n_blocks = _list_blocks(engine, limit)
    _share_sums(engine, fields, n_blocks, limit, first_row, nx)
    n = 0
    for k in range(n_blocks):
        n = _open(engine, fields, engine.reached[k], stress, found, n, first_row, nx)
    _sort(found, min(n, found.size))
    return n


@bind(weakest_site, LazyArrays)
@compiled
def weakest_below(engine: Any, fields: Fields, stress: float, first_row: int, nx: int) -> tuple[float, int]:
    """Answer `weakest_site`. Collective."""
    yields_at = fields.yields_at
    ny = yields_at.shape[1]
    limit = _reach(engine, stress)
    n_blocks = _list_blocks(engine, limit)
    _share_sums(engine, fields, n_blocks, limit, first_row, nx)
    lowest, site = np.inf, -1
    for block in range(n_blocks):
        for k in range(_open(engine, fields, engine.reached[block], stress, engine.found, 0, first_row, nx)):
            value = yields_at[engine.found[k] // ny, engine.found[k] % ny]
            if value < lowest or (value == lowest and engine.found[k] < site):
                lowest, site = value, engine.found[k]
    return lowest, site


@compiled
def _share_sums(engine: Any, fields: Fields, n_blocks: int, limit: Any, first_row: int, nx: int) -> None:
    """Evaluate the sites that must be up to a limit, each rank adding up its share of the pending events. Collective.

    An avalanche is in one slab, and the ranks would else wait for one. Sums are exact in any order, so it makes no difference
    who adds what; nor whether this is done at all: what is not evaluated here is where it is looked at.
    """
    if engine.link.size == 1:
        return
    n = exchange_events(engine.link, engine.due, _list_due(engine, fields, n_blocks, limit, first_row), engine.all_due)
    if n > engine.all_due.size:
        return
    last, work = engine.n_pending[0], 0
    for k in range(n):
        work += last - engine.all_due[k].first
    if work < WORTH_SHARING:
        return
    rows, ny = fields.yields_at.shape
    size, rank = engine.link.size, engine.link.rank
    for k in range(n):
        site, first = engine.all_due[k].site, engine.all_due[k].first
        mine, not_mine = first + (last - first) * rank // size, first + (last - first) * (rank + 1) // size
        engine.share[k] = _sum_of_pending(engine, site // ny, site % ny, mine, not_mine, nx, ny)
    exchange_sums(engine.link, engine.share, n, engine.sums)
    for k in range(n):
        i, j = engine.all_due[k].site // ny - first_row, engine.all_due[k].site % ny
        if 0 <= i < rows:
            _take_up(engine, fields, i, j, engine.sums[k], engine.bound[i // engine.block, j // engine.block])


@compiled
def _list_due(engine: Any, fields: Fields, n_blocks: int, limit: Any, first_row: int) -> int:
    """List the sites of blocks that must be evaluated up to a limit; return how many, be it more than the list holds."""
    b, due = engine.block, engine.due
    (rows, ny), columns = fields.yields_at.shape, engine.bound.shape[1]
    n = 0
    for k in range(n_blocks):
        block_i, block_j = engine.reached[k] // columns, engine.reached[k] % columns
        highest = limit + np.float64(engine.bound[block_i, block_j])
        for i in range(block_i * b, min((block_i + 1) * b, rows)):
            for j in range(block_j * b, min((block_j + 1) * b, ny)):
                key = fields.yields_at[at(i), at(j)] + engine.bound_at[at(i), at(j)]
                if key <= highest and fields.evaluated[at(i), at(j)] < engine.n_pending[0]:
                    if n < due.size:
                        due[n].site = (first_row + i) * ny + j
                        due[n].first = fields.evaluated[at(i), at(j)]
                    n += 1
    return n


@compiled
def _reach(engine: Any, stress: float) -> Any:
    """Return up to where a lower bound must be for the site to be looked at: bounds are rounded."""
    return np.float32(stress + engine.slack[1] + (abs(stress) + engine.slack[0] + engine.slack[1]) * ROUNDING)


@compiled
def _open(
    engine: Any,
    fields: Fields,
    block: int,
    stress: float,
    found: NDArray[np.int64],
    n: int,
    first_row: int,
    nx: int,
) -> int:
    """Put the sites of a block with yields_at ≤ stress into ``found`` from ``n`` on; return the new ``n``."""
    b = engine.block
    yields_at = fields.yields_at
    (rows, ny), columns = yields_at.shape, engine.bound.shape[1]
    block_i, block_j = block // columns, block % columns
    bound = np.float64(engine.bound[at(block_i), at(block_j)])
    limit = _reach(engine, stress) + bound
    lowest = np.inf
    for i in range(block_i * b, min((block_i + 1) * b, rows)):
        for j in range(block_j * b, min((block_j + 1) * b, ny)):
            key = yields_at[at(i), at(j)] + engine.bound_at[at(i), at(j)]
            if key <= limit:
                _evaluate(engine, fields, i, j, first_row + i, nx, bound)
                value = yields_at[at(i), at(j)]
                key = value + bound
                if value <= stress:
                    if n < found.size:
                        found[n] = i * ny + j
                    n += 1
            lowest = min(lowest, key)
    engine.lowest[at(block_i), at(block_j)] = _rounded_down(lowest)
    return n


@compiled
def _sort(values: NDArray[np.int64], n: int) -> None:
    """Sort the first n values (Shell's way: numba's own sort allocates)."""
    gap = n // 2
    while gap > 0:
        for k in range(gap, n):
            value, place = values[k], k
            while place >= gap and values[place - gap] > value:
                values[place] = values[place - gap]
                place -= gap
            values[place] = value
        gap //= 2
