"""The lazy engine: most sites are far from yielding, and a rigorous bound says for how long their stress need not be known.

The idea is that of a Verlet list. An event changes ``yields_at`` at once in a window around it, and is otherwise put on a list
of pending events. Each block of sites has a bound U, grown by each event by the largest stress that it can add to any site of
the block from outside the window. A site whose ``yields_at``, as far as it is evaluated, exceeds Σ by more than U has grown
since cannot be unstable. For the others the pending events are summed. After so many events a convolution of ε_p makes a clean
sheet. It is exact: the same events in the same steps as the other engines.

Sums are associative. Each contribution is rounded to a multiple of a quantum, small against any stress and large against the
spacing of doubles at the largest (`quantum_of`), so that adding and subtracting such numbers is exact: the bits of ``yields_at``
do not depend on when a site is evaluated, and so neither on the slab it lies in nor on restarts. (Stresses beyond 64 times their
scale would round again; a slip that large has a probability of about e⁻⁴⁰.)
"""

from math import ceil, log2
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from ..compiled import compiled, compiled_minimum
from ..convolution import Convolution
from ..kernel import Kernel
from ..lattice import Field, Lattice
from ..state import Fields, State
from .base import Engine, bind, redistribute, unstable_sites, weakest_site

HEADROOM = 6  # the largest representable stress is 2^6 times the scale of stresses


class LazyArrays(NamedTuple):
    """Arrays of the lazy engine. Blocks are b × b sites of this slab, the last of a row or column smaller."""

    block: int
    half_window: int
    limit: int  # events between two convolutions, at most
    to_grid: float  # (x + to_grid) − to_grid is x, rounded to a multiple of the quantum
    near: NDArray[np.float64]  # (wx, wy): G within the window
    far: NDArray[np.float64]  # (nx//2 + 1, ny//2 + 1): G outside, 0 within
    largest: NDArray[np.float64]  # (block rows of the lattice, 2 × block columns): bound on G between two blocks
    bound: NDArray[np.float64]  # (block rows, block columns): U
    lowest: NDArray[np.float64]  # the same: smallest yields_at + bound_at of the block
    touched: NDArray[np.uint8]
    bound_at: Field  # U when the site was last evaluated
    evaluated: Field  # int32: how many pending events the site has taken up
    n_pending: NDArray[np.int64]  # (1,)
    pending: NDArray[np.int64]  # (limit, 2): site i, j
    slips: NDArray[np.float64]  # (limit,)


class LazyEngine(Engine):
    """Redistribution that puts off what cannot matter yet; for all but small lattices."""

    name = "lazy"

    def __init__(self, lattice: Lattice, kernel: Kernel, initial_stress: Field | None, scale: float) -> None:
        super().__init__(lattice, kernel, initial_stress, scale)
        self.convolution = Convolution(lattice, kernel)
        nx, ny = lattice.shape
        block, half_window, limit = _sizes(nx, ny)
        quarter = kernel.quarter_table(lattice.shape)
        wx, wy = (min(2 * half_window + 1, n) for n in (nx, ny))
        di, dj = (np.arange(w) - half_window for w in (wx, wy))
        near = quarter[np.ix_(_folded(di, nx), _folded(dj, ny))]
        far = quarter.copy()
        far[: half_window + 1, : half_window + 1] = 0.0
        rows, columns = -(-lattice.rows // block), -(-ny // block)
        self.arrays: LazyArrays = LazyArrays(
            block,
            half_window,
            limit,
            1.5 * 2.0**52 * quantum_of(scale),
            np.ascontiguousarray(near),
            far,
            _largest_between_blocks(far, lattice.shape, block),
            np.zeros((rows, columns)),
            np.full((rows, columns), np.inf),
            np.zeros((rows, columns), np.uint8),
            lattice.field(),
            lattice.field(np.int32),
            np.zeros(1, np.int64),
            np.zeros((limit, 2), np.int64),
            np.zeros(limit),
        )

    def take_up(self, state: State) -> None:
        """Round ``yields_at`` to the grid and begin with nothing pending. Collective."""
        _clean_sheet(self.arrays, state.fields.yields_at)

    def settle(self, state: State) -> None:
        """Evaluate every site, so that ``yields_at`` says all."""
        _evaluate_all(self.arrays, state.fields.yields_at, self.lattice.start, self.lattice.shape[0])

    def synchronize(self, state: State) -> None:
        """Set ``yields_at`` from the plastic strain. Collective."""
        state.fields.yields_at[...] = state.fields.sigma_c - self.internal_stress(state)
        state.now[0]["unsynchronized"] = 0
        self.take_up(state)

    def lowest_yields_at(self, state: State) -> float:
        """Return the smallest ``yields_at`` of this slab; inf if it has no site."""
        return float(_weakest_site(self.arrays, state.fields, self.lattice.start, self.lattice.shape[0])[0])

    def internal_stress(self, state: State) -> Field:
        """Return σ − Σ on the slab, in units of stress, without touching the state. Collective."""
        stress = self.convolution.stress_of(state.fields.epsilon_p)
        return stress.copy() if self.initial_stress is None else stress + self.initial_stress

    @property
    def nbytes(self) -> int:
        """Memory of the engine on this rank, in bytes."""
        return super().nbytes + self.convolution.nbytes


def quantum_of(scale: float) -> float:
    """Return the quantum for stresses of a scale: a power of two, 2⁻⁴⁵ of the scale or a little more."""
    return 2.0 ** (ceil(log2(scale)) + HEADROOM - 51)


def _sizes(nx: int, ny: int) -> tuple[int, int, int]:
    """Return block size, half-width of the window, and events between convolutions for a lattice."""
    n = (nx * ny) ** 0.5
    block = 8
    half_window = 8 if n < 96 else 16 if n < 384 else 32
    return block, half_window, max(64, int(14 * n**0.76))


def _folded(offsets: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    inside = offsets % n
    return np.minimum(inside, n - inside)


def _largest_between_blocks(far: NDArray[np.float64], shape: tuple[int, int], block: int) -> NDArray[np.float64]:
    """Return the largest positive ``far`` between a site of one block and a site of another, by difference of blocks.

    Blocks begin at multiples of b; across the period a difference of blocks is short by what the last block lacks.
    """
    full = np.maximum(far[np.ix_(*(_folded(np.arange(n), n) for n in shape))], 0.0)
    for axis, n in enumerate(shape):
        lacking = -n % block
        blocks = -(-n // block)
        width = min(2 * block - 1 + lacking, n)
        # scipy puts an even window one to the left: filtered[k] is the largest from k − width//2 on
        filtered = maximum_filter1d(full, width, axis=axis, mode="wrap")
        first = np.arange(blocks) * block - (block - 1) - lacking
        full = np.take(filtered, (first + width // 2) % n, axis=axis)
    return np.ascontiguousarray(np.tile(full, (1, 2)))


@compiled
def _clean_sheet(engine: Any, yields_at: Field) -> None:
    rows, ny = yields_at.shape
    for i in range(rows):
        for j in range(ny):
            yields_at[i, j] = (yields_at[i, j] + engine.to_grid) - engine.to_grid
            engine.bound_at[i, j] = 0.0
            engine.evaluated[i, j] = 0
    engine.n_pending[0] = 0
    engine.bound[:] = 0.0
    for block_i in range(engine.bound.shape[0]):
        for block_j in range(engine.bound.shape[1]):
            engine.lowest[block_i, block_j] = _lowest_of(engine, yields_at, block_i, block_j)


@compiled_minimum
def _lowest_of(engine: Any, yields_at: Field, block_i: int, block_j: int) -> float:
    """Return the smallest yields_at + bound_at of a block."""
    b = engine.block
    lowest = np.inf
    for i in range(block_i * b, min((block_i + 1) * b, yields_at.shape[0])):
        for j in range(block_j * b, min((block_j + 1) * b, yields_at.shape[1])):
            lowest = min(lowest, yields_at[i, j] + engine.bound_at[i, j])
    return lowest


@compiled
def _evaluate(engine: Any, yields_at: Field, i: int, j: int, row: int, nx: int, bound: float) -> None:
    """Take up the pending events at a site, which is on the lattice's row ``row``."""
    ny = yields_at.shape[1]
    grid = engine.to_grid
    total = 0.0
    for k in range(engine.evaluated[i, j], engine.n_pending[0]):
        di = abs(row - engine.pending[k, 0])
        dj = abs(j - engine.pending[k, 1])
        change = engine.slips[k] * engine.far[min(di, nx - di), min(dj, ny - dj)]
        total += (change + grid) - grid
    yields_at[i, j] -= total
    engine.evaluated[i, j] = engine.n_pending[0]
    engine.bound_at[i, j] = bound


@compiled
def _evaluate_all(engine: Any, yields_at: Field, first_row: int, nx: int) -> None:
    b = engine.block
    rows, ny = yields_at.shape
    for i in range(rows):
        for j in range(ny):
            _evaluate(engine, yields_at, i, j, first_row + i, nx, engine.bound[i // b, j // b])
    for block_i in range(engine.bound.shape[0]):
        for block_j in range(engine.bound.shape[1]):
            engine.lowest[block_i, block_j] = _lowest_of(engine, yields_at, block_i, block_j)


@bind(redistribute, LazyArrays)
@compiled
def _redistribute(engine: Any, fields: Fields, now: Any, first_row: int, nx: int, events: NDArray[Any], n: int) -> bool:
    now.unsynchronized += n
    if now.unsynchronized > engine.limit:
        return True
    ny = fields.yields_at.shape[1]
    grid = engine.to_grid
    for k in range(n):
        i, j = events[k].site // ny, events[k].site % ny
        m = engine.n_pending[0]
        engine.pending[m, 0] = i
        engine.pending[m, 1] = j
        engine.slips[m] = events[k].slip
        engine.n_pending[0] = m + 1
        local = i - first_row
        if 0 <= local < fields.yields_at.shape[0]:  # its new threshold was added off the grid
            fields.yields_at[local, j] = (fields.yields_at[local, j] + grid) - grid
        _raise_bounds(engine, i, j, events[k].slip, first_row, nx, ny)
    for k in range(n):
        i, j = events[k].site // ny, events[k].site % ny
        _change_window(engine, fields.yields_at, i, j, events[k].slip, first_row, nx)
    for block_i in range(engine.touched.shape[0]):
        for block_j in range(engine.touched.shape[1]):
            if engine.touched[block_i, block_j]:
                engine.touched[block_i, block_j] = 0
                engine.lowest[block_i, block_j] = _lowest_of(engine, fields.yields_at, block_i, block_j)
    return False


@compiled
def _raise_bounds(engine: Any, i: int, j: int, slip: float, first_row: int, nx: int, ny: int) -> None:
    """Let the bound of each block grow by what an event at (i, j) can add to a site there, and by the rounding of it."""
    b = engine.block
    largest = engine.largest
    rows, columns = engine.bound.shape
    slack = engine.to_grid * 2.0**-51
    block_i = ((i - first_row) % nx) // b
    shift = columns - j // b
    for k in range(rows):
        difference = k - block_i
        if difference < 0:
            difference += largest.shape[0]
        bounds = largest[difference, shift : shift + columns]
        row = engine.bound[k]
        for m in range(columns):
            row[m] += slip * bounds[m] + slack


@compiled
def _change_window(engine: Any, yields_at: Field, i: int, j: int, slip: float, first_row: int, nx: int) -> None:
    """Change yields_at at once in the window around (i, j), where it is on this slab."""
    b = engine.block
    rows, ny = yields_at.shape
    grid = engine.to_grid
    wx, wy = engine.near.shape
    start = (j - engine.half_window) % ny
    first_part = min(wy, ny - start)
    for k in range(wx):
        row = (i - engine.half_window + k) % nx - first_row
        if not 0 <= row < rows:
            continue
        target, near = yields_at[row], engine.near[k]
        for m in range(first_part):
            target[start + m] -= (slip * near[m] + grid) - grid
        for m in range(first_part, wy):
            target[m - first_part] -= (slip * near[m] + grid) - grid
        touched = engine.touched[row // b]
        for block in range(start // b, (start + first_part - 1) // b + 1):
            touched[block] = 1
        for block in range(-(-(wy - first_part) // b)):
            touched[block] = 1


@bind(unstable_sites, LazyArrays)
@compiled
def _unstable_sites(engine: Any, fields: Fields, stress: float, found: NDArray[np.int64], first_row: int, nx: int) -> int:
    b = engine.block
    rows, ny = fields.yields_at.shape
    limit = stress + engine.to_grid * 2.0**-48  # the bounds are rounded, too
    n = 0
    for block_i in range(engine.bound.shape[0]):
        for block_j in range(engine.bound.shape[1]):
            bound = engine.bound[block_i, block_j]
            if engine.lowest[block_i, block_j] - bound > limit:
                continue
            for i in range(block_i * b, min((block_i + 1) * b, rows)):
                for j in range(block_j * b, min((block_j + 1) * b, ny)):
                    if fields.yields_at[i, j] + engine.bound_at[i, j] - bound > limit:
                        continue
                    _evaluate(engine, fields.yields_at, i, j, first_row + i, nx, bound)
                    if fields.yields_at[i, j] <= stress:
                        if n < found.size:
                            found[n] = i * ny + j
                        n += 1
            engine.lowest[block_i, block_j] = _lowest_of(engine, fields.yields_at, block_i, block_j)
    found[: min(n, found.size)].sort()
    return n


@bind(weakest_site, LazyArrays)
@compiled
def _weakest_site(engine: Any, fields: Fields, first_row: int, nx: int) -> tuple[float, int]:
    b = engine.block
    rows, ny = fields.yields_at.shape
    lowest, site = np.inf, -1
    slack = engine.to_grid * 2.0**-48
    while True:
        # the block that could hold a lower value than the lowest known, or the same at a lower site
        least, at_i, at_j = np.inf, -1, -1
        for block_i in range(engine.bound.shape[0]):
            for block_j in range(engine.bound.shape[1]):
                value = engine.lowest[block_i, block_j] - engine.bound[block_i, block_j]
                if value < least:
                    least, at_i, at_j = value, block_i, block_j
        if at_i < 0:
            return lowest, site
        bound = engine.bound[at_i, at_j]
        fresh = True
        for i in range(at_i * b, min((at_i + 1) * b, rows)):
            for j in range(at_j * b, min((at_j + 1) * b, ny)):
                if fields.yields_at[i, j] + engine.bound_at[i, j] - bound <= least + slack:
                    fresh &= engine.evaluated[i, j] == engine.n_pending[0]
                    _evaluate(engine, fields.yields_at, i, j, first_row + i, nx, bound)
                    lowest = min(lowest, fields.yields_at[i, j])
        engine.lowest[at_i, at_j] = _lowest_of(engine, fields.yields_at, at_i, at_j)
        if fresh:
            break
    best = np.inf
    for block_i in range(engine.bound.shape[0]):
        for block_j in range(engine.bound.shape[1]):
            bound = engine.bound[block_i, block_j]
            if engine.lowest[block_i, block_j] - bound > lowest + slack:
                continue
            for i in range(block_i * b, min((block_i + 1) * b, rows)):
                for j in range(block_j * b, min((block_j + 1) * b, ny)):
                    if fields.yields_at[i, j] + engine.bound_at[i, j] - bound <= lowest + slack:
                        _evaluate(engine, fields.yields_at, i, j, first_row + i, nx, bound)
                        value = fields.yields_at[i, j]
                        if value < best or (value == best and i * ny + j < site):
                            best, site = value, i * ny + j
            engine.lowest[block_i, block_j] = _lowest_of(engine, fields.yields_at, block_i, block_j)
    return best, site
