"""How the glass of a run was driven: what the pictures of different loadings ask."""

from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.layout import SAME_STRAIN
from hpcepm.schedule import MOST_TURNS, Cadence, save_points_of, travelled, turns_of

from .results import Results

SAME_STRESS: Final = 1e-9
"""Stresses that differ by less are one."""

NONE: Final = {"every": None}
"""A cadence at which nothing is."""

ALONG_THE_LOAD: Final = ("strain", "cycle")
"""What snapshots may follow for their strains to be known beforehand."""


def segments(run: Results) -> list[dict[str, Any]]:
    """Return the segments of the loading, as the input has them."""
    loading = run.settings["loading"]
    return [loading] if isinstance(loading, dict) else loading


def controls(run: Results) -> set[str]:
    """Return what is controlled, in any segment of the loading."""
    return {part["control"] for part in segments(run)}


def is_held(run: Results) -> bool:
    """Whether all time passed under a load that was held: what happens is a function of time."""
    return run.has_clock and all(part.get("rate") is None for part in segments(run))


def is_held_after(run: Results) -> bool:
    """Whether a load is held where one that moves at a rate has come to."""
    parts = segments(run)
    moved = [k for k, part in enumerate(parts) if part.get("rate") is not None]
    return bool(moved) and any(part.get("hold") for part in parts[moved[0] :])


def moves_after_a_hold(run: Results) -> bool:
    """Whether a load that was held goes on, as that of a glass which is aged first."""
    return any(part.get("hold") for part in segments(run)[:-1])


def by_decades(run: Results) -> bool:
    """Whether records are so many per decade of time: then it has a logarithmic axis."""
    return bool(Cadence.parse(run.settings["output"]["observables"]).per_decade)


def is_extremal(run: Results) -> bool:
    """Whether the load moves at each event."""
    return "extremal" in controls(run)


def is_cyclic(run: Results) -> bool:
    """Whether a cycle has ended."""
    return "cycles/turn" in run.file and run.file["cycles/cycle"].size > 0


def is_oscillation(run: Results) -> bool:
    """Whether a cycle of a sine has ended."""
    return "cycles/harmonic" in run.file and run.file["cycles/cycle"].size > 0


def turns_back(run: Results) -> bool:
    """Whether the strain goes back on its way, by the records."""
    steps = np.diff(run.strains, axis=1)
    return not is_extremal(run) and bool((steps > 0).any() and (steps < 0).any())


def has_two_sides(run: Results) -> bool:
    """Whether sites yield backward, too; those of runs of before there was a choice do not."""
    rule = run.settings.get("yielding")
    return isinstance(rule, dict) and rule.get("sides") == "two"


def is_under_stress(run: Results) -> bool:
    """Whether the stress is raised, and does not turn back."""
    return controls(run) == {"stress"} and not turns_back(run)


def is_in_avalanche(run: Results) -> NDArray[np.bool_]:
    """Return which records lie inside an avalanche, (realization, record).

    With a clock sites beyond their thresholds are those that have not yielded yet.
    """
    beyond = run.observable("x_min") < -SAME_STRESS
    return np.asarray(beyond) & (not is_extremal(run) and not run.has_clock)


def way(strain: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far the strain has gone at each record, there and back."""
    return np.concatenate([[0.0], np.abs(np.diff(strain)).cumsum()])


def branches(strain: NDArray[np.float64]) -> list[slice]:
    """Return the records between two turning points of the strain, both included."""
    steps = np.sign(np.diff(strain))
    moved = np.flatnonzero(steps)
    turned = moved[1:][np.diff(steps[moved]) != 0]
    turns = [0, *map(int, turned), strain.size - 1]
    return [slice(a, b + 1) for a, b in pairwise(turns)]


def strobes(run: Results) -> dict[int, int]:
    """Return which snapshots of the first realization lie where a segment ends, by its number.

    Of a strain that is known beforehand, rules that end it or not; else none.
    """
    asked, turns = run.settings["output"]["fields"], turns_of(run.settings["loading"])
    if "fields" not in run.file or controls(run) != {"strain"} or run.has_clock:
        return {}
    cadence = Cadence.parse(asked)
    if cadence.of not in ALONG_THE_LOAD or travelled(turns) / cadence.every > MOST_TURNS:
        return {}
    points = save_points_of(run.settings | {"output": {"observables": NONE, "fields": asked}})
    found: dict[int, int] = {}
    for k, (strain, point) in enumerate(zip(strains_of_maps(run), points, strict=False)):
        if abs(strain - point.strain) > SAME_STRAIN:
            break  # a rule has ended a segment before its target
        if abs(strain - turns[point.segment]) <= SAME_STRAIN:
            found[point.segment] = k
    return found


def strains_of_maps(run: Results, realization: int = 0) -> NDArray[np.float64]:
    """Return the strains of the snapshots of a realization, (snapshot,)."""
    fields = run.file["fields"]
    if not run.counted:
        return np.asarray(fields["strain"][()])
    return np.asarray(fields["strain"][realization, : int(fields["snapshots"][realization])])


def cycles_of(run: Results, realization: int) -> dict[str, Any]:
    """Return the columns of the cycles of a realization, as far as it has come."""
    group = run.file["cycles"]
    n = int(group["cycles"][realization]) if run.counted else group["cycle"].size
    shown = {name: data for name, data in group.items() if data.ndim > 1}
    return {name: data[realization, :n] for name, data in shown.items()}


def ended_cycles(run: Results) -> list[dict[str, Any]]:
    """Return the cycles of all realizations in which one has ended."""
    found = (cycles_of(run, k) for k in range(run.realizations))
    return [one for one in found if one["loss_modulus"].size > 0]


class ReadOut(NamedTuple):
    """How far a trained glass is changed by cycles of other amplitudes, one after the other."""

    what: str  # is compared, of a site
    trained: float  # amplitude of the training
    amplitudes: list[float]
    changed: list[float]  # sites; the mean over realizations, if all have the same snapshots


MOST_READ: Final = 3
"""From so many cycles after the training on a path is a read-out."""


def read_out(run: Results) -> ReadOut | None:
    """Return how a path read out what a glass was trained to; None if it did not.

    It returns to strain 0 after cycles, first of one amplitude, then of others, and has snapshots
    there: the last one of the training is what the others are compared with.
    """
    if "fields" not in run.file or is_cyclic(run) or controls(run) != {"strain"}:
        return None
    what = next((name for name in ("well", "epsilon_p") if name in run.file["fields"]), None)
    turns, snapshots = list(turns_of(run.settings["loading"])), strobes(run)
    ends = [0, *(k + 1 for k, turn in enumerate(turns) if turn == 0)]
    cycles = [
        (max(map(abs, turns[begin:end])), snapshots[end - 1])
        for begin, end in pairwise(ends)
        if end - 1 in snapshots
    ]
    others = [k for k, (amplitude, _) in enumerate(cycles) if amplitude != cycles[0][0]]
    if what is None or not others or len(cycles) - others[0] < MOST_READ:
        return None
    fields, begin = run.file["fields"][what], others[0]
    changed = np.zeros(len(cycles) - begin)
    n = 1 if run.counted else run.realizations  # others may have their snapshots elsewhere
    for realization in range(n):
        trained = fields[realization, cycles[begin - 1][1]]
        changed += [(fields[realization, k] != trained).sum() / n for _, k in cycles[begin:]]
    name = {"well": "well", "epsilon_p": "plastic strain"}[what]
    return ReadOut(name, cycles[0][0], [a for a, _ in cycles[begin:]], changed.tolist())
