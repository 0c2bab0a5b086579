"""Avalanches, and how close sites are to yielding."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from hpcepm.analysis.ensembles import over_strain
from hpcepm.analysis.protocol import is_under_stress, turns_back
from hpcepm.analysis.results import Results
from hpcepm.analysis.statistics import plateau_window
from hpcepm.analysis.style import BLUE, PURPLE

from .base import STRAIN, STRESS, UNITS, Line, curves_panel, never
from .curves import is_jerky

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS_IN_A_DECADE: Final = 6

MOST_SITES: Final = 2**23
"""So many distances to yield are enough for a distribution."""


def _has_avalanches(run: Results) -> bool:
    return "avalanches" in run.file and run.file["avalanches/avalanche"].size > 0


@curves_panel(lambda run: "avalanches" in run.file and is_jerky(run), can=_has_avalanches)
def avalanches(axes: "Axes", run: Results, line: Line) -> None:
    """Draw how far the sample slips in each avalanche."""
    name = "stress" if line.alone and is_under_stress(run) else "strain"
    table, n_sites = run.file["avalanches"], run.shape[0] * run.shape[1]
    slips = np.abs(table["slip"][()]) / n_sites
    how: dict[str, Any] = {"color": line.colour or PURPLE, "markersize": 2.5}
    axes.plot(table[name][()], slips, ".", alpha=1 if line.alone else 0.5, label=line.label, **how)
    at = STRESS if name == "stress" else STRAIN
    axes.set(xlabel=f"{at} at the trigger", ylabel="slip of an avalanche, S/N²", yscale="log")


def _window_of(run: Results, line: Line, strain: NDArray[Any]) -> tuple[float, float] | None:
    """Return between which strains a statistics is taken; None if it is of the whole run.

    As asked, or where a plateau would be looked for, if there is something of it: ``strain`` is
    where each of the things lies.
    """
    if line.window or turns_back(run):
        return line.window
    over = over_strain(run, "stress")
    window = plateau_window(float(over.x[-1])) if over is not None else None
    return window if _inside(strain, window).any() else None


def _inside(strain: NDArray[Any], window: tuple[float, float] | None) -> NDArray[np.bool_]:
    if window is None:
        return np.ones(strain.shape, bool)
    return (strain >= window[0]) & (strain <= window[1])


def _said_of(window: tuple[float, float] | None) -> str:
    return "all strains" if window is None else f"{window[0]:g} ≤ ε ≤ {window[1]:g}"


def density(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return where bins of a logarithmic scale lie, the density in each, and its error.

    Bins without a value are left out.
    """
    low, high = np.log10([values.min(), values.max()])
    n = max(1, int(np.ceil((high - low) * BINS_IN_A_DECADE)))
    edges = 10 ** np.linspace(low, high + 1e-9, n + 1)
    counts, _ = np.histogram(values, edges)
    full, widths = counts > 0, np.diff(edges)
    found = counts / (values.size * widths)
    return np.sqrt(edges[:-1] * edges[1:])[full], found[full], (found / np.sqrt(counts + 1))[full]


def _draw_density(axes: "Axes", values: NDArray[Any], line: Line, colour: str) -> None:
    """Draw a density on logarithmic axes; nothing if there is no value."""
    if values.size > 0:
        where, found, error = density(values)
        axes.errorbar(
            where,
            found,
            np.minimum(error, 0.99 * found),
            color=line.colour or colour,
            label=line.label,
            linestyle=line.dashes,
            linewidth=0.8,
            marker="o",
            markersize=3,
        )
    axes.set(xscale="log", yscale="log")


@curves_panel(never, can=_has_avalanches)
def avalanche_sizes(axes: "Axes", run: Results, line: Line) -> None:
    """Draw the distribution of the sizes of avalanches, P(S)."""
    table = run.file["avalanches"]
    strain = table["strain"][()]
    window = _window_of(run, line, strain)
    slips = np.abs(table["slip"][()][_inside(strain, window)])
    slips = slips[slips > 0]
    _draw_density(axes, slips, line, PURPLE)
    mean = f", ⟨S⟩ = {slips.mean():.3g}" if line.alone and slips.size else ""
    mean = mean or ("" if slips.size else ": none")
    axes.set(xlabel="size of an avalanche, S = Σ δε$_p$", ylabel="density P(S)")
    axes.set_title(f"{_said_of(window)}{mean}")


def _has_distances(run: Results) -> bool:
    fields = run.file.get("fields", {})
    return {"sigma", "sigma_c"} <= set(fields) and fields["sigma"].shape[1] > 0


@curves_panel(never, can=_has_distances)
def distances_to_yield(axes: "Axes", run: Results, line: Line) -> None:
    """Draw the distribution of distances to yield, P(x)."""
    fields = run.file["fields"]
    shape = fields["sigma"].shape[:2]
    strain = np.broadcast_to(fields["strain"][()], shape)
    window = _window_of(run, line, strain)
    inside = _inside(strain, window)
    if run.counted:
        inside &= np.arange(shape[1]) < fields["snapshots"][()][:, None]
    wanted = np.argwhere(inside)[-max(1, MOST_SITES // (run.shape[0] * run.shape[1])) :]
    taken = [fields["sigma_c"][r, k] - fields["sigma"][r, k] for r, k in wanted]
    x = np.concatenate([one.ravel() for one in taken]) if taken else np.empty(0)
    _draw_density(axes, x[x > 0], line, BLUE)
    axes.set(xlabel=f"distance to yield x = σ$_c$ − σ ({UNITS})")
    axes.set(ylabel=f"density P(x) (1/{UNITS})")
    maps = f"{len(wanted)} map{'s' * (len(wanted) != 1)}, " if line.alone else ""
    axes.set_title(f"{maps}{_said_of(window)}")
