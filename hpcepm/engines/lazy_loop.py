"""The compiled half of the lazy engine: what is done at an event, and what is looked at in a search."""

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..compiled import compiled
from ..lattice import Field
from ..state import Fields
from .base import bind, redistribute, unstable_sites, weakest_site

at: Final = np.uint64
"""An index that numba need not look at for being negative: without that look loops run in vector registers."""

ROUNDING: Final = 2.0**-22  # relative; above what a few operations in single precision round


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
    found: NDArray[np.int64]  # (b²,): scratch of the search for the weakest site
    slack: NDArray[np.float64]  # (2,): largest |U| there can be; error that U can have
    bound_at: Field  # float32: U when the site was last evaluated
    evaluated: Field  # uint16: how many pending events the site has taken up
    n_pending: NDArray[np.int64]  # (1,)
    pending_i: NDArray[np.int32]  # (limit,): row of an event, as are
    pending_j: NDArray[np.int32]  # its column
    block_i: NDArray[np.int32]  # row of its block; counted from this slab's first, around the lattice
    block_j: NDArray[np.int32]  # and column
    slips: NDArray[np.float64]  # its slip


@compiled
def take_stress(yields_at: Field, sigma_c: Field, stress: Field) -> None:
    """Set ``yields_at`` of sites under an internal stress."""
    rows, ny = yields_at.shape
    for i in range(rows):
        for j in range(ny):
            yields_at[at(i), at(j)] = sigma_c[at(i), at(j)] - stress[at(i), at(j)]


@compiled
def clean_sheet(engine: Any, yields_at: Field) -> None:
    """Round ``yields_at`` to the grid, and begin with nothing pending."""
    rows, ny = yields_at.shape
    grid = engine.to_grid
    for i in range(rows):
        for j in range(ny):
            yields_at[at(i), at(j)] = (yields_at[at(i), at(j)] + grid) - grid
    engine.bound_at[:] = 0.0
    engine.evaluated[:] = 0
    engine.n_pending[0] = 0
    engine.bound[:] = 0.0
    engine.slack[:] = 0.0
    _find_all_lowest(engine, yields_at)


@compiled
def evaluate_all(engine: Any, yields_at: Field, first_row: int, nx: int) -> None:
    """Take up all that is pending at every site."""
    b = engine.block
    rows, ny = yields_at.shape
    for i in range(rows):
        for j in range(ny):
            _evaluate(engine, yields_at, i, j, first_row + i, nx, engine.bound[i // b, j // b])
    _find_all_lowest(engine, yields_at)


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
def _how_many_reach(engine: Any, block_i: int, limit: Any) -> int:
    """Return how many blocks of a row have a lower bound up to a limit."""
    lowest, bound = engine.lowest, engine.bound
    n = np.int32(0)  # a count as wide as what it counts fills vector registers
    for j in range(lowest.shape[1]):
        n = np.int32(n + np.int32(lowest[at(block_i), at(j)] - bound[at(block_i), at(j)] <= limit))
    return int(n)


@compiled
def _evaluate(engine: Any, yields_at: Field, i: int, j: int, row: int, nx: int, bound: Any) -> None:
    """Take up the pending events at a site, which is on the lattice's row ``row``."""
    ny = yields_at.shape[1]
    grid, far = engine.to_grid, engine.far
    rows_of, columns_of, slips = engine.pending_i, engine.pending_j, engine.slips
    total = 0.0
    for k in range(at(engine.evaluated[at(i), at(j)]), at(engine.n_pending[0])):
        di, dj = abs(row - rows_of[k]), abs(j - columns_of[k])
        change = slips[k] * far[at(min(di, nx - di)), at(min(dj, ny - dj))]
        total += (change + grid) - grid
    yields_at[at(i), at(j)] -= total
    engine.evaluated[at(i), at(j)] = engine.n_pending[0]
    engine.bound_at[at(i), at(j)] = bound


@bind(redistribute, LazyArrays)
@compiled
def _redistribute(engine: Any, fields: Fields, now: Any, first_row: int, nx: int, events: NDArray[Any], n: int) -> bool:
    now.unsynchronized += n
    if now.unsynchronized > engine.limit or 4 * n > engine.limit:  # a crowd costs more than a convolution
        return True
    ny = fields.yields_at.shape[1]
    for k in range(n):
        _note(engine, fields.yields_at, events[k].site // ny, events[k].site % ny, events[k].slip, first_row, nx)
    m = engine.n_pending[0] - n
    for k in range(m, m + n):
        i, j, slip = engine.pending_i[k], engine.pending_j[k], engine.slips[k]
        _change_window(engine, fields.yields_at, i, j, slip, first_row, nx)
        _lower_near_blocks(engine, engine.block_i[k], engine.block_j[k], slip)
    for block_i in range(engine.bound.shape[0]):
        for k in range(m, m + n):
            _raise_bounds(engine, block_i, k)
    if engine.n_pending[0] // 128 > m // 128:
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
def _note(engine: Any, yields_at: Field, i: int, j: int, slip: float, first_row: int, nx: int) -> None:
    """Put an event on the list; its site, whose threshold is new, back on the grid."""
    m = engine.n_pending[0]
    engine.pending_i[m] = i
    engine.pending_j[m] = j
    engine.block_i[m] = ((i - first_row) % nx) // engine.block
    engine.block_j[m] = j // engine.block
    engine.slips[m] = slip
    engine.n_pending[0] = m + 1
    engine.slack[0] += slip * engine.most
    engine.slack[1] += engine.slack[0] * ROUNDING + engine.to_grid * 2.0**-51
    local = i - first_row
    if 0 <= local < yields_at.shape[0]:
        value = (yields_at[local, j] + engine.to_grid) - engine.to_grid
        yields_at[local, j] = value
        block_i, block_j = engine.block_i[m], engine.block_j[m]
        key = _rounded_down(value + engine.bound_at[local, j])
        engine.lowest[block_i, block_j] = min(engine.lowest[block_i, block_j], key)


@compiled
def _raise_bounds(engine: Any, block_i: int, k: int) -> None:
    """Let the bounds of a row of blocks grow by what event k can add to a site there from outside the window."""
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
    n = 0
    limit = _reach(engine, stress)
    for block_i in range(engine.bound.shape[0]):
        if _how_many_reach(engine, block_i, limit) > 0:
            for block_j in range(engine.bound.shape[1]):
                if engine.lowest[at(block_i), at(block_j)] - engine.bound[at(block_i), at(block_j)] <= limit:
                    n = _open(engine, fields.yields_at, block_i, block_j, stress, found, n, first_row, nx)
    _sort(found, min(n, found.size))
    return n


@compiled
def _reach(engine: Any, stress: float) -> Any:
    """Return up to where a lower bound must be for the site to be looked at: bounds are rounded."""
    return np.float32(stress + engine.slack[1] + (abs(stress) + engine.slack[0] + engine.slack[1]) * ROUNDING)


@compiled
def _open(
    engine: Any,
    yields_at: Field,
    block_i: int,
    block_j: int,
    stress: float,
    found: NDArray[np.int64],
    n: int,
    first_row: int,
    nx: int,
) -> int:
    """Put the sites of a block with yields_at ≤ stress into ``found`` from ``n`` on; return the new ``n``."""
    b = engine.block
    rows, ny = yields_at.shape
    bound = np.float64(engine.bound[at(block_i), at(block_j)])
    limit = _reach(engine, stress) + bound
    lowest = np.inf
    for i in range(block_i * b, min((block_i + 1) * b, rows)):
        for j in range(block_j * b, min((block_j + 1) * b, ny)):
            key = yields_at[at(i), at(j)] + engine.bound_at[at(i), at(j)]
            if key <= limit:
                _evaluate(engine, yields_at, i, j, first_row + i, nx, bound)
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


@bind(weakest_site, LazyArrays)
@compiled
def weakest_below(engine: Any, fields: Fields, stress: float, first_row: int, nx: int) -> tuple[float, int]:
    """Answer `weakest_site`."""
    yields_at = fields.yields_at
    ny = yields_at.shape[1]
    lowest, site = np.inf, -1
    limit = _reach(engine, stress)
    for block_i in range(engine.bound.shape[0]):
        if _how_many_reach(engine, block_i, limit) > 0:
            for block_j in range(engine.bound.shape[1]):
                if engine.lowest[at(block_i), at(block_j)] - engine.bound[at(block_i), at(block_j)] <= limit:
                    n = _open(engine, yields_at, block_i, block_j, stress, engine.found, 0, first_row, nx)
                    for k in range(n):
                        value = yields_at[engine.found[k] // ny, engine.found[k] % ny]
                        if value < lowest or (value == lowest and engine.found[k] < site):
                            lowest, site = value, engine.found[k]
    return lowest, site
