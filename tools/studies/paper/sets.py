"""The parameter sets, as the inputs in ``inputs/paper`` have them, and what is run of them."""

from pathlib import Path
from typing import Any, Final

import yaml

from ..harness import Run

INPUTS: Final = Path(__file__).parents[3] / "inputs" / "paper"
NAMES: Final = tuple(
    f"{glass}_{kind}"
    for glass in ("esl", "gq")
    for kind in ("plain", "rejuvenated", "plain_correlated", "rejuvenated_correlated")
)
SUSPECT: Final = "gq_rejuvenated"
TWIN: Final = "gq_rejuvenated_correlated"
"""As the suspect, but with slips that are correlated with thresholds."""

SCANNED: Final = (0.040, 0.043, 0.046)
"""More c0 of the suspect set, to find the one that is on the plateau of the others."""


def scanned(c0: float) -> str:
    """Return the name of the suspect set with another c0."""
    return f"{SUSPECT}_c0_{c0:.3f}"


def inputs() -> dict[str, dict[str, Any]]:
    """Return the inputs of the eight sets of the paper and of those of the scan, by name."""
    found = {name: yaml.safe_load((INPUTS / f"{name}.yaml").read_text()) for name in NAMES}
    for c0 in SCANNED:
        slip = {**found[SUSPECT]["slip"], "c0": c0}
        seed = 100 + round(1000 * c0)
        found[scanned(c0)] = {**found[SUSPECT], "slip": slip, "seed": seed}
    return found


def slip_of(name: str) -> tuple[float, float]:
    """Return c0 and c1 of a set or of one of the scan."""
    slip = inputs()[name]["slip"]
    return slip["c0"], slip["c1"]


def runs_in(folder: Path, realizations: int) -> list[Run]:
    """Return all runs, with so many realizations each."""
    return [
        Run(folder / name, {**settings, "realizations": realizations})
        for name, settings in inputs().items()
    ]
