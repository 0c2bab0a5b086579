"""A kernel: the stress around a slip, from a file.

Run as a program it writes ``table.h5``, the example of such a file.
"""

from dataclasses import dataclass
from typing import Literal

import h5py
import numpy as np

import hpcepm
from hpcepm import FileName

SMALL = 1e-9


@hpcepm.kernel
@dataclass(frozen=True)
class Table:
    """A table G(i, j) of the stress at each site after a slip at (0, 0), in units of 2μ* slip.

    Or of its discrete Fourier transform. The lattice of the run has the shape of the table.
    """

    file: FileName
    space: Literal["real", "fourier"] = "real"

    def read_files(self, files):
        """Return the transform Ĝ, shape (nx, ny), checked."""
        table = files.array(self.file)
        if table.shape != files.shape:
            raise ValueError(f"has shape {table.shape}, but lattice.shape is {files.shape}")
        hat = np.fft.fft2(table) if self.space == "real" else table.astype(complex)
        small = SMALL * abs(hat).max()
        if not np.isfinite(small):
            raise ValueError("holds NaN or infinity")
        nx, ny = table.shape
        for mirrored in (hat[-np.arange(nx) % nx], hat[:, -np.arange(ny) % ny]):
            if abs(hat - mirrored).max() > small:
                raise ValueError("is not even in x and in y: G(-i, j) = G(i, -j) = G(i, j)")
        if abs(hat[0, 0]) > small:
            raise ValueError(f"has mean {hat[0, 0].real / hat.size:g}: it must be 0")
        if hat.real.max() > small:
            raise ValueError("has a transform that is positive somewhere: slips would grow")
        return np.minimum(hat.real, 0.0)

    def relaxation(self, qx, qy):
        """Return S = −Ĝ/2μ* at wavevectors of the lattice."""
        nx, ny = self.data.shape
        i, j = np.rint(qx * nx / (2 * np.pi)), np.rint(qy * ny / (2 * np.pi))
        return -self.data[i.astype(int), j.astype(int)]


if __name__ == "__main__":
    qx, qy = 2 * np.pi * np.fft.fftfreq(24)[:, None], 2 * np.pi * np.fft.fftfreq(20)[None, :]
    a, b = 2 - 2 * np.cos(qx), 2 - 2 * np.cos(qy)
    hat = -4 * a * b / np.maximum(a + b, 1e-9) ** 2
    with h5py.File("table.h5", "w") as file:
        file["G"] = np.fft.ifft2(hat).real
