"""Avalanches, and how close sites are to yielding."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from hpcepm.analysis.ensembles import goes_backward, over_strain
from hpcepm.analysis.protocol import has_two_sides, is_under_stress, turns_back
from hpcepm.analysis.quantities import window_of
from hpcepm.analysis.results import Results
from hpcepm.analysis.statistics import log_density
from hpcepm.analysis.style import BLUE, PURPLE
from hpcepm.faults import NoRun

from .base import STRAIN, STRESS, UNITS, Line, curves_panel, never
from .curves import is_jerky

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_SITES: Final = 2**23
"""So many distances to yield are enough for a distribution."""


def has_avalanches(run: Results) -> bool:
    """Whether an avalanche has ended that is kept."""
    return "avalanches" in run.file and run.file["avalanches/avalanche"].size > 0


@curves_panel(lambda run: "avalanches" in run.file and is_jerky(run), can=has_avalanches)
def avalanches(axes: "Axes", run: Results, line: Line) -> None:
    """Draw how far the sample slips in each avalanche."""
    name = "stress" if line.alone and is_under_stress(run) else "strain"
    table, n_sites = run.file["avalanches"], run.shape[0] * run.shape[1]
    slips = np.abs(table["slip"][()]) / n_sites
    how: dict[str, Any] = {"color": line.colour or PURPLE, "markersize": 2.5}
    axes.plot(table[name][()], slips, ".", alpha=1 if line.alone else 0.5, label=line.label, **how)
    at = STRESS if name == "stress" else STRAIN
    axes.set(xlabel=f"{at} at the trigger", ylabel="slip of an avalanche, S/N²", yscale="log")


def _inside_of(
    run: Results, line: Line, strain: NDArray[Any], what: str
) -> tuple[NDArray[np.bool_], str]:
    """Return which things a statistics is of, by the strain of each; and where these lie.

    As asked, or where a plateau would be looked for, if there is something of it; else all.

    Raises
    ------
    NoRun
        Nothing lies in the window that was asked for.
    """
    window, over = line.window, None
    if window is None and not turns_back(run):
        over = over_strain(run, "stress")
        window = window_of(run, over) if over is not None else None
    if window is None:
        return np.ones(strain.shape, bool), "all strains"
    along = np.abs(strain) if goes_backward(run) else strain
    inside = (along >= window[0]) & (along <= window[1])
    if line.window and not inside.any():
        raise NoRun(f"{run.called}: {what} lies in the window {window[0]:g}:{window[1]:g}")
    if not inside.any():
        return np.ones(strain.shape, bool), "all strains"
    way = "−ε" if goes_backward(run) else "ε"
    return inside, f"{window[0]:g} ≤ {way} ≤ {window[1]:g}"


def _draw_density(axes: "Axes", values: NDArray[Any], line: Line, colour: str) -> None:
    """Draw a density on logarithmic axes, with the errors of counts; nothing of no values."""
    if values.size > 0:
        where, found, counts = log_density(values)
        error = found / np.sqrt(counts)
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


@curves_panel(never, can=has_avalanches)
def avalanche_sizes(axes: "Axes", run: Results, line: Line) -> None:
    """Draw the distribution of the sizes of avalanches, P(S)."""
    table = run.file["avalanches"]
    inside, where = _inside_of(run, line, table["strain"][()], "no avalanche")
    slips = np.abs(table["slip"][()][inside])
    slips = slips[slips > 0]
    _draw_density(axes, slips, line, PURPLE)
    mean = f", ⟨S⟩ = {slips.mean():.3g}" if line.alone and slips.size else ""
    mean = mean or ("" if slips.size else ": none")
    axes.set(xlabel="size of an avalanche, S = Σ δε$_p$", ylabel="density P(S)")
    axes.set_title(f"{where}{mean}")


def _has_distances(run: Results) -> bool:
    fields = run.file.get("fields", {})
    return {"sigma", "sigma_c"} <= set(fields) and fields["sigma"].shape[1] > 0


def _side_of(run: Results) -> tuple[str, int, str]:
    """Return the thresholds of the side to which a glass is sheared, and how to write x there.

    Between them the sign of the stress.
    """
    backward = "sigma_c_backward"
    if goes_backward(run) and backward in run.file["fields"]:
        return backward, -1, "σ$_c^-$ + σ, backward"
    return "sigma_c", 1, "σ$_c$ − σ" + ", forward" * has_two_sides(run)


@curves_panel(never, can=_has_distances)
def distances_to_yield(axes: "Axes", run: Results, line: Line) -> None:
    """Draw the distribution of distances to yield, P(x)."""
    fields = run.file["fields"]
    shape = fields["sigma"].shape[:2]
    strain = np.broadcast_to(fields["strain"][()], shape)
    inside, where = _inside_of(run, line, strain, "no map")
    if run.counted:
        inside &= np.arange(shape[1]) < fields["snapshots"][()][:, None]
    wanted = np.argwhere(inside)[-max(1, MOST_SITES // (run.shape[0] * run.shape[1])) :]
    threshold, sign, said = _side_of(run)
    taken = [fields[threshold][r, k] - sign * fields["sigma"][r, k] for r, k in wanted]
    x = np.concatenate([one.ravel() for one in taken]) if taken else np.empty(0)
    _draw_density(axes, x[x > 0], line, BLUE)
    axes.set(xlabel=f"distance to yield x = {said} ({UNITS})")
    axes.set(ylabel=f"density P(x) (1/{UNITS})")
    maps = f"{len(wanted)} map{'s' * (len(wanted) != 1)}, " if line.alone else ""
    axes.set_title(f"{maps}{where}")
