"""What the step loop asks of an engine."""

from abc import ABC, abstractmethod
from functools import cached_property, singledispatch
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.model.convolution import Convolution, RowsDone
from hpcepm.model.kernel import Kernel
from hpcepm.model.state import Fields, State
from hpcepm.parallel.compiled import compiled_minimum
from hpcepm.parallel.rows import Lattice, LocalField, RowMap


class Ways(NamedTuple):
    """Which ways sites yield, and slip."""

    two_sides: bool = False  # sites yield backward, too
    both_signs: bool = False  # slips may be negative
    clocked: bool = False  # a clock says when


ONE_WAY: Final = Ways()


class Engine(ABC):
    """Redistributes stress on the rows of one rank, together with the other ranks.

    Parameters
    ----------
    lattice
        The lattice, and which of its rows this rank has.
    kernel
        The stress that a slip causes at each distance.
    scale
        A typical stress of this glass.
    ways
        Which ways sites yield, and slip.

    Attributes
    ----------
    initial_stress
        The stress field at strain 0, units of stress; None if it is zero.
    random_key
        Seed and realization, the key of random streams; shape (2,).
    arrays
        The arrays of the compiled loop. Their type selects the compiled functions.
    """

    name: str
    arrays: NamedTuple

    def __init__(
        self, lattice: Lattice, kernel: Kernel, scale: float, ways: Ways = ONE_WAY
    ) -> None:
        self.lattice = lattice
        self.kernel = kernel
        self.scale = scale
        self.two_sides = ways.two_sides
        sides, rows = 2 if ways.two_sides else 1, lattice.rows if ways.clocked else 0
        self.ahead = np.zeros((sides, rows, lattice.ny), np.float32)
        self.initial_stress: LocalField | None = None
        self.random_key = np.zeros(2, np.uint64)

    @cached_property
    def convolution(self) -> Convolution:
        """G * ε_p; made when it is first asked for, if it is."""
        return Convolution(self.lattice, self.kernel)

    @abstractmethod
    def load(self, state: State) -> None:
        """Make the working arrays fit a state that was prepared or read. Collective.

        Raises
        ------
        ValueError
            The state is one that this engine cannot have.
        """

    def synchronize(self, state: State) -> None:
        """Do what `redistribute` left to Python. Collective."""
        raise NotImplementedError(f"{self.name} leaves nothing to Python")

    def expect(self, one_by_one: bool) -> None:  # noqa: B027 (to most engines it is the same)
        """Be told whether each event of the loading to come is a step of its own."""

    def find_yields_at(self, state: State, then: RowsDone | None = None) -> None:
        """Set ``yields_at``, of both sides, from the plastic strain. Collective.

        ``then`` is called with the number of rows that are done so far.

        Raises
        ------
        ValueError
            The kernel is shuffled at each event: the stress is no convolution of the plastic
            strain, and known from ``yields_at`` alone.
        """
        if self.kernel.shuffled:
            raise ValueError("the stress of shuffled events does not follow from plastic strain")
        fields, initial, begun, two = state.fields, self.initial_stress, 0, self.two_sides

        def finish(done: int) -> None:
            nonlocal begun
            rows = slice(begun, done)
            if two:  # there the stress was put, so that both sides round alike
                np.subtract(
                    fields.sigma_c[rows], fields.yields_backward_at[rows], fields.yields_at[rows]
                )
                fields.yields_backward_at[rows] += fields.sigma_c_backward[rows]
            if initial is not None:
                fields.yields_at[rows] -= initial[rows]
                if two:
                    fields.yields_backward_at[rows] += initial[rows]
            begun = done
            if then is not None:
                then(done)

        if two:
            self.convolution.stress_of(fields.epsilon_p, fields.yields_backward_at, None, finish)
        else:
            self.convolution.stress_of(fields.epsilon_p, fields.yields_at, fields.sigma_c, finish)

    def internal_stress(self, state: State) -> LocalField:
        """Return σ − Σ on the rows of this rank, in units of stress. The state is not changed.

        Valid until the run goes on. Collective.
        """
        fields = state.fields
        stress: LocalField = fields.sigma_c - fields.yields_at
        if self.two_sides:  # the mean of both, so that a mirrored glass has the mirrored bits
            stress = (stress - (fields.sigma_c_backward - fields.yields_backward_at)) / 2
        return stress

    def complete(self, state: State) -> None:  # noqa: B027 (most engines defer nothing)
        """Copy into the state what only the engine knows, so that the state is complete.

        This changes no number of the run.
        """

    def lowest_yields_at(self, state: State, limit: float) -> float:
        """Return the smallest ``yields_at`` of this rank.

        It is inf if the rank has no site. It may be inf if it is above ``limit``.
        """
        return smallest(state.fields.yields_at.ravel())

    def rise(self) -> float:
        """Return by how much what is not known of a site grows at an event of slip 1, about."""
        return self.kernel.size / self.lattice.n_sites

    @property
    def nbytes(self) -> int:
        """Memory of the engine on this rank, in bytes, with its part of what a node shares."""
        convolution = self.convolution.nbytes if "convolution" in self.__dict__ else 0
        arrays = {id(a): a for a in self.arrays if isinstance(a, np.ndarray)}  # each once
        return convolution + sum(a.nbytes for a in arrays.values())


# The questions of the step loop. Each engine binds its answers to the type of its arrays.


@singledispatch
def redistribute(
    engine: Any, fields: Fields, macro: Any, row_map: RowMap, events: NDArray[Any], n: int
) -> bool:
    """Change ``yields_at`` on the rows of this rank by the first ``n`` events.

    The mean stress is not part of it. Returns True if Python must call `Engine.synchronize` before
    the next question is asked.
    """
    raise NotImplementedError


@singledispatch
def unstable_sites(
    engine: Any, side: int, fields: Fields, stress: float, found: NDArray[np.int64], row_map: RowMap
) -> int:
    """Put the local indices of the sites of this rank that yield at a stress into ``found``.

    On side 0, forward, ``stress`` is Σ; on side 1, backward, it is −Σ.

    Returns how many there are. If these are more than ``found`` can hold, only the first are put.
    """
    raise NotImplementedError


@singledispatch
def weakest_site(
    engine: Any, side: int, fields: Fields, limit: float, row_map: RowMap
) -> tuple[float, int]:
    """Return the smallest ``yields_at`` of a side on this rank, and its local index.

    Of equal ones, the lowest.

    (inf, −1) if the rank has no site. An engine may also return it if no site is up to ``limit``.
    """
    raise NotImplementedError


# The questions of a clock (`hpcepm.model.clock`), which looks at a site when its ``yields_at`` may
# be up to Σ + ahead. The array ``ahead`` of an engine, shape (sides, rows, ny), is of the clock's
# making; it has no rows where there is no clock.


@singledispatch
def begin_look(engine: Any, side: int, fields: Fields, stress: float) -> int:
    """Begin to look for the sites with ``yields_at`` − ahead up to a stress.

    Returns how often to `go_on_looking`.
    """
    raise NotImplementedError


@singledispatch
def go_on_looking(
    engine: Any,
    side: int,
    fields: Fields,
    stress: float,
    begin: int,
    end: int,
    found: NDArray[np.int64],
    row_map: RowMap,
) -> tuple[int, int]:
    """Put local indices of such sites into ``found``; their ``yields_at`` is then known.

    Returns how many there are, and where to begin the next time. Others may be among them.
    """
    raise NotImplementedError


@singledispatch
def set_ahead(engine: Any, side: int, fields: Fields, i: int, j: int, ahead: float) -> None:
    """Set from how far ahead of Σ on a site must be looked at, its ``yields_at`` being known."""
    raise NotImplementedError


@singledispatch
def margin_of(engine: Any, side: int, stress: float) -> float:
    """Return from how far above its limit a site may be among those that are looked at."""
    raise NotImplementedError


@singledispatch
def least_yields_at(engine: Any, side: int, fields: Fields, i: int, j: int) -> float:
    """Return a number that is not above ``yields_at`` of a site."""
    raise NotImplementedError


@singledispatch
def make_known(engine: Any, fields: Fields, i: int, j: int, row_map: RowMap) -> None:
    """Let ``yields_at`` of a site be known."""
    raise NotImplementedError


@compiled_minimum
def smallest(row: NDArray[np.float64]) -> float:
    """Return the smallest element of a row."""
    lowest = np.inf
    for value in row:
        lowest = min(lowest, value)
    return lowest
