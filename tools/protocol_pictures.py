"""Draw the pictures of docs/protocols.md and docs/time.md: of each run the panels that say most.

Usage: python tools/protocol_pictures.py runs docs/protocols
"""

import sys
from pathlib import Path
from typing import Final

from hpcepm.analysis.plot import Wanted, draw

PICTURES: Final = {
    "yield": ("stress", "avalanches", "plastic_strain"),
    "creep": ("staircase", "avalanches", "plastic_strain"),
    "machine": ("stress", "displacement", "plastic_strain"),
    "extremal": ("extremal", "stresses", "plastic_strain"),
    "bauschinger": ("loop", "bauschinger", "plastic_strain"),
    "hysteresis": ("loop", "bauschinger", "plastic_strain"),
    "limit_cycle": ("loop", "changed", "stroboscopic"),
    "memory": ("loop", "memory", "plastic_strain"),
    "maxwell_flow": ("stress", "local_stress", "plastic_strain"),
    "maxwell_oscillation": ("loop", "moduli", "plastic_strain"),
    "soft_notch": ("stress", "localization", "plastic_strain"),
    "thermal_creep": ("strain_in_time", "strain_rate", "heterogeneity"),
    "delayed_yielding": ("strain_in_time", "strain_rate", "plastic_strain"),
    "relaxation": ("stress_in_time", "persistence", "plastic_strain"),
    "aged_shear": ("stress", "persistence", "plastic_strain"),
    "flow_rate": ("stress", "thresholds", "plastic_strain"),
}
"""The panels of each input under inputs/protocols."""

SEVERAL: Final = {"ages": (("aged_shear_short", "aged_shear"), ("stress", "thresholds"))}
"""Runs in the same panels: of aged_shear one that has aged for 10 only."""


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    pictures = {name: ((name,), panels) for name, panels in PICTURES.items()} | SEVERAL
    for picture, (names, panels) in pictures.items():
        out = Path(sys.argv[2]) / f"{picture}.png"
        draw(
            [str(Path(sys.argv[1]) / name) for name in names], Wanted(panels, title=False, out=out)
        )
