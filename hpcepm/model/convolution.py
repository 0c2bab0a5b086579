"""G * ε_p on a lattice shared over ranks.

FFTW through mpi4py-fft, a batch of rows or columns at a time.

Each rank transforms its rows along y, columns of wavevectors are taken through x, the kernel and
back, and each rank transforms its rows back. If all ranks are of one machine the columns lie in
memory that they row_map, and whoever has time takes the next; ranks of several exchange them, all
to all, twice, and each has its own. Batches pass through small buffers, so that

* FFTW sees columns that are contiguous: it takes ten times as long where they lie a power of two
  apart;
* a row is transformed by the same plan, and so has the same bits, however many a rank has;
* memory is one complex field a rank, two if there are several machines: no copy of ε_p, no real
  buffer.

Plans are estimated: measured ones change the last bits from run to run.
"""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from mpi4py import MPI
from mpi4py_fft import fftw
from numpy.typing import NDArray

from hpcepm.parallel import atomics
from hpcepm.parallel.compiled import compiled
from hpcepm.parallel.rows import Lattice, LocalField, rows_of_rank

from .kernel import Kernel, wavevectors

NUMBERS_OF_A_BATCH: Final = 16384  # about what the second cache holds, with its transform
FEWEST_OF_A_BATCH: Final = 16

Complex = NDArray[np.complex128]
FactorOf = Callable[[NDArray[np.float64]], NDArray[np.float64]]


class Convolution:
    """The stress of a field of slips, the mean stress apart.

    Parameters
    ----------
    lattice, kernel
        Where, and of what.
    """

    def __init__(self, lattice: Lattice, kernel: Kernel) -> None:
        self.lattice = lattice
        ranks, (nx, ny) = lattice.ranks, lattice.shape
        n_columns = ny // 2 + 1
        columns_of = [rows_of_rank(n_columns, ranks.size, rank) for rank in range(ranks.size)]
        own = slice(sum(columns_of[: ranks.rank]), sum(columns_of[: ranks.rank + 1]))

        estimate = (fftw.FFTW_ESTIMATE,)
        rows_at_once, columns_at_once = _batch(nx, ny), _batch(n_columns, nx)
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
        self._columns = (
            n_columns if self._in_one_memory else columns_of[ranks.rank]
        )  # that this rank sees
        qx, qy = (np.abs(q) for q in wavevectors(lattice.shape))  # Ĝ is even in either
        self.kernel_hat = allocate((self._columns, nx // 2 + 1))
        self.kernel_hat[own if self._in_one_memory else ...] = kernel.fourier(
            qx[None, : nx // 2 + 1], qy[own, None]
        )
        self._taken = allocate(1, np.int64)

        # Each rank's piece is contiguous in both, a column after the other: what one packs the
        # other need not unpack.
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
        """Return for each strip of each rank its first row, its rows, where its first column is, and how far the next is."""
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
    ) -> LocalField:
        """Return G * ε_p, in units of stress, on the slab, or what is left of a field when that is taken from it. Collective.

        Fields have the shape (rows, ny). The result is written into ``result`` if given.
        """
        return self._filtered(epsilon_p, np.asarray, result, taken_from)

    def spare_field(self) -> LocalField:
        """Return a field, shape (rows, ny), in memory that only the next convolution needs, if there is enough of it."""
        n = self.lattice.rows * self.lattice.ny
        spare = self._by_columns.view(np.float64)
        if (
            self._in_one_memory or spare.size < n
        ):  # both buffers are one, and read while the stress is written
            return self.lattice.field()
        return spare[:n].reshape(self.lattice.rows, self.lattice.ny)

    def equilibrated(self, noise: LocalField) -> LocalField:
        """Return the field with Fourier coefficients √|Ĝ| times those of white noise.

        A stress in equilibrium. Collective.
        """
        return self._filtered(noise, lambda kernel_hat: np.sqrt(np.abs(kernel_hat)))

    def _filtered(
        self,
        field: LocalField,
        factor_of: FactorOf,
        result: LocalField | None = None,
        taken_from: LocalField | None = None,
    ) -> LocalField:
        result = self.lattice.field() if result is None else result
        rows, rows_at_once = self.lattice.rows, len(self._row)
        for first in range(0, rows, rows_at_once):
            n = min(rows_at_once, rows - first)
            self._row[:n] = field[first : first + n]
            self._along_y()
            _pack(self._row_hat, n, first, self._by_rows)
        self._taken[0] = 0  # of none: nobody takes a batch before all have met
        self._hand_out(self._by_rows, self._sent, self._by_columns, self._received)
        for first, n in self._batches_of_columns():
            _gather(self._by_columns, self._runs, first, n, self._column)
            self._along_x()
            _multiply(
                self._column,
                n,
                factor_of(self.kernel_hat[first : first + n]),
                1.0 / self.lattice.n_sites,
            )
            self._back_along_x()
            _scatter(self._by_columns, self._runs, first, n, self._column)
        self._hand_out(self._by_columns, self._received, self._by_rows, self._sent)
        for first in range(0, rows, rows_at_once):
            n = min(rows_at_once, rows - first)
            _unpack(self._row_hat, n, first, self._by_rows)
            self._back_along_y()
            if taken_from is None:
                result[first : first + n] = self._row[:n]
            else:
                np.subtract(
                    taken_from[first : first + n], self._row[:n], out=result[first : first + n]
                )
        return result

    def _batches_of_columns(self) -> Iterator[tuple[int, int]]:
        """Take batches until all are taken: the first column of each, and how many it has."""
        at_once = len(self._column)
        while (first := at_once * _take(self._taken)) < self._columns:
            yield first, min(at_once, self._columns - first)

    def _hand_out(
        self, here: Complex, sent: NDArray[np.int64], there: Complex, received: NDArray[np.int64]
    ) -> None:
        """Let pieces change places, or only wait, if all ranks see them where they are.

        Collective.
        """
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


def _batch(lines: int, length: int) -> int:
    """Return how many lines are transformed at once.

    The lattice has so many, of a length, and they are shared out evenly.
    """
    batches = max(1, round(lines * length / NUMBERS_OF_A_BATCH))
    return max(min(lines, FEWEST_OF_A_BATCH), -(-lines // batches))


@compiled
def _take(taken: NDArray[np.int64]) -> int:
    """Return the number of a batch that nobody has taken yet."""
    return int(atomics.fetch_add(taken, 0, 1))


@compiled
def _pack(row_hat: Complex, n: int, first: int, by_rows: Complex) -> None:
    for j in range(by_rows.shape[0]):
        for m in range(n):
            by_rows[np.uint64(j), np.uint64(first + m)] = row_hat[np.uint64(m), np.uint64(j)]


@compiled
def _unpack(row_hat: Complex, n: int, first: int, by_rows: Complex) -> None:
    for j in range(by_rows.shape[0]):
        for m in range(n):
            row_hat[np.uint64(m), np.uint64(j)] = by_rows[np.uint64(j), np.uint64(first + m)]


@compiled
def _gather(
    by_columns: Complex, runs: NDArray[np.int64], first: int, n: int, column: Complex
) -> None:
    for m in range(n):
        for k in range(runs.shape[0]):
            start, rows, here, stride = runs[k]
            for i in range(rows):
                column[np.uint64(m), np.uint64(start + i)] = by_columns[
                    np.uint64(here + (first + m) * stride + i)
                ]


@compiled
def _scatter(
    by_columns: Complex, runs: NDArray[np.int64], first: int, n: int, column: Complex
) -> None:
    for m in range(n):
        for k in range(runs.shape[0]):
            start, rows, here, stride = runs[k]
            for i in range(rows):
                by_columns[np.uint64(here + (first + m) * stride + i)] = column[
                    np.uint64(m), np.uint64(start + i)
                ]


@compiled
def _multiply(column: Complex, n: int, factor: NDArray[np.float64], scale: float) -> None:
    nx = column.shape[1]
    for m in range(n):
        for i in range(nx):
            number, real = (
                column[np.uint64(m), np.uint64(i)],
                factor[np.uint64(m), np.uint64(min(i, nx - i))] * scale,
            )
            column[np.uint64(m), np.uint64(i)] = complex(number.real * real, number.imag * real)
