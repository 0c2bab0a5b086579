"""How an event changes the bounds of cells and blocks."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcepm.parallel.compiled import compiled, inlined

from .arrays import ONE_ROUNDING, ROUNDING, at


@inlined
def bound_of(engine: Any, side: int, i: int, j: int) -> Any:
    """Return U + V at a site of this rank."""
    bound = engine.bound[side, i // engine.block, j // engine.block_width]
    if engine.two_levels:
        bound += engine.cell_bound[side, i // engine.cell, j // engine.cell]
    return bound


@inlined
def lower_cell(engine: Any, side: int, i: int, j: int, key: Any) -> None:
    """Lower the minima of the cell and the block of a site to its yields_at + bound_at."""
    cell_i, cell_j = i // engine.cell, j // engine.cell
    engine.lowest[side, cell_i, cell_j] = min(engine.lowest[side, cell_i, cell_j], key)
    if engine.two_levels:
        block_i, block_j = i // engine.block, j // engine.block_width
        engine.lowest_of_block[side, block_i, block_j] = min(
            engine.lowest_of_block[side, block_i, block_j],
            key - engine.cell_bound[side, cell_i, cell_j],
        )


@inlined
def _sign(side: int, slip: float) -> int:
    """Return the first index of a table: 0 for G, 1 for −G."""
    return side if slip >= 0.0 else 1 - side


@inlined
def lower_near_cells(engine: Any, side: int, i: int, j: int, slip: float) -> None:
    """Lower the minima of the cells that the window overlaps by the largest stress it can add."""
    lowest_of_cell, near_bound = engine.lowest[at(side)], engine.near_bound[at(_sign(side, slip))]
    columns, all_rows = lowest_of_cell.shape[1], engine.local_cell_row.size
    cell_j = j // engine.cell
    lost = np.float32(abs(slip) * (1.0 + ROUNDING))
    width = min(2 * engine.window_cells + 1, columns)
    start = (cell_j - engine.window_cells) % columns
    first_part = min(width, columns - start)
    row = (i // engine.cell - engine.window_cells) % all_rows
    for k in range(near_bound.shape[0]):
        here = engine.local_cell_row[at(row)]
        if here >= 0:
            lowest, most = lowest_of_cell[here], near_bound[k, columns - cell_j :]
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
def raise_bounds(engine: Any, side: int, i: int, j: int, slip: float) -> None:
    """Raise the bounds by the largest stress that an event can add outside of its window.

    Each of a few operations rounds: the slip, its product with an element of a table, and the sum,
    which is at most the largest bound. A term of an exact sum is off by half a quantum.
    """
    sign, slip = _sign(side, slip), abs(slip)
    _raise_far_blocks(engine, side, i, j, sign, slip)
    if engine.two_levels:
        _raise_nearby_cells(engine, side, i, j, sign, slip)
    largest = engine.largest_bound[side, 0] + slip * engine.most
    engine.largest_bound[side, 0] = largest
    engine.largest_bound[side, 1] = max(engine.largest_bound[side, 1], largest)
    engine.rounding_error[side] += (
        largest * ONE_ROUNDING + slip * engine.most * ROUNDING + engine.rounding_constant * 2.0**-51
    )


@inlined
def look_up_largest(engine: Any) -> None:
    """Look up the largest |U| or |V|. It is smaller than the sum of what each event could add."""
    for side in range(engine.bound.shape[0]):
        engine.largest_bound[side, 0] = max(
            _largest(engine.bound[side]), _largest(engine.cell_bound[side])
        )


@compiled
def _largest(bound: NDArray[np.float32]) -> float:
    largest = np.float32(0.0)
    for i in range(bound.shape[0]):
        for j in range(bound.shape[1]):
            largest = max(largest, abs(bound[at(i), at(j)]))
    return float(largest)


@inlined
def _raise_far_blocks(engine: Any, side: int, i: int, j: int, sign: int, slip: float) -> None:
    """Raise the bounds of all blocks. The table is 0 for those that are nearby."""
    bound, table = engine.bound[at(side)], engine.far_bound[at(sign)]
    size = engine.exchange.size
    all_rows, shift = table.shape[0], bound.shape[1] - j // engine.block_width
    row = (engine.exchange.rank - i // engine.block) % all_rows
    for block_i in range(bound.shape[0]):
        _raise_row(bound[at(block_i)], table[at(row), shift:], np.float32(slip))
        row += size
        if row >= all_rows:
            row -= all_rows


@inlined
def _raise_nearby_cells(engine: Any, side: int, i: int, j: int, sign: int, slip: float) -> None:
    """Raise the bounds of the cells of nearby blocks, and find the minima of these blocks.

    From one end of the lattice to the other, nearby blocks may be two parts of a row.
    """
    all_rows, columns = engine.far_bound.shape[1], engine.bound.shape[2]
    block_i, block_j = i // engine.block, j // engine.block_width
    near_rows, near_columns = engine.nearby
    n_columns, cell_j = engine.cell_bound.shape[2], j // engine.cell
    start, stop = block_j - near_columns, block_j + near_columns + 1
    other_start = other_stop = shift = 0
    if stop - start >= columns:
        start, stop = 0, columns
    elif start < 0:
        other_start, other_stop, shift, start = columns + start, columns, -n_columns, 0
    elif stop > columns:
        other_stop, shift, stop = stop - columns, n_columns, columns
    table = engine.cell_table[sign, i % engine.cell, j % engine.cell]
    row = (block_i - near_rows) % all_rows
    for _ in range(min(2 * near_rows + 1, all_rows)):
        if engine.local_cell_row[row * engine.cells_of_block[0]] >= 0:
            _raise_cells(engine, side, table, i, slip, row, start, stop, -cell_j)
            if other_stop > other_start:
                _raise_cells(
                    engine, side, table, i, slip, row, other_start, other_stop, shift - cell_j
                )
        row += 1
        if row == all_rows:
            row = 0


@inlined
def _raise_cells(
    engine: Any,
    side: int,
    table: NDArray[np.float32],
    i: int,
    slip: float,
    row: int,
    start: int,
    stop: int,
    shift: int,
) -> None:
    """Raise the bounds of the cells of blocks ``start`` to ``stop`` − 1 of a row of blocks.

    A column of cells and ``shift`` are the difference of cells.
    """
    cell_bound, n_rows = engine.cell_bound[side], engine.local_cell_row.size
    reach_x, reach_y = table.shape[0] // 2, table.shape[1] // 2
    s, width = engine.cells_of_block
    first, behind = start * width, min(stop * width, cell_bound.shape[1])
    difference, here = row * s - i // engine.cell, engine.local_cell_row[row * s]
    for cell_i in range(here, min(here + s, cell_bound.shape[0])):
        inside = difference
        if inside > reach_x:
            inside -= n_rows
        elif inside < -reach_x:
            inside += n_rows
        _raise_row(
            cell_bound[cell_i, first:behind],
            table[inside + reach_x, first + shift + reach_y :],
            np.float32(slip),
        )
        difference += 1
    find_lowest_of_blocks(engine, side, here // s, start, stop)


@compiled
def _raise_row(bound: NDArray[np.float32], largest: NDArray[np.float32], slip: Any) -> None:
    for j in range(bound.size):
        bound[at(j)] += slip * largest[at(j)]


@inlined
def find_lowest_of_blocks(engine: Any, side: int, block_i: int, start: int, stop: int) -> None:
    """Find the minima of blocks ``start`` to ``stop`` − 1 of a row from their cells."""
    s, width = engine.cells_of_block
    lowest_of_cell, cell_bound = engine.lowest[side], engine.cell_bound[side]
    first, behind = start * width, min(stop * width, lowest_of_cell.shape[1])
    least = engine.cell_min[: behind - first]
    least[:] = np.inf
    for cell_i in range(block_i * s, min((block_i + 1) * s, lowest_of_cell.shape[0])):
        _lower_to(least, lowest_of_cell[cell_i, first:behind], cell_bound[cell_i, first:behind])
    for block_j in range(start, stop):
        lowest = np.float32(np.inf)
        for k in range((block_j - start) * width, min((block_j + 1 - start) * width, least.size)):
            lowest = least[at(k)] if least[at(k)] < lowest else lowest
        engine.lowest_of_block[side, at(block_i), at(block_j)] = lowest


@compiled
def _lower_to(
    least: NDArray[np.float32], lowest: NDArray[np.float32], bound: NDArray[np.float32]
) -> None:
    for j in range(least.size):
        value = lowest[at(j)] - bound[at(j)]
        least[at(j)] = value if value < least[at(j)] else least[at(j)]
