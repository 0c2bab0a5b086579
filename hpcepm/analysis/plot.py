"""Pictures of runs: ``hpcepm plot RUN…``.

One run at a glance, several runs in the same panels, chosen panels, or maps of a field. Needs
matplotlib (the ``plot`` extra).
"""

import textwrap
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from hpcepm.files import write_told

from .differences import directories, glass_of, labels, order_of
from .field import draw_fields, film
from .panels.base import BANDS, CURVES, MAPS, MOST_CURVES, Line, Panel, panels_of
from .panels.selection import chosen, shared
from .places import refuse_own
from .protocol import turns_back
from .results import Results, open_run
from .style import format_of, lines_for, plain, save, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_IN_ROW: Final = 3
WIDTH: Final = 3.5  # inches, of a panel: a column of a journal
HEIGHTS: Final = {CURVES: 2.9, MAPS: 3.1}
LETTERS_IN_INCH: Final = 13


class Wanted(NamedTuple):
    """What a picture shall show; without anything: a run, or several, at a glance."""

    panels: tuple[str, ...] = ()
    """Names of panels; none: those that apply."""

    field: str = ""
    """Of which field there shall be a map, instead of panels."""

    strain: float | None = None
    """Where the map is taken; None: the last snapshot."""

    realization: int | None = None
    """Of the map; None: the first that has one."""

    band: str = ""
    """What a band around a mean is, of `BANDS`."""

    window: tuple[float, float] | None = None
    """Of strain, for distributions."""

    title: bool = True
    out: Path | None = None
    movie: Path | None = None
    """Where a movie of the field is written, instead of a picture."""


def draw_summary(directory: str) -> Path:
    """Draw ``summary.png`` in the directory of a run, finished or not; return its path."""
    return draw([directory], Wanted())


def draw(directories: Sequence[str], wanted: Wanted) -> Path:
    """Draw runs, finished or not; return the path of the picture.

    Raises
    ------
    NoRun
        There is no run that could be drawn, or it has not what is wanted; the picture would come
        where a run is; or matplotlib is not installed.
    OSError
        The picture cannot be written.
    """
    if wanted.out is not None:
        format_of(wanted.out)
    with styled():
        with ExitStack() as stack:
            runs = [stack.enter_context(open_run(directory)) for directory in directories]
            for run in runs:
                run.require_records()
            path = wanted.movie or wanted.out or _place(runs, wanted)
            for run in runs:
                refuse_own(path, Path(run.file.filename))
            made = _made(runs, wanted)
        # Only now: what goes wrong from here on is not the fault of a run's files.
        return write_told(path, made) if isinstance(made, bytes) else save(made, path)


def _made(runs: Sequence[Results], wanted: Wanted) -> "Figure | bytes":
    """Return what is wanted: a figure, or the bytes of a movie."""
    if wanted.movie is not None:
        return film(runs, wanted.field, wanted.realization, wanted.movie, wanted.title)
    if wanted.field:
        return draw_fields(runs, wanted.field, wanted.strain, wanted.realization, wanted.title)
    return compose(runs, wanted)


def _place(runs: Sequence[Results], wanted: Wanted) -> Path:
    """Return where a picture goes that nobody has named."""
    if len(runs) > 1:
        return Path("comparison.png")
    name = wanted.field or ("panels" if wanted.panels else "summary")
    return runs[0].beside(f"{name}.png")


class Cell(NamedTuple):
    """One of the places of a picture, and what is drawn there."""

    row: str
    draw: Callable[["Axes"], None]


def compose(runs: Sequence[Results], wanted: Wanted) -> "Figure":
    """Return a picture of panels: of one run, or of several in the same panels."""
    from matplotlib.figure import Figure

    alone = len(runs) == 1
    if wanted.panels:
        panels = chosen(runs, wanted.panels)
    elif alone:
        panels = [one for row in HEIGHTS for one in panels_of(runs[0], row)]
    else:
        panels = shared(runs)
    lines = _lines(runs, wanted)
    figure = Figure(layout="constrained")
    cells = _cells(panels, runs, lines)
    _draw(figure, _rows(cells, bool(wanted.panels) or len(cells) <= MOST_IN_ROW))
    if not alone:
        _explain(figure, lines)
    if wanted.title:
        text = textwrap.fill(title_of(runs, lines), int(LETTERS_IN_INCH * figure.get_figwidth()))
        figure.suptitle(plain(text), fontsize=10)
    return figure


def _lines(runs: Sequence[Results], wanted: Wanted) -> list[Line]:
    """Return how each run is drawn."""
    as_wanted = Line(window=wanted.window, band=wanted.band or next(iter(BANDS)))
    if len(runs) == 1:
        return [as_wanted]
    return [
        as_wanted._replace(colour=colour, dashes=dashes, label=plain(label))
        for (colour, dashes), label in zip(
            lines_for(order_of(runs), len(runs)), labels(runs), strict=True
        )
    ]


def _cells(panels: Sequence[Panel], runs: Sequence[Results], lines: Sequence[Line]) -> list[Cell]:
    """Return the places of a picture: one for all runs, or for each run one of its own."""

    def together(panel: Panel) -> Callable[["Axes"], None]:
        def into(axes: "Axes") -> None:
            for run, line in zip(runs, lines, strict=True):
                panel.draw(axes, run, line)

        return into

    def by_itself(panel: Panel, run: Results, line: Line) -> Callable[["Axes"], None]:
        def into(axes: "Axes") -> None:
            panel.draw(axes, run, line)
            if not line.alone:
                axes.set_title("\n".join(filter(None, (line.label, axes.get_title()))))

        return into

    cells = []
    for panel in panels:
        if panel.several:
            cells.append(Cell(panel.row, together(panel)))
        else:
            pairs = zip(runs, lines, strict=True)
            cells += [Cell(panel.row, by_itself(panel, run, line)) for run, line in pairs]
    return cells


def _rows(cells: Sequence[Cell], in_order: bool) -> list[Sequence[Cell]]:
    """Return cells in rows of about equal length: in their order, or maps below curves."""
    kinds = [cells] if in_order else [[c for c in cells if c.row == kind] for kind in HEIGHTS]
    rows: list[Sequence[Cell]] = []
    for some in filter(None, kinds):
        n = -(-len(some) // MOST_IN_ROW)
        ends = [round(len(some) * k / n) for k in range(n + 1)]
        rows += [some[begin:end] for begin, end in pairwise(ends)]
    return rows


def _draw(figure: "Figure", rows: Sequence[Sequence[Cell]]) -> None:
    """Draw rows of cells, each with its letter if there are several."""
    heights = [max(HEIGHTS[cell.row] for cell in row) for row in rows]
    widest = max(map(len, rows))
    figure.set_size_inches(WIDTH * widest, sum(heights) + 0.4)
    strips = figure.subfigures(len(rows), 1, squeeze=False, height_ratios=heights)[:, 0]
    letters = iter("abcdefghijklmnopqrstuvwxyz" * sum(map(len, rows)))
    for strip, row in zip(strips, rows, strict=True):
        places = len(row) if len(row) > 1 else widest  # one alone would be stretched
        every = strip.subplots(1, places, squeeze=False)[0]
        for axes in every[len(row) :]:
            axes.remove()
        for axes, cell in zip(every, row, strict=False):
            axes.grid(cell.row == CURVES)
            cell.draw(axes)
            letter = f"({next(letters)})  " if sum(map(len, rows)) > 1 else ""
            title = axes.get_title()
            axes.set_title("")
            axes.set_title(f"{letter}{title}", loc="left")


def _explain(figure: "Figure", lines: Sequence[Line]) -> None:
    """Say below a picture which line is which run."""
    from matplotlib.lines import Line2D

    shown = [Line2D([], [], **one.style("")) for one in lines]
    names = [one.label for one in lines]
    room = int(LETTERS_IN_INCH * figure.get_figwidth())
    columns = max(1, min(len(names), room // (max(map(len, names)) + 8)))
    figure.legend(shown, names, loc="outside lower center", ncols=columns)
    rows = -(-len(names) // columns)
    figure.set_size_inches(figure.get_figwidth(), figure.get_figheight() + 0.2 * rows)


def title_of(runs: Sequence[Results], lines: Sequence[Line]) -> str:
    """Return what all runs of a picture have in common."""
    name = f"{directories(runs)[0]}: " if len(runs) == 1 else ""
    seed = f"seed {runs[0].settings['seed']}" if len(runs) == 1 else ""
    common = [
        {glass_of(run.settings) for run in runs},
        {"{} × {} sites".format(*run.shape) for run in runs},
        {f"{run.settings['kernel']['type']} kernel" for run in runs},
        {seed},
        {_said_of_realizations(run, line) for run, line in zip(runs, lines, strict=True)},
    ]
    unfinished = sum(not run.finished for run in runs)
    of = "" if len(runs) == 1 else f"{unfinished} of {len(runs)} "
    state = [f"{of}not finished"] if unfinished else []
    said = [one.pop() for one in common if len(one) == 1]
    return name + ", ".join(filter(None, [*said, *state]))


def _said_of_realizations(run: Results, line: Line) -> str:
    n = run.realizations
    if n == 1:
        return ""
    if run.counted and turns_back(run):
        return f"{min(n, MOST_CURVES)} of {n} realizations"
    band = "" if turns_back(run) else f" (band: {BANDS[line.band]})"
    return f"mean of {n} realizations{band}"
