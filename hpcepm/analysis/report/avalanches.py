"""How large avalanches are: densities over logarithmic bins."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hpcepm.analysis.results import Results
from hpcepm.analysis.statistics import log_density
from hpcepm.layout import AVALANCHE_COLUMNS

from .plain import number, numbers

SIZES: Final = ("events", "slip", "sites", "duration", "stress_drop")
"""Columns that are sizes."""


def avalanches(run: Results) -> dict[str, Any] | None:
    """Return the distribution of each size over all avalanches; None if there are none."""
    table = run.file.get("avalanches", {})
    n = table["avalanche"].size if table else 0
    sizes = {name: np.abs(table[name][()]) for name in SIZES if n and name in table}
    found = {
        name: {"label": AVALANCHE_COLUMNS[name][1], "units": AVALANCHE_COLUMNS[name][0]} | _of(size)
        for name, size in sizes.items()
        if (size > 0).any()
    }
    return {"count": n, "sizes": found} if found else None


def _of(sizes: NDArray[Any]) -> dict[str, Any]:
    """Return the distribution of a size, its mean and its largest value."""
    some = sizes[sizes > 0]
    centres, density, counts = log_density(some)
    return {
        "size": numbers(centres),
        "density": numbers(density),
        "in_bin": counts.tolist(),
        "mean": number(float(some.mean())),
        "largest": number(some.max().item()),
        "zero": int(sizes.size - some.size),
    }
