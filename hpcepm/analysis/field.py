"""Maps of one field: at a strain, of one run or several side by side; and as a movie."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.faults import NoRun
from hpcepm.layout import FIELDS, SAME_STRAIN

from .differences import directories, glass_of, labels
from .panels.base import MOST_CURVES, STRAIN, STRESS, UNITS, minus
from .panels.maps import (
    SYMBOLS,
    Scale,
    around,
    draw_map,
    first_with_map,
    has_map,
    place_of,
    scale_of,
    thinned,
)
from .protocol import strains_of_maps
from .results import Results
from .snapshots import records_of_maps
from .style import BLUE, VERMILION, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE: Final = 3.4  # inches, of a map
MOST_IN_ROW: Final = 3
FRAMES_A_SECOND: Final = 8
FILM_DPI: Final = 90
FILM_SIZE: Final = 8, 3.8  # inches
MOST_FRAMES: Final = 600
"""A movie of more snapshots leaves some out, evenly."""

MOST_SAMPLED: Final = 12
"""So many snapshots decide of the colours of a movie."""


class Snapshot(NamedTuple):
    """A map of a run."""

    values: NDArray[Any]
    strain: float
    realization: int
    number: int
    place: str  # strain, and time if there is a clock


def snapshots_of(run: Results, name: str, realization: int) -> NDArray[np.float64]:
    """Return the strains at which a realization has maps of a field, (snapshot,).

    Raises
    ------
    NoRun
        There are none; the message says what there is.
    """
    if not has_map(run, name):
        there = [one for one in FIELDS if has_map(run, one)]
        if name not in FIELDS:
            raise NoRun(f"there is no field {name!r}: {', '.join(FIELDS)}")
        has = f"only of {', '.join(there)}" if there else "and none of another field"
        hint = "output.fields: {every: …, names: [" + name + "]} in the input makes them"
        if not run.is_whole:
            hint = "this is a part of a run: what was left out of it may have some"
        raise NoRun(f"{run.called}: has no maps of {name}, {has}; {hint}")
    n = run.file["fields"][name].shape[0]
    if not 0 <= realization < n:
        raise NoRun(f"{run.called}: has maps of realizations 0 to {n - 1}, not {realization}")
    strain = strains_of_maps(run, realization)
    if strain.size == 0:
        where = "" if run.finished else " yet; wait a little"
        where = " in this part of the run" if run.is_cut else where
        raise NoRun(f"{run.called}: realization {realization} has no map{where}")
    return strain


def snapshot(run: Results, name: str, strain: float | None, realization: int | None) -> Snapshot:
    """Return the map nearest to a strain, the latest of equally near ones; None: the last one.

    Of the first realization that has one, if none is named.

    Raises
    ------
    NoRun
        There is none, or the strain lies outside those that the run has maps of.
    """
    if realization is None:
        realization = first_with_map(run, name) or 0
    there = snapshots_of(run, name, realization)
    number = there.size - 1
    if strain is not None:
        if not there.min() - SAME_STRAIN <= strain <= there.max() + SAME_STRAIN:
            some = _few(sorted(set(np.round(there, 9))))
            raise NoRun(f"{run.called}: has no map at strain {strain:g}; there are: {some}")
        number -= int(np.argmin(np.round(np.abs(there - strain), 12)[::-1]))
    values = run.file["fields"][name][realization, number]
    place = place_of(run, realization, number)
    return Snapshot(values, float(there[number]), realization, number, place)


def _few(strains: Sequence[float]) -> str:
    """Return strains, the middle of many left out."""
    shown = [f"{one:.6g}" for one in strains]
    return ", ".join(shown if len(shown) <= 10 else [*shown[:4], "…", *shown[-4:]])


def draw_fields(
    runs: Sequence[Results],
    name: str,
    strain: float | None,
    realization: int | None,
    title: bool = True,
) -> "Figure":
    """Return maps of a field, one a run, with the same colours."""
    from matplotlib.figure import Figure

    shots = [snapshot(run, name, strain, realization) for run in runs]
    if len(runs) > 1:
        shots = [one._replace(values=_centred(name, one.values)) for one in shots]
        scale = _common_scale(name, [one.values for one in shots])
    else:
        scale = scale_of(name, shots[0].values)
    columns = min(len(runs), MOST_IN_ROW)
    rows = -(-len(runs) // columns)
    figure = Figure(layout="constrained", figsize=(SIDE * columns + 0.7, SIDE * rows + 0.3))
    cells = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    names = labels(runs) if len(runs) > 1 else [""]
    for k, (axes, run, shot) in enumerate(zip(cells, runs, shots, strict=False)):
        image = draw_map(axes, shot.values, scale, run.shape, bar=False)
        letter = f"({'abcdefghijklmnopqrstuvwxyz'[k % 26]})  " if len(runs) > 1 else ""
        text = "\n".join(filter(None, (f"{letter}{names[k]}", _where(shot, strain))))
        axes.set_title(plain(text.strip()), loc="left")
    for axes in cells[len(runs) :]:
        axes.remove()
    figure.colorbar(image, ax=list(cells[: len(runs)]), label=scale.label, extend=scale.ends)
    if title:
        those = {shot.realization for shot in shots}
        figure.suptitle(_title(runs, those, figure.get_figwidth()), fontsize=10)
    return figure


def _where(shot: Snapshot, strain: float | None) -> str:
    """Return in words which snapshot is shown, and whether it is the one that was wanted."""
    if strain is None or abs(shot.strain - strain) <= SAME_STRAIN:
        return f"at {shot.place}"
    return f"at {shot.place}, the map nearest to {minus(strain)}"


def _title(runs: Sequence[Results], realizations: set[int], inches: float) -> str:
    glasses = {glass_of(run.settings) for run in runs}
    shapes = {"{} × {} sites".format(*run.shape) for run in runs}
    said = [one.pop() for one in (glasses, shapes) if len(one) == 1]
    if any(run.realizations > 1 for run in runs):
        said += [f"realization {one}" for one in realizations if len(realizations) == 1]
    name = f"{directories(runs)[0]}: " if len(runs) == 1 else ""
    return plain(textwrap.fill(name + ", ".join(said), int(14 * inches)))


# Movies


def film(
    runs: Sequence[Results], name: str, realization: int | None, path: Path, title: bool = True
) -> bytes:
    """Return a movie of all snapshots of a field, beside the curve of the stress.

    Raises
    ------
    NoRun
        Of several runs, of less than two snapshots, of a format that is none or needs a program
        that is not there.
    """
    writer = _writer(path)
    if len(runs) > 1:
        raise NoRun("a movie is of one run; make one of each")
    (run,) = runs
    if realization is None:
        realization = first_with_map(run, name) or 0
    if snapshots_of(run, name, realization).size < 2:
        raise NoRun(f"{run.called}: has a single map of {name}: no movie")
    said = _title(runs, {realization}, FILM_SIZE[0]) if title else ""
    with TemporaryDirectory() as folder:
        draft = Path(folder) / f"movie{path.suffix.lower()}"
        _shoot(run, name, realization, said, writer, draft)
        return draft.read_bytes()


def _writer(path: Path) -> Any:
    """Return what makes a movie of the kind that a name says."""
    from matplotlib.animation import FFMpegWriter

    from .gif import Gif

    kind = path.suffix.lower()
    if kind == ".gif":
        return Gif(fps=FRAMES_A_SECOND)
    if kind != ".mp4":
        raise NoRun(f"{path}: a movie ends in .mp4 or .gif")
    if not FFMpegWriter.isAvailable():
        said = "an .mp4 needs the program ffmpeg, which is not here"
        raise NoRun(f"{path}: {said} (Debian: apt install ffmpeg); a .gif needs nothing")
    return FFMpegWriter(fps=FRAMES_A_SECOND, bitrate=4000)


def _shoot(run: Results, name: str, realization: int, title: str, writer: Any, path: Path) -> None:
    """Draw a frame for each snapshot."""
    from matplotlib.figure import Figure

    n = snapshots_of(run, name, realization).size
    fields, shown = run.file["fields"][name], _spread(n, MOST_FRAMES)
    sampled = _spread(n, MOST_SAMPLED)
    scale = _common_scale(name, [_centred(name, fields[realization, k]) for k in sampled])
    figure = Figure(figsize=FILM_SIZE, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.15))
    for k, (strain, stress) in enumerate(run.curves("stress")):
        if k < MOST_CURVES:
            this = {"color": BLUE, "linewidth": 1.0} if k == realization else {"color": "0.85"}
            left.plot(strain, stress, zorder=2 if k == realization else 1, **this)
    (dot,) = left.plot([], [], "o", color=VERMILION)
    left.set(xlabel=STRAIN, ylabel=STRESS)
    left.grid(True)
    image = draw_map(right, _centred(name, fields[realization, 0]), scale, run.shape)
    if title:
        figure.suptitle(title, fontsize=10)
    strain, stress = list(run.curves("stress"))[realization]
    records = records_of_maps(run, realization, shown)
    with writer.saving(figure, str(path), FILM_DPI):
        for k, record in zip(shown, records, strict=True):
            dot.set_data([strain[record]], [stress[record]])
            image.set_data(thinned(_centred(name, fields[realization, k])).T)
            right.set_title(place_of(run, realization, k), loc="left")
            if k == 0:
                figure.draw_without_rendering()
                figure.set_layout_engine("none")  # nothing shall move from frame to frame
            writer.grab_frame()


def _spread(n: int, most: int) -> list[int]:
    """Return the numbers of ``n`` snapshots, or of so many of them, from the first to the last."""
    return sorted({int(k) for k in np.linspace(0, n - 1, min(n, most))})


def _centred(name: str, field: NDArray[Any]) -> NDArray[Any]:
    """Return a field as one of several is shown: stress without its mean, which differs."""
    return field - field.mean() if name == "sigma" else field


def _common_scale(name: str, fields: list[NDArray[Any]]) -> Scale:
    """Return a scale for several maps: that of the one with the largest value."""
    if name == "sigma":
        every = np.concatenate([thinned(one).ravel() for one in fields])
        return around(every, 0.0, f"σ − Σ ({UNITS})")
    most = max(fields, key=lambda one: float(np.abs(one).max()))
    if min(float(one.min()) for one in fields) < 0:
        return around(most, 0.0, SYMBOLS.get(name, name))
    return scale_of(name, most)
