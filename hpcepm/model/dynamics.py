"""Athermal quasi-static loading: the weakest site yields, and its avalanche runs out."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hpcepm.layout import AVALANCHE
from hpcepm.parallel.compiled import compiled_for
from hpcepm.parallel.rows import Lattice, LocalField, all_finite

from .consistency import check_state
from .engines import ENGINES, Engine
from .engines.base import Ways
from .glass import Glass, equilibrated_stress, prepare, stress_scale
from .loading import Loading, Strain
from .loop import Buffers, LoopExit, LoopParameters, advance, open_avalanche
from .plugins import OfPlugin
from .slip import ToStress
from .state import State
from .yielding import numbers_of

ROWS_OF_TABLE: Final = 65536
EVENTS_AT_FIRST: Final = 4096
STRAIN_CONTROL: Final = Strain(target=np.inf)
MOST_EVENTS: Final = 2**31  # MPI counts them in 32 bits
FIRST_SEARCH: Final = 2.0**-20  # in units of stress: where the weakest site is sought first


class NotFinite(Exception):
    """A field holds NaN or infinity."""


class Dynamics:
    """The loading of one realization by some ranks.

    Parameters
    ----------
    lattice, glass
        Where and what. Making a `Dynamics` is Collective; it can `begin` again.
    engine
        A name in `hpcepm.model.engines.ENGINES`.
    state
        Where to go on from; None prepares the glass afresh.
    loading
        What the outside does.

    Attributes
    ----------
    state
        The state between two calls; for a restart use `complete_state`.
    """

    def __init__(
        self,
        lattice: Lattice,
        glass: Glass,
        engine: str,
        state: State | None = None,
        loading: Loading = STRAIN_CONTROL,
    ) -> None:
        self.lattice = lattice
        self.loading = loading
        two_sides = glass.yielding.two_sides
        ways = Ways(two_sides, two_sides or isinstance(glass.slip, OfPlugin))
        scale = stress_scale(lattice, glass)
        self.engine: Engine = ENGINES[engine](lattice, glass.kernel, scale, ways)
        self._table = np.zeros(ROWS_OF_TABLE, AVALANCHE)
        self._finished = np.zeros(1, np.int64)
        self._buffers = Buffers.of_capacity(EVENTS_AT_FIRST)
        self._step_loops: dict[type, Callable[..., Any]] = {}
        self.begin(glass, state)

    def begin(self, glass: Glass, state: State | None = None) -> None:
        """Begin with a glass that differs from the one before in seed and realization alone.

        Tables, buffers and what was compiled are kept, and nothing else. For the parameters see
        the class. Collective.

        Raises
        ------
        ImpossibleState
            The state is none of this glass.
        """
        lattice, engine = self.lattice, self.engine
        self.glass = glass
        wanted = glass.initial_stress_std > 0
        engine.initial_stress = (
            equilibrated_stress(lattice, glass, engine.convolution) if wanted else None
        )
        if state is not None:
            convolution, initial = engine.convolution, engine.initial_stress
            check_state(state, lattice, glass, self.loading, convolution, initial)
        self.state = prepare(lattice, glass, engine.initial_stress) if state is None else state
        engine.load(self.state)
        self._finished[0] = 0
        self._buffers.search_stress[0] = engine.scale * FIRST_SEARCH
        self._parameters = LoopParameters(
            np.uint64(glass.seed),
            np.uint64(glass.realization),
            *lattice.shape,
            lattice.row_map,
            glass.renewal.kind,
            glass.renewal.parameters,
            glass.slip.kind,
            glass.slip.parameters,
        )
        self._begin_loading()
        if self.state.macro[0].steps == 0:
            self._open_if_unstable()

    def _open_if_unstable(self) -> None:
        """Begin an avalanche if sites are unstable already. Collective.

        A preparation may leave some, and so may a stress that was found anew.
        """
        fields, macro = self.state.fields, self.state.macro[0]
        if macro.in_avalanche or self._for_loop.one_by_one:
            return
        stress = self.stress_at(float(macro.load))
        sides = [(fields.yields_at, stress)]
        if self.glass.yielding.two_sides:
            sides.append((fields.yields_backward_at, -stress))
        excess, site = min(
            self.lattice.ranks.allgather(
                min(self._most_unstable(yields_at, signed) for yields_at, signed in sides)
            )
        )
        if excess <= 0:
            strain = self.loading.strain(
                float(macro.load),
                self.state.plastic_strain(self.lattice),
                2 * self.glass.shear_modulus,
            )
            realization, row = self.glass.realization, self.state.avalanche[0]
            open_avalanche(macro, row, realization, strain, stress, site, self.lattice.ny)

    def _most_unstable(self, yields_at: LocalField, stress: float) -> tuple[float, int]:
        """Return the least of yields_at − stress on this rank, and its site."""
        if yields_at.size == 0:
            return np.inf, -1
        i, j = divmod(int(yields_at.argmin()), self.lattice.ny)
        site = int(self.lattice.row_map.global_row[i]) * self.lattice.ny + j
        return float(yields_at[i, j] - stress), site

    def turn(self) -> None:
        """Go on to the next turning point, where the present one is reached. Collective."""
        macro = self.state.macro[0]
        macro.load = self.loading.turns[macro.segment]
        macro.segment += 1
        if self.loading.begins_anew:
            self.engine.synchronize(self.state)
        self._begin_loading()
        if self.loading.begins_anew:
            self._open_if_unstable()

    def load_by(self, loading: Loading, reached: float) -> None:
        """Go on with another loading, where the present one has reached a load. Collective.

        The stress stays: the new load begins where the stress says.
        """
        macro, before = self.state.macro[0], self.loading
        stress, macro.load = self.stress_at(reached), reached
        if replace(loading, target=before.target) != before:  # type: ignore[type-var]
            plastic_strain = self.state.plastic_strain(self.lattice)
            macro.load = loading.load(stress, plastic_strain, 2 * self.glass.shear_modulus)
        macro.segment = 0
        self.loading = loading
        self._begin_loading()

    def _begin_loading(self) -> None:
        """Find the numbers of the loading, and of the rule by which sites yield."""
        glass, two_mu = self.glass, 2 * self.glass.shear_modulus
        macro = self.state.macro[0]
        direction = 1.0 if self.loading.turns[macro.segment] >= macro.load else -1.0
        self._for_loop: Any = self.loading.for_loop(two_mu, direction)
        softening = 1.0
        if isinstance(glass.slip, ToStress):
            softening = glass.kernel.softening(self.lattice.shape, self._for_loop.stiffness)
        first: Any = glass.initial
        if isinstance(first, np.ndarray):
            first = (first, first)
        mean_slip = glass.slip.mean(glass.renewal)
        self._rule = numbers_of(glass.yielding, softening, glass.kernel.mu_star, mean_slip, first)

    def shear(self, stop_strain: float, steps: int = 2**62) -> LoopExit:
        """Shear to a strain, on the elastic branch, or for a number of synchronous steps.

        Collective.

        Parameters
        ----------
        stop_strain
            Where to stop; a site that would yield exactly there does not yet.
        steps
            How many steps at the most, the same on all ranks.

        Returns
        -------
        LoopExit
            ``REACHED`` the strain; ``PAUSED`` after the steps, perhaps in the middle of an
            avalanche; or ``TABLE_FULL``, when `take_avalanches` must be called before going on.
            Where a call stops changes no number.

        Raises
        ------
        NotFinite
            A field holds NaN or infinity; looked for at the beginning and at the end.
        """
        self._check_finite()
        self.lattice.ranks.node.settle()
        pause_at = int(self.state.macro["steps"][0]) + steps
        while True:
            why = self._advance(stop_strain, pause_at)
            if why == LoopExit.SYNCHRONIZE:
                self.engine.synchronize(self.state)
            elif why == LoopExit.GROW:
                if self._buffers.events.size > MOST_EVENTS // 4:
                    few = f"more than {MOST_EVENTS // 4} sites yield in one step"
                    raise NotFinite(f"{few}: the glass is not stable")
                self._buffers = self._buffers.larger()
            elif why == LoopExit.BAD_SLIP:
                raise NotFinite(self._bad_slip())
            else:
                self._check_finite()
                return LoopExit(why)

    def _advance(self, stop_strain: float, pause_at: int) -> int:
        """Run the compiled loop; return a `LoopExit`."""
        state = self.state
        arguments = (
            self.engine.arrays,
            self._for_loop,
            self._rule,
            state.fields,
            state.macro[0],
            state.avalanche[0],
            self._table,
            self._finished,
            self._buffers,
            self._parameters,
            self.lattice.ranks.exchange,
            float(stop_strain),
            pause_at,
        )
        kind = type(self._for_loop)
        if kind not in self._step_loops:
            self._step_loops[kind] = compiled_for(advance, *arguments)
        why: int = self._step_loops[kind](*arguments)
        return why

    def take_avalanches(self) -> NDArray[Any]:
        """Return the rows, dtype `AVALANCHE`, of the avalanches that ended since the last call.

        The same on all ranks.
        """
        rows = self._table[: self._finished[0]].copy()
        self._finished[0] = 0
        return rows

    def stress_at(self, strain: float) -> float:
        """Return Σ at a strain (the load) on the present elastic branch."""
        plastic_strain = self.state.plastic_strain(self.lattice)
        return self.loading.stress(strain, plastic_strain, 2 * self.glass.shear_modulus)

    def sigma_at(self, strain: float) -> LocalField:
        """Return σ on the rows of this rank at a strain on the present elastic branch.

        In units of stress; valid until the run goes on. Collective.
        """
        sigma = self.engine.internal_stress(self.state)
        sigma += self.stress_at(strain)
        return sigma

    def lowest_yields_at(self) -> float:
        """Return the macroscopic stress at which the weakest site yields. Collective."""
        stress = self.stress_at(float(self.state.macro["load"][0]))
        above = self._buffers.search_stress[0]
        while True:
            lowest = min(
                self.lattice.ranks.allgather(
                    self.engine.lowest_yields_at(self.state, stress + above)
                )
            )
            if lowest < np.inf or stress + above == np.inf:
                return lowest
            above *= 2

    def complete_state(self) -> State:
        """Return the state, complete: what a checkpoint must hold.

        The run may go on, and changes it.
        """
        self.engine.complete(self.state)
        return self.state

    @property
    def nbytes(self) -> int:
        """Memory of state, engine and buffers on this rank, in bytes."""
        fields = sum(field.nbytes for field in self.state.fields)
        return self.engine.nbytes + fields + self._buffers.nbytes + self._table.nbytes

    def _bad_slip(self) -> str:
        """Say which slip must not be, and why."""
        event = next(one for one in self._buffers.events if np.isnan(one["slip"]))
        x, y = divmod(int(event["site"]), self.lattice.ny)
        where = f"site ({x}, {y}), in avalanche {self.state.macro[0].avalanches}"
        if isinstance(self.glass.slip, ToStress):
            return (
                f"{where}: its slip would not be positive, for slip.value + slip.noise ξ exceeds "
                "its stress; lower slip.value or slip.noise"
            )
        if self.glass.yielding.two_sides and not event["first"]:
            most = self.glass.yielding.most_events_per_site
            return (
                f"{where}: has slipped {most} times in it, and would again: sites flip for ever. "
                "Set yielding.order: weakest, or raise yielding.most_events_per_site"
            )
        return f"{where}: its slip is not a number"

    def _check_finite(self) -> None:
        fields = self.state.fields
        good = all_finite(fields.epsilon_p, fields.sigma_c, fields.yields_at)
        problem = self.lattice.ranks.first_not_none(None if good else self._bad_number())
        if problem is not None:
            raise NotFinite(problem)

    def _bad_number(self) -> str | None:
        """Say which number of this rank is not finite, if one is."""
        lattice, fields = self.lattice, self.state.fields
        for name in ("epsilon_p", "sigma_c", "yields_at"):  # yields_at follows from the others
            site = lattice.first_bad_site(getattr(fields, name))
            if site is not None:
                x, y = divmod(site, lattice.ny)
                value = getattr(fields, name)[lattice.row_map.local_row[x], y]
                found = (
                    f"of rank {lattice.ranks.rank}, found after step {self.state.macro[0].steps}"
                )
                return f"{name} is {value} at site ({x}, {y}) {found}"
        return None
