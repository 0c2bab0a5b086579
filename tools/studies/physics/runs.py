"""What is run: steady flow of a young glass at several sizes, and shear bands of an old one."""

from pathlib import Path
from typing import Any, Final

from ..harness import Run, run_of

KERNELS: Final = ("continuum", "finite_difference")
REALIZATIONS: Final = {16: 400, 32: 200, 64: 60, 128: 16, 256: 6, 512: 3}
"""How many of each N."""

FLOW: Final[dict[str, Any]] = {
    "elasticity": {"shear_modulus": 14.7, "bulk_modulus": 52.0},
    "thresholds": {"initial": "MCT", "renewal": "MCT"},
    "slip": {"c0": 0.0276, "c1": 0.0206},
    "loading": {"target": 0.5},
    "output": {
        "observables": {"every": 0.025},
        "fields": {"every": 0.025, "names": ["sigma", "sigma_c", "epsilon_p"]},
        "avalanches": True,
    },
}
BAND: Final[dict[str, Any]] = {
    "elasticity": {"shear_modulus": 19.0, "bulk_modulus": 55.0},
    "thresholds": {"initial": "GQ", "renewal": "MCT"},
    "slip": {"c0": 0.0235, "c1": 0.0163},
    "loading": {"target": 1.0},
    "output": {"observables": {"every": 0.025}, "avalanches": False},
}
BAND_SIZE: Final = 128
BAND_REALIZATIONS: Final = 8


def flow_runs(folder: Path, kernel: str) -> list[Run]:
    """Return the runs of steady flow, N ascending."""
    return [
        run_of(folder / f"{kernel}-{size}", kernel, size, n, FLOW)
        for size, n in REALIZATIONS.items()
    ]


def band_run(folder: Path, kernel: str) -> Run:
    """Return the run whose shear bands are measured."""
    return run_of(folder / f"{kernel}-band", kernel, BAND_SIZE, BAND_REALIZATIONS, BAND)
