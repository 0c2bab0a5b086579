"""The state of a glass: all that a run needs to go on, and nothing else.

Whatever is here is in a checkpoint.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.layout import AVALANCHE, HARMONICS, record
from hpcepm.parallel.rows import Lattice, LocalField

MACRO: Final = record(
    load="f8",
    total_slip="f8",
    events="i8",
    steps="i8",
    avalanches="i8",
    in_avalanche="i8",
    pending_cost="i8",
    segment="i8",
    events_begun="i8",
    recorded="f8",
    snapped="f8",
)
"""The numbers of a run: the load of the last loading step (the strain under strain control), Σ ε_p
over the lattice, the counts of events, synchronous steps and avalanches (the open one included),
the sum of the number of pending events over all steps since the last convolution, the segment of
the loading, the number of events from which on its rules count, and the values, at the last record
and snapshot, of the variables that these follow."""

PENDING: Final = record(i="i4", j="i4", slip="f8")
"""An event that an engine has not redistributed everywhere: its site and slip."""

CYCLE: Final = record(
    strain_slip="f8",
    strain="f8",
    plastic_strain="f8",
    events="i8",
    candidate="i8",
    wanted_period="i8",
    transient="i8",
    period="i8",
)
"""Of cycles: the sum of ε S over the avalanches of this one; strain, ⟨ε_p⟩ and events at the end of
the last one; the cycle whose end was found to be an earlier one's, from 1, and how much earlier;
and, once that is proved, transient and period. 0 is not yet."""

TURN: Final = np.dtype([("stress", "f8"), ("plastic_strain", "f8")])
"""A turning point of the cycle under way."""

STROBE_HASH: Final = np.dtype([("a", "u8"), ("b", "u8")])
"""A hash of the wells at the end of a cycle."""

CLOCK: Final = record(
    whole="i8",
    fraction="f8",
    site="i8",
    strength="f8",
    begun_whole="i8",
    begun_fraction="f8",
    begun_load="f8",
    begun_avalanches="i8",
)
"""Of a clock (`hpcepm.model.clock`): the time of the last point at which a site yielded, in whole
units and a fraction; this site, −1 before the first, and its strength then; time, load and number
of avalanches when the segment of the loading began."""

FLOW: Final = record(
    slip_before="f8",
    cycles="i8",
    in_phase=("f8", (len(HARMONICS),)),
    out_of_phase=("f8", (len(HARMONICS),)),
)
"""Of Maxwell sites (`hpcepm.model.maxwell`): Σ ε_p a step ago; and of a sine the number of full
cycles, and the Fourier sums of the cycle under way, at the `HARMONICS`."""

MOST_PENDING: Final = 65535
"""As many as ``evaluated`` can count."""


SMALL: Final[dict[str, tuple[np.dtype[Any], int | None]]] = {
    "macro": (MACRO, 1),
    "avalanche": (AVALANCHE, 1),
    "pending": (PENDING, None),
    "cycle": (CYCLE, 1),
    "clock": (CLOCK, 1),
    "flow": (FLOW, 1),
    "turned": (TURN, None),
    "strobes": (STROBE_HASH, None),
}
"""The parts of a state that are no fields: dtypes, and lengths if these are fixed."""


def by_name(record: NDArray[Any]) -> SimpleNamespace:
    """Return the numbers of a record of shape (1,), each as an array of one that shares memory.

    Python reads and writes them 30 times as fast as attributes of the record.
    """
    assert record.dtype.names
    return SimpleNamespace(**{name: record[name] for name in record.dtype.names})


MARKS: Final = 2**31 - 1
"""So many avalanches have marks of their own, on a site; then they begin anew."""


def mark_of(avalanche: int) -> int:
    """Return the mark, from 1, of an avalanche on its sites."""
    return 1 + (avalanche - 1) % MARKS


class Fields(NamedTuple):
    """The fields on the rows of this rank, each of shape (rows, ny).

    ``yields_at`` is the macroscopic stress Σ at which a site yields: σ_c minus the stress that
    slips and preparation have left there. A site is unstable when Σ ≥ yields_at, its plastic
    strength is x = yields_at − Σ, its stress σ = σ_c − yields_at + Σ. So loading the lattice
    changes one number and no field. It is accumulated slip by slip, hence part of the state: ε_p
    determines it only up to rounding. An engine may defer events: ``yields_at`` lacks what the
    pending events from number ``evaluated`` on do to the site from far away.
    """

    yields_at: LocalField
    sigma_c: LocalField
    epsilon_p: LocalField
    n_events: LocalField  # int32
    last_avalanche: (
        # int32: `mark_of` the avalanche in which the site last yielded; 0 is never. Below 0, with
        # a clock, if a segment of the loading began later in that avalanche.
        LocalField
    )
    evaluated: LocalField  # uint16: how many of the pending events yields_at has in it
    # Of two sides only; without rows if there is one (`hpcepm.model.yielding`):
    yields_backward_at: LocalField  # the −Σ at which a site yields backward
    sigma_c_backward: LocalField
    events_before: LocalField  # int32: n_events before the avalanche in which it last yielded
    well: LocalField  # int32, of a quenched landscape: the well that a site is in
    # Of cycles only (`hpcepm.model.cycles`): at the end of the last one, of the first one, and of
    # one whose wells were those of an earlier one.
    well_before: LocalField
    well_first: LocalField
    epsilon_p_first: LocalField
    well_found: LocalField
    # Of Maxwell sites only (`hpcepm.model.maxwell`):
    plastic: LocalField  # int8: whether a site flows
    stress_before: LocalField  # what slips and preparation had left there a step ago


_KINDS: Final = (
    *("f8", "f8", "f8", "i4", "i4", "u2", "f8", "f8", "i4", "i4", "i4", "i4", "f8", "i4"),
    *("i1", "f8"),
)

KINDS: Final = dict(zip(Fields._fields, map(np.dtype, _KINDS), strict=True))
"""The dtype of each field."""

ONE_SIDE: Final = Fields._fields[:6]
TWO_SIDES: Final = Fields._fields[:9]
QUENCHED: Final = Fields._fields[:10]
"""The fields that there are, by how sites yield."""

CYCLED: Final = Fields._fields[10:14]
"""Those that there are besides, in cycles."""

MAXWELL: Final = Fields._fields[14:]
"""Those that there are besides, of Maxwell sites."""


def blank_fields(lattice: Lattice, names: Sequence[str]) -> Fields:
    """Return fields of zeros; those that are not named have no rows."""
    return Fields(
        *(
            lattice.field(kind) if name in names else np.zeros((0, lattice.ny), kind)
            for name, kind in KINDS.items()
        )
    )


@dataclass
class State:
    """The restartable state of a realization.

    Attributes
    ----------
    fields
        The fields on the rows of this rank.
    macro
        Shape (1,), dtype `MACRO`; the same on all ranks.
    avalanche
        Shape (1,), dtype `AVALANCHE`: the row of the open avalanche, if one is; the same on all
        ranks.
    pending
        Shape (n,), dtype `PENDING`: what the engine has deferred, when a checkpoint is written or
        read; the same on all ranks.
    clock, flow
        Shape (1,), dtypes `CLOCK` and `FLOW`; the same on all ranks.
    cycle, turned, strobes
        Of cycles: shapes (1,), (n,) and (cycles,), dtypes `CYCLE`, `TURN` and `STROBE_HASH`; the
        same on all ranks.
    names
        The fields that there are; the others have no rows.
    """

    fields: Fields
    macro: NDArray[Any]
    avalanche: NDArray[Any]
    pending: NDArray[Any]
    clock: NDArray[Any]
    flow: NDArray[Any]
    cycle: NDArray[Any]
    turned: NDArray[Any]
    strobes: NDArray[Any]
    names: Sequence[str] = ONE_SIDE

    @classmethod
    def blank(cls, lattice: Lattice, names: Sequence[str] = ONE_SIDE) -> "State":
        """Return a state of zeros, to be filled by a preparation or a checkpoint."""
        fields = blank_fields(lattice, names)
        nothing: dict[str, NDArray[Any]] = {
            name: np.zeros(n or 0, kind) for name, (kind, n) in SMALL.items()
        }
        nothing["clock"]["site"] = -1
        return cls(fields, **nothing, names=names)

    @property
    def cycles(self) -> int:
        """How many cycles there were, of turning points or of a sine."""
        return len(self.strobes) + int(self.flow["cycles"][0])

    def plastic_strain(self, lattice: Lattice) -> float:
        """Return ⟨ε_p⟩."""
        return float(self.macro["total_slip"][0]) / lattice.n_sites
