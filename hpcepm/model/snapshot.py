"""A glass at a load: what can be asked of it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NoReturn

import numpy as np

from hpcepm.parallel.rows import Lattice, LocalField, read_only

from .dynamics import Dynamics
from .state import MARKS

NUMBERS: Final = np.dtype(
    [
        ("strain", "f8"),
        ("stress", "f8"),
        ("plastic_strain", "f8"),
        ("x_min", "f8"),
        ("events", "i8"),
        ("avalanches", "i8"),
    ]
)
"""What is known of a snapshot without looking at its fields."""


@dataclass
class Snapshot:
    """A glass at a load; what it is asked for is computed once.

    All of it is Collective: if ranks share the glass, all of them ask. Its fields have shape (rows,
    ny), the rows of this rank. They are those of the run, not copies: they hold until the run goes
    on, which `release`s it, and cannot be written to.

    Attributes
    ----------
    load
        ε or Σ, whichever the loading drives, or the place of its spring; in its unit.
    time
        In units of time, of a run with a clock; else 0.
    """

    dynamics: Dynamics
    load: float
    time: float = 0.0

    def __repr__(self) -> str:
        if self.dynamics is _GONE_ON:
            return "Snapshot(of a run that has gone on)"
        shape = "{} × {} sites".format(*self.lattice.shape)
        return f"Snapshot(strain {self.strain:.6g}, stress {self.stress:.6g}, {shape})"

    @property
    def lattice(self) -> Lattice:
        """The lattice."""
        return self.dynamics.lattice

    @property
    def strain(self) -> float:
        """The macroscopic strain ε; none (a strain)."""
        return self.dynamics.strain_at(self.load)

    @property
    def stress(self) -> float:
        """The macroscopic stress Σ; in units of stress."""
        return self.dynamics.stress_at(self.load)

    @property
    def plastic_strain(self) -> float:
        """The mean plastic strain ⟨ε_p⟩; none (a strain)."""
        return self.dynamics.state.plastic_strain(self.lattice)

    @property
    def persistence(self) -> float:
        """The fraction of sites that have not yielded since this segment of the loading began."""
        state = self.dynamics.state
        last, begun = state.fields.last_avalanche, state.clock[0]["begun_avalanches"]
        now, untouched = state.macro[0]["avalanches"], last <= begun
        if now > MARKS:  # they have begun anew
            untouched = (last <= 0) | ((now - last.astype(np.int64)) % MARKS >= now - begun)
        by_row = untouched.sum(axis=1, keepdims=True, dtype=np.float64)
        return float(self.lattice.means(by_row)[0])

    @property
    def numbers(self) -> tuple[float, float, float, float, int, int]:
        """What `NUMBERS` names; x_min is the stress to add until the weakest site yields."""
        now, stress = self.dynamics.state.macro, self.stress
        x_min = self.dynamics.lowest_yields_at() - stress
        return (
            self.strain,
            stress,
            self.plastic_strain,
            x_min,
            now["events"][0],
            now["avalanches"][0] - now["in_avalanche"][0],  # that have ended
        )

    @cached_property
    def own_sigma(self) -> LocalField:
        """Local stress, for who does not write to it but takes an array that could be."""
        return self.dynamics.sigma_at(self.load)

    @property
    def sigma(self) -> LocalField:
        """Local stress σ, shape (rows, ny); in units of stress."""
        return read_only(self.own_sigma)

    @property
    def sigma_c(self) -> LocalField:
        """Local thresholds σ_c, shape (rows, ny); in units of stress."""
        return read_only(self.dynamics.state.fields.sigma_c)

    @property
    def epsilon_p(self) -> LocalField:
        """Local plastic strain ε_p, shape (rows, ny); none (a strain)."""
        return read_only(self.dynamics.state.fields.epsilon_p)

    @property
    def n_events(self) -> LocalField:
        """How many times each site has yielded, shape (rows, ny)."""
        return read_only(self.dynamics.state.fields.n_events)

    @property
    def sigma_c_backward(self) -> LocalField:
        """Thresholds backward, of two sides, shape (rows, ny); in units of stress."""
        return read_only(self.dynamics.state.fields.sigma_c_backward)

    @property
    def well(self) -> LocalField:
        """The wells that sites are in, of a quenched landscape, shape (rows, ny)."""
        return read_only(self.dynamics.state.fields.well)

    def release(self, goes_on: bool) -> None:
        """Give back the memory of the stress; if the run goes on, nothing can be asked for then."""
        self.__dict__.pop("own_sigma", None)
        if goes_on:
            self.dynamics = _GONE_ON


class _GoneOn:
    """What a snapshot has when its run has gone on."""

    def __getattr__(self, name: str) -> NoReturn:
        said = "the run has gone on: a snapshot holds until the next; keep numbers, or copies"
        raise RuntimeError(said)


_GONE_ON: Final[Any] = _GoneOn()
