"""Whether the numbers of a state are finite, and what is said where one is not."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hpcepm.parallel.rows import Lattice, all_finite

from .glass import Glass
from .slip import ToStress
from .state import Fields, State

DOUBLES: Final = (
    "epsilon_p",
    "sigma_c",
    "yields_at",  # follows from those before
    "sigma_c_backward",
    "yields_backward_at",
    "stress_before",
)
"""Fields of real numbers; those of what the glass does not have are without rows."""


class NotFinite(Exception):
    """A field holds NaN or infinity."""


def check_finite(lattice: Lattice, state: State) -> None:
    """Look for NaN and infinity in all fields. Collective.

    Raises
    ------
    NotFinite
        One holds such a number; the message says where.
    """
    good = are_finite(state.fields)
    problem = lattice.ranks.first_not_none(None if good else _bad_number(lattice, state))
    if problem is not None:
        raise NotFinite(problem)


def are_finite(fields: Fields) -> bool:
    """Return whether no number of this rank is NaN or infinite."""
    return all_finite(*(getattr(fields, name) for name in DOUBLES))


def _bad_number(lattice: Lattice, state: State) -> str | None:
    """Say which number of this rank is not finite, if one is."""
    for name in DOUBLES:
        field = getattr(state.fields, name)
        site = lattice.first_bad_site(field)
        if site is not None:
            x, y = divmod(site, lattice.ny)
            value = field[lattice.row_map.local_row[x], y]
            found = f"of rank {lattice.ranks.rank}, found after step {state.macro[0].steps}"
            return f"{name} is {value} at site ({x}, {y}) {found}"
    return None


def told_of_slip(events: NDArray[Any], lattice: Lattice, glass: Glass, state: State) -> str:
    """Say which of the events of a step has a slip that must not be, and why."""
    event = next(one for one in events if np.isnan(one["slip"]))
    x, y = divmod(int(event["site"]), lattice.ny)
    where = f"site ({x}, {y}), in avalanche {state.macro[0].avalanches}"
    if isinstance(glass.slip, ToStress):
        return (
            f"{where}: its slip would not be positive, for slip.value + slip.noise ξ exceeds "
            "its stress; lower slip.value or slip.noise"
        )
    if glass.yielding.two_sides and not event["first"]:
        most = glass.yielding.most_events_per_site
        return (
            f"{where}: has slipped {most} times in it, and would again: sites flip for ever. "
            "Set yielding.order: weakest, or raise yielding.most_events_per_site"
        )
    return f"{where}: its slip is not a number"


def told_of_load(state: State) -> str:
    """Say where avalanches follow each other without end, and the load stays."""
    macro, row = state.macro[0], state.avalanche[0]
    return (
        f"site ({row.x}, {row.y}) begins avalanche {macro.avalanches} at strain {row.strain:.9g}: "
        "sites flip to and fro, each avalanche ends where it began, and the load never goes on. "
        "Slips are too large against thresholds: make thresholds higher, or slips smaller"
    )
