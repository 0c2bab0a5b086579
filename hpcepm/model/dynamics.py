"""Athermal quasi-static loading: the weakest site yields, and its avalanche runs out."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hpcepm.layout import AVALANCHE
from hpcepm.parallel.compiled import compiled_for
from hpcepm.parallel.rows import Lattice, LocalField

from .clock import Clock
from .clock.timing import Timing
from .consistency import check_state
from .engines import ENGINES, Engine
from .engines.base import Ways
from .finite import NotFinite, check_finite, told_of_load, told_of_slip
from .glass import Glass, equilibrated_stress, prepare, stress_scale, thresholds_of_well_0
from .loading import Loading, Strain
from .loop import (
    Buffers,
    EventTable,
    LoopExit,
    LoopParameters,
    advance,
    close,
    open_avalanche,
)
from .plugins import OfPlugin
from .slip import ToStress
from .state import State
from .watch import no_watch
from .yielding import numbers_of

ROWS_OF_TABLE: Final = 65536
EVENTS_AT_FIRST: Final = 4096
STRAIN_CONTROL: Final = Strain(target=np.inf)
MOST_EVENTS: Final = 2**31  # MPI counts them in 32 bits
FIRST_SEARCH: Final = 2.0**-20  # in units of stress: where the weakest site is sought first


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
    clock
        What time is; None if there is none.

    Attributes
    ----------
    state
        The state between two calls; for a restart use `complete_state`.
    timing
        What time it is.
    """

    def __init__(
        self,
        lattice: Lattice,
        glass: Glass,
        engine: str,
        state: State | None = None,
        loading: Loading = STRAIN_CONTROL,
        clock: Clock | None = None,
    ) -> None:
        self.lattice = lattice
        self.loading = loading
        self.watch = no_watch()
        two_sides = glass.yielding.two_sides
        both_signs = two_sides or isinstance(glass.slip, OfPlugin)
        ways = Ways(two_sides, both_signs, clocked=clock is not None)
        scale = stress_scale(lattice, glass)
        self.engine: Engine = ENGINES[engine](lattice, glass.kernel, scale, ways)
        self._more_fields = (*loading.more_fields, *(clock.more_fields if clock else ()))
        self.glass = glass
        self.timing = self._time_of(clock)
        self._table = np.zeros(ROWS_OF_TABLE, AVALANCHE)
        self._finished = np.zeros(1, np.int64)
        self._buffers = Buffers.of_capacity(EVENTS_AT_FIRST)
        self._step_loops: dict[type, Callable[..., Any]] = {}
        self.begin(glass, state)

    def _time_of(self, clock: Clock | None) -> Timing:
        """Return what time is."""
        return Timing(clock, self.lattice, self.glass, self.engine, ROWS_OF_TABLE)

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
        engine.random_key[:] = glass.seed, glass.realization
        wanted = glass.initial_stress_std > 0
        engine.initial_stress = (
            equilibrated_stress(lattice, glass, engine.convolution) if wanted else None
        )
        if state is not None:
            convolution, initial = engine.convolution, engine.initial_stress
            check_state(state, lattice, glass, self.loading, convolution, initial)
        self.state = state or prepare(lattice, glass, engine.initial_stress, self._more_fields)
        if state is None and glass.plastic_strain is not None:
            engine.find_yields_at(self.state)
        self._well_0 = thresholds_of_well_0(lattice, glass)
        self.timing.begin(self.state)
        engine.load(self.state)
        self._finished[0] = self._buffers.kept.used[0] = 0
        self._buffers.search_stress[0] = engine.scale * FIRST_SEARCH
        self._buffers.stays[:] = np.nan, 0.0
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
        if macro.in_avalanche or self._one_event_each:
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
            strain = self.segment.strain(
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

    @property
    def segment(self) -> Loading:
        """The loading, or the one of its segments that it is at."""
        return self.loading.segments[self.state.macro[0].segment]

    @property
    def one_by_one(self) -> bool:
        """Whether the load moves at each event."""
        return bool(self._for_loop.one_by_one)

    @property
    def _one_event_each(self) -> bool:
        """Whether each event is an avalanche."""
        return self.one_by_one or not self.timing.arrays.instant

    def _close_avalanche(self) -> None:
        """End the avalanche, by the loading of this segment."""
        state, n_sites = self.state, self.lattice.n_sites
        macro, row = state.macro[0], state.avalanche[0]
        clock, loading = self.timing.arrays, self._for_loop
        close(clock, loading, macro, row, self._table, self._finished, n_sites)

    def turn(self, reached: float) -> None:
        """Go on with the next segment, where the present one has reached a load. Collective.

        The stress stays: where its load is another one, that begins where the stress says.
        """
        macro, before = self.state.macro[0], self.segment
        after = int(macro.segment) + 1
        follows = self.loading.segments[after].for_loop(2 * self.glass.shear_modulus)
        if macro.in_avalanche and (self._one_event_each or follows.one_by_one):  # it ends here
            self._close_avalanche()
        stress, macro.load = self.stress_at(reached), reached
        macro.segment = after
        if self.loading.item(after) != self.loading.item(after - 1):
            macro.events_begun = macro.events
        if not self.segment.follows(before):
            plastic_strain = self.state.plastic_strain(self.lattice)
            macro.load = self.segment.load(stress, plastic_strain, 2 * self.glass.shear_modulus)
        self.timing.turn()
        # The last bits of a running sum tell what was before; and sites may be unstable where the
        # load went to the weakest, down as well as up.
        anew = self.loading.begins_anew or self.one_by_one
        if anew:
            macro.total_slip = self.lattice.total(self.state.fields.epsilon_p)
            if not self.glass.kernel.shuffled:  # else it is as it was left: it follows from no sum
                self.engine.synchronize(self.state)
        self._begin_loading()
        if anew:
            self._open_if_unstable()

    def _begin_loading(self) -> None:
        """Find the numbers of the loading, and of the rule by which sites yield."""
        glass, two_mu = self.glass, 2 * self.glass.shear_modulus
        macro = self.state.macro[0]
        direction = 1.0 if self.segment.target >= macro.load else -1.0
        self._for_loop: Any = self.segment.for_loop(two_mu, direction)
        self.engine.expect(self._one_event_each)
        self.timing.begin_segment(self.segment, direction)
        softening = 1.0
        if isinstance(glass.slip, ToStress):
            softening = glass.kernel.softening(self.lattice.shape, self._for_loop.stiffness)
            if not softening > 0:
                raise NotFinite("slip to_stress: no slip would come to a stress under this loading")
        mean_slip, mu_star = glass.slip.mean(glass.renewal), glass.kernel.mu_star
        self._rule = numbers_of(glass.yielding, softening, mu_star, mean_slip, self._well_0)
        most = np.inf
        if glass.yielding.two_sides and not self.one_by_one and self.timing.clock is None:
            most = float(glass.yielding.most_events_per_site + 2 * self.lattice.n_sites)
        self._parameters = self._parameters._replace(most_at_load=most)

    def shear(self, stop: float, steps: int = 2**62) -> LoopExit:
        """Move the load to a value, on the elastic branch, or for a number of synchronous steps.

        Collective.

        Parameters
        ----------
        stop
            Where to stop; a site that would yield exactly there does not yet. What is watched
            (`hpcepm.model.watch`) may come first.
        steps
            How many steps at the most, the same on all ranks.

        Returns
        -------
        LoopExit
            ``REACHED`` the load ``watch.reached``; ``PASSED`` what is watched, inside an
            avalanche; ``PAUSED`` after the steps, perhaps in the middle of one; or ``TABLE_FULL``,
            when `take_avalanches` and `take_events` must be called before going on.
            Where a call stops changes no number.

        Raises
        ------
        NotFinite
            A field holds NaN or infinity; looked for at the beginning and at the end.
        """
        check_finite(self.lattice, self.state)
        self.lattice.ranks.node.settle()
        self.watch["until"] = stop
        self.watch["pause_at"] = self.state.macro["steps"][0] + steps
        while True:
            why = self._advance()
            if why == LoopExit.SYNCHRONIZE:
                self.engine.synchronize(self.state)
            elif why == LoopExit.GROW:
                if self._buffers.events.size > MOST_EVENTS // 4:
                    few = f"more than {MOST_EVENTS // 4} sites yield in one step"
                    raise NotFinite(f"{few}: the glass is not stable")
                self._buffers = self._buffers.larger()
            elif why == LoopExit.ENDLESS:
                raise NotFinite(told_of_load(self.state))
            elif why == LoopExit.BAD_SLIP:
                raise NotFinite(
                    told_of_slip(self._buffers.events, self.lattice, self.glass, self.state)
                )
            else:
                check_finite(self.lattice, self.state)
                load = float(self.state.macro[0].load)
                if why == LoopExit.NOT_FINITE or np.isnan(self.stress_at(load)):
                    raise NotFinite(f"the stress of this loading is no number at load {load:g}")
                return LoopExit(why)

    def _advance(self) -> int:
        """Run the compiled loop; return a `LoopExit`."""
        state = self.state
        arguments = (
            self.timing.arrays,
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
            self.watch[0],
        )
        kind = type(self._for_loop)
        if kind not in self._step_loops:
            self._step_loops[kind] = compiled_for(advance, *arguments)
        return int(self._step_loops[kind](*arguments))

    def take_avalanches(self) -> NDArray[Any]:
        """Return the rows, dtype `AVALANCHE`, of the avalanches that ended since the last call.

        With a clock those of `TIMED`, too. The same on all ranks.
        """
        rows = self.timing.with_times(self._table[: self._finished[0]].copy())
        self._finished[0] = 0
        return rows

    def keep_events(self) -> None:
        """Keep each event from now on, for `take_events`."""
        if self._buffers.kept.rows.size == 0:
            kept = EventTable.of_capacity(max(ROWS_OF_TABLE, self._buffers.events.size))
            self._buffers = self._buffers._replace(kept=kept)

    def take_events(self) -> NDArray[Any]:
        """Return the rows, dtype `EVENT_ROW`, of the events since the last call, if they are kept.

        With a clock those have their time, too; `take_avalanches` is to be called after this. The
        same on all ranks.
        """
        kept = self._buffers.kept
        rows = kept.rows[: kept.used[0]].copy()
        kept.used[0] = 0
        n_finished, macro = int(self._finished[0]), self.state.macro[0]
        first = int(macro.avalanches) - int(macro.in_avalanche) - n_finished
        return self.timing.with_times_of(rows, rows["avalanche"] - first, n_finished)

    def take_cycles(self) -> list[NDArray[Any]]:
        """Return the rows of the cycles of a sine that ended since the last call: none."""
        return []

    def stress_at(self, load: float) -> float:
        """Return Σ at a load on the present elastic branch."""
        plastic_strain = self.state.plastic_strain(self.lattice)
        return self.segment.stress(load, plastic_strain, 2 * self.glass.shear_modulus)

    def strain_at(self, load: float) -> float:
        """Return the strain ε at a load on the present elastic branch."""
        plastic_strain = self.state.plastic_strain(self.lattice)
        return self.segment.strain(load, plastic_strain, 2 * self.glass.shear_modulus)

    def sigma_at(self, load: float) -> LocalField:
        """Return σ on the rows of this rank at a load on the present elastic branch.

        In units of stress; valid until the run goes on. Collective.
        """
        sigma = self.engine.internal_stress(self.state)
        sigma += self.stress_at(load)
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
        given = self.glass.plastic_strain, *(self._well_0 if type(self._well_0) is tuple else ())
        fields = sum(field.nbytes for field in (*self.state.fields, *given) if field is not None)
        tables = self._buffers.nbytes + self._table.nbytes + self.timing.nbytes
        return self.engine.nbytes + fields + tables
