"""What is measured at a record: one line each in `OBSERVABLES`.

Definitions are those of SPEC 5. The local total strain is e = ε_p + σ/2μ, with mean ε. Every mean over the lattice is taken
row by row and has the same bits on any number of ranks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .compiled import compiled
from .dynamics import Dynamics
from .lattice import NO_POWERS, Field, Lattice, with_powers

STRESS_UNIT: Final = "Lennard-Jones stress"
NO_UNIT: Final = "1"

AVERAGED: Final = ("sigma", "local_strain", "epsilon_p", "sigma_c")
"""What `Snapshot.moments` knows, in the order of `_row_power_sums`."""


@dataclass
class Snapshot:
    """A glass at an exact strain on an elastic branch; what it is asked for is computed once. All of it is Collective.

    Its fields are those of the run, not copies: they hold until the run goes on, which `release`s it.
    """

    dynamics: Dynamics
    strain: float

    @property
    def lattice(self) -> Lattice:
        """The lattice."""
        return self.dynamics.lattice

    @cached_property
    def stress(self) -> float:
        """Σ."""
        return self.dynamics.stress_at(self.strain)

    @property
    def plastic_strain(self) -> float:
        """⟨ε_p⟩."""
        return self.dynamics.state.plastic_strain(self.lattice)

    @cached_property
    def sigma(self) -> Field:
        """Local stress on the slab."""
        return self.dynamics.sigma_at(self.strain)

    @property
    def sigma_c(self) -> Field:
        """Local thresholds on the slab."""
        return self.dynamics.state.fields.sigma_c

    @property
    def epsilon_p(self) -> Field:
        """Local plastic strain on the slab."""
        return self.dynamics.state.fields.epsilon_p

    @property
    def n_events(self) -> Field:
        """How many times each site of the slab has yielded."""
        return self.dynamics.state.fields.n_events

    def release(self) -> None:
        """Give back the memory of the stress."""
        self.__dict__.pop("sigma", None)

    @cached_property
    def _plain_means(self) -> NDArray[np.float64]:
        return self._power_means(np.zeros((len(AVERAGED), 4)))

    @cached_property
    def _moments(self) -> dict[str, list[float]]:
        moments = self._power_means(self._plain_means)
        moments[:, 0] = self._plain_means[:, 0]
        return dict(zip(AVERAGED, moments.tolist(), strict=True))

    def _power_means(self, centres: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the means of (f − centre)^p, p = 1, 2, 3, 4, of all that is `AVERAGED`: in one pass, and one collective.

        The shape is (4, 4), that of the centres too: the first of each four is used, so that means can be centres.
        """
        sums = np.empty((self.lattice.rows, *centres.shape))
        per_two_mu = 1 / (2 * self.dynamics.glass.shear_modulus)
        _row_power_sums(self.sigma, self.epsilon_p, self.sigma_c, per_two_mu, centres, sums)
        return self.lattice.means(sums)

    def moments(self, name: str) -> list[float]:
        """Return the mean and the second, third and fourth central moments of what is `AVERAGED`."""
        return self._moments[name]

    @property
    def localization(self) -> float:
        """LOC = N_ℓ Σe⁴/(Σe²)², N_ℓ = √(nx ny): 1 for one row, 1/N_ℓ when homogeneous, and so at strain 0 (paper, Eq 13)."""
        length = sqrt(self.lattice.n_sites)
        _, second, _, fourth = self._plain_means[AVERAGED.index("local_strain")].tolist()
        if self.strain == 0 or second == 0:
            return 1 / length
        return length * fourth / (self.lattice.n_sites * second**2)

    @property
    def x_min(self) -> float:
        """Plastic strength of the weakest site: the stress to add until it yields."""
        return self.dynamics.lowest_yields_at() - self.stress

    def count(self, name: str) -> float:
        """Return a cumulative count of the run."""
        return float(self.dynamics.state.now[name][0])


@compiled
def _row_power_sums(
    sigma: Field,
    epsilon_p: Field,
    sigma_c: Field,
    per_two_mu: float,
    centres: NDArray[np.float64],
    sums: NDArray[np.float64],
) -> None:
    """Set ``sums``, (rows, 4, 4), to those over each row of (f − centre)^p, p = 1, 2, 3, 4, of all that is `AVERAGED`."""
    for i in range(sums.shape[0]):
        a = b = c = d = NO_POWERS
        for j in range(sigma.shape[1]):
            a = with_powers(a, sigma[i, j] - centres[0, 0])
            b = with_powers(b, (epsilon_p[i, j] + per_two_mu * sigma[i, j]) - centres[1, 0])
            c = with_powers(c, epsilon_p[i, j] - centres[2, 0])
            d = with_powers(d, sigma_c[i, j] - centres[3, 0])
        for p in range(4):
            sums[i, 0, p], sums[i, 1, p], sums[i, 2, p], sums[i, 3, p] = a[p], b[p], c[p], d[p]


@dataclass(frozen=True)
class Observable:
    """A number measured at each record: its name, units, description, and how it comes from a `Snapshot`."""

    name: str
    units: str
    description: str
    measure: Callable[[Snapshot], float]


OBSERVABLES: Final = (
    Observable("stress", STRESS_UNIT, "macroscopic shear stress", lambda s: s.stress),
    Observable("plastic_strain", NO_UNIT, "mean plastic strain", lambda s: s.plastic_strain),
    Observable("stress_variance", f"({STRESS_UNIT})^2", "variance of the local stress", lambda s: s.moments("sigma")[1]),
    Observable("stress_m3", f"({STRESS_UNIT})^3", "third central moment of the local stress", lambda s: s.moments("sigma")[2]),
    Observable("stress_m4", f"({STRESS_UNIT})^4", "fourth central moment of the local stress", lambda s: s.moments("sigma")[3]),
    Observable("strain_variance", NO_UNIT, "variance of the local total strain", lambda s: s.moments("local_strain")[1]),
    Observable("strain_m3", NO_UNIT, "third central moment of the local total strain", lambda s: s.moments("local_strain")[2]),
    Observable("strain_m4", NO_UNIT, "fourth central moment of the local total strain", lambda s: s.moments("local_strain")[3]),
    Observable("plastic_strain_variance", NO_UNIT, "variance of the local plastic strain", lambda s: s.moments("epsilon_p")[1]),
    Observable("threshold_mean", STRESS_UNIT, "mean threshold", lambda s: s.moments("sigma_c")[0]),
    Observable("threshold_variance", f"({STRESS_UNIT})^2", "variance of the thresholds", lambda s: s.moments("sigma_c")[1]),
    Observable(
        "localization", NO_UNIT, "localization LOC: 1 for one row, 1/sqrt(nx ny) if homogeneous", lambda s: s.localization
    ),
    Observable("x_min", STRESS_UNIT, "plastic strength of the weakest site", lambda s: s.x_min),
    Observable("events", NO_UNIT, "events since the start", lambda s: s.count("events")),
    Observable("avalanches", NO_UNIT, "avalanches since the start", lambda s: s.count("avalanches")),
)
COUNTS: Final = frozenset({"events", "avalanches"})
RECORD: Final = np.dtype([("strain", "f8")] + [(o.name, "i8" if o.name in COUNTS else "f8") for o in OBSERVABLES])
"""A row of the table of observables."""


@cache
def profile_dtype(shape: tuple[int, int]) -> np.dtype:
    """Return the row of the table of profiles: mean plastic strain along x and along y."""
    return np.dtype([("along_x", "f8", (shape[0],)), ("along_y", "f8", (shape[1],))])


def measure(snapshot: Snapshot) -> NDArray[np.void]:
    """Return one row of observables, shape (1,), dtype `RECORD`, the same on all ranks. Collective."""
    row = np.zeros(1, RECORD)
    row[0] = (snapshot.strain, *[observable.measure(snapshot) for observable in OBSERVABLES])
    return row


def measure_profiles(snapshot: Snapshot) -> NDArray[np.void]:
    """Return one row of profiles, shape (1,), dtype `profile_dtype`, the same on all ranks. Collective."""
    lattice = snapshot.lattice
    row = np.zeros(1, profile_dtype(lattice.shape))
    row["along_x"] = lattice.row_sums(snapshot.epsilon_p) / lattice.shape[1]
    row["along_y"] = lattice.column_sums(snapshot.epsilon_p) / lattice.shape[0]
    return row
