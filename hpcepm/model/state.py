"""The state of a glass: all that a run needs to go on, and nothing else.

Whatever is here is in a checkpoint.
"""

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
            ("strain", "f8"),
            ("total_slip", "f8"),
            ("events", "i8"),
            ("steps", "i8"),
            ("avalanches", "i8"),
            ("in_avalanche", "i8"),
            ("pending_cost", "i8"),
        ],
    )
)
"""The numbers of a run: the strain of the last loading step, Σ ε_p over the lattice, the counts of
events, synchronous steps and avalanches (the open one included), and the sum of the number of
pending events over all steps since the last convolution."""

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


KINDS: Final = dict(
    zip(Fields._fields, map(np.dtype, ("f8", "f8", "f8", "i4", "i4", "u2")), strict=True)
)
"""The dtype of each field."""


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
    """

    fields: Fields
    macro: NDArray[Any]
    avalanche: NDArray[Any]
    pending: NDArray[Any]

    @classmethod
    def blank(cls, lattice: Lattice) -> "State":
        """Return a state of zeros, to be filled by a preparation or a checkpoint."""
        fields = Fields(*(lattice.field(kind) for kind in KINDS.values()))
        return cls(fields, np.zeros(1, MACRO), np.zeros(1, AVALANCHE), np.zeros(0, PENDING))

    def plastic_strain(self, lattice: Lattice) -> float:
        """Return ⟨ε_p⟩."""
        return float(self.macro["total_slip"][0]) / lattice.n_sites
