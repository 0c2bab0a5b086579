"""How an event changes the bounds of cells and blocks."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcepm.parallel.compiled import compiled, inlined

from .arrays import ONE_ROUNDING, ROUNDING, at


@inlined
def bound_of(engine: Any, i: int, j: int) -> Any:
    """Return U + V at a site of this rank."""
    bound = engine.bound[i // engine.block, j // engine.block_width]
    if engine.two_levels:
        bound += engine.cell_bound[i // engine.cell, j // engine.cell]
    return bound


@inlined
def lower_cell(engine: Any, i: int, j: int, key: Any) -> None:
    """Lower the minima of the cell and the block of a site to its yields_at + bound_at."""
    cell_i, cell_j = i // engine.cell, j // engine.cell
    engine.lowest[cell_i, cell_j] = min(engine.lowest[cell_i, cell_j], key)
    if engine.two_levels:
        block_i, block_j = i // engine.block, j // engine.block_width
        engine.lowest_of_block[block_i, block_j] = min(
            engine.lowest_of_block[block_i, block_j], key - engine.cell_bound[cell_i, cell_j]
        )


@inlined
def lower_near_cells(engine: Any, i: int, j: int, slip: float) -> None:
    """Lower the minima of the cells that the window overlaps by the largest stress it can add."""
    columns, all_rows = engine.lowest.shape[1], engine.local_cell_row.size
    cell_j = j // engine.cell
    lost = np.float32(slip * (1.0 + ROUNDING))
    width = min(2 * engine.window_cells + 1, columns)
    start = (cell_j - engine.window_cells) % columns
    first_part = min(width, columns - start)
    row = (i // engine.cell - engine.window_cells) % all_rows
    for k in range(engine.near_bound.shape[0]):
        here = engine.local_cell_row[at(row)]
        if here >= 0:
            lowest, most = engine.lowest[here], engine.near_bound[k, columns - cell_j :]
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
def raise_bounds(engine: Any, i: int, j: int, slip: float) -> None:
    """Raise the bounds by the largest stress that an event can add outside of its window.

    Each of a few operations rounds: the slip, its product with an element of a table, and the sum,
    which is at most the largest bound. A term of an exact sum is off by half a quantum.
    """
    _raise_far_blocks(engine, i, j, slip)
    if engine.two_levels:
        _raise_nearby_cells(engine, i, j, slip)
    largest = engine.largest_bound[0] + slip * engine.most
    engine.largest_bound[0] = largest
    engine.largest_bound[1] = max(engine.largest_bound[1], largest)
    engine.rounding_error[0] += (
        largest * ONE_ROUNDING + slip * engine.most * ROUNDING + engine.rounding_constant * 2.0**-51
    )


@compiled
def look_up_largest(bound: NDArray[np.float32], cell_bound: NDArray[np.float32]) -> float:
    """Return the largest |U| or |V|. It is smaller than the sum of what each event could add."""
    return max(_largest(bound), _largest(cell_bound))


@compiled
def _largest(bound: NDArray[np.float32]) -> float:
    largest = np.float32(0.0)
    for i in range(bound.shape[0]):
        for j in range(bound.shape[1]):
            largest = max(largest, abs(bound[at(i), at(j)]))
    return float(largest)


@inlined
def _raise_far_blocks(engine: Any, i: int, j: int, slip: float) -> None:
    """Raise the bounds of all blocks. The table is 0 for those that are nearby."""
    size, (all_rows, _), columns = (
        engine.exchange.size,
        engine.far_bound.shape,
        engine.bound.shape[1],
    )
    shift = columns - j // engine.block_width
    row = (engine.exchange.rank - i // engine.block) % all_rows
    for block_i in range(engine.bound.shape[0]):
        _raise_row(engine.bound[at(block_i)], engine.far_bound[at(row), shift:], np.float32(slip))
        row += size
        if row >= all_rows:
            row -= all_rows


@inlined
def _raise_nearby_cells(engine: Any, i: int, j: int, slip: float) -> None:
    """Raise the bounds of the cells of nearby blocks, and find the minima of these blocks.

    From one end of the lattice to the other, nearby blocks may be two parts of a row.
    """
    all_rows, columns = engine.far_bound.shape[0], engine.bound.shape[1]
    block_i, block_j = i // engine.block, j // engine.block_width
    near_rows, near_columns = engine.nearby
    n_columns, cell_j = engine.cell_bound.shape[1], j // engine.cell
    start, stop = block_j - near_columns, block_j + near_columns + 1
    other_start = other_stop = shift = 0
    if stop - start >= columns:
        start, stop = 0, columns
    elif start < 0:
        other_start, other_stop, shift, start = columns + start, columns, -n_columns, 0
    elif stop > columns:
        other_stop, shift, stop = stop - columns, n_columns, columns
    row = (block_i - near_rows) % all_rows
    for _ in range(min(2 * near_rows + 1, all_rows)):
        if engine.local_cell_row[row * engine.cells_of_block[0]] >= 0:
            _raise_cells(engine, i, j, slip, row, start, stop, -cell_j)
            if other_stop > other_start:
                _raise_cells(engine, i, j, slip, row, other_start, other_stop, shift - cell_j)
        row += 1
        if row == all_rows:
            row = 0


@inlined
def _raise_cells(
    engine: Any, i: int, j: int, slip: float, row: int, start: int, stop: int, shift: int
) -> None:
    """Raise the bounds of the cells of blocks ``start`` to ``stop`` − 1 of a row of blocks.

    A column of cells and ``shift`` are the difference of cells.
    """
    c, n_rows, n_columns = engine.cell, engine.local_cell_row.size, engine.cell_bound.shape[1]
    table = engine.cell_table[i % c, j % c]
    reach_x, reach_y = table.shape[0] // 2, table.shape[1] // 2
    s, width = engine.cells_of_block
    first, behind = start * width, min(stop * width, n_columns)
    difference, here = row * s - i // c, engine.local_cell_row[row * s]
    for cell_i in range(here, min(here + s, engine.cell_bound.shape[0])):
        inside = difference
        if inside > reach_x:
            inside -= n_rows
        elif inside < -reach_x:
            inside += n_rows
        _raise_row(
            engine.cell_bound[cell_i, first:behind],
            table[inside + reach_x, first + shift + reach_y :],
            np.float32(slip),
        )
        difference += 1
    find_lowest_of_blocks(engine, here // s, start, stop)


@compiled
def _raise_row(bound: NDArray[np.float32], largest: NDArray[np.float32], slip: Any) -> None:
    for j in range(bound.size):
        bound[at(j)] += slip * largest[at(j)]


@inlined
def find_lowest_of_blocks(engine: Any, block_i: int, start: int, stop: int) -> None:
    """Find the minima of blocks ``start`` to ``stop`` − 1 of a row from their cells."""
    s, width = engine.cells_of_block
    first, behind = start * width, min(stop * width, engine.lowest.shape[1])
    least = engine.cell_min[: behind - first]
    least[:] = np.inf
    for cell_i in range(block_i * s, min((block_i + 1) * s, engine.lowest.shape[0])):
        _lower_to(
            least, engine.lowest[cell_i, first:behind], engine.cell_bound[cell_i, first:behind]
        )
    for block_j in range(start, stop):
        lowest = np.float32(np.inf)
        for k in range((block_j - start) * width, min((block_j + 1 - start) * width, least.size)):
            lowest = least[at(k)] if least[at(k)] < lowest else lowest
        engine.lowest_of_block[at(block_i), at(block_j)] = lowest


@compiled
def _lower_to(
    least: NDArray[np.float32], lowest: NDArray[np.float32], bound: NDArray[np.float32]
) -> None:
    for j in range(least.size):
        value = lowest[at(j)] - bound[at(j)]
        least[at(j)] = value if value < least[at(j)] else least[at(j)]
