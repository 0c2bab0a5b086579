"""What thresholds can be besides a distribution: a field of them, and the paper's three glasses."""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from .distributions import Weibull
from .registry import FileName


@dataclass(frozen=True)
class GivenField:
    """One threshold a site, from ``f.h5:/path``; in the input ``field``, for ``initial`` alone.

    Of two sides both have it, or those backward are of a file of their own.

    Attributes
    ----------
    file
        A dataset ``f.h5:/path`` of shape (nx, ny), in units of stress.
    file_backward
        Another for the thresholds backward, of two sides.
    """

    file: FileName
    file_backward: FileName | None = None
    data: ClassVar[float]  # of the instance: the lowest threshold, see `registry.with_data`

    def read_files(self, files: Any) -> float:
        """Check the files; each rank reads its own rows of them later."""
        names = [self.file] if self.file_backward is None else [self.file, self.file_backward]
        return min([files.check_field(name) for name in names])


PRESETS: Final = {
    "MCT": (2.4561, 1.1275),
    "ESL": (2.5579, 1.2841),
    "GQ": (3.6129, 1.8307),
}
"""Weibull shape and scale of the model glass of the paper's three states.

The paper prints no distribution: these follow from its numbers alone, the ages r_ESL = 0.14 and
r_GQ = 0.65 and the ⟨σ_c²⟩ = (ε̄₀ − c0)/c1 that its fits imply (1.189 for MCT, 1.528 for ESL, 2.98
for GQ), with ⟨σ_c⟩ = 1 for MCT as the one free number.
"""


def preset(name: str) -> Weibull:
    """Return the thresholds of one of the paper's glasses, a key of `PRESETS`."""
    return Weibull(*PRESETS[name])
