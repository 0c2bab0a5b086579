"""What cycles of wells come to, and whether they come back (docs/model.md, section 9).

The end of a cycle is its strobe. There each site is in a well, and what the next cycle does follows
from these alone: so the same wells at two strobes are true recurrence. A commutative hash of them
finds it, and the wells themselves prove it, for one period more.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hpcepm.layout import cycle_dtype
from hpcepm.parallel.compiled import compiled
from hpcepm.parallel.rows import Lattice

from .dynamics import Dynamics
from .loading import Cycles
from .rng import STROBE, philox, zigzag
from .state import STROBE_HASH, TURN

WORD: Final = 2**64


def add_avalanches(state: Any, rows: NDArray[Any]) -> None:
    """Add avalanches to the sum of ε S, from which the work of a cycle follows.

    One by one, so that it does not matter which come together.
    """
    cycle = state.cycle[0]
    terms = rows["strain"] * rows["slip"]
    cycle.strain_slip = np.add.accumulate([cycle.strain_slip, *terms])[-1]


def end_segment(dynamics: Dynamics, load: float) -> NDArray[Any]:
    """Note a turning point of cyclic loading; return the row of the cycle if it ends there.

    Of dtype `cycle_dtype`, shape (0,) or (1,). All avalanches so far must have been added.
    Collective.
    """
    loading, state = dynamics.loading, dynamics.state
    assert isinstance(loading, Cycles)
    n = len(loading.cycle)
    turn = np.zeros(1, TURN)
    turn["stress"] = dynamics.stress_at(load)
    turn["plastic_strain"] = state.plastic_strain(dynamics.lattice)
    state.turned = np.concatenate([state.turned, turn])
    if len(state.turned) < n:
        return np.zeros(0, cycle_dtype(n))
    row = np.zeros(1, cycle_dtype(n))
    row["stress"], row["plastic_strain"] = state.turned["stress"], state.turned["plastic_strain"]
    state.turned = np.zeros(0, TURN)
    _measure(dynamics, loading, row[0], load)
    _look_for_recurrence(dynamics, row[0])
    _remember(dynamics, float(row["plastic_strain"][0, -1]), load)
    return row


def _measure(dynamics: Dynamics, loading: Cycles, row: Any, strain: float) -> None:
    """Fill in work, moduli, events, and how many sites have changed. Collective."""
    lattice, state, mu = dynamics.lattice, dynamics.state, dynamics.glass.shear_modulus
    cycle, fields, macro = state.cycle[0], state.fields, state.macro[0]
    turns, stress = np.array(loading.cycle), row["stress"]
    plastic = float(row["plastic_strain"][-1])
    elastic = mu * (strain**2 - cycle.strain**2)
    slipped = cycle.strain_slip / lattice.n_sites
    moved = strain * plastic - cycle.strain * cycle.plastic_strain
    row["work"] = elastic + 2 * mu * (slipped - moved)
    high, low = int(turns.argmax()), int(turns.argmin())
    amplitude = (turns[high] - turns[low]) / 2
    row["storage_modulus"] = (stress[high] - stress[low]) / (4 * amplitude)
    row["loss_modulus"] = row["work"] / (2 * np.pi * amplitude**2)
    events, hops = int(macro.events - cycle.events), _sum(lattice, fields.well - fields.well_before)
    row["events_forward"], row["events_backward"] = (events + hops) // 2, (events - hops) // 2
    row["changed"] = _sum(lattice, fields.well != fields.well_before)
    if len(state.strobes) > 0:
        row["changed_since_first"] = _sum(lattice, fields.well != fields.well_first)
        change = fields.epsilon_p - fields.epsilon_p_first
        row["square_change"] = lattice.power_means(change)[1]


def _look_for_recurrence(dynamics: Dynamics, row: Any) -> None:
    """Compare the wells with those of all strobes before. Collective."""
    state, lattice = dynamics.state, dynamics.lattice
    cycle, fields = state.cycle[0], state.fields
    number, now = len(state.strobes) + 1, _hash_of(dynamics)
    earlier = cycle.candidate - cycle.wanted_period
    if cycle.candidate and number == cycle.candidate + cycle.wanted_period and not cycle.period:
        if _sum(lattice, fields.well != fields.well_found) == 0:
            cycle.transient, cycle.period = earlier - 1, cycle.wanted_period
        else:  # two sets of wells of the same hash: that will not be seen
            cycle.candidate = 0
    if not cycle.candidate:
        same = np.flatnonzero(state.strobes == now)
        if same.size:
            cycle.candidate, cycle.wanted_period = number, number - (int(same[-1]) + 1)
            fields.well_found[...] = fields.well
    row["transient"], row["period"] = cycle.transient, cycle.period
    state.strobes = np.concatenate([state.strobes, now])


def _remember(dynamics: Dynamics, plastic_strain: float, strain: float) -> None:
    """Keep what the next cycle is compared with."""
    state = dynamics.state
    cycle, fields = state.cycle[0], state.fields
    cycle.strain_slip, cycle.strain, cycle.plastic_strain = 0.0, strain, plastic_strain
    cycle.events = state.macro[0].events
    fields.well_before[...] = fields.well
    if len(state.strobes) == 1:
        fields.well_first[...], fields.epsilon_p_first[...] = fields.well, fields.epsilon_p


def _sum(lattice: Lattice, values: NDArray[Any]) -> int:
    """Return the sum of whole numbers over the lattice. Collective."""
    return sum(lattice.ranks.allgather(int(values.sum(dtype=np.int64))))


def _hash_of(dynamics: Dynamics) -> NDArray[Any]:
    """Return 128 bits that depend on the wells of all sites, shape (1,). Collective."""
    lattice, glass, words = dynamics.lattice, dynamics.glass, np.zeros(2, np.uint64)
    row, key = lattice.row_map.global_row, (np.uint64(glass.seed), np.uint64(glass.realization))
    _add_words(dynamics.state.fields.well, row, *key, words)
    of_ranks = lattice.ranks.allgather(words.tolist())
    found = np.zeros(1, STROBE_HASH)
    for name, values in zip(("a", "b"), zip(*of_ranks, strict=True), strict=True):
        found[name] = np.uint64(sum(values) % WORD)
    return found


@compiled
def _add_words(
    well: NDArray[np.int32],
    row: NDArray[np.int32],
    seed: int,
    realization: int,
    words: NDArray[np.uint64],
) -> None:
    rows, ny = well.shape
    a, b = np.uint64(0), np.uint64(0)
    for i in range(rows):
        for j in range(ny):
            first, second, _, _ = philox(
                row[i] * ny + j, zigzag(well[i, j]), STROBE, 0, seed, realization
            )
            a += first
            b += second
    words[0], words[1] = a, b
