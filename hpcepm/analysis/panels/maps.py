"""Maps: the last snapshot of the first realization, and the scales of any map."""

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.analysis.protocol import is_cyclic, strains_of_maps
from hpcepm.analysis.results import Results
from hpcepm.analysis.style import SEQUENTIAL, SIGNED

from .base import MAPS, UNITS, minus, panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

MOST_PIXELS: Final = 1024

LONGEST: Final = 6
"""A lattice that is so many times as long as wide is drawn wider than it is, or it were a line."""

CUT_OFF: Final = 0.5
"""So many percent of the values, at each end, are as dark or bright as the colours go."""

SYMBOLS: Final = {
    "sigma": f"σ ({UNITS})",
    "epsilon_p": "ε$_p$",
    "sigma_c": f"σ$_c$ ({UNITS})",
    "n_events": "events of a site",
    "sigma_c_backward": f"σ$_c$ backward ({UNITS})",
    "well": "well of a site",
}
"""What the colours of each field mean."""


class Scale(NamedTuple):
    """How the values of a map become colours."""

    colours: str
    low: float
    high: float
    label: str
    root: bool = False  # whether equal steps of colour are equal steps of the square root
    ends: str = "neither"  # where values go on beyond the colours: neither, min, max, both


def around(
    values: NDArray[Any], middle: float, label: str, cut_off: float = CUT_OFF, what: str = "0"
) -> Scale:
    """Return a scale that is white at a value, and alike on both sides of it."""
    far = np.abs(values - middle)
    reach = float(np.percentile(far, 100 - cut_off)) or float(far.max()) or 1.0
    ends = "both" if far.max() > reach * (1 + 1e-9) else "neither"
    return Scale(SIGNED, middle - reach, middle + reach, f"{label}, white: {what}", ends=ends)


def scale_of(name: str, values: NDArray[Any]) -> Scale:
    """Return the scale of a field, by all the values that it shall show.

    Stress is told from its mean Σ. What grows from 0 has a scale of square roots: plastic strain
    is tens of times larger in a band than beside it, and both are seen.
    """
    label = SYMBOLS.get(name, name)
    if name == "sigma":
        mean = float(values.mean())
        return around(values, mean, label, what=f"Σ = {minus(mean, 3)}")
    if values.min() < 0:
        return around(values, 0.0, label)
    low, high = np.percentile(values, [CUT_OFF, 100 - CUT_OFF])
    root = name in ("epsilon_p", "n_events")
    low, high = 0.0 if root else float(low), float(high) or float(values.max()) or 1.0
    over, under = values.max() > high, values.min() < low
    ends = {(True, True): "both", (True, False): "max", (False, True): "min"}.get(
        (bool(over), bool(under)), "neither"
    )
    said = f"{label}, square-root scale" if root else label
    return Scale(SEQUENTIAL, low, max(high, low + 1e-300), said, root, ends)


def has_map(run: Results, name: str) -> bool:
    """Whether there is a snapshot of a field."""
    return first_with_map(run, name) is not None


def first_with_map(run: Results, name: str) -> int | None:
    """Return the first realization that has a snapshot of a field; None if there is none."""
    fields = run.file.get("fields", {})
    if name not in fields:
        return None
    n, snapshots = fields[name].shape[:2]
    if run.counted:
        return next((k for k, there in enumerate(fields["snapshots"][:n]) if there > 0), None)
    return 0 if n > 0 and snapshots > 0 else None


def place_of(run: Results, realization: int, snapshot: int) -> str:
    """Return where on the way a map was taken, and when if there is a clock."""
    at = f"ε = {minus(strains_of_maps(run, realization)[snapshot])}"
    if not run.has_clock:
        return at
    return f"{at}, t = {minus(run.file['fields/time'][realization, snapshot])}"


@panel(MAPS, when=lambda run: has_map(run, "epsilon_p"))
def plastic_strain(axes: "Axes", run: Results) -> None:
    """Draw the last map of plastic strain."""
    _last(axes, run, "epsilon_p", "plastic strain")


@panel(MAPS, when=lambda run: has_map(run, "sigma") and not is_cyclic(run))
def local_stress(axes: "Axes", run: Results) -> None:
    """Draw the last map of the local stress."""
    _last(axes, run, "sigma", "stress")


def _last(axes: "Axes", run: Results, name: str, what: str) -> None:
    realization = first_with_map(run, name) or 0
    last = strains_of_maps(run, realization).size - 1
    field = run.file["fields"][name][realization, last]
    of = f", realization {realization}" if run.realizations > 1 else ""
    axes.set(title=f"{what} at {place_of(run, realization, last)}{of}")
    draw_map(axes, field, scale_of(name, field), run.shape)


def thinned(field: NDArray[Any]) -> NDArray[Any]:
    """Return every so manieth value of a field, for the pixels that a picture has."""
    steps = (max(1, -(-n // MOST_PIXELS)) for n in field.shape)
    return field[tuple(slice(None, None, step) for step in steps)]


def draw_map(
    axes: "Axes", field: NDArray[Any], scale: Scale, shape: tuple[int, int], bar: bool = True
) -> "AxesImage":
    """Draw a field: x runs to the right and y upwards. ``bar``: with a bar of its colours."""
    from matplotlib.colors import Normalize, PowerNorm

    nx, ny = shape
    norm = PowerNorm(0.5, scale.low, scale.high) if scale.root else Normalize(scale.low, scale.high)
    image = axes.imshow(
        thinned(field).T,  # a row of the array is one x
        origin="lower",
        extent=(0, nx, 0, ny),
        cmap=scale.colours,
        norm=norm,
        interpolation="nearest",
        aspect="equal" if max(shape) <= LONGEST * min(shape) else "auto",
    )
    axes.set(xlabel="x (cells)", ylabel="y (cells)")
    axes.locator_params(integer=True)
    axes.grid(False)
    if bar:
        beside = axes.inset_axes((1.03, 0, 0.05, 1))  # as high as the map
        axes.figure.colorbar(image, cax=beside, label=scale.label, extend=scale.ends)
    return image
