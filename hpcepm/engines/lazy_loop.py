"""The compiled half of the lazy engine: what is done at an event, and what is looked at in a search."""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..compiled import compiled, compiled_minimum, inlined
from ..lattice import Field, Share
from ..parallel import Link, exchange_events, exchange_sums
from ..state import Fields
from .base import bind, redistribute, unstable_sites, weakest_site

at: Final = np.uint64
"""An index that numba need not look at for being negative: without that look loops run in vector registers."""

ROUNDING: Final = 2.0**-22  # relative; above what a few operations in single precision round
EVENTS_BETWEEN_LOOKS: Final = 128  # at the largest bound
LANES: Final = 32  # 32-bit numbers that a vectorised loop takes up at a time
WORTH_SHARING: Final = 1000  # look-ups of a step: about what it costs to exchange their sums


class LazyArrays(NamedTuple):
    """Arrays of the lazy engine. Blocks are b × b sites of this slab, the last of a row or column smaller.

    Bounds are single precision, and safe: tables are rounded up, `lowest` is rounded down, and ``slack`` holds what the sums
    of bounds may have lost.
    """

    block: int
    half_window: int
    reach: int  # how many blocks away a window touches
    patience: int  # how large ``now.put_off`` may grow before a convolution: look-ups of a step go by what is pending
    crowd: int  # sites in a step that are cheaper to convolve at once
    to_grid: float  # (x + to_grid) − to_grid is x, rounded to a multiple of the quantum
    most: float  # largest |G| outside the window
    near: NDArray[np.float64]  # (wx, wy): G within the window
    far: NDArray[np.float64]  # (nx//2 + 1)(ny//2 + 1), row by row: G outside, 0 within
    near_bound: NDArray[np.float32]  # (block rows of the lattice, 2 × block columns): bound on G between blocks, in the window
    far_bound: NDArray[np.float32]  # the same, outside
    bound: NDArray[np.float32]  # (block rows, block columns): U
    lowest: NDArray[np.float32]  # the same: no yields_at + bound_at of the block is less
    reached: NDArray[np.int32]  # as many as there are blocks: scratch of searches, the blocks to be looked into
    places: NDArray[np.int32]  # scratch of sums: where in `far` some pending events are
    least: NDArray[np.float64]  # (ny,): scratch, the least of each column of a row of blocks
    slack: NDArray[np.float64]  # (2,): largest |U| there can be; error that U can have
    bound_at: Field  # float32: U when the site was last evaluated
    n_pending: NDArray[np.int64]  # (1,)
    pending_i: NDArray[np.int32]  # (most,): row of an event, as are
    pending_j: NDArray[np.int32]  # its column
    block_i: NDArray[np.int32]  # row of its block in the lattice
    block_j: NDArray[np.int32]  # and column
    slips: NDArray[np.float64]  # its slip
    link: Link
    due: NDArray[Any]  # EVENT, scratch of searches: this rank's sites to evaluate, in `first` the pending event to begin with
    all_due: NDArray[Any]  # those of all ranks
    part: NDArray[np.float64]  # what this rank adds up of each of these
    sums: NDArray[np.float64]  # and all ranks together
    known: NDArray[np.int64]  # local indices of sites that a search has evaluated


@compiled
def begin(engine: Any, fields: Fields, pending: NDArray[Any], share: Share) -> None:
    """Round ``yields_at`` to the grid, and find all bounds anew from the list of pending events."""
    engine.n_pending[0] = 0
    engine.slack[:] = 0.0
    engine.bound[:] = 0.0
    for first in range(0, pending.size, EVENTS_BETWEEN_LOOKS):
        last = min(first + EVENTS_BETWEEN_LOOKS, pending.size)
        for k in range(first, last):
            _append(engine, pending[k].i, pending[k].j, pending[k].slip)
        _raise_bounds(engine, first, last)
        engine.slack[0] = _largest(engine.bound)
    for block_i in range(engine.bound.shape[0]):
        _begin_row(engine, fields, block_i, share)


@inlined
def _begin_row(engine: Any, fields: Fields, block_i: int, share: Share) -> None:
    """Begin with a row of blocks: they know best what is still in the cache."""
    b, least = engine.block, engine.least
    rows, ny = fields.yields_at.shape
    least[:] = np.inf
    for i in range(block_i * b, min((block_i + 1) * b, rows)):
        _round(fields.yields_at[i], engine.to_grid)
        engine.bound_at[i] = 0.0
        if engine.n_pending[0] > 0:
            for j in range(ny):
                if fields.evaluated[at(i), at(j)] > 0:
                    _evaluate(engine, fields, i, j, share, engine.bound[block_i, j // b])
        _lower_to(least, fields.yields_at[i], engine.bound_at[i])
    for block_j in range(engine.lowest.shape[1]):
        lowest = np.inf
        for j in range(block_j * b, min((block_j + 1) * b, ny)):
            lowest = min(lowest, least[at(j)])
        engine.lowest[at(block_i), at(block_j)] = _rounded_down(lowest)


@compiled
def _round(values: NDArray[np.float64], grid: float) -> None:
    for j in range(values.size):
        values[at(j)] = (values[at(j)] + grid) - grid


@compiled
def _lower_to(least: NDArray[np.float64], yields_at: NDArray[np.float64], bound_at: NDArray[np.float32]) -> None:
    for j in range(least.size):
        key = yields_at[at(j)] + bound_at[at(j)]
        least[at(j)] = key if key < least[at(j)] else least[at(j)]


@compiled
def _rounded_down(value: float) -> Any:
    return np.float32(min(value * (1.0 - ROUNDING), value * (1.0 + ROUNDING)))  # inf remains inf


@inlined
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


@inlined
def _evaluate(engine: Any, fields: Fields, i: int, j: int, share: Share, bound: Any) -> None:
    """Take up the pending events at a site of this slab."""
    done, ny = fields.evaluated[at(i), at(j)], fields.yields_at.shape[1]
    change = _sum_of_pending(engine, share.row[at(i)], j, done, engine.n_pending[0], share.nx, ny)
    _take_up(engine, fields, i, j, change, bound)


@inlined
def _take_up(engine: Any, fields: Fields, i: int, j: int, change: float, bound: Any) -> None:
    fields.yields_at[at(i), at(j)] -= change
    fields.evaluated[at(i), at(j)] = engine.n_pending[0]
    engine.bound_at[at(i), at(j)] = bound


@inlined
def _sum_of_pending(engine: Any, row: int, j: int, first: int, last: int, nx: int, ny: int) -> float:
    """Return the stress that the pending events from first to last, the last one excluded, bring to a site from far away.

    As many as fill vector registers are taken together, what is left over one by one; sums are exact in any order.
    """
    left_over = last - max(last - first, 0) % LANES
    total = _sum_one_by_one(engine, row, j, left_over, last, nx, ny)
    for start in range(first, left_over, engine.places.size):
        stop = min(start + engine.places.size, left_over)
        places = engine.places[: stop - start]
        _find_places(row, j, engine.pending_i[start:stop], engine.pending_j[start:stop], nx, ny, places)
        total += _sum_at(engine.far, places, engine.slips[start:stop], engine.to_grid)
    return total


@inlined
def _sum_one_by_one(engine: Any, row: int, j: int, first: int, last: int, nx: int, ny: int) -> float:
    grid, far, width = engine.to_grid, engine.far, ny // 2 + 1
    rows_of, columns_of, slips = engine.pending_i, engine.pending_j, engine.slips
    total = 0.0
    for k in range(at(first), at(last)):
        di, dj = abs(row - rows_of[k]), abs(j - columns_of[k])
        total += (slips[k] * far[at(min(di, nx - di) * width + min(dj, ny - dj))] + grid) - grid
    return total


@compiled
def _find_places(
    row: Any, j: Any, rows_of: NDArray[np.int32], columns_of: NDArray[np.int32], nx: Any, ny: Any, places: NDArray[np.int32]
) -> None:
    """Find where in the table of G events are, seen from a site. On its own and in 32 bits this runs in vector registers."""
    row, j, nx, ny, width = np.int32(row), np.int32(j), np.int32(nx), np.int32(ny), np.int32(ny // 2 + 1)
    for k in range(places.size):
        di, dj = np.int32(abs(np.int32(row - rows_of[at(k)]))), np.int32(abs(np.int32(j - columns_of[at(k)])))
        di, dj = min(di, np.int32(nx - di)), min(dj, np.int32(ny - dj))
        places[at(k)] = np.int32(np.int32(di * width) + dj)


@compiled
def _sum_at(table: NDArray[np.float64], places: NDArray[np.int32], slips: NDArray[np.float64], grid: float) -> float:
    """Return the sum of an even number of slips times what is at places of a table, each rounded."""
    even = odd = 0.0
    for k in range(0, places.size, 2):
        even += (slips[at(k)] * table[at(places[at(k)])] + grid) - grid
        odd += (slips[at(k + 1)] * table[at(places[at(k + 1)])] + grid) - grid
    return even + odd


@bind(redistribute, LazyArrays)
@compiled
def _redistribute(engine: Any, fields: Fields, now: Any, share: Share, events: NDArray[Any], n: int) -> bool:
    m = engine.n_pending[0]
    if now.put_off > engine.patience or n > engine.crowd or m + n > engine.slips.size:
        return True
    now.put_off += m + n
    ny = fields.yields_at.shape[1]
    for k in range(n):
        i, j = events[k].site // ny, events[k].site % ny
        _append(engine, i, j, events[k].slip)
        if share.here[i] >= 0:
            _put_on_grid(engine, fields.yields_at, share.here[i], j)
    for k in range(m, m + n):
        i, j, slip = engine.pending_i[k], engine.pending_j[k], engine.slips[k]
        _change_window(engine, fields.yields_at, i, j, slip, share)
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


@inlined
def _append(engine: Any, i: int, j: int, slip: float) -> None:
    """Put an event on the list."""
    m = engine.n_pending[0]
    engine.pending_i[m] = i
    engine.pending_j[m] = j
    engine.block_i[m] = i // engine.block
    engine.block_j[m] = j // engine.block
    engine.slips[m] = slip
    engine.n_pending[0] = m + 1
    engine.slack[0] += slip * engine.most
    engine.slack[1] += engine.slack[0] * ROUNDING + engine.to_grid * 2.0**-51


@inlined
def _put_on_grid(engine: Any, yields_at: Field, i: int, j: int) -> None:
    """Round the yields_at of a site that has a new threshold."""
    value = (yields_at[i, j] + engine.to_grid) - engine.to_grid
    yields_at[i, j] = value
    block_i, block_j = i // engine.block, j // engine.block
    engine.lowest[block_i, block_j] = min(engine.lowest[block_i, block_j], _rounded_down(value + engine.bound_at[i, j]))


@inlined
def _raise_bounds(engine: Any, first: int, last: int) -> None:
    """Let the bounds of all blocks grow by what events of the list can add to a site there from outside the window."""
    size, rank = engine.link.size, engine.link.rank
    for k in range(first, last):
        slip, shift = np.float32(engine.slips[k]), engine.bound.shape[1] - engine.block_j[k]
        for block_i in range(engine.bound.shape[0]):
            row = block_i * size + rank - engine.block_i[k]
            bound, largest = engine.bound[block_i], engine.far_bound[row + engine.far_bound.shape[0] * (row < 0), shift:]
            for j in range(bound.size):
                bound[at(j)] += slip * largest[at(j)]


@inlined
def _lower_near_blocks(engine: Any, block_i: int, block_j: int, slip: float) -> None:
    """Lower what is known of the blocks that a window around a block reaches by the most that it takes from a site there."""
    columns, all_rows = engine.lowest.shape[1], engine.near_bound.shape[0]
    size, rank = engine.link.size, engine.link.rank
    lost = np.float32(slip * (1.0 + ROUNDING))
    width = min(2 * engine.reach + 1, columns)
    start = (block_j - engine.reach) % columns
    first_part = min(width, columns - start)
    row = (block_i - engine.reach) % all_rows
    for _ in range(min(2 * engine.reach + 1, all_rows)):
        if row % size == rank:
            here, difference = row // size, row - block_i
            if difference < 0:
                difference += all_rows
            lowest, most = engine.lowest[here], engine.near_bound[difference, columns - block_j :]
            _lower_some(lowest[start : start + first_part], most[start:], lost)
            if first_part < width:
                _lower_some(lowest[: width - first_part], most, lost)
        row += 1
        if row == all_rows:
            row = 0


@compiled
def _lower_some(lowest: NDArray[np.float32], most: NDArray[np.float32], slip: Any) -> None:
    for j in range(lowest.size):
        value = lowest[at(j)] - slip * most[at(j)]
        lowest[at(j)] = value - abs(value) * np.float32(ROUNDING)


@inlined
def _change_window(engine: Any, yields_at: Field, i: int, j: int, slip: float, share: Share) -> None:
    """Change yields_at at once in the window around (i, j), where it is on this slab."""
    ny = yields_at.shape[1]
    wx, wy = engine.near.shape
    start = (j - engine.half_window) % ny
    first_part = min(wy, ny - start)
    row = (i - engine.half_window) % share.nx
    for k in range(wx):
        here = share.here[at(row)]
        if here >= 0:
            _subtract(yields_at[here, start : start + first_part], engine.near[k], slip, engine.to_grid)
            if first_part < wy:
                _subtract(yields_at[here, : wy - first_part], engine.near[k, first_part:], slip, engine.to_grid)
        row += 1
        if row == share.nx:
            row = 0


@compiled
def _subtract(yields_at: NDArray[np.float64], near: NDArray[np.float64], slip: float, grid: float) -> None:
    for j in range(yields_at.size):
        yields_at[at(j)] -= (slip * near[at(j)] + grid) - grid


@bind(unstable_sites, LazyArrays)
@compiled
def _unstable_sites(engine: Any, fields: Fields, stress: float, found: NDArray[np.int64], share: Share) -> int:
    yields_at, ny = fields.yields_at, fields.yields_at.shape[1]
    limit = _reach(engine, stress)
    n_blocks = _list_blocks(engine, limit)
    n = block = 0
    while True:
        n_known, block = _evaluate_blocks(engine, fields, block, n_blocks, limit, share)
        for k in range(n_known):
            if yields_at[engine.known[k] // ny, engine.known[k] % ny] <= stress:
                if n < found.size:
                    found[n] = engine.known[k]
                n += 1
        if block == n_blocks:
            return n


@bind(weakest_site, LazyArrays)
@compiled
def weakest_below(engine: Any, fields: Fields, stress: float, share: Share) -> tuple[float, int]:
    """Answer `weakest_site`. Collective."""
    yields_at, ny = fields.yields_at, fields.yields_at.shape[1]
    limit = _reach(engine, stress)
    n_blocks = _list_blocks(engine, limit)
    lowest, site, block = np.inf, -1, 0
    while True:
        n_known, block = _evaluate_blocks(engine, fields, block, n_blocks, limit, share)
        for k in range(n_known):
            value = yields_at[engine.known[k] // ny, engine.known[k] % ny]
            if value <= stress and (value < lowest or (value == lowest and engine.known[k] < site)):
                lowest, site = value, engine.known[k]
        if block == n_blocks:
            return lowest, site


@inlined
def _reach(engine: Any, stress: float) -> Any:
    """Return up to where a lower bound must be for the site to be looked at: bounds are rounded."""
    return np.float32(stress + engine.slack[1] + (abs(stress) + engine.slack[0] + engine.slack[1]) * ROUNDING)


@inlined
def _evaluate_blocks(engine: Any, fields: Fields, block: int, n_blocks: int, limit: Any, share: Share) -> tuple[int, int]:
    """Evaluate the sites with a lower bound up to a limit, of listed blocks from one on. Collective at the first.

    Returns how many they are, in ``known``, and the block to go on from, for there may be more than the list holds.
    """
    n_due, n_known, following = _list_due(engine, fields, block, n_blocks, limit, share)
    last, ny = engine.n_pending[0], fields.yields_at.shape[1]
    shared = block == 0 and _share_sums(engine, ny, n_due, share)
    for k in range(n_due):
        i, j = share.here[engine.due[k].site // ny], engine.due[k].site % ny
        if not shared:
            engine.sums[k] = _sum_of_pending(engine, share.row[i], j, engine.due[k].first, last, share.nx, ny)
        block_i, block_j = i // engine.block, j // engine.block
        bound = engine.bound[block_i, block_j]
        _take_up(engine, fields, i, j, engine.sums[k], bound)
        engine.lowest[block_i, block_j] = min(engine.lowest[block_i, block_j], _rounded_down(fields.yields_at[i, j] + bound))
        engine.known[n_known + k] = i * ny + j
    return n_known + n_due, following


@inlined
def _list_due(engine: Any, fields: Fields, block: int, n_blocks: int, limit: Any, share: Share) -> tuple[int, int, int]:
    """List the sites to evaluate in ``due``, and in ``known`` those that are so already; find what is lowest of the others.

    Returns how many they are of either, and the block to go on from.
    """
    b, due, last = engine.block, engine.due, engine.n_pending[0]
    (rows, ny), columns = fields.yields_at.shape, engine.bound.shape[1]
    n_due = n_known = 0
    while block < n_blocks and n_due + n_known + b * b <= due.size:
        block_i, block_j = engine.reached[block] // columns, engine.reached[block] % columns
        highest = limit + np.float64(engine.bound[block_i, block_j])
        lowest = np.inf
        first, behind = block_j * b, min((block_j + 1) * b, ny)
        for i in range(block_i * b, min((block_i + 1) * b, rows)):
            least = _least_key(fields.yields_at[i, first:behind], engine.bound_at[i, first:behind])
            if least > highest:
                lowest = min(lowest, least)
                continue
            for j in range(first, behind):
                key = fields.yields_at[at(i), at(j)] + engine.bound_at[at(i), at(j)]
                if key <= highest and fields.evaluated[at(i), at(j)] < last:
                    due[n_due].site = share.row[i] * ny + j
                    due[n_due].first = fields.evaluated[at(i), at(j)]
                    n_due += 1
                else:
                    lowest = min(lowest, key)
                    if key <= highest:
                        engine.known[n_known] = i * ny + j
                        n_known += 1
        engine.lowest[at(block_i), at(block_j)] = _rounded_down(lowest)
        block += 1
    return n_due, n_known, block


@compiled_minimum
def _least_key(yields_at: NDArray[np.float64], bound_at: NDArray[np.float32]) -> float:
    """Return the least of a row of a block: most rows have no site to evaluate, and nothing else need be known of them."""
    least = np.inf
    for j in range(yields_at.size):
        least = min(least, yields_at[at(j)] + bound_at[at(j)])
    return least


@inlined
def _share_sums(engine: Any, ny: int, n_due: int, share: Share) -> bool:
    """Find the sums of pending events of the sites that are due, each rank adding up its share; if that pays. Collective.

    A step has a few such sites, and the ranks would else wait for the one that happens to have most. Sums are exact in any
    order, so it makes no difference who adds what; nor whether this is done at all.
    """
    size, rank = engine.link.size, engine.link.rank
    if size == 1:
        return False
    n = exchange_events(engine.link, engine.due, n_due, engine.all_due)
    if n > engine.all_due.size:
        return False
    last, work = engine.n_pending[0], 0
    for k in range(n):
        work += last - engine.all_due[k].first
    if work < WORTH_SHARING:
        return False
    passed = 0
    begins, ends = work * rank // size, work * (rank + 1) // size
    for k in range(n):
        site, first = engine.all_due[k].site, engine.all_due[k].first
        mine = first + min(max(begins - passed, 0), last - first)
        not_mine = first + min(max(ends - passed, 0), last - first)
        engine.part[k] = _sum_of_pending(engine, site // ny, site % ny, mine, not_mine, share.nx, ny)
        passed += last - first
    exchange_sums(engine.link, engine.part, n, engine.sums)
    own = 0
    for k in range(n):
        if share.here[engine.all_due[k].site // ny] >= 0:
            engine.sums[own] = engine.sums[k]
            own += 1
    return True
