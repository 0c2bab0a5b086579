"""How pictures look: colours that everybody can tell apart, fonts, and files that hold them.

One in twelve men sees red and green alike. ``tests/analysis/test_style.py`` looks at all palettes
through such eyes.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from io import BytesIO
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hpcepm.faults import NoRun
from hpcepm.files import write_told
from hpcepm.text import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE: Final = "#0072B2"
VERMILION: Final = "#D55E00"
BLACK: Final = "#000000"
SKY: Final = "#56B4E9"
ORANGE: Final = "#E69F00"
GREEN: Final = "#009E73"
PURPLE: Final = "#CC79A7"
COLOURS: Final = (BLUE, VERMILION, BLACK, SKY, ORANGE, GREEN, PURPLE)
"""Of lines that have no order (Okabe and Ito, 2008); used from the first on."""

DASHES: Final = ("-", "--", ":", "-.")
MOST_SHADES: Final = 6
"""So many shades of one scale can be told apart without dashes."""

ORDERED: Final = "viridis"
PALEST: Final = 0.87
"""Where lines stop on the scale `ORDERED`: its end is too pale for them."""

SEQUENTIAL: Final = "magma"
"""The colours of what is not negative: dark is little."""

SIGNED: Final = "RdBu_r"
"""The colours of what lies on both sides of a value: that is white."""

STYLE: Final[dict[str, Any]] = {
    "axes.labelsize": 9,
    "axes.titlesize": 9,
    "figure.constrained_layout.wspace": 0.05,
    "font.size": 9,
    "grid.alpha": 0.3,
    "legend.fontsize": 7.5,
    "legend.framealpha": 0.8,
    "pdf.fonttype": 42,  # fonts are embedded, and text stays text
    "svg.fonttype": "path",  # a browser has not these fonts
    "svg.hashsalt": "hpcepm",  # same picture, same bytes
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}

DPI: Final = 150
SAME_BYTES: Final = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": None}
"""The formats of a picture, and what of them would change from day to day."""


def styled() -> AbstractContextManager[None]:
    """Draw in our style, whatever the user's own is.

    Raises
    ------
    NoRun
        matplotlib is not installed.
    """
    try:
        import matplotlib
        import matplotlib.figure  # it is broken, if this fails
    except ImportError:
        raise NoRun("drawing needs matplotlib: pip install 'hpcepm[plot]'") from None
    every: dict[Any, Any] = {**matplotlib.rcParamsDefault}
    every |= {"backend": "agg", **STYLE}
    return matplotlib.rc_context(every)


def lines_for(values: Sequence[float] | None, n: int) -> list[tuple[str, str]]:
    """Return colour and dashes of each of ``n`` lines.

    Parameters
    ----------
    values
        By which the lines have an order, (n,); None if they have none.
    n
        How many there are.
    """
    if values is None or n <= 2:
        return [
            (COLOURS[k % len(COLOURS)], DASHES[k // len(COLOURS) % len(DASHES)]) for k in range(n)
        ]
    import matplotlib
    from matplotlib.colors import to_hex

    scale = matplotlib.colormaps[ORDERED]
    shades = [to_hex(scale(PALEST * k / (n - 1))) for k in range(n)]
    dashes = ["-"] * n if n <= MOST_SHADES else list(islice(cycle(DASHES), n))
    rank = {k: place for place, k in enumerate(sorted(range(n), key=lambda k: values[k]))}
    return [(shades[rank[k]], dashes[rank[k]]) for k in range(n)]


def plain(text: str) -> str:
    """Return a text that begins no formula and controls nothing: names are chosen by users."""
    return visible(text).replace("$", r"\$")


def format_of(path: Path) -> str:
    """Return the format of a picture by its name.

    Raises
    ------
    NoRun
        It is none of `SAME_BYTES`.
    """
    suffix = path.suffix.lower().removeprefix(".")
    if suffix not in SAME_BYTES:
        raise NoRun(f"{path}: a picture ends in .pdf, .svg or .png")
    return suffix


def save(figure: "Figure", path: Path, dpi: int = DPI) -> Path:
    """Write a figure in one instant, in the format that its name says; return the path.

    Raises
    ------
    OSError
        It cannot be written; an older one is untouched.
    """
    kind, picture = format_of(path), BytesIO()
    figure.savefig(picture, dpi=dpi, format=kind, metadata=SAME_BYTES[kind])
    return write_told(path, picture.getvalue())
