"""Names, units and dtypes of ``run.h5``: what its writers and its readers agree on."""

from typing import Any, Final

import numpy as np

LAYOUT_VERSION: Final = 2

STRESS_UNIT: Final = "Lennard-Jones stress"
NO_UNIT: Final = "1"
TIME_UNIT: Final = "Lennard-Jones time"

SAME_STRAIN: Final = 1e-9
"""Strains that differ by less are one."""


def record(**columns: Any) -> np.dtype[Any]:
    """Return the type of rows of these columns; a row's are its attributes too."""
    return np.dtype((np.record, [*columns.items()]))


def _table(**columns: tuple[str, str, str]) -> tuple[np.dtype[Any], dict[str, tuple[str, str]]]:
    """Return the type of rows, and units and description of columns."""
    return record(**{n: kind for n, (kind, *_) in columns.items()}), {
        n: (units, told) for n, (_, units, told) in columns.items()
    }


AVALANCHE, AVALANCHE_COLUMNS = _table(
    realization=("i4", NO_UNIT, "realization"),
    strain=("f8", NO_UNIT, "macroscopic strain at the trigger"),
    stress=("f8", STRESS_UNIT, "macroscopic stress at the trigger"),
    stress_drop=("f8", STRESS_UNIT, "macroscopic stress lost in the avalanche, K slip/(nx ny)"),
    slip=("f8", NO_UNIT, "sum of the slips of all events"),
    events=("i8", NO_UNIT, "events"),
    sites=("i8", NO_UNIT, "distinct sites that yielded"),
    duration=("i8", NO_UNIT, "synchronous steps"),
    x=("i4", "cells", "row of the trigger site"),
    y=("i4", "cells", "column of the trigger site"),
)
"""A row of the table of avalanches; and units and description of each of its columns."""

EVENT_ROW, EVENT_COLUMNS = _table(
    realization=("i4", NO_UNIT, "realization"),
    strain=("f8", NO_UNIT, "macroscopic strain at the trigger of its avalanche"),
    avalanche=("i8", NO_UNIT, "avalanche of the realization, counted from 0"),
    step=("i8", NO_UNIT, "synchronous step of the avalanche, counted from 0"),
    x=("i4", "cells", "row of the site"),
    y=("i4", "cells", "column of the site"),
    slip=("f8", NO_UNIT, "slip"),
)
"""The same of the table of events; with a clock it has the time besides."""

LISTS: Final = {"avalanches": "avalanche", "events": "event"}
"""Tables that go on from realization to realization, each with rows of its own number: the axis."""

TIMED, TIMED_COLUMNS = _table(
    time=("f8", TIME_UNIT, "time of the trigger since the run began"),
    fraction=("f8", NO_UNIT, "the part of it after the last whole unit of the clock"),
    strength=("f8", STRESS_UNIT, "sigma_c - sigma of the trigger site just before it yielded"),
)
"""What a row of the table of avalanches has besides, where there is a clock."""

TIMED_OBSERVABLES: Final = {
    "time": (TIME_UNIT, "time since the run began"),
    "persistence": (NO_UNIT, "fraction of sites that have not yielded since the segment began"),
}
"""Units and description of what records have besides, of a run with a clock."""

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

CYCLES: Final = {
    "stress": (STRESS_UNIT, "macroscopic stress at each turning point"),
    "plastic_strain": (NO_UNIT, "mean plastic strain at each turning point"),
    "work": (STRESS_UNIT, "integral of stress over epsilon: half of the work"),
    "storage_modulus": (STRESS_UNIT, "stress over gamma, outermost turning points: mu if elastic"),
    "loss_modulus": (STRESS_UNIT, "work/(2 pi amplitude^2): that of a sine of the same work"),
    "events_forward": (NO_UNIT, "events forward"),
    "events_backward": (NO_UNIT, "events backward"),
    "changed": (NO_UNIT, "sites in another well than at the end of the cycle before"),
    "changed_since_first": (NO_UNIT, "sites in another well than at the end of the first cycle"),
    "square_change": (NO_UNIT, "mean square change of plastic strain since the first cycle"),
    "transient": (NO_UNIT, "cycles before the first whose end came back, once period is known"),
    "period": (NO_UNIT, "cycles until it comes back; 0: not known yet"),
}
"""Units and description of what is known of each cycle; the first two are of turning points."""


def cycle_dtype(turns: int) -> np.dtype:
    """Return the row of the table of cycles that have so many turning points."""
    at_turns, whole = ("stress", "plastic_strain"), ("events_", "changed", "transient", "period")
    columns: list[Any] = [(name, "f8", (turns,)) for name in at_turns]
    others = [name for name in CYCLES if name not in at_turns]
    return np.dtype(columns + [(n, "i8" if n.startswith(whole) else "f8") for n in others])


HARMONICS: Final = (1, 3, 5, 7, 9)
"""Of a sine: those that a response has which does not tell forward from backward."""

OSCILLATION_ROW: Final = np.dtype(
    [
        ("in_phase", "f8", (len(HARMONICS),)),
        ("out_of_phase", "f8", (len(HARMONICS),)),
        ("storage_modulus", "f8"),
        ("loss_modulus", "f8"),
        ("plastic", "f8"),
        ("time", "f8"),
    ]
)
"""The row of the table of cycles of a sine."""

_ANSWER: Final = "what answers the load, the stress or else the strain"

OSCILLATION: Final = {
    "in_phase": (NO_UNIT, f"Fourier sums over the cycle of {_ANSWER}, with the sine of the load"),
    "out_of_phase": (NO_UNIT, f"Fourier sums over the cycle of {_ANSWER}, with the cosine"),
    "storage_modulus": (STRESS_UNIT, "G', first harmonic: stress over epsilon; 2 mu if elastic"),
    "loss_modulus": (STRESS_UNIT, "G'', first harmonic: stress over epsilon out of phase"),
    "plastic": (NO_UNIT, "fraction of sites that are plastic at the end of the cycle"),
    "time": (TIME_UNIT, "time at the end of the cycle"),
}
"""Units and description of each of its columns; the first two are of each harmonic."""


PROFILES: Final = {
    "along_x": (NO_UNIT, "plastic strain of each x, averaged over y"),
    "along_y": (NO_UNIT, "plastic strain of each y, averaged over x"),
}


TARGET: Final = 1
RECURRENCE: Final = 5
ENDINGS: Final = {
    TARGET: "target",
    2: "until.strain",
    3: "until.plastic_strain",
    4: "until.events_per_site",
    RECURRENCE: "until.recurrence",
    6: "until.time",
}
"""Why a loading ended, by the number that a table has for it; 0 is not yet."""


PACKED: Final = "packed"
"""The attribute of a file that holds all of a run, or what was chosen of it."""


CHECKPOINT_NAME: Final = r"\d{8}\.h5"
PIECE_NAME: Final = (
    r"(?:observables|profiles|avalanches|fields|cycles|events)-\d{8}\.h5|fields-\d{12}\.h5"
)
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
