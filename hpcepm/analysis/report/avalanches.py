"""How large avalanches are: densities over logarithmic bins."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hpcepm.analysis.results import Results
from hpcepm.layout import AVALANCHE_COLUMNS

from .plain import number, numbers

SIZES: Final = ("events", "slip", "sites", "duration", "stress_drop")
"""Columns that are sizes."""

PER_DECADE: Final = 6
"""Bins."""


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
    centres, density, counts = log_histogram(some)
    return {
        "size": numbers(centres),
        "density": numbers(density),
        "in_bin": counts.tolist(),
        "mean": number(float(some.mean())),
        "largest": number(some.max().item()),
        "zero": int(sizes.size - some.size),
    }


def log_histogram(
    values: NDArray[Any],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return centres, densities and counts of the bins of positive values that are not empty.

    Of whole numbers a bin is as wide as there are whole numbers in it.
    """
    whole = values.dtype.kind == "i"
    low, high = np.log10(values.min()), np.log10(values.max())
    edges = 10 ** np.linspace(low, high, max(2, round(PER_DECADE * (high - low)) + 1))
    edges[0], edges[-1] = values.min(), values.max()
    if whole:
        edges = np.unique(np.ceil(edges))
        edges[-1] += 1
        edges = edges if edges.size > 1 else np.array([edges[0] - 1, edges[0]])
    elif high == low:
        edges = np.array([values.min() * 0.9, values.max() * 1.1])
    counts, _ = np.histogram(values, edges)
    last = edges[1:] - 1 if whole else edges[1:]
    centres = np.sqrt(edges[:-1] * last)
    density = counts / np.diff(edges) / values.size
    some = counts > 0
    return centres[some], density[some], counts[some]
