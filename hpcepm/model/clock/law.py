"""The laws of clocks, compiled: at which rate a site of strength x yields."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcepm.parallel.compiled import inlined

from .base import SQUARE_ROOT, THERMAL, UNIFORM


@inlined
def rate_at(kind: int, p: NDArray[np.float64], x: Any) -> float:
    """Return λ(x), in units of the clock; ``kind`` and ``p`` are those of a `Clock`.

    It never rises with x.
    """
    if kind == THERMAL:
        return np.exp(-(x ** p[1]) / p[0]) if x > 0.0 else 1.0
    if kind == UNIFORM:
        return 0.0 if x > 0.0 else 1.0
    if kind == SQUARE_ROOT:
        return np.sqrt(-x / p[0]) if x < 0.0 else 0.0
    return np.nan  # no law: tests look at all clocks
