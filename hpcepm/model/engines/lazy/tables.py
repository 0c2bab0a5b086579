"""The tables of the lazy engine: G at each distance, and bounds on it between cells and blocks."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.model.kernel import Kernel
from hpcepm.parallel.rows import Lattice


class Tiles(NamedTuple):
    """How the lattice is tiled: blocks of whole cells, of which the last may be smaller.

    No blocks are nearby if each block is one cell: what is said of blocks is then all there is.
    """

    shape: tuple[int, int]  # (nx, ny)
    cell: int  # sites along a side
    block: tuple[int, int]  # sites along x and y, multiples of the cell
    nearby: tuple[int, int]  # how many blocks away a block is nearby; −1 for none

    @property
    def cells(self) -> tuple[int, int]:
        """Rows and columns of cells of the lattice."""
        nx, ny = self.shape
        return -(-nx // self.cell), -(-ny // self.cell)

    @property
    def blocks(self) -> tuple[int, int]:
        """Rows and columns of blocks of the lattice."""
        (nx, ny), (b, w) = self.shape, self.block
        return -(-nx // b), -(-ny // w)

    @property
    def reach(self) -> tuple[int, int]:
        """How many cells away a cell of a nearby block may be; no period in between."""
        across = zip(self.cells, self.blocks, self.block, self.nearby, strict=True)
        x, y = (
            cells - 1 if 2 * near + 1 >= blocks else max((near + 1) * (b // self.cell) - 1, 0)
            for cells, blocks, b, near in across
        )
        return x, y


def make_tables(
    lattice: Lattice, kernel: Kernel, tiles: Tiles, half_window: int, window_cells: int, signs: int
) -> tuple[NDArray[Any], ...]:
    """Return ``near``, ``far``, ``near_bound``, ``cell_table`` and ``far_bound``. Collective.

    The last three of G and, if there are two signs, of −G. ``far`` is as large as a quarter of a
    field. One rank of each node makes all, for all.
    """
    node, (nx, ny) = lattice.ranks.node, lattice.shape
    near = node.shared((min(2 * half_window + 1, nx), min(2 * half_window + 2, ny)))
    far = node.shared((nx // 2 + 1, ny // 2 + 1))
    window_rows = min(2 * window_cells + 1, tiles.cells[0])
    near_bound, far_bound = (
        node.shared((signs, rows, 2 * columns), np.float32)
        for rows, columns in ((window_rows, tiles.cells[1]), tiles.blocks)
    )
    cell_table = node.shared(
        (signs, tiles.cell, tiles.cell, *(2 * reach + 1 for reach in tiles.reach)), np.float32
    )
    if node.rank == 0:
        far[...] = kernel.quarter_table(lattice.shape)
        inside, window = np.zeros(far.shape), np.s_[: half_window + 1, : half_window + 1]
        inside[window], far[window] = far[window], 0.0
        di, dj = (np.arange(w) - half_window for w in near.shape)
        near[...] = inside[np.ix_(_folded(di, nx), _folded(dj, ny))]
        cells = (tiles.cell, tiles.cell)
        rows = (np.arange(window_rows) - window_cells) % tiles.cells[0]
        for sign in range(signs):
            largest = largest_between_blocks(inside, lattice.shape, cells)
            near_bound[sign] = _rounded_up(np.maximum(largest[rows], 0.0))
            cell_table[sign] = _rounded_up(largest_in_cells(far, tiles))
            far_bound[sign] = _rounded_up(largest_between_blocks(far, lattice.shape, tiles.block))
            far_bound[sign, _is_nearby(tiles)] = 0.0
            inside, far[...] = -inside, -far
        far *= (-1.0) ** signs
    node.barrier()
    return near, far, near_bound, cell_table, far_bound


def _folded(offsets: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    inside = offsets % n
    return np.minimum(inside, n - inside)


def _largest(
    quarter: NDArray[np.float64], axis: int, firsts: NDArray[np.int64], width: int, n: int
) -> NDArray[np.float64]:
    """Return the largest G within a width from each of some offsets along an axis."""
    within = (
        np.take(quarter, _folded(first + np.arange(min(width, n)), n), axis=axis).max(axis=axis)
        for first in firsts
    )
    return np.stack(list(within), axis=axis)


def largest_between_blocks(
    quarter: NDArray[np.float64], shape: tuple[int, int], block: tuple[int, int]
) -> NDArray[np.float64]:
    """Return the largest G between a site of one block and a site of another.

    Parameters
    ----------
    quarter
        G(i, j) for 0 ≤ i ≤ nx/2, 0 ≤ j ≤ ny/2.
    shape, block
        (nx, ny), and the sides of a block. Blocks begin at multiples of these; the last may be
        smaller, so that a difference of blocks across the period is shorter.

    Returns
    -------
    ndarray
        Shape (block rows, 2 × block columns), by difference of blocks; two periods of columns.
    """
    largest = quarter
    for axis, (n, b) in enumerate(zip(shape, block, strict=True)):
        lacking = -n % b
        firsts = np.arange(-(-n // b)) * b - (b - 1) - lacking
        largest = _largest(largest, axis, firsts, 2 * b - 1 + lacking, n)
    return np.ascontiguousarray(np.tile(largest, (1, 2)))


def largest_in_cells(quarter: NDArray[np.float64], tiles: Tiles) -> NDArray[np.float64]:
    """Return the largest G between a site and any site of a cell of a nearby block.

    Shape (c, c, 2 × reach + 1, 2 × reach + 1): by the place of the site in its own cell, and the
    difference of cells. The last cell may be smaller, so that a difference across the period may
    be shorter either way.
    """
    c, largest = tiles.cell, quarter
    for axis, (n, reach) in enumerate(zip(tiles.shape, tiles.reach, strict=True)):
        lacking = -n % c
        differences = np.arange(-reach, reach + 1) * c
        firsts = (differences - np.arange(c)[:, None] - lacking).ravel()
        largest = _largest(largest, axis, firsts, c + 2 * lacking, n)
    x, y = (2 * reach + 1 for reach in tiles.reach)
    return largest.reshape(c, x, c, y).transpose(0, 2, 1, 3)


def _is_nearby(tiles: Tiles) -> NDArray[np.bool_]:
    """Return which differences of blocks are nearby, shape (block rows, 2 × block columns)."""
    x, y = (
        np.abs((np.arange(n) + n // 2) % n - n // 2) <= near
        for n, near in zip(tiles.blocks, tiles.nearby, strict=True)
    )
    return np.tile(x[:, None] & y, (1, 2))


def _rounded_up(table: NDArray[np.float64]) -> NDArray[np.float32]:
    single = table.astype(np.float32)
    return np.where(single < table, np.nextafter(single, np.float32(np.inf)), single)
