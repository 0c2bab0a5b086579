"""Draw the large lattice of docs/gallery.md: plastic strain, and the latest avalanches.

Usage: python tools/gallery.py runs/shear_band_1024 docs/gallery.png
"""

import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

AVALANCHES = 1000
WINDOW = 160  # cells, of the map of avalanches


def draw(directory: Path, picture: Path) -> None:
    """Draw the last snapshot and the newest checkpoint of a run."""
    with h5py.File(directory / "run.h5", "r") as file:
        strain = file["fields/strain"][-1]
        epsilon_p = file["fields/epsilon_p"][0, -1]
    with h5py.File(max((directory / "checkpoints").glob("0*.h5")), "r") as file:
        last = file["realizations/0/state/last_avalanche"][()]
    figure = Figure(figsize=(12, 5.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    nx, ny = epsilon_p.shape
    low, high = np.percentile(epsilon_p, [0.5, 99.5])
    # x runs to the right and y upwards; a row of the array is one x.
    place: dict[str, Any] = {
        "origin": "lower",
        "extent": (0, nx, 0, ny),
        "interpolation": "nearest",
    }
    image = left.imshow(epsilon_p.T, cmap="magma", vmin=low, vmax=high, **place)
    left.set(
        title=f"plastic strain ε$_p$ at ε = {strain:g}", xlabel="x (cells)", ylabel="y (cells)"
    )
    figure.colorbar(image, ax=left, shrink=0.9)
    # Each avalanche has a colour of a few that go round; what did not yield lately is white.
    latest = np.unravel_index(last.argmax(), last.shape)
    x, y = np.clip(np.array(latest) - WINDOW // 2, 0, np.array(last.shape) - WINDOW)
    part = last[x : x + WINDOW, y : y + WINDOW]
    colours = ListedColormap(["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377"])
    place["extent"] = (x, x + WINDOW, y, y + WINDOW)
    shown = np.where(part > last.max() - AVALANCHES, part % 6, np.nan)
    right.imshow(shown.T, cmap=colours, vmin=-0.5, vmax=5.5, **place)
    right.set(
        title=f"sites of the last {AVALANCHES} avalanches, by colour",
        xlabel="x (cells)",
        ylabel="y (cells)",
    )
    figure.savefig(picture, dpi=90)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
