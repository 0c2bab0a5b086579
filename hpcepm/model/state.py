"""The state of a glass: all that a run needs to go on, and nothing else.

Whatever is here is in a checkpoint.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.layout import AVALANCHE
from hpcepm.parallel.rows import Lattice, LocalField

MACRO: Final = np.dtype(
    (
        np.record,
        [
            ("load", "f8"),
            ("total_slip", "f8"),
            ("events", "i8"),
            ("steps", "i8"),
            ("avalanches", "i8"),
            ("in_avalanche", "i8"),
            ("pending_cost", "i8"),
            ("segment", "i8"),
        ],
    )
)
"""The numbers of a run: the load of the last loading step (the strain under strain control), Σ ε_p
over the lattice, the counts of events, synchronous steps and avalanches (the open one included),
the sum of the number of pending events over all steps since the last convolution, and the segment
of the loading."""

PENDING: Final = np.dtype((np.record, [("i", "i4"), ("j", "i4"), ("slip", "f8")]))
"""An event that an engine has not redistributed everywhere: its site and slip."""

MOST_PENDING: Final = 65535
"""As many as ``evaluated`` can count."""


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
        LocalField  # int32: the avalanche in which the site last yielded, from 1; 0 is never
    )
    evaluated: LocalField  # uint16: how many of the pending events yields_at has in it
    # Of two sides only; without rows if there is one (`hpcepm.model.yielding`):
    yields_backward_at: LocalField  # the −Σ at which a site yields backward
    sigma_c_backward: LocalField
    events_before: LocalField  # int32: n_events before the avalanche in which it last yielded
    well: LocalField  # int32, of a quenched landscape: the well that a site is in


KINDS: Final = dict(
    zip(
        Fields._fields,
        map(np.dtype, ("f8", "f8", "f8", "i4", "i4", "u2", "f8", "f8", "i4", "i4")),
        strict=True,
    )
)
"""The dtype of each field."""

ONE_SIDE: Final = Fields._fields[:6]
TWO_SIDES: Final = Fields._fields[:9]
QUENCHED: Final = Fields._fields
"""The fields that there are, by how sites yield."""


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
    names
        The fields that there are; the others have no rows.
    """

    fields: Fields
    macro: NDArray[Any]
    avalanche: NDArray[Any]
    pending: NDArray[Any]
    names: Sequence[str] = ONE_SIDE

    @classmethod
    def blank(cls, lattice: Lattice, names: Sequence[str] = ONE_SIDE) -> "State":
        """Return a state of zeros, to be filled by a preparation or a checkpoint."""
        fields = blank_fields(lattice, names)
        nothing = np.zeros(1, MACRO), np.zeros(1, AVALANCHE), np.zeros(0, PENDING)
        return cls(fields, *nothing, names)

    def plastic_strain(self, lattice: Lattice) -> float:
        """Return ⟨ε_p⟩."""
        return float(self.macro["total_slip"][0]) / lattice.n_sites
