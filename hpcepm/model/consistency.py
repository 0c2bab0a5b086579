"""Whether a state that was read from a file is one that its glass can be in.

Compiled loops believe what they are given: an index beyond the lattice is a crash, and a site that
is unstable by 10¹² never comes to rest. So what is read is held against what must be so.
"""

from typing import Final

import numpy as np

from hpcepm.layout import AVALANCHE
from hpcepm.parallel.rows import Lattice, LocalField, all_finite

from .convolution import Convolution
from .glass import Glass, stress_scale
from .loading import Loading
from .plugins import OfPlugin
from .state import State

MOST: Final = 2**53
"""No count of a run is larger."""

CLOSE: Final = 1e-6
"""How well fields must agree, relative to the size of stresses: far more than rounding needs."""


class ImpossibleState(ValueError):
    """A state that no glass, or not this one, can be in; the message says why."""


def check_state(
    state: State,
    lattice: Lattice,
    glass: Glass,
    loading: Loading,
    convolution: Convolution,
    initial_stress: LocalField | None,
) -> None:
    """Refuse a state that is none of a glass. Collective.

    Raises
    ------
    ImpossibleState
        On all ranks.
    """
    _raise_together(_out_of_range(state, lattice, loading), lattice)
    _raise_together(_out_of_balance(state, lattice, glass, loading), lattice)
    _raise_together(_unrelated(state, lattice, glass, convolution, initial_stress), lattice)


def _raise_together(problem: str | None, lattice: Lattice) -> None:
    found = lattice.ranks.first_not_none(problem)
    if found is not None:
        raise ImpossibleState(found)


def _out_of_range(state: State, lattice: Lattice, loading: Loading) -> str | None:
    """Say which number of this rank cannot be, if one cannot."""
    fields, macro, row, pending = state.fields, state.macro[0], state.avalanche[0], state.pending
    (nx, ny), counts = lattice.shape, ("events", "steps", "avalanches", "pending_cost")
    numbers = [float(row[name]) for name in AVALANCHE.names or ()]
    slips = pending["slip"]
    possible = {
        "counts": all(0 <= macro[name] < MOST for name in counts),
        "in_avalanche": macro["in_avalanche"] in (0, 1),
        "load": np.isfinite(macro["load"]),
        "segment": 0 <= macro["segment"] < len(loading.turns),
        "total_slip": np.isfinite(macro["total_slip"]),
        "avalanche": all(np.isfinite(numbers)) and max(map(abs, numbers)) < MOST,
        "trigger": 0 <= row["x"] < nx and 0 <= row["y"] < ny,
        "sites of pending events": bool(
            ((pending["i"] >= 0) & (pending["i"] < nx) & (pending["j"] >= 0)).all()
            and (pending["j"] < ny).all()
        ),
        "slips of pending events": bool(np.isfinite(slips).all()),
        "evaluated": int(fields.evaluated.max(initial=0)) <= pending.size,
        "n_events": int(fields.n_events.min(initial=0)) >= 0,
        "last_avalanche": macro["avalanches"] >= 2**31  # they are counted in 32 bits
        or (
            fields.last_avalanche.min(initial=0) >= 0
            and fields.last_avalanche.max(initial=0) <= macro["avalanches"]
        ),
        "events_before": bool(
            (fields.events_before >= 0).all()
            and (fields.events_before <= fields.n_events[: len(fields.events_before)]).all()
        ),
        "well": bool(
            (np.abs(fields.well, dtype="i8") <= fields.n_events[: len(fields.well)]).all()
        ),
        "fields": all_finite(
            fields.yields_at,
            fields.sigma_c,
            fields.epsilon_p,
            fields.yields_backward_at,
            fields.sigma_c_backward,
        ),
    }
    return next((f"{name}: cannot be so" for name, fine in possible.items() if not fine), None)


def _out_of_balance(state: State, lattice: Lattice, glass: Glass, loading: Loading) -> str | None:
    """Say which sum does not come to what the macroscopic state says. Collective."""
    fields, macro = state.fields, state.macro[0]
    mean, square, *_ = lattice.power_means(fields.epsilon_p)
    events = lattice.means(fields.n_events.sum(axis=1, keepdims=True, dtype=np.float64))[0]
    thresholds = lattice.power_means(fields.sigma_c)[1] ** 0.5 + stress_scale(lattice, glass)
    stress = loading.stress(float(macro["load"]), mean, 2 * glass.shear_modulus)
    if abs(mean - macro["total_slip"] / lattice.n_sites) > CLOSE * (1 + abs(mean)):
        return "epsilon_p does not add up to total_slip"
    if abs(events * lattice.n_sites - macro["events"]) > CLOSE * (1 + macro["events"]):
        return "n_events does not add up to events"
    two_sides = glass.yielding.two_sides
    if (abs(stress) if two_sides else stress) > 2 * thresholds:  # stable sites cannot bear it
        return f"the stress is {stress:g}, and thresholds are of {thresholds:g}"
    if two_sides or isinstance(glass.slip, OfPlugin):  # slips may have both signs, and cancel
        return None
    if square**0.5 > abs(mean) * lattice.n_sites**0.5 * (1 + CLOSE) + CLOSE:
        return "epsilon_p has large values of both signs"
    if np.abs(state.pending["slip"]).sum() > lattice.n_sites * square**0.5 * (1 + CLOSE) + CLOSE:
        return "pending events slip by more than all events did"
    return None


def _unrelated(
    state: State,
    lattice: Lattice,
    glass: Glass,
    convolution: Convolution,
    initial_stress: LocalField | None,
) -> str | None:
    """Say whether ``yields_at`` is not that of the plastic strain. Collective.

    It may lack what pending events do to a site.
    """
    fields = state.fields
    stress = convolution.stress_of(fields.epsilon_p, convolution.spare_field())
    if initial_stress is not None:
        stress += initial_stress
    lacking = 2 * glass.kernel.mu_star * np.abs(state.pending["slip"]).sum()
    sides = [(fields.yields_at, fields.sigma_c - stress)]
    if glass.yielding.two_sides:
        sides.append((fields.yields_backward_at, fields.sigma_c_backward + stress))
    for yields_at, expected in sides:
        close = CLOSE * (stress_scale(lattice, glass) + np.abs(expected)) + lacking
        if (np.abs(yields_at - expected) > close).any():
            return "yields_at is not that of the plastic strain"
    return None
