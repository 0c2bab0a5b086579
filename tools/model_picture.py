"""Draw the picture of docs/the_model.md: the kernel, one site, and the glass that it belongs to.

Usage: python tools/model_picture.py docs/the_model.png
"""

import sys
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import hpcepm

GLASS: Final[dict[str, Any]] = {
    "lattice": {"shape": [16, 16]},
    "initial_stress": {"std": 0.175},
    "loading": {"target": 0.12},
    "output": {"observables": {"every": 0.0002}},
}
SHOWN: Final = 10
"""How many cells of the kernel, to each side."""


def draw_kernel(axes: Axes) -> None:
    """Draw the stress around a site that has slipped, in units of μ* times its slip."""
    n = 256
    q = 2 * np.pi * np.fft.fftfreq(n)
    squared = q[:, None] ** 2 + q**2
    squared[0, 0] = 1
    stress = np.fft.ifft2(-8 * q[:, None] ** 2 * q**2 / squared**2).real
    near = np.arange(-SHOWN, SHOWN + 1)
    image = axes.imshow(
        stress[np.ix_(near, near)].T,
        origin="lower",
        extent=(-SHOWN - 0.5, SHOWN + 0.5, -SHOWN - 0.5, SHOWN + 0.5),
        cmap="RdBu_r",
        vmin=-0.16,
        vmax=0.16,
    )
    axes.set(title="stress due to one slip, $G/\\mu^*$", xlabel="x (cells)", ylabel="y (cells)")
    axes.figure.colorbar(image, ax=axes, shrink=0.9, extend="min")


def draw_glass(one: Axes, whole: Axes) -> None:
    """Draw stress and threshold of one site, and the stress of the whole."""
    steps = [
        (s.strain, s.stress, s.sigma.copy(), s.sigma_c.copy(), s.n_events.copy())
        for s in hpcepm.steps(GLASS)
    ]
    strain, stress, sigma, sigma_c, events = (np.array(each) for each in zip(*steps, strict=True))
    i, j = np.argwhere(events[-1] == 3)[0]
    one.plot(strain, sigma[:, i, j], color="#0072b2", label="its stress σ")
    one.plot(strain, sigma_c[:, i, j], color="#d55e00", ls="--", label="its threshold σ$_c$")
    one.set(title="one site", xlabel="strain ε", ylabel="stress")
    one.legend(loc="lower left")
    whole.plot(strain, stress, color="#0072b2")
    whole.set(title="256 sites: their mean stress Σ", xlabel="strain ε", ylabel="Σ")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    kernel, one, whole = figure.subplots(1, 3)
    draw_kernel(kernel)
    draw_glass(one, whole)
    for axes in (one, whole):
        axes.grid(alpha=0.3)
    figure.savefig(sys.argv[1], dpi=75)
