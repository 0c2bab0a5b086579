"""G * ε_p on a lattice whose rows are distributed over ranks: FFTW, through mpi4py-fft.

Each rank transforms its rows along y. Columns of wavevectors are transformed along x, multiplied by
Ĝ, and transformed back. Then each rank transforms its rows back. If all ranks are on one node, the
columns lie in memory that they share, and whichever rank has time takes the next batch of them.
Ranks of several nodes exchange them, all to all, twice, and each rank has columns of its own.

Rows and columns pass through small buffers, a batch at a time, because

* FFTW needs columns that are contiguous: it is ten times slower if they lie a power of two apart;
* every row is transformed by the same plan, and so has the same bits, however many a rank has;
* memory is one complex field, or two with several nodes: no copy of ε_p, and no real buffer.

Plans are estimated: measured plans change the last bits from run to run.
"""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from mpi4py import MPI
from mpi4py_fft import fftw
from numpy.typing import NDArray

from hpcepm.parallel import atomics
from hpcepm.parallel.compiled import compiled, inlined
from hpcepm.parallel.rows import Lattice, LocalField, rows_of_rank

from .kernel import Kernel, wavevectors

NUMBERS_OF_A_BATCH: Final = 16384  # a batch and its transform about fill the L2 cache
FEWEST_ROWS: Final = 16  # of a batch
FEWEST_COLUMNS: Final = 4
LINE: Final = 4  # complex numbers in a cache line

Complex = NDArray[np.complex128]
FactorOf = Callable[[NDArray[np.float64]], NDArray[np.float64]]
RowsDone = Callable[[int], None]


class Convolution:
    """The stress of a field of slips, without the mean stress.

    Parameters
    ----------
    lattice
        The lattice, and which of its rows this rank has.
    kernel
        Gives Ĝ.
    """

    def __init__(self, lattice: Lattice, kernel: Kernel) -> None:
        self.lattice = lattice
        ranks, (nx, ny) = lattice.ranks, lattice.shape
        n_columns = ny // 2 + 1
        columns_of = [rows_of_rank(n_columns, ranks.size, rank) for rank in range(ranks.size)]
        own = slice(sum(columns_of[: ranks.rank]), sum(columns_of[: ranks.rank + 1]))

        estimate = (fftw.FFTW_ESTIMATE,)
        rows_at_once = _batch(nx, ny, FEWEST_ROWS)
        columns_at_once = _batch(n_columns, nx, FEWEST_COLUMNS)
        self._row = fftw.aligned((rows_at_once, ny), dtype=float)
        self._row_hat = fftw.aligned((rows_at_once, n_columns), dtype=complex)
        self._column = fftw.aligned((columns_at_once, nx), dtype=complex)
        self._along_y = fftw.rfftn(self._row, axes=(1,), flags=estimate, output_array=self._row_hat)
        self._back_along_y = fftw.irfftn(
            self._row_hat, s=(ny,), axes=(1,), flags=estimate, output_array=self._row
        )
        self._along_x = fftw.fftn(
            self._column, axes=(1,), flags=estimate, output_array=self._column
        )
        self._back_along_x = fftw.ifftn(
            self._column, axes=(1,), flags=estimate, output_array=self._column
        )

        self._in_one_memory = ranks.node.size == ranks.size
        allocate = ranks.node.shared if self._in_one_memory else np.zeros
        # How many columns this rank sees.
        self._columns = n_columns if self._in_one_memory else columns_of[ranks.rank]
        qx, qy = (np.abs(q) for q in wavevectors(lattice.shape))  # Ĝ is even in either
        self.kernel_hat = allocate((self._columns, nx // 2 + 1))
        self.kernel_hat[own if self._in_one_memory else ...] = kernel.fourier(
            qx[None, : nx // 2 + 1], qy[own, None]
        )
        self._taken = allocate(1, np.int64)

        # The piece of each rank is contiguous in both, column after column: it is sent as it is.
        self._by_columns = allocate(self._columns * nx, complex)
        if self._in_one_memory:
            begins = n_columns * sum(lattice.rows_of[: ranks.rank])
            self._by_rows = self._by_columns[begins : begins + n_columns * lattice.rows].reshape(
                n_columns, lattice.rows
            )
        else:
            self._by_rows = np.zeros((n_columns, lattice.rows), complex)
        self._runs = self._find_runs()
        self._sent = np.array(columns_of) * lattice.rows
        self._received = np.array(lattice.rows_of) * self._columns

    def _find_runs(self) -> NDArray[np.int64]:
        """Return how the strips of all ranks lie in ``_by_columns``, shape (strips, 4).

        For each strip: its first row, how many rows it has, the index of its first column, and the
        distance to the next column.
        """
        runs, piece = [], 0
        for rank, rows in enumerate(self.lattice.rows_of):
            runs += [(s.start, s.rows, piece + s.here, rows) for s in self.lattice.strips_of(rank)]
            piece += rows * self._columns
        return np.array(runs)

    def stress_of(
        self,
        epsilon_p: LocalField,
        result: LocalField | None = None,
        taken_from: LocalField | None = None,
        then: RowsDone | None = None,
        added_to: LocalField | None = None,
    ) -> LocalField:
        """Return G * ε_p on the rows of this rank, in units of stress. Collective.

        Parameters
        ----------
        epsilon_p
            Plastic strain on the rows of this rank, shape (rows, ny).
        result
            Where the result is written to; None for a new field.
        taken_from
            A field from which G * ε_p is subtracted.
        then
            Called with the number of rows that the result has so far, while the last of them are in
            the cache.
        added_to
            A field to which G * ε_p is added.
        """
        return self._filtered(epsilon_p, np.asarray, result, taken_from, then, added_to)

    def spare_field(self) -> LocalField:
        """Return a field, shape (rows, ny), whose memory the next convolution may overwrite.

        It saves memory; where a convolution has none to spare, it is a new field.
        """
        n = self.lattice.rows * self.lattice.ny
        spare = self._by_columns.view(np.float64)
        # With shared memory both buffers are one, and read while the stress is written.
        if self._in_one_memory or spare.size < n:
            return self.lattice.field()
        return spare[:n].reshape(self.lattice.rows, self.lattice.ny)

    def equilibrated(self, noise: LocalField) -> LocalField:
        """Return a stress in equilibrium: √|Ĝ| times white noise, in Fourier space. Collective."""
        return self._filtered(noise, lambda kernel_hat: np.sqrt(np.abs(kernel_hat)))

    def _filtered(
        self,
        field: LocalField,
        factor_of: FactorOf,
        result: LocalField | None = None,
        taken_from: LocalField | None = None,
        then: RowsDone | None = None,
        added_to: LocalField | None = None,
    ) -> LocalField:
        result = self.lattice.field() if result is None else result
        rows, rows_at_once = self.lattice.rows, len(self._row)
        for first in range(0, rows, rows_at_once):
            n = min(rows_at_once, rows - first)
            self._row[:n] = field[first : first + n]
            self._along_y()
            _pack(self._row_hat, n, first, self._by_rows)
        self._taken[0] = 0  # no rank takes a batch before all have met in `_hand_out`
        self._hand_out(self._by_rows, self._sent, self._by_columns, self._received)
        for first, n in self._batches_of_columns():
            _copy(self._by_columns, self._runs, first, n, self._column, False)
            self._along_x()
            _multiply(
                self._column,
                n,
                factor_of(self.kernel_hat[first : first + n]),
                1.0 / self.lattice.n_sites,
            )
            self._back_along_x()
            _copy(self._by_columns, self._runs, first, n, self._column, True)
        self._hand_out(self._by_columns, self._received, self._by_rows, self._sent)
        for first in range(0, rows, rows_at_once):
            n = min(rows_at_once, rows - first)
            _unpack(self._row_hat, n, first, self._by_rows)
            self._back_along_y()
            some, here = self._row[:n], slice(first, first + n)
            if taken_from is not None:
                np.subtract(taken_from[here], some, out=result[here])
            elif added_to is not None:
                np.add(added_to[here], some, out=result[here])
            else:
                result[here] = some
            if then is not None:
                then(first + n)
        return result

    def _batches_of_columns(self) -> Iterator[tuple[int, int]]:
        """Take batches until none is left; yield the first column of each, and its size."""
        at_once = len(self._column)
        while (first := at_once * _take(self._taken)) < self._columns:
            yield first, min(at_once, self._columns - first)

    def _hand_out(
        self, here: Complex, sent: NDArray[np.int64], there: Complex, received: NDArray[np.int64]
    ) -> None:
        """Exchange the pieces of all ranks, or only wait if the ranks share memory. Collective."""
        if self._in_one_memory:
            self.lattice.ranks.node.barrier()
        else:
            self.lattice.ranks.comm.Alltoallv(
                [here, sent, MPI.C_DOUBLE_COMPLEX], [there, received, MPI.C_DOUBLE_COMPLEX]
            )

    @property
    def nbytes(self) -> int:
        """Memory on this rank, in bytes."""
        buffers = (
            self._row.nbytes + self._row_hat.nbytes + self._column.nbytes + self._by_rows.nbytes
        )
        if self._in_one_memory:
            return buffers + self.kernel_hat.nbytes // self.lattice.ranks.size
        return buffers + self.kernel_hat.nbytes + self._by_columns.nbytes


def _batch(lines: int, length: int, fewest: int) -> int:
    """Return how many of so many lines of a length are transformed at once."""
    batches = max(1, round(lines * length / NUMBERS_OF_A_BATCH))
    return max(min(lines, fewest), -(-lines // batches))


@compiled
def _take(taken: NDArray[np.int64]) -> int:
    """Return the number of the next batch, and mark it as taken."""
    return int(atomics.fetch_add(taken, 0, 1))


@compiled
def _pack(row_hat: Complex, n: int, first: int, by_rows: Complex) -> None:
    for j in range(by_rows.shape[0]):
        for m in range(n):
            by_rows[np.uint64(j), np.uint64(first + m)] = row_hat[np.uint64(m), np.uint64(j)]


@compiled
def _unpack(row_hat: Complex, n: int, first: int, by_rows: Complex) -> None:
    """Transpose by lines of the cache: each line of both is used whole while it is in the cache."""
    n_columns = by_rows.shape[0]
    for start in range(0, n_columns, LINE):
        stop = min(start + LINE, n_columns)
        for m in range(n):
            for j in range(start, stop):
                row_hat[np.uint64(m), np.uint64(j)] = by_rows[np.uint64(j), np.uint64(first + m)]


@compiled
def _copy(
    by_columns: Complex, runs: NDArray[np.int64], first: int, n: int, column: Complex, back: bool
) -> None:
    """Gather n columns from the pieces of all ranks, or scatter them back."""
    for m in range(n):
        for k in range(runs.shape[0]):
            start, rows, here, stride = runs[k]
            place = here + (first + m) * stride
            if back:
                for i in range(rows):
                    by_columns[np.uint64(place + i)] = column[np.uint64(m), np.uint64(start + i)]
            else:
                for i in range(rows):
                    column[np.uint64(m), np.uint64(start + i)] = by_columns[np.uint64(place + i)]


@compiled
def _multiply(column: Complex, n: int, factor: NDArray[np.float64], scale: float) -> None:
    nx = column.shape[1]
    for m in range(n):
        for i in range(nx // 2 + 1):
            _scale(column[np.uint64(m)], i, factor[np.uint64(m), np.uint64(i)] * scale)
        for i in range(1, (nx + 1) // 2):
            _scale(column[np.uint64(m)], nx - i, factor[np.uint64(m), np.uint64(i)] * scale)


@inlined
def _scale(column: Complex, i: int, factor: float) -> None:
    number = column[np.uint64(i)]
    column[np.uint64(i)] = complex(number.real * factor, number.imag * factor)
