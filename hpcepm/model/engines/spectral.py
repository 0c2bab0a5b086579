"""The spectral engine: σ = G * ε_p by a distributed FFT after every step.

It is the reference for the other engines, and the best for large avalanches.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.model.convolution import Convolution
from hpcepm.model.kernel import Kernel
from hpcepm.model.state import Fields
from hpcepm.parallel.compiled import bind
from hpcepm.parallel.rows import Lattice, RowMap

from .base import ONE_WAY, Ways, redistribute
from .by_rows import EngineByRows, bind_by_rows


class SpectralArrays(NamedTuple):
    """Arrays of the spectral engine."""

    row_minimum: NDArray[np.float64]  # (2, rows): smallest yields_at, forward and backward
    ahead: NDArray[np.float32]  # of a clock


class SpectralEngine(EngineByRows):
    """Redistribution by convolution of the whole plastic strain.

    Rounding errors do not add up, however long the run.
    """

    name = "spectral"

    def __init__(
        self, lattice: Lattice, kernel: Kernel, scale: float, ways: Ways = ONE_WAY
    ) -> None:
        super().__init__(lattice, kernel, scale, ways)
        self.convolution = Convolution(lattice, kernel)  # now, so that `nbytes` has it
        self.arrays: SpectralArrays = SpectralArrays(np.zeros((2, lattice.rows)), self.ahead)


@bind(redistribute, SpectralArrays)
def _redistribute(
    engine: Any, fields: Fields, macro: Any, row_map: RowMap, events: NDArray[Any], n: int
) -> bool:
    return True


bind_by_rows(SpectralArrays)
