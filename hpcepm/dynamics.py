"""Athermal quasi-static shear under strain control: the weakest site yields, and the avalanche that it starts runs out.

The loop (SPEC 2) in words:

    while the strain is below the next stop:
        find the weakest site; raise the strain until it yields           leaves at least one site unstable
        while sites are unstable:
            all of them slip at once, by amounts drawn for each, and their thresholds are renewed
            the slips redistribute stress
                                                                           leaves none unstable
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .compiled import compiled, compiled_for
from .convolution import Convolution
from .disorder import Distribution, SlipLaw, fill_initial_thresholds, normal_deviate, quantile, slip_at
from .engines import ENGINES, Engine
from .engines.base import redistribute, unstable_sites, weakest_site
from .kernel import Kernel
from .lattice import Field, Lattice
from .parallel import EVENT, Link, exchange_events, exchange_minimum
from .rng import INITIAL_STRESS, YIELDING, draw
from .state import AVALANCHE, Fields, State

ROWS_OF_TABLE: Final = 65536
EVENTS_AT_FIRST: Final = 4096


class Glass(NamedTuple):
    """What is sheared: material, disorder and the key of its random streams."""

    kernel: Kernel
    shear_modulus: float
    initial: Distribution | Field
    renewal: Distribution
    slip: SlipLaw
    initial_stress_std: float
    seed: int
    realization: int


class Rules(NamedTuple):
    """The glass as the compiled loop wants it."""

    seed: Any  # uint64
    realization: Any  # uint64
    two_mu: float
    nx: int
    ny: int
    first_row: int
    renewal_kind: int
    renewal: NDArray[np.float64]
    slip_kind: int
    c0: float
    c1: float


class Buffers(NamedTuple):
    """Scratch space of a step; all of one capacity."""

    found: NDArray[np.int64]  # local indices of this rank's unstable sites
    renewed: NDArray[np.float64]  # their new thresholds
    own: NDArray[Any]  # their events
    events: NDArray[Any]  # the events of all ranks


class Why(IntEnum):
    """Why the compiled loop returned."""

    REACHED = 0  # the strain to stop at, on the elastic branch
    PAUSED = 1  # the number of steps to pause at
    SYNCHRONIZE = 2  # the engine needs Python
    TABLE_FULL = 3  # of finished avalanches
    GROW = 4  # more events in a step than the buffers hold
    NOT_FINITE = 5  # a NaN came up in the search for the weakest site


_REACHED, _PAUSED, _SYNCHRONIZE, _TABLE_FULL, _GROW, _NOT_FINITE = (int(why) for why in Why)


@compiled
def _advance(
    engine: Any,
    fields: Fields,
    now: Any,
    avalanche: Any,
    table: NDArray[Any],
    finished: NDArray[np.int64],
    buffers: Buffers,
    rules: Rules,
    link: Link,
    stop_strain: float,
    pause_at: int,
) -> int:
    """Shear until a stop strain, a number of steps, or something that needs Python. Collective.

    ``now`` and ``avalanche`` are records; ``finished[0]`` counts the rows of ``table`` in use. Returns a `Why`. Calling again
    goes on exactly where this left off: all that matters is in the fields and the two records.
    """
    n_sites = rules.nx * rules.ny
    while now.steps < pause_at:
        stress = rules.two_mu * (now.strain - now.total_slip / n_sites)
        if now.in_avalanche:
            n_own = unstable_sites(engine, fields, stress, buffers.found)
        else:
            if finished[0] == table.size:
                return _TABLE_FULL
            lowest, local = weakest_site(engine, fields)
            lowest, site = exchange_minimum(link, lowest, rules.first_row * rules.ny + local)
            if lowest == -np.inf:
                return _NOT_FINITE
            if lowest > stress:
                strain = now.strain + (lowest - stress) / rules.two_mu
                if not strain < stop_strain:
                    return _REACHED
                now.strain = strain
                stress = rules.two_mu * (now.strain - now.total_slip / n_sites)
                n_own = _alone(site, rules, fields, buffers.found)
            else:  # only at strain 0: a preparation may leave sites unstable
                n_own = unstable_sites(engine, fields, stress, buffers.found)
            _open_avalanche(now, avalanche, stress, site, rules)
        _draw_events(fields, buffers, min(n_own, buffers.found.size), rules, now.avalanches)
        n = exchange_events(link, buffers.own, n_own, buffers.events)
        if n > buffers.events.size:
            return _GROW
        if n == 0:
            avalanche.stress_drop = rules.two_mu * avalanche.slip / n_sites
            table[finished[0]] = avalanche
            finished[0] += 1
            now.in_avalanche = 0
            continue
        _slip(fields, buffers, n_own, now.avalanches)
        _count(now, avalanche, buffers.events, n)
        if redistribute(engine, fields, rules.first_row, rules.nx, buffers.events, n):
            return _SYNCHRONIZE
    return _PAUSED


@compiled
def _alone(site: int, rules: Rules, fields: Fields, found: NDArray[np.int64]) -> int:
    """Put a global site into ``found`` if it is on this slab; return how many were put."""
    local = site - rules.first_row * rules.ny
    if 0 <= local < fields.yields_at.size:
        found[0] = local
        return 1
    return 0


@compiled
def _open_avalanche(now: Any, avalanche: Any, stress: float, site: int, rules: Rules) -> None:
    now.in_avalanche = 1
    now.avalanches += 1
    avalanche.realization = rules.realization
    avalanche.strain = now.strain
    avalanche.stress = stress
    avalanche.slip = 0.0
    avalanche.events = 0
    avalanche.sites = 0
    avalanche.duration = 0
    avalanche.x = site // rules.ny
    avalanche.y = site % rules.ny


@compiled
def _draw_events(fields: Fields, buffers: Buffers, n: int, rules: Rules, avalanche: int) -> None:
    """Draw slip and new threshold for the sites found on this slab; changes no field."""
    for k in range(n):
        local = buffers.found[k]
        i, j = local // rules.ny, local % rules.ny
        site = (rules.first_row + i) * rules.ny + j
        u_threshold, u_slip = draw(site, fields.n_events[i, j] + 1, YIELDING, rules.seed, rules.realization)
        buffers.renewed[k] = quantile(rules.renewal_kind, rules.renewal, u_threshold)
        buffers.own[k].site = site
        buffers.own[k].slip = slip_at(rules.slip_kind, rules.c0, rules.c1, fields.sigma_c[i, j], u_slip)
        buffers.own[k].first = fields.last_avalanche[i, j] != np.int32(avalanche)


@compiled
def _slip(fields: Fields, buffers: Buffers, n: int, avalanche: int) -> None:
    """Let the sites of this slab slip by what was drawn, and renew their thresholds."""
    ny = fields.sigma_c.shape[1]
    for k in range(n):
        i, j = buffers.found[k] // ny, buffers.found[k] % ny
        fields.epsilon_p[i, j] += buffers.own[k].slip
        fields.n_events[i, j] += 1
        fields.last_avalanche[i, j] = np.int32(avalanche)
        fields.yields_at[i, j] += buffers.renewed[k] - fields.sigma_c[i, j]
        fields.sigma_c[i, j] = buffers.renewed[k]


@compiled
def _count(now: Any, avalanche: Any, events: NDArray[Any], n: int) -> None:
    """Count a synchronous step; every rank adds the slips of all in the same order."""
    now.steps += 1
    now.events += n
    avalanche.duration += 1
    avalanche.events += n
    for k in range(n):
        now.total_slip += events[k].slip
        avalanche.slip += events[k].slip
        avalanche.sites += events[k].first


class NotFinite(Exception):
    """A field holds NaN or infinity."""


class Dynamics:
    """The shearing of one realization by one team of ranks.

    Parameters
    ----------
    lattice, glass
        Where and what. Making a `Dynamics` is Collective.
    engine
        A name in `hpcepm.engines.ENGINES`.
    state
        Where to go on from; None prepares the glass afresh.

    Attributes
    ----------
    state
        The restartable state; valid between calls.
    """

    def __init__(self, lattice: Lattice, glass: Glass, engine: str, state: State | None = None) -> None:
        self.lattice = lattice
        self.glass = glass
        initial_stress = _equilibrated_stress(lattice, glass) if glass.initial_stress_std > 0 else None
        self.state = prepare(lattice, glass, initial_stress) if state is None else state
        self.engine: Engine = ENGINES[engine](lattice, glass.kernel, initial_stress)
        self.engine.take_up(self.state)
        self._table = np.zeros(ROWS_OF_TABLE, AVALANCHE)
        self._finished = np.zeros(1, np.int64)
        self._buffers = _buffers(EVENTS_AT_FIRST)
        self._step_loop: Callable[..., Any] | None = None
        self._rules = Rules(
            np.uint64(glass.seed),
            np.uint64(glass.realization),
            2 * glass.shear_modulus,
            *lattice.shape,
            lattice.start,
            glass.renewal.kind,
            glass.renewal.parameters,
            glass.slip.kind,
            glass.slip.c0,
            glass.slip.c1,
        )

    def shear(self, stop_strain: float, steps: int = 2**62) -> Why:
        """Shear to a strain, on the elastic branch, or for a number of synchronous steps. Collective.

        Parameters
        ----------
        stop_strain
            Where to stop; a site that would yield exactly there does not yet.
        steps
            How many steps at the most, the same on all ranks.

        Returns
        -------
        Why
            ``REACHED`` the strain; ``PAUSED`` after the steps, perhaps in the middle of an avalanche; or ``TABLE_FULL``, when
            `take_avalanches` must be called before going on. Where a call stops changes no number.

        Raises
        ------
        NotFinite
            A field holds NaN or infinity; looked for at the beginning and at the end.
        """
        self._check_finite()
        pause_at = self.state.now[0]["steps"] + steps
        while True:
            why = self._advance(stop_strain, pause_at)
            if why == _SYNCHRONIZE:
                self.engine.synchronize(self.state)
            elif why == _GROW:
                self._buffers = _buffers(4 * self._buffers.found.size)
            else:
                self._check_finite()
                return Why(why)

    def _advance(self, stop_strain: float, pause_at: int) -> int:
        """Run the compiled loop; return a `Why`."""
        state = self.state
        arguments = (
            self.engine.arrays,
            state.fields,
            state.now[0],
            state.avalanche[0],
            self._table,
            self._finished,
            self._buffers,
            self._rules,
            self.lattice.team.link,
            float(stop_strain),
            int(pause_at),
        )
        if self._step_loop is None:
            self._step_loop = compiled_for(_advance, *arguments)
        why: int = self._step_loop(*arguments)
        return why

    def take_avalanches(self) -> NDArray[Any]:
        """Return the rows, dtype `AVALANCHE`, of the avalanches that ended since the last call; the same on all ranks."""
        rows = self._table[: self._finished[0]].copy()
        self._finished[0] = 0
        return rows

    def stress_at(self, strain: float) -> float:
        """Return Σ at a strain on the present elastic branch."""
        return 2 * self.glass.shear_modulus * (strain - self.state.plastic_strain(self.lattice))

    def sigma_at(self, strain: float) -> Field:
        """Return σ on the slab at a strain on the present elastic branch, in units of stress. Collective."""
        return self.engine.internal_stress(self.state) + self.stress_at(strain)

    def lowest_yields_at(self) -> float:
        """Return the macroscopic stress at which the weakest site yields. Collective."""
        smallest = self.state.fields.yields_at.min(initial=np.inf)
        return float(min(self.lattice.team.comm.allgather(float(smallest))))

    @property
    def nbytes(self) -> int:
        """Memory of state, engine and buffers on this rank, in bytes."""
        arrays = [*self.state.fields, *self._buffers, self._table]
        return self.engine.nbytes + sum(a.nbytes for a in arrays)

    def _check_finite(self) -> None:
        fields, rank = self.state.fields, self.lattice.team.rank
        problem = None
        for name in ("epsilon_p", "sigma_c", "yields_at"):  # yields_at follows from the others
            site = self.lattice.first_bad_site(getattr(fields, name))
            if site is not None:
                x, y = divmod(site, self.lattice.ny)
                value = getattr(fields, name)[x - self.lattice.start, y]
                problem = f"{name} is {value} at site ({x}, {y}) of rank {rank}, found after step {self.state.now[0]['steps']}"
                break
        problem = self.lattice.team.first_found(problem)
        if problem is not None:
            raise NotFinite(problem)


def _buffers(capacity: int) -> Buffers:
    return Buffers(np.zeros(capacity, np.int64), np.zeros(capacity), np.zeros(capacity, EVENT), np.zeros(capacity, EVENT))


def prepare(lattice: Lattice, glass: Glass, initial_stress: Field | None) -> State:
    """Return the state of a glass at strain 0, before anything has yielded. Collective."""
    state = State.blank(lattice)
    fields = state.fields
    if isinstance(glass.initial, Distribution):
        first_site = lattice.start * lattice.ny
        seed, realization = np.uint64(glass.seed), np.uint64(glass.realization)
        fill_initial_thresholds(fields.sigma_c, first_site, glass.initial.kind, glass.initial.parameters, seed, realization)
    else:
        fields.sigma_c[...] = glass.initial
    fields.yields_at[...] = fields.sigma_c
    if initial_stress is not None:
        fields.yields_at[...] -= initial_stress
    return state


def _equilibrated_stress(lattice: Lattice, glass: Glass) -> Field:
    """Return a Gaussian stress field in mechanical equilibrium, zero mean, of the wanted standard deviation. Collective."""
    noise = lattice.field()
    _fill_normal(noise, lattice.start * lattice.ny, np.uint64(glass.seed), np.uint64(glass.realization))
    stress = Convolution(lattice, glass.kernel).equilibrated(noise)
    mean = lattice.power_means(stress)[0]
    variance = lattice.power_means(stress, mean)[1]
    return (stress - mean) * (glass.initial_stress_std / np.sqrt(variance))


@compiled
def _fill_normal(noise: Field, first_site: int, seed: int, realization: int) -> None:
    rows, ny = noise.shape
    for i in range(rows):
        for j in range(ny):
            u, _ = draw(first_site + i * ny + j, 0, INITIAL_STRESS, seed, realization)
            noise[i, j] = normal_deviate(u)
