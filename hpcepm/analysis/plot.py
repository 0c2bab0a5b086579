"""``python -m hpcepm plot RUNDIR``: a run at a glance, as ``summary.png``.

Needs matplotlib (the ``plot`` extra).
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from hpcepm.storage.directory import NoRun

from .summarize import band

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_PIXELS = 1024


def draw_summary(directory: str) -> Path:
    """Draw ``summary.png`` in a run directory, of a run finished or not; return its path.

    Raises
    ------
    NoRun
        The directory holds no run, or matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise NoRun(
            "drawing needs matplotlib: pip install '.[plot]' in the folder of hpcepm"
        ) from None
    run_file = Path(directory) / "run.h5"
    try:
        file = h5py.File(run_file, "r")
    except OSError:
        raise NoRun(
            f"{run_file}: no run there that could be drawn; name the output directory of a run"
        ) from None
    figure = Figure(figsize=(13, 8.2), layout="constrained")
    try:
        with file:
            if len(file["observables/strain"]) < 2:
                raise NoRun(
                    f"{run_file}: has no two records{'' if file.attrs['finished'] else ' yet; wait a little'}"
                )
            _draw(figure, file)
            figure.suptitle(_title(file, Path(directory).name), fontsize=11)
    except (OSError, KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise NoRun(
            f"{run_file}: is damaged, or not of hpcepm ({type(error).__name__}: {error})"
        ) from None
    path = Path(directory) / "summary.png"
    try:
        figure.savefig(path, dpi=110)
    except OSError as error:
        raise NoRun(f"{path}: {error.strerror}") from None
    return path


def _title(file: h5py.File, name: str) -> str:
    import json

    settings = json.loads(file.attrs["input_resolved"])
    nx, ny = settings["lattice"]["shape"]
    state = "" if file.attrs["finished"] else ", not finished"
    n = len(file["observables/stress"])
    many = f", mean of {n} realizations (band: nine in ten of them)" if n > 1 else ""
    return f"{name}: {nx} × {ny} sites, {settings['kernel']['type']} kernel, seed {settings['seed']}{many}{state}"


def _draw(figure: "Figure", file: h5py.File) -> None:
    has_maps = "fields" in file and len(file["fields/strain"]) > 0
    if not has_maps:
        figure.set_size_inches(13, 4.4)
    strain = file["observables/strain"][()]
    grid = figure.add_gridspec(2 if has_maps else 1, 6)
    curves = (
        ("stress", "stress Σ (Lennard-Jones units)", "C0"),
        ("threshold_mean", "mean threshold ⟨σ$_c$⟩ (Lennard-Jones units)", "C1"),
        ("localization", "localization LOC", "C2"),
    )
    for k, (name, label, colour) in enumerate(curves):
        axes = figure.add_subplot(grid[0, 2 * k : 2 * k + 2])
        _curve(axes, strain, file[f"observables/{name}"][()], colour)
        axes.set(xlabel="strain ε", ylabel=label, xlim=(0, strain[-1]))
        axes.grid(alpha=0.3)
    if not has_maps:
        return
    last = float(file["fields/strain"][-1])
    maps = [name for name in ("epsilon_p", "sigma") if name in file["fields"]]
    labels = {"epsilon_p": "plastic strain ε$_p$", "sigma": "stress σ (Lennard-Jones units)"}
    for k, name in enumerate(maps):
        axes = figure.add_subplot(grid[1, 3 * k : 3 * k + 3])
        _map(
            figure,
            axes,
            file[f"fields/{name}"],
            f"{labels[name]} at ε = {last:g}",
            "magma" if name == "epsilon_p" else "RdBu_r",
        )


def _curve(axes: "Axes", strain: Any, values: Any, colour: str) -> None:
    """Draw the mean over realizations, and the band that nine in ten of them lie in."""
    found = band(values)
    axes.plot(strain, found.mean, color=colour)
    if len(values) > 1:
        axes.fill_between(
            strain, found.quantiles[0], found.quantiles[-1], color=colour, alpha=0.2, linewidth=0
        )


def _map(figure: "Figure", axes: "Axes", fields: h5py.Dataset, title: str, colours: str) -> None:
    _, _, nx, ny = fields.shape
    step = max(1, -(-max(nx, ny) // MOST_PIXELS))
    values: Any = fields[0, -1, ::step, ::step]
    finite = values[np.isfinite(values)]
    low, high = np.percentile(finite, [0.5, 99.5]) if finite.size else (0.0, 1.0)
    if colours == "RdBu_r":
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
    axes.set(xlabel="x (cells)", ylabel="y (cells)", title=title)
    figure.colorbar(image, ax=axes, shrink=0.9)
