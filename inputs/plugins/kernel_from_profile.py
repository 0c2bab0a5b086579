"""A kernel: that of the continuum, weakened at short wavelengths as a file says.

Events in a glass have a size and a soft core. What they do far away is Eshelby's, whatever the size
is; what is measured of them is by how much their response falls short of it at each wavelength.

Run as a program it writes ``profile.h5``, an example of such a measurement.
"""

from dataclasses import dataclass

import h5py
import numpy as np

import hpcepm
from hpcepm import FileName


@hpcepm.kernel
@dataclass(frozen=True)
class Profile:
    """sin²2θ f(|q|), with f between the points of a file, and constant beyond them.

    The file has two rows: |q| in 1/cells, ascending, and f. It fits lattices of all shapes.
    """

    file: FileName

    def read_files(self, files):
        """Return |q| and f, checked."""
        table = files.array(self.file)
        if table.ndim != 2 or len(table) != 2 or table.size == 0:
            raise ValueError(f"has shape {table.shape}: it must have two rows, |q| and f")
        if not np.isfinite(table).all():
            raise ValueError("holds NaN or infinity")
        q, f = table
        if (np.diff(q) <= 0).any():
            raise ValueError("has |q| that do not ascend; sort its columns by the first row")
        if f.min() < 0:
            raise ValueError(f"has f = {f.min():g}: it must not be negative, or slips would grow")
        return table

    def relaxation(self, qx, qy):
        """Return S = −Ĝ/2μ*."""
        a, b = qx**2, qy**2
        squared = np.where(a + b > 0, a + b, 1.0)
        return 4 * a * b / squared**2 * np.interp(np.sqrt(a + b), *self.data)


if __name__ == "__main__":
    q = np.linspace(0, np.sqrt(2) * np.pi, 33)
    with h5py.File("profile.h5", "w") as file:
        file["f"] = np.array([q, np.exp(-((0.4 * q) ** 2))])
