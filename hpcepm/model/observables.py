"""What is measured at a record: one entry each in `OBSERVABLES`.

Definitions are those of docs/model.md, section 5. The local total strain is e = ε_p + σ/2μ, with
mean ε. Every mean over the lattice is taken row by row and has the same bits on any number of
ranks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from math import sqrt
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hpcepm.layout import NO_UNIT, STRESS_UNIT, TIMED_OBSERVABLES
from hpcepm.parallel.compiled import compiled
from hpcepm.parallel.rows import NO_POWERS, Lattice, add_powers, read_only

from .snapshot import NUMBERS, Snapshot

AVERAGED: Final = ("sigma", "local_strain", "epsilon_p", "sigma_c")
"""What `Series.moments` knows, in the order of `_row_power_sums`."""

Values = NDArray[Any]
"""One value for each snapshot of a series."""


@dataclass
class Series:
    """Snapshots to be measured together.

    One of a large lattice, or hundreds of a small one, where calls are what costs.

    What it is asked for has shape (snapshots, ...). Fields are those of the rows of this rank; all
    else is the same on all ranks, is Collective, and most of it is computed once.

    Attributes
    ----------
    lattice, shear_modulus
        Of the glass.
    numbers
        Shape (snapshots,), dtype `NUMBERS`.
    sigma, epsilon_p, sigma_c
        Shape (snapshots, rows, ny): the rows of this rank.
    """

    lattice: Lattice
    shear_modulus: float
    numbers: NDArray[Any]
    sigma: NDArray[np.float64]
    epsilon_p: NDArray[np.float64]
    sigma_c: NDArray[np.float64]

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Series":
        """Return a series of one snapshot, which must hold as long as this.

        Its fields are not copied.
        """
        fields = snapshot.dynamics.state.fields
        return cls(
            snapshot.lattice,
            snapshot.dynamics.glass.shear_modulus,
            np.array([snapshot.numbers], NUMBERS),
            snapshot.own_sigma[None],
            fields.epsilon_p[None],
            fields.sigma_c[None],
        )

    @classmethod
    def blank(cls, lattice: Lattice, shear_modulus: float, size: int) -> "Series":
        """Return room for so many snapshots, to be `put` there."""
        fields = np.empty((3, size, lattice.rows, lattice.ny))
        return cls(lattice, shear_modulus, np.zeros(size, NUMBERS), *fields)

    def put(self, k: int, snapshot: Snapshot) -> None:
        """Copy a snapshot to place ``k``; before anything is asked for."""
        self.numbers[k] = snapshot.numbers
        self.sigma[k], self.epsilon_p[k], self.sigma_c[k] = (
            snapshot.sigma,
            snapshot.epsilon_p,
            snapshot.sigma_c,
        )

    def first(self, size: int) -> "Series":
        """Return the first so many snapshots; not copied, and nothing of them is computed yet."""
        fields = (field[:size] for field in (self.sigma, self.epsilon_p, self.sigma_c))
        return Series(self.lattice, self.shear_modulus, self.numbers[:size], *fields)

    @cached_property
    def _plain_sums(self) -> NDArray[np.float64]:
        return self._row_sums_about(np.zeros((len(self.numbers), len(AVERAGED), 4)))

    @cached_property
    def _plain_means(self) -> NDArray[np.float64]:
        return self.lattice.means(self._plain_sums)

    @cached_property
    def _moments(self) -> NDArray[np.float64]:
        moments = self.lattice.means(self._row_sums_about(self._plain_means))
        moments[:, :, 0] = self._plain_means[:, :, 0]
        return moments

    def _row_sums_about(self, centres: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return sums over each row of (f − centre)^p, p = 1 to 4, of all that is `AVERAGED`.

        The centres have shape (snapshots, 4, 4); the first of each four is used, so that means can
        be centres. The sums have shape (rows, snapshots, 4, 4).
        """
        sums = np.empty((self.lattice.rows, *centres.shape))
        _row_power_sums(
            self.sigma, self.epsilon_p, self.sigma_c, 1 / (2 * self.shear_modulus), centres, sums
        )
        return sums

    def moments(self, name: str) -> NDArray[np.float64]:
        """Return mean and 2nd to 4th central moments of what is `AVERAGED`, (4, snapshots)."""
        return read_only(self._moments[:, AVERAGED.index(name)].T)

    @property
    def x(self) -> NDArray[np.float64]:
        """Plastic strength σ_c − σ of the sites of this rank, shape (snapshots, rows, ny)."""
        return self.sigma_c - self.sigma

    def mean(self, values: NDArray[Any]) -> Values:
        """Return lattice means of one value a site, shape (snapshots, rows, ny). Collective."""
        by_row = np.ascontiguousarray(np.moveaxis(values, 0, 1), np.float64)
        return self.lattice.means(by_row.sum(axis=2))

    @property
    def localization(self) -> Values:
        """LOC = N_ℓ Σe⁴/(Σe²)², N_ℓ = √(nx ny).

        1 for one row, 1/N_ℓ when homogeneous, and so at strain 0 (paper, Eq 13).
        """
        length, n_sites = sqrt(self.lattice.n_sites), self.lattice.n_sites
        _, second, _, fourth = self._plain_means[:, AVERAGED.index("local_strain")].T
        strained = (self.numbers["strain"] != 0) & (second != 0)
        return np.divide(
            length * fourth,
            n_sites * (second * second),
            out=np.full(second.shape, 1 / length),
            where=strained,
        )

    @property
    def along_x(self) -> NDArray[np.float64]:
        """⟨ε_p⟩ for each x, shape (snapshots, nx)."""
        sums = np.ascontiguousarray(self._plain_sums[:, :, AVERAGED.index("epsilon_p"), 0])
        return self.lattice.all_rows(sums).T / self.lattice.ny

    @property
    def along_y(self) -> NDArray[np.float64]:
        """⟨ε_p⟩ for each y, shape (snapshots, ny)."""
        return self.lattice.column_sums(np.moveaxis(self.epsilon_p, 0, 1)) / self.lattice.shape[0]


@compiled
def _row_power_sums(
    sigma: NDArray[np.float64],
    epsilon_p: NDArray[np.float64],
    sigma_c: NDArray[np.float64],
    per_two_mu: float,
    centres: NDArray[np.float64],
    sums: NDArray[np.float64],
) -> None:
    """See `Series._row_sums_about`."""
    for k, centre in enumerate(centres[:, :, 0]):
        for i in range(sums.shape[0]):
            a = b = c = d = NO_POWERS
            for j in range(sigma.shape[2]):
                a = add_powers(a, sigma[k, i, j] - centre[0])
                b = add_powers(b, (epsilon_p[k, i, j] + per_two_mu * sigma[k, i, j]) - centre[1])
                c = add_powers(c, epsilon_p[k, i, j] - centre[2])
                d = add_powers(d, sigma_c[k, i, j] - centre[3])
            for p in range(4):
                sums[i, k, 0, p], sums[i, k, 1, p] = a[p], b[p]
                sums[i, k, 2, p], sums[i, k, 3, p] = c[p], d[p]


@dataclass(frozen=True)
class Observable:
    """A number measured at each record.

    Attributes
    ----------
    name, units, description
        As in ``run.h5``.
    measure
        How it comes from a `Series`: one value for each snapshot, the same on all ranks.
    dtype
        ``"i8"`` if it is a whole number.
    """

    name: str
    units: str
    description: str
    measure: Callable[[Series], Values]
    dtype: str = "f8"


def _moment(name: str, of: str, k: int, description: str) -> Observable:
    """Return a moment of what is `AVERAGED`: the mean, or the k-th central one."""
    unit = STRESS_UNIT if of.startswith("sigma") else NO_UNIT
    units = f"({unit})^{k}" if k > 1 and unit != NO_UNIT else unit
    return Observable(name, units, description, lambda series: series.moments(of)[k - 1])


def _number(name: str, units: str, description: str, dtype: str = "f8") -> Observable:
    """Return one of the `NUMBERS`."""
    return Observable(name, units, description, lambda series: series.numbers[name], dtype)


OBSERVABLES: Final = [
    _number("stress", STRESS_UNIT, "macroscopic shear stress"),
    _number("plastic_strain", NO_UNIT, "mean plastic strain"),
    _moment("stress_variance", "sigma", 2, "variance of the local stress"),
    _moment("stress_m3", "sigma", 3, "third central moment of the local stress"),
    _moment("stress_m4", "sigma", 4, "fourth central moment of the local stress"),
    _moment("strain_variance", "local_strain", 2, "variance of the local total strain"),
    _moment("strain_m3", "local_strain", 3, "third central moment of the local total strain"),
    _moment("strain_m4", "local_strain", 4, "fourth central moment of the local total strain"),
    _moment("plastic_strain_variance", "epsilon_p", 2, "variance of the local plastic strain"),
    _moment("threshold_mean", "sigma_c", 1, "mean threshold"),
    _moment("threshold_variance", "sigma_c", 2, "variance of the thresholds"),
    Observable(
        "localization",
        NO_UNIT,
        "localization LOC: 1 for one row, 1/sqrt(nx ny) if homogeneous",
        lambda series: series.localization,
    ),
    _number("x_min", STRESS_UNIT, "plastic strength of the weakest site"),
    _number("events", NO_UNIT, "events since the start", "i8"),
    _number("avalanches", NO_UNIT, "avalanches since the start", "i8"),
]
"""The observables; those of plug-ins come last."""

_BUILT_IN: Final = frozenset(one.name for one in OBSERVABLES)

TAKEN: Final = {
    *("strain", "realization", "record", "records", "ended", "snapshots", "cycles"),
    *TIMED_OBSERVABLES,
}
"""Other datasets of their group."""


def observable(
    units: str, description: str, dtype: str = "f8"
) -> Callable[[Callable[[Series], Values]], Callable[[Series], Values]]:
    """Add an observable: the decorated function measures it, and its name is that of the function.

    Parameters
    ----------
    units
        Of its values, written out; "" for none.
    description
        What it is, as readers of ``run.h5`` will see it.
    dtype
        ``"f8"``, or ``"i8"`` if it is a whole number.

    Raises
    ------
    ValueError
        The name is taken, or is none; or units or description are no text.
    """
    for what, text in (("units", units), ("description", description)):
        if not isinstance(text, str) or "\0" in text or _is_broken(text):
            raise ValueError(f"{what}: must be text, not {text!r}")
    if dtype not in ("f8", "i8"):
        raise ValueError(f'dtype: must be "f8" or "i8", not {dtype!r}')

    def add(measure: Callable[[Series], Values]) -> Callable[[Series], Values]:
        name = getattr(measure, "__name__", repr(measure))
        if name in _BUILT_IN or name in TAKEN:
            raise ValueError(f"{name}: there is an observable of this name; give another")
        if not name.isidentifier():
            raise ValueError(f"{name}: is no name; decorate a function that has one")
        others = [one for one in OBSERVABLES if one.name != name]
        OBSERVABLES[:] = [*others, Observable(name, units, description, measure, dtype)]
        return measure

    return add


def _is_broken(text: str) -> bool:
    """Whether a text has no UTF-8, as HDF5 wants it."""
    return text.encode(errors="ignore").decode() != text


def record_dtype() -> np.dtype:
    """Return a row of the table of observables: those that there are by now."""
    return np.dtype([("strain", "f8"), *((one.name, one.dtype) for one in OBSERVABLES)])


@cache
def profile_dtype(shape: tuple[int, int]) -> np.dtype:
    """Return the row of the table of profiles: mean plastic strain along x and along y."""
    return np.dtype([("along_x", "f8", (shape[0],)), ("along_y", "f8", (shape[1],))])


def measure(series: Series) -> NDArray[np.void]:
    """Return the rows of observables, shape (snapshots,), dtype `record_dtype`.

    The same on all ranks. Collective.
    """
    rows = np.zeros(len(series.numbers), record_dtype())
    rows["strain"] = series.numbers["strain"]
    for one in OBSERVABLES:
        if one.name in _BUILT_IN:
            rows[one.name] = one.measure(series)
        else:
            rows[one.name] = _measure_of_plugin(one, series)
    return rows


def _measure_of_plugin(one: Observable, series: Series) -> Values:
    """Return what a plug-in measures; it cannot change what it looks at. Collective.

    Raises
    ------
    ProblemOnRank
        It fails on a rank, or gives no number for each snapshot, the same on all ranks.
    """
    fields = (series.numbers, series.sigma, series.epsilon_p, series.sigma_c)
    n, problem, found = len(series.numbers), None, np.zeros(0)
    ranks = series.lattice.ranks
    ranks.meet()
    for field in fields:
        field.flags.writeable = False
    try:
        given = np.asarray(one.measure(series))
        whole = one.dtype == "f8" or (np.isfinite(given) & (given == np.round(given))).all()
        if given.dtype.kind in "buif" and given.shape in ((), (1,), (n,)) and whole:
            found = np.broadcast_to(given, n).astype(one.dtype)
        else:
            a = "a number" if one.dtype == "f8" else "a whole number"
            problem = f"gives {given.dtype} of shape {given.shape}, not {a} for each snapshot"
    except (Exception, SystemExit) as error:
        problem = f"{type(error).__name__}: {error}"
    finally:
        for field in fields:
            field.flags.writeable = True
    said = f"the observable {one.name} of a plug-in"
    same = "series.mean(…) is the same on all ranks, series.x is of the rows of one"
    differs = f"{said}: is not the same on all ranks: {same}"
    ranks.agree(problem and f"{said}: {problem}", found.tobytes(), differs)
    return found


def measure_profiles(series: Series) -> NDArray[np.void]:
    """Return the rows of profiles, shape (snapshots,), dtype `profile_dtype`.

    The same on all ranks. Collective.
    """
    rows = np.zeros(len(series.numbers), profile_dtype(series.lattice.shape))
    rows["along_x"], rows["along_y"] = series.along_x, series.along_y
    return rows
