"""How the lazy engine finds unstable sites and the weakest one."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hpcepm.model.engines.base import unstable_sites, weakest_site
from hpcepm.model.state import Fields
from hpcepm.parallel.compiled import bind, compiled, compiled_minimum, inlined
from hpcepm.parallel.rows import LocalField, RowMap

from .arrays import ROUNDING, LazyArrays, at, rounded_down
from .bounds import find_lowest_of_blocks
from .pool import sum_shared
from .sums import apply_pending, sum_of_pending

_ALL_BUT_SIGN: Final = np.int32(0x7FFFFFFF)


@bind(unstable_sites, LazyArrays)
def _unstable_sites(
    engine: Any, side: int, fields: Fields, stress: float, found: NDArray[np.int64], row_map: RowMap
) -> int:
    yields_at = fields.yields_at if side == 0 else fields.yields_backward_at
    ny = yields_at.shape[1]
    limit = search_limit(engine, side, stress)
    n_blocks = list_blocks(engine, side, limit, False)
    n = block = 0
    while True:
        n_candidates, block = evaluate_blocks(
            engine, side, fields, yields_at, block, n_blocks, limit, row_map, block == 0
        )
        for k in range(n_candidates):
            if yields_at[engine.candidates[k] // ny, engine.candidates[k] % ny] <= stress:
                if n < found.size:
                    found[n] = engine.candidates[k]
                n += 1
        if block == n_blocks:
            return n


@bind(weakest_site, LazyArrays)
def weakest_below(
    engine: Any, side: int, fields: Fields, stress: float, row_map: RowMap
) -> tuple[float, int]:
    """Answer `weakest_site`. Collective."""
    yields_at = fields.yields_at if side == 0 else fields.yields_backward_at
    ny = yields_at.shape[1]
    everywhere = stress == np.inf
    if everywhere:
        stress = _highest_to_look_at(engine, side, fields, yields_at, row_map)
    limit = search_limit(engine, side, stress)
    n_blocks = list_blocks(engine, side, limit, everywhere)
    lowest, site, block = np.inf, -1, 0
    while True:
        n_candidates, block = evaluate_blocks(
            engine, side, fields, yields_at, block, n_blocks, limit, row_map, block == 0
        )
        for k in range(n_candidates):
            value = yields_at[engine.candidates[k] // ny, engine.candidates[k] % ny]
            if value <= stress and (
                value < lowest or (value == lowest and engine.candidates[k] < site)
            ):
                lowest, site = value, engine.candidates[k]
        if block == n_blocks:
            return lowest, site


@inlined
def _highest_to_look_at(
    engine: Any, side: int, fields: Fields, yields_at: LocalField, row_map: RowMap
) -> float:
    """Return the yields_at of a site below which at most few others are; inf if there is none.

    The block with the lowest bound is looked at first, and evaluated where it is lowest, until what
    is lowest is a site that is known. Below it is then only what rounding hides.
    """
    lowest, bound = engine.lowest_of_block[side], engine.bound[side]
    of_row, ny = engine.lowest_of_row, yields_at.shape[1]
    for block_i in range(bound.shape[0]):
        of_row[block_i] = _least_bound(lowest[block_i], bound[block_i])
    while of_row.size > 0:  # a rank may have no rows
        block_i, block_j, least = 0, 0, of_row[0]
        for k in range(1, of_row.size):  # both stay in registers
            lower = of_row[at(k)] < least
            block_i, least = (k, of_row[at(k)]) if lower else (block_i, least)
        while block_j < bound.shape[1]:  # bits of the same subtraction: only NaN is found nowhere
            if lowest[block_i, block_j] - bound[block_i, block_j] == least:
                break
            block_j += 1
        if least == np.inf or block_j == bound.shape[1]:
            return np.inf
        error = abs(least) + 2.0 * engine.largest_bound[side, 1] + engine.rounding_error[side]
        highest, known = least + 4.0 * error * ROUNDING, np.inf
        engine.candidate_blocks[0] = block_i * bound.shape[1] + block_j
        limit = search_limit(engine, side, highest)
        n, _ = evaluate_blocks(engine, side, fields, yields_at, 0, 1, limit, row_map, False)
        for k in range(n):
            site = engine.candidates[k]
            known = min(known, yields_at[site // ny, site % ny])
        if known <= highest:
            return known
        of_row[block_i] = _least_bound(lowest[block_i], bound[block_i])
    return np.inf


@compiled
def _least_bound(lowest: NDArray[np.float32], bound: NDArray[np.float32]) -> Any:
    """Return the smallest lower bound of a row of blocks.

    The minimum of integers is found in vector registers, that of floating-point numbers is not.
    """
    least = _ordered(np.float32(np.inf))
    for j in range(lowest.size):
        least = min(least, _ordered(lowest[at(j)] - bound[at(j)]))
    return np.int32(least ^ ((least >> np.int32(31)) & _ALL_BUT_SIGN)).view(np.float32)


@inlined
def _ordered(value: Any) -> Any:
    """Return the bits of a number in single precision as an integer of the same order."""
    bits = np.float32(value).view(np.int32)
    return np.int32(bits ^ ((bits >> np.int32(31)) & _ALL_BUT_SIGN))


@inlined
def search_limit(engine: Any, side: int, stress: float) -> Any:
    """Return the limit for lower bounds: ``stress`` and what rounding may have added to them."""
    error = engine.rounding_error[side]
    return np.float32(
        stress + error + (abs(stress) + 2.0 * engine.largest_bound[side, 1] + error) * ROUNDING
    )


@inlined
def list_blocks(engine: Any, side: int, limit: Any, rows_are_known: bool) -> int:
    """List the blocks whose lower bound is up to a limit; return how many there are.

    Where the lowest of each row of blocks is known, other rows are passed over.
    """
    lowest, bound, candidate_blocks = (
        engine.lowest_of_block[side],
        engine.bound[side],
        engine.candidate_blocks,
    )
    columns = lowest.shape[1]
    n = 0
    for block_i in range(lowest.shape[0]):
        if rows_are_known and engine.lowest_of_row[block_i] > limit:
            continue
        in_row = np.int32(0)  # as wide as a bound, so that vector registers are filled
        for j in range(columns):
            in_row = np.int32(
                in_row + np.int32(lowest[at(block_i), at(j)] - bound[at(block_i), at(j)] <= limit)
            )
        if in_row > 0:
            for j in range(columns):  # without a branch, which could not be predicted
                candidate_blocks[at(n)] = block_i * columns + j
                n += lowest[at(block_i), at(j)] - bound[at(block_i), at(j)] <= limit
    return n


@inlined
def evaluate_blocks(
    engine: Any,
    side: int,
    fields: Fields,
    yields_at: LocalField,
    block: int,
    n_blocks: int,
    limit: Any,
    row_map: RowMap,
    shared: bool,
) -> tuple[int, int]:
    """Evaluate the sites with a lower bound up to a limit, of the listed blocks from one on.

    Collective on the node if the ranks share the work. Returns how many sites these are, in
    ``candidates``, and the block to go on from: there may be more sites than fit in the list.
    """
    n_to_evaluate, n_candidates, following = _list_to_evaluate(
        engine, side, fields, yields_at, block, n_blocks, limit, row_map
    )
    last, ny = engine.n_pending[0], fields.yields_at.shape[1]
    pool, to_evaluate, sums = (
        engine.pool,
        engine.pool.to_evaluate[engine.pool.rank],
        engine.pool.sums[engine.pool.rank],
    )
    together = shared and pool.size > 1
    if together:
        sum_shared(engine, n_to_evaluate, row_map.nx, ny)
    for k in range(n_to_evaluate):
        i, j = row_map.local_row[to_evaluate[k].site // ny], to_evaluate[k].site % ny
        if not together:
            sums[k] = sum_of_pending(
                engine, row_map.global_row[i], j, to_evaluate[k].first, last, row_map.nx, ny
            )
        apply_pending(engine, fields, i, j, sums[k])
        engine.candidates[n_candidates + k] = i * ny + j
    return n_candidates + n_to_evaluate, following


@inlined
def _list_to_evaluate(
    engine: Any,
    side: int,
    fields: Fields,
    yields_at: LocalField,
    block: int,
    n_blocks: int,
    limit: Any,
    row_map: RowMap,
) -> tuple[int, int, int]:
    """List the sites to evaluate in ``to_evaluate``, and those evaluated before in ``candidates``.

    Sets the minima of the blocks for all other sites. Returns the lengths of both lists, and the
    block to go on from.
    """
    columns, size = engine.bound.shape[2], engine.block * engine.block_width
    n_to_evaluate = n_candidates = 0
    while block < n_blocks and n_to_evaluate + n_candidates + size <= engine.candidates.size:
        n_to_evaluate, n_candidates = _list_of_block(
            engine,
            side,
            fields,
            yields_at,
            engine.candidate_blocks[block] // columns,
            engine.candidate_blocks[block] % columns,
            limit,
            n_to_evaluate,
            n_candidates,
            row_map,
        )
        block += 1
    return n_to_evaluate, n_candidates, block


@inlined
def _list_of_block(
    engine: Any,
    side: int,
    fields: Fields,
    yields_at: LocalField,
    block_i: int,
    block_j: int,
    limit: Any,
    n_to_evaluate: int,
    n_candidates: int,
    row_map: RowMap,
) -> tuple[int, int]:
    """List the sites of a block, of those of its cells with a lower bound up to the limit."""
    lowest, cell_bound = engine.lowest[side], engine.cell_bound[side]
    bound = engine.bound[side, block_i, block_j]
    if not engine.two_levels:
        return _list_of_cell(
            engine,
            side,
            fields,
            yields_at,
            block_i,
            block_j,
            limit + np.float64(bound),
            n_to_evaluate,
            n_candidates,
            row_map,
        )
    s, width = engine.cells_of_block
    for cell_i in range(block_i * s, min((block_i + 1) * s, lowest.shape[0])):
        for cell_j in range(block_j * width, min((block_j + 1) * width, lowest.shape[1])):
            raised = cell_bound[at(cell_i), at(cell_j)]
            if lowest[at(cell_i), at(cell_j)] - raised - bound <= limit:
                n_to_evaluate, n_candidates = _list_of_cell(
                    engine,
                    side,
                    fields,
                    yields_at,
                    cell_i,
                    cell_j,
                    limit + (np.float64(bound) + np.float64(raised)),
                    n_to_evaluate,
                    n_candidates,
                    row_map,
                )
    find_lowest_of_blocks(engine, side, block_i, block_j, block_j + 1)
    return n_to_evaluate, n_candidates


@inlined
def _list_of_cell(
    engine: Any,
    side: int,
    fields: Fields,
    yields_at: LocalField,
    cell_i: int,
    cell_j: int,
    highest: float,
    n_to_evaluate: int,
    n_candidates: int,
    row_map: RowMap,
) -> tuple[int, int]:
    """List the sites of a cell with yields_at + bound_at up to ``highest``."""
    c, to_evaluate = engine.cell, engine.pool.to_evaluate[engine.pool.rank]
    (rows, ny), last, bound_at = yields_at.shape, engine.n_pending[0], engine.bound_at[side]
    lowest = np.inf
    first, behind = cell_j * c, min((cell_j + 1) * c, ny)
    for i in range(cell_i * c, min((cell_i + 1) * c, rows)):
        least = _least_key(yields_at[i, first:behind], bound_at[i, first:behind])
        if least > highest:
            lowest = min(lowest, least)
            continue
        for j in range(first, behind):
            key = yields_at[at(i), at(j)] + bound_at[at(i), at(j)]
            if key <= highest and fields.evaluated[at(i), at(j)] < last:
                to_evaluate[n_to_evaluate].site = row_map.global_row[i] * ny + j
                to_evaluate[n_to_evaluate].first = fields.evaluated[at(i), at(j)]
                n_to_evaluate += 1
            else:
                lowest = min(lowest, key)
                if key <= highest:
                    engine.candidates[n_candidates] = i * ny + j
                    n_candidates += 1
    engine.lowest[side, at(cell_i), at(cell_j)] = rounded_down(lowest)
    return n_to_evaluate, n_candidates


@compiled_minimum
def _least_key(yields_at: NDArray[np.float64], bound_at: NDArray[np.float32]) -> float:
    """Return the minimum of a row of a block. Most rows have no site to evaluate."""
    least = np.inf
    for j in range(yields_at.size):
        least = min(least, yields_at[at(j)] + bound_at[at(j)])
    return least
