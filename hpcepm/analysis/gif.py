"""A GIF whose frames share one palette: with one each, a number has other colours now and then."""

from io import BytesIO
from typing import Any, Final

from matplotlib.animation import AbstractMovieWriter
from PIL import Image

MOST_SEEN: Final = 12
"""Frames, from the first to the last, whose colours the palette is made of."""

NEXT_TO: Final = 6
"""Of 255: such colours look alike."""


def _palette_of(image: Image.Image) -> Image.Image:
    """Return a palette for an image: half by the range of its colours, half by what is frequent.

    A colour bar has few sites of each. Of colours that are next to each other one is taken.
    """
    chosen = [(255, 255, 255)]
    for by in (Image.Quantize.MAXCOVERAGE, Image.Quantize.MEDIANCUT):
        found = iter(image.quantize(127, by).getpalette() or ())
        for colour in zip(found, found, found, strict=False):
            near = (max(abs(x - y) for x, y in zip(colour, one, strict=True)) for one in chosen)
            if min(near) > NEXT_TO:
                chosen.append(colour)
    palette = Image.new("P", (1, 1))
    palette.putpalette([x for colour in chosen for x in colour])
    return palette


class Gif(AbstractMovieWriter):
    """Writes frames of a figure as a GIF."""

    def setup(self, fig: Any, outfile: Any, dpi: float | None = None) -> None:
        """Begin."""
        super().setup(fig, outfile, dpi)
        self._shots: list[Image.Image] = []

    def grab_frame(self, **how: Any) -> None:
        """Add the figure as it is now."""
        pixels = BytesIO()
        self.fig.savefig(pixels, **{**how, "format": "rgba", "dpi": self.dpi})
        shot = Image.frombytes("RGBA", self.frame_size, pixels.getvalue())
        self._shots.append(shot.convert("RGB"))

    def finish(self) -> None:
        """Write the file."""
        seen = self._shots[:: -(-len(self._shots) // MOST_SEEN)]
        width, height = self.frame_size
        beside = Image.new("RGB", (width, height * len(seen)))
        for k, shot in enumerate(seen):
            beside.paste(shot, (0, k * height))
        palette = _palette_of(beside)
        first, *others = (
            shot.quantize(palette=palette, dither=Image.Dither.NONE) for shot in self._shots
        )
        milliseconds = int(1000 / self.fps)
        first.save(self.outfile, save_all=True, append_images=others, duration=milliseconds, loop=0)
