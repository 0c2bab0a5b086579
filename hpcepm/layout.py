"""Names, units and dtypes of ``run.h5``: what its writers and its readers agree on."""

from typing import Final

import numpy as np

LAYOUT_VERSION: Final = 2

STRESS_UNIT: Final = "Lennard-Jones stress"
NO_UNIT: Final = "1"

SAME_STRAIN: Final = 1e-9
"""Strains that differ by less are one."""

AVALANCHE: Final = np.dtype(
    (
        np.record,
        [
            ("realization", "i4"),
            ("strain", "f8"),
            ("stress", "f8"),
            ("stress_drop", "f8"),
            ("slip", "f8"),
            ("events", "i8"),
            ("sites", "i8"),
            ("duration", "i8"),
            ("x", "i4"),
            ("y", "i4"),
        ],
    )
)
"""A row of the table of avalanches."""

AVALANCHE_COLUMNS: Final = {
    "realization": (NO_UNIT, "realization"),
    "strain": (NO_UNIT, "macroscopic strain at the trigger"),
    "stress": (STRESS_UNIT, "macroscopic stress at the trigger"),
    "stress_drop": (STRESS_UNIT, "macroscopic stress lost in the avalanche, 2 mu slip/(nx ny)"),
    "slip": (NO_UNIT, "sum of the slips of all events"),
    "events": (NO_UNIT, "events"),
    "sites": (NO_UNIT, "distinct sites that yielded"),
    "duration": (NO_UNIT, "synchronous steps"),
    "x": ("cells", "row of the trigger site"),
    "y": ("cells", "column of the trigger site"),
}
"""Units and description of each of its columns."""

FIELDS: Final = {
    "sigma": (STRESS_UNIT, "local shear stress"),
    "epsilon_p": (NO_UNIT, "local plastic strain"),
    "sigma_c": (STRESS_UNIT, "local yield stress"),
    "n_events": (NO_UNIT, "how many times a site has yielded"),
    "sigma_c_backward": (STRESS_UNIT, "local yield stress backward"),
    "well": (NO_UNIT, "the well of the landscape that a site is in"),
}
"""Units and description of each field that a snapshot can hold; whole numbers are int32."""

ALWAYS_THERE: Final = ("sigma", "epsilon_p", "sigma_c", "n_events")
"""The fields that any glass has; the others are of two sides, or of a quenched landscape."""

PROFILES: Final = {
    "along_x": (NO_UNIT, "plastic strain of each x, averaged over y"),
    "along_y": (NO_UNIT, "plastic strain of each y, averaged over x"),
}


class NoRun(Exception):
    """There is no run that could be looked at; the message says where, and why not."""


CHECKPOINT_NAME: Final = r"\d{8}\.h5"
PIECE_NAME: Final = r"(?:observables|profiles|avalanches|fields)-\d{8}\.h5|fields-\d{12}\.h5"
"""Names of files that are a run's own; whatever else lies in its folders is left alone."""


def checkpoint_name(number: int) -> str:
    """Return the name of the file of a checkpoint, by its number among all of the run."""
    return f"{number:08d}.h5"


def piece_name(table: str, serial: int) -> str:
    """Return the name of the file of a piece of a table, by its number among all of the table."""
    return f"{table}-{serial:08d}.h5"


def snapshot_name(number: int) -> str:
    """Return the name of the file of a large snapshot, by its row in the table of fields."""
    return f"fields-{number:012d}.h5"


def number_of_piece(name: str) -> int:
    """Return the number in the name of a piece."""
    return int(name.rpartition("-")[2].removesuffix(".h5"))
