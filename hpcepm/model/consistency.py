"""Whether a state that was read from a file is one that its glass can be in.

Compiled loops believe what they are given: an index beyond the lattice is a crash, and a site that
is unstable by 10¹² never comes to rest. So what is read is held against what must be so.
"""

from typing import Final

import numpy as np

from hpcepm.layout import AVALANCHE
from hpcepm.parallel.rows import Lattice, LocalField

from .convolution import Convolution
from .finite import are_finite
from .glass import Glass, stress_scale
from .loading import Cycles, Loading
from .plugins import OfPlugin
from .state import CYCLE, MARKS, MAXWELL, TURN, State

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
    slips, flows = pending["slip"], MAXWELL[0] in state.names
    possible = {
        "counts": all(0 <= macro[name] < MOST for name in counts),
        "in_avalanche": macro["in_avalanche"] in (0, 1),
        "load": np.isfinite(macro["load"]),
        "events_begun": 0 <= macro["events_begun"] <= macro["events"],
        "recorded": np.isfinite(macro["recorded"]) and np.isfinite(macro["snapped"]),
        "segment": 0 <= macro["segment"] < len(loading.segments),
        "total_slip": np.isfinite(macro["total_slip"]),
        "avalanche": all(np.isfinite(numbers)) and max(map(abs, numbers)) < MOST,
        "trigger": 0 <= row["x"] < nx and 0 <= row["y"] < ny,
        "sites of pending events": bool(
            ((pending["i"] >= 0) & (pending["i"] < nx) & (pending["j"] >= 0)).all()
            and (pending["j"] < ny).all()
        ),
        "slips of pending events": bool(np.isfinite(slips).all()),
        "cycle": _cycles_are_possible(state, loading),
        "evaluated": int(fields.evaluated.max(initial=0)) <= pending.size,
        "n_events": int(fields.n_events.min(initial=0)) >= 0,
        "last_avalanche": macro["avalanches"] > MARKS  # they have begun anew
        or (
            fields.last_avalanche.min(initial=0) >= -macro["avalanches"]
            and fields.last_avalanche.max(initial=0)
            <= (macro["segment"] + 1 if flows else macro["avalanches"])
        ),
        "flow": _flow_is_possible(state, lattice),
        "events_before": bool(
            (fields.events_before >= 0).all()
            and (fields.events_before <= fields.n_events[: len(fields.events_before)]).all()
        ),
        "well": bool(
            (np.abs(fields.well, dtype="i8") <= fields.n_events[: len(fields.well)]).all()
        ),
        "fields": are_finite(fields),
    }
    return next((f"{name}: cannot be so" for name, fine in possible.items() if not fine), None)


def _flow_is_possible(state: State, lattice: Lattice) -> bool:
    """Return whether what is kept of Maxwell sites can be so; without them it is blank."""
    fields, flow, clock, macro = state.fields, state.flow[0], state.clock[0], state.macro[0]
    numbers = [flow["slip_before"], *flow["in_phase"], *flow["out_of_phase"]]
    if not (np.isfinite(numbers).all() and 0 <= flow["cycles"] <= MOST):
        return False
    if MAXWELL[0] not in state.names:
        return not any(numbers) and flow["cycles"] == 0
    begun = 0 <= clock["begun_whole"] <= clock["whole"] and np.isfinite(clock["begun_load"])
    before = fields.epsilon_p.shape == fields.stress_before.shape == fields.plastic.shape
    sites = np.isin(fields.plastic, (0, 1)) & (fields.plastic <= fields.n_events)
    return bool(
        begun
        and before
        and clock["whole"] == macro["steps"]
        and clock["begun_avalanches"] == macro["segment"]
        and not macro["in_avalanche"]
        and macro["avalanches"] == 0
        and sites.all()
        and abs(flow["slip_before"]) <= MOST * lattice.n_sites
    )


def _cycles_are_possible(state: State, loading: Loading) -> bool:
    """Return whether what is kept of cycles is of as many as there were."""
    cycle, segment = state.cycle[0], int(state.macro[0]["segment"])
    numbers = [float(cycle[name]) for name in CYCLE.names or ()]
    turns = np.concatenate([state.turned[name] for name in TURN.names or ()])
    if not (np.isfinite(numbers).all() and np.isfinite(turns).all()):
        return False
    in_cycle = len(loading.cycle) if isinstance(loading, Cycles) else 0
    done, turned = divmod(segment, in_cycle) if in_cycle else (0, 0)
    there, possible = (len(state.strobes), len(state.turned)), [(done, turned)]
    if in_cycle and turned == in_cycle - 1:
        possible.append((done + 1, 0))  # and the loading was over
    counts = [int(cycle[name]) for name in ("candidate", "wanted_period", "transient", "period")]
    return there in possible and all(0 <= n <= len(state.strobes) for n in counts)


def _out_of_balance(state: State, lattice: Lattice, glass: Glass, loading: Loading) -> str | None:
    """Say which sum does not come to what the macroscopic state says. Collective."""
    fields, macro, two_mu = state.fields, state.macro[0], 2 * glass.shear_modulus
    mean, square, *_ = lattice.power_means(fields.epsilon_p)
    events = lattice.means(fields.n_events.sum(axis=1, keepdims=True, dtype=np.float64))[0]
    thresholds = lattice.power_means(fields.sigma_c)[1] ** 0.5 + stress_scale(lattice, glass)
    segment, before = loading.segments[macro["segment"]], 0.0
    if glass.plastic_strain is not None:
        before = lattice.power_means(glass.plastic_strain)[0]
        square = lattice.power_means(fields.epsilon_p - glass.plastic_strain)[1]
        thresholds += abs(segment.stress(0.0, before, two_mu))  # as long as it is not relaxed
    stress = segment.stress(float(macro["load"]), mean, two_mu)
    if abs(mean - macro["total_slip"] / lattice.n_sites) > CLOSE * (1 + abs(mean)):
        return "epsilon_p does not add up to total_slip"
    if abs(events * lattice.n_sites - macro["events"]) > CLOSE * (1 + macro["events"]):
        return "n_events does not add up to events"
    if MAXWELL[0] in state.names:  # sites take their time to yield, and flow to both sides
        return None
    two_sides = glass.yielding.two_sides
    if (abs(stress) if two_sides else stress) > 2 * thresholds:  # stable sites cannot bear it
        return f"the stress is {stress:g}, and thresholds are of {thresholds:g}"
    if two_sides or isinstance(glass.slip, OfPlugin):  # slips may have both signs, and cancel
        return None
    if square**0.5 > abs(mean - before) * lattice.n_sites**0.5 * (1 + CLOSE) + CLOSE:
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
    if glass.kernel.shuffled:
        return _out_of_equilibrium(state, lattice, glass)
    fields = state.fields
    stress = convolution.stress_of(fields.epsilon_p, convolution.spare_field())
    if initial_stress is not None:
        stress += initial_stress
    most = max(lattice.ranks.allgather(-float(convolution.kernel_hat.min(initial=0.0))))
    lacking = most * np.abs(state.pending["slip"]).sum()  # |G| ≤ max(−Ĝ), at each distance
    sides = [(fields.yields_at, fields.sigma_c - stress)]
    if glass.yielding.two_sides:
        sides.append((fields.yields_backward_at, fields.sigma_c_backward + stress))
    scale = stress_scale(lattice, glass)
    for yields_at, expected in sides:
        close = CLOSE * (scale + np.abs(expected)) + lacking
        if (np.abs(yields_at - expected) > close).any():
            return "yields_at is not that of the plastic strain"
    return None


def _out_of_equilibrium(state: State, lattice: Lattice, glass: Glass) -> str | None:
    """Say what of ``yields_at`` cannot be, where events are shuffled. Collective.

    What they did to each site is in ``yields_at`` alone. But none of them changes the mean stress,
    and both sides have the same stress.
    """
    fields = state.fields
    stress = fields.sigma_c - fields.yields_at
    mean, square, *_ = lattice.power_means(stress)
    close = CLOSE * (stress_scale(lattice, glass) + square**0.5)
    if abs(mean) > close:
        return "yields_at has a mean that no event leaves behind"
    if glass.yielding.two_sides:
        backward = fields.yields_backward_at - fields.sigma_c_backward
        if (np.abs(stress - backward) > close + CLOSE * np.abs(stress)).any():
            return "yields_at and yields_backward_at are of different stresses"
    return None
