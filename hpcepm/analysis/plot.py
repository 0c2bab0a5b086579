"""A run at a glance: ``hpcepm plot RUNDIR`` draws RUNDIR/summary.png.

Needs matplotlib (the ``plot`` extra).
"""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hpcepm.files import told, write_bytes
from hpcepm.layout import NoRun

from .results import Results, open_run
from .statistics import band

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_PIXELS: Final = 1024

CURVES: Final = {
    "stress": "stress Σ (Lennard-Jones units)",
    "threshold_mean": "mean threshold ⟨σ$_c$⟩ (Lennard-Jones units)",
    "localization": "localization LOC",
}
MAPS: Final = {
    "epsilon_p": ("plastic strain ε$_p$", "magma"),
    "sigma": ("stress σ (Lennard-Jones units)", "RdBu_r"),
}
SIGNED: Final = "RdBu_r"
"""The colours of what can be negative: white is 0."""


def draw_summary(directory: str) -> Path:
    """Draw ``summary.png`` in the directory of a run, finished or not; return its path.

    Raises
    ------
    NoRun
        There is no run that could be drawn, or matplotlib is not installed.
    OSError
        The picture cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise NoRun("drawing needs matplotlib: pip install 'hpcepm[plot]'") from None
    with open_run(directory) as run:
        run.require_records()
        figure = Figure(figsize=(13, 8.2), layout="constrained")
        _draw(figure, run)
        figure.suptitle(_title(run), fontsize=11)
    path = run.directory / "summary.png"
    try:
        save_png(figure, path)
    except OSError as error:
        raise OSError(told(path, error)) from None
    return path


def save_png(figure: "Figure", path: Path) -> None:
    """Write a figure in one instant."""
    picture = BytesIO()
    figure.savefig(picture, dpi=110)
    write_bytes(path, picture.getvalue())


def _title(run: Results) -> str:
    (nx, ny), n = run.shape, run.realizations
    kernel, seed = run.settings["kernel"]["type"], run.settings["seed"]
    state = "" if run.finished else ", not finished"
    many = f", mean of {n} realizations (band: nine in ten of them)" if n > 1 else ""
    name = run.directory.absolute().name
    return f"{name}: {nx} × {ny} sites, {kernel} kernel, seed {seed}{many}{state}"


def _draw(figure: "Figure", run: Results) -> None:
    """Draw the curves, and below them maps of the last snapshot if there is one."""
    fields = run.file.get("fields", {})
    maps = [name for name in MAPS if name in fields and fields[name].shape[1] > 0]
    if not maps:
        figure.set_size_inches(13, 4.4)
    strain = run.strain
    grid = figure.add_gridspec(2 if maps else 1, 6)
    for k, (name, label) in enumerate(CURVES.items()):
        axes = figure.add_subplot(grid[0, 2 * k : 2 * k + 2])
        _curve(axes, strain, run.observable(name), f"C{k}")
        axes.set(xlabel="strain ε", ylabel=label, xlim=(min(0.0, strain.min()), strain.max()))
        axes.locator_params(axis="x", nbins=6)
        axes.grid(alpha=0.3)
    for k, name in enumerate(maps):
        label, colours = MAPS[name]
        axes = figure.add_subplot(grid[1, 3 * k : 3 * k + 3])
        axes.set(title=f"{label} at ε = {fields['strain'][-1]:g}")
        _map(axes, fields[name], colours)


def _curve(axes: "Axes", strain: Any, values: Any, colour: str) -> None:
    """Draw the mean over realizations, and the band that nine in ten of them lie in."""
    found = band(values)
    axes.plot(strain, found.mean, color=colour)
    if len(values) > 1:
        five, most = found.quantiles[[0, -1]]
        axes.fill_between(strain, five, most, color=colour, alpha=0.2, linewidth=0)


def _map(axes: "Axes", fields: Any, colours: str) -> None:
    """Draw the last snapshot of the first realization."""
    _, _, nx, ny = fields.shape
    step = max(1, -(-max(nx, ny) // MOST_PIXELS))
    values = fields[0, -1, ::step, ::step]
    low, high = np.percentile(values, [0.5, 99.5])
    if colours == SIGNED:
        low, high = -max(abs(low), abs(high)), max(abs(low), abs(high))
    # x runs to the right and y upwards; a row of the array is one x.
    image = axes.imshow(
        values.T,
        origin="lower",
        extent=(0, nx, 0, ny),
        cmap=colours,
        vmin=low,
        vmax=high,
        interpolation="nearest",
    )
    axes.set(xlabel="x (cells)", ylabel="y (cells)")
    axes.figure.colorbar(image, ax=axes, shrink=0.9)
