"""The parameter sets, as the inputs in ``inputs/paper`` have them, and the runs that are made of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

INPUTS: Final = Path(__file__).parents[2] / "inputs" / "paper"
NAMES: Final = tuple(
    f"{glass}_{kind}"
    for glass in ("esl", "gq")
    for kind in ("plain", "rejuvenated", "plain_correlated", "rejuvenated_correlated")
)
SUSPECT: Final = "gq_rejuvenated"
TWIN: Final = "gq_rejuvenated_correlated"
"""As the suspect, but with slips that are correlated with thresholds."""

SCANNED: Final = (0.040, 0.043, 0.046)
"""The c0 with which the suspect set is run again, to find the one that is on the plateau of the others."""


@dataclass(frozen=True)
class Run:
    """An ensemble: its name, which is that of its directory; its input.

    And what of the input is changed.
    """

    name: str
    input: Path
    seed: int
    glass: str
    renewal: str
    c0: float
    c1: float

    @property
    def rejuvenated(self) -> bool:
        """Whether thresholds are renewed as those of a younger glass."""
        return self.renewal != self.glass

    @property
    def correlated(self) -> bool:
        """Whether slips are correlated with the thresholds overcome."""
        return self.c1 > 0

    @property
    def label(self) -> str:
        """What a person calls it."""
        kind = "rejuvenated" if self.rejuvenated else "plain"
        return f"{self.glass} {kind}{', correlated' if self.correlated else ''}"


def read(name: str) -> Run:
    """Return the run of a parameter set of the paper."""
    path = INPUTS / f"{name}.yaml"
    settings = yaml.safe_load(path.read_text())
    thresholds, slip = settings["thresholds"], settings["slip"]
    return Run(
        name,
        path,
        settings["seed"],
        thresholds["initial"],
        thresholds["renewal"],
        slip["c0"],
        slip["c1"],
    )


def scanned(c0: float) -> Run:
    """Return the suspect set with another c0."""
    printed = read(SUSPECT)
    seed = 100 + round(1000 * c0)
    return Run(
        f"{SUSPECT}_c0_{c0:.3f}",
        printed.input,
        seed,
        printed.glass,
        printed.renewal,
        c0,
        printed.c1,
    )


def all_runs() -> list[Run]:
    """Return the eight sets of the paper, and those of the scan."""
    return [*map(read, NAMES), *map(scanned, SCANNED)]
