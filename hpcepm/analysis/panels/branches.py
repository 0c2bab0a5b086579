"""Strain that turns: loops, branches, and what a glass remembers."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from hpcepm.analysis.protocol import branches, is_cyclic, is_extremal, read_out, turns_back, way
from hpcepm.analysis.results import Results
from hpcepm.analysis.style import ORDERED, PALEST, VERMILION

from .base import CURVES, STRAIN, STRESS, Line, curves_panel, each_of, panel, paths, width

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

MOST_NAMED: Final = 8
"""How many branches get a name of their own."""

FEWEST: Final = 4
"""Records on a branch from which on a line through them is its shape."""


def _in_order() -> "Colormap":
    """Return the colours of a path from its beginning to its end."""
    import matplotlib
    from matplotlib.colors import ListedColormap

    return ListedColormap(matplotlib.colormaps[ORDERED](np.linspace(PALEST, 0, 256)))


@curves_panel(turns_back, can=lambda run: not is_extremal(run))
def loop(axes: "Axes", run: Results, line: Line) -> None:
    """Draw stress against strain in the order of the path.

    Few records of a branch are marks, and those of a part: what is between them may be cut out.
    """
    from matplotlib.collections import LineCollection

    found = paths(run, "stress")
    axes.set(xlabel=STRAIN, ylabel=STRESS)
    few = run.is_cut or any(strain.size < FEWEST * len(branches(strain)) for strain, _ in found)
    if not line.alone:
        how = line.style("") | ({"linestyle": "", "marker": "."} if few else {})
        for k, (strain, force) in enumerate(found):
            axes.plot(
                strain, force, label="" if k else line.label, linewidth=width(len(found)), **how
            )
        return
    axes.set_title(each_of(found))
    gone = [way(strain) for strain, _ in found]
    shown: dict[str, Any] = {"cmap": _in_order(), "clim": (0, max(one[-1] for one in gone))}
    for (strain, force), at in zip(found, gone, strict=True):
        if few:
            drawn: Any = axes.scatter(strain, force, c=at, s=9)
            drawn.set(**shown)
            continue
        points = np.stack([strain, force], axis=1)
        drawn = LineCollection(list(np.stack([points[:-1], points[1:]], axis=1)), **shown)
        drawn.set(array=at[1:], linewidth=width(len(found)))
        axes.add_collection(drawn)
    axes.autoscale()
    axes.locator_params(axis="x", nbins=6)
    axes.figure.colorbar(drawn, ax=axes, label="way of the strain, there and back")


def _has_branches(run: Results) -> bool:
    return turns_back(run) and not (is_cyclic(run) or read_out(run) or run.is_cut)


@panel(CURVES, when=_has_branches)
def bauschinger(axes: "Axes", run: Results) -> None:
    """Draw each branch from where the stress is zero: backward it yields sooner."""
    colours = _in_order()
    for strain, force in paths(run, "stress"):
        parts = branches(strain)
        for k, part in enumerate(parts):
            since, size = _from_zero(strain[part], force[part])
            label = f"{k + 1}, {'forward' if force[part][-1] > 0 else 'backward'}"
            axes.plot(since, size, color=colours(k / max(1, len(parts) - 1)), label=label)
    axes.set(xlabel="strain since the stress was zero", ylabel=STRESS.replace("Σ", "|Σ|"))
    if len(axes.lines) <= MOST_NAMED:
        axes.legend()


def _from_zero(
    strain: NDArray[np.float64], force: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return strain and stress of a branch, without sign, from where the stress is zero."""
    ends = np.flatnonzero(force * force[-1] <= 0)
    if ends.size == 0:
        return np.abs(strain - strain[0]), np.abs(force)
    k = ends[-1]
    part = force[k] / (force[k] - force[k + 1]) if k + 1 < force.size else 0.0
    zero = strain[k] + part * (strain[min(k + 1, strain.size - 1)] - strain[k])
    since, size = np.abs(strain[k + 1 :] - zero), np.abs(force[k + 1 :])
    return np.concatenate([[0.0], since]), np.concatenate([[0.0], size])


@curves_panel(lambda run: bool(read_out(run)))
def memory(axes: "Axes", run: Results, line: Line) -> None:
    """Draw how far a trained glass is changed by cycles of each amplitude."""
    found = read_out(run)
    assert found is not None
    how = line.style(VERMILION)
    if line.alone and run.counted and run.realizations > 1:
        axes.set_title("realization 0")
    axes.plot(found.amplitudes, found.changed, marker="o", ms=4, label=line.label, **how)
    training = "amplitude of the training" if line.alone else ""
    axes.axvline(found.trained, color=line.colour or "0.5", linestyle="--", label=training)
    axes.set(
        xlabel="amplitude of a read-out cycle, in strain",
        ylabel=f"sites whose {found.what} is not as trained",
        ylim=(0, None),
    )
    axes.legend()
