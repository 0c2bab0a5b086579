"""Maxwell sites, each elastic or plastic: a plastic site flows (docs/maxwell.md).

A site turns plastic at the rate 1/τ_pl while |σ| > σ_c, slips at the rate σ/(2μτ) while it is, and
turns elastic at the rate 1/τ_el, with a new threshold. A step of dt:

    sites turn plastic or elastic, by the stress at its beginning
    those that are plastic slip by dt σ*/(2μτ)
    the load moves, and one convolution finds the new stress

σ* is the stress in the middle of the step: the load is known there, and what slips have left is
carried on from the last step, 3/2 of now less 1/2 of before (Adams and Bashforth). So slips are of
second order in dt, and steady flow is exact. Transitions are of first order: a site turns at the
beginning of a step, with the probability of a whole one.
"""

from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpcepm.parallel.compiled import compiled_for
from hpcepm.parallel.rows import Lattice

from .clock import Clock, Maxwell
from .clock.steps import Steps
from .dynamics import STRAIN_CONTROL, Dynamics
from .finite import NotFinite, check_finite
from .flow import BELOW_ALL, Flowing, flow
from .glass import Glass
from .loading import Loading, Sine
from .loop import LoopExit
from .oscillation import add_to_cycle
from .rng import room_for_words, words_below
from .state import State, by_name


def dynamics_of(
    lattice: Lattice,
    glass: Glass,
    engine: str,
    state: State | None = None,
    loading: Loading = STRAIN_CONTROL,
    clock: Clock | None = None,
) -> Dynamics:
    """Return what shears a glass by a clock. For the parameters see `Dynamics`. Collective."""
    kind = MaxwellSites if isinstance(clock, Maxwell) else Dynamics
    return kind(lattice, glass, engine, state, loading, clock)


class MaxwellSites(Dynamics):
    """The loading of Maxwell sites: a loop of its own, with one convolution a step.

    The spectral engine finds the stress. For the parameters see `Dynamics`.
    """

    timing: Steps  # type: ignore[assignment]

    def _time_of(self, clock: Clock | None) -> Any:
        """Return time in steps."""
        assert isinstance(clock, Maxwell)
        self._clock = clock
        return Steps(clock, self.loading)

    def begin(self, glass: Glass, state: State | None = None) -> None:
        """Begin with a glass; see `Dynamics.begin`. Collective."""
        super().begin(glass, state)
        self._rows: list[NDArray[Any]] = []
        self._macro, self._flow = by_name(self.state.macro), by_name(self.state.flow)
        # Found from the plastic strain alone, so that it has the same bits wherever a run goes on.
        self._stress = self.lattice.field()
        self._find_stress()
        if state is None:
            self.state.fields.stress_before[...] = self._stress
            self._flow.slip_before[0] = self._macro.total_slip[0]
        self._sites = self._flowing()
        self._turn = compiled_for(flow, *self._arguments(0.0, 0.0))

    def _flowing(self) -> Flowing:
        """Return what the compiled loop needs."""
        fields, glass, ny = self.state.fields, self.glass, self.lattice.ny
        clock, step = self._clock, self.timing.unit
        return Flowing(
            fields.epsilon_p,
            fields.sigma_c,
            fields.plastic,
            fields.n_events,
            fields.last_avalanche,
            np.where(fields.plastic, BELOW_ALL, fields.sigma_c),
            self.lattice.row_map.global_row,
            np.zeros(room_for_words(ny), np.uint32),
            np.zeros(room_for_words(ny), np.uint64),
            np.zeros((self.lattice.rows, 2)),
            np.zeros(ny, np.uint64),
            glass.renewal.kind,
            glass.renewal.parameters,
            np.uint64(glass.seed),
            np.uint64(glass.realization),
            np.array([words_below(-np.expm1(-step / t)) for t in (clock.plastic, clock.elastic)]),
            step / (2 * glass.shear_modulus * clock.tau),
        )

    def _arguments(self, now: float, middle: float) -> tuple[Any, ...]:
        """Return the arguments of `flow`."""
        before, segment = self.state.fields.stress_before, int(self._macro.segment[0])
        return self._sites, self._stress, before, now, middle, self.timing.step, segment + 1

    def _open_if_unstable(self) -> None:
        """Begin no avalanche: there is none."""

    def _find_stress(self) -> None:
        """Set the stress that slips and preparation have left at each site. Collective."""
        slips, prepared = self.state.fields.epsilon_p, self.engine.initial_stress
        self.engine.convolution.stress_of(slips, self._stress, added_to=prepared)

    def shear(self, stop: float, steps: int = 2**62) -> LoopExit:
        """Go on in time; see `Dynamics.shear`. Collective.

        ``stop`` is where a load that moves at once goes to.
        """
        check_finite(self.lattice, self.state)
        segment, watched, why = self.segment, self.watch[0].active, LoopExit.PAUSED
        pause_at = self._macro.steps[0] + steps
        while self._macro.steps[0] < pause_at:
            if self._is_there(segment, stop):
                self.watch[0].reached, why = self._macro.load[0], LoopExit.REACHED
                break
            if watched and self._has_passed():
                why = LoopExit.PASSED
                break
            self._step(segment)
            if isinstance(segment, Sine):
                self._rows += add_to_cycle(self, segment, self.timing.since_begun)
        fields = self.state.fields
        np.subtract(fields.sigma_c, self._stress, out=fields.yields_at)
        check_finite(self.lattice, self.state)
        return why

    def _is_there(self, segment: Loading, stop: float) -> bool:
        """Return whether the load, or the time, is where to stop; one without a rate jumps."""
        timing = self.timing
        if timing.step >= timing.stop:
            return True
        if segment.hold:
            return False
        if segment.rate is None:
            self._macro.load[0] = stop
        return bool(timing.direction * (stop - self._macro.load[0]) <= 0)

    def _has_passed(self) -> bool:
        """Return whether something that is watched has been reached."""
        watch, load = self.watch[0], float(self._macro.load[0])
        now = {
            "strain": self.strain_at(load),
            "stress": self.stress_at(load),
            "plastic_strain": self.state.plastic_strain(self.lattice),
        }
        within = (watch[f"{name}_low"] < at < watch[f"{name}_high"] for name, at in now.items())
        return bool(not all(within) or self._macro.events[0] >= watch.events)

    def _load_after(self, segment: Loading, steps: int) -> float:
        """Return the load at a number of steps after the segment began."""
        timing = self.timing
        if isinstance(segment, Sine):
            return segment.load_at(steps % timing.in_cycle / timing.in_cycle)
        if segment.rate is None:
            return float(self._macro.load[0])
        d, way = timing.direction, segment.rate * (steps * timing.unit)
        return float(d * min(d * (timing.begun_load + d * way), d * segment.target))

    def _step(self, segment: Loading) -> None:
        """Go one step on. Collective."""
        macro, flow, two_mu = self._macro, self._flow, 2 * self.glass.shear_modulus
        n_sites, total_slip, load = self.lattice.n_sites, macro.total_slip[0], macro.load[0]
        later = self._load_after(segment, self.timing.since_begun + 1)
        now = segment.stress(load, total_slip / n_sites, two_mu)
        slip = (1.5 * total_slip - 0.5 * flow.slip_before[0]) / n_sites
        middle = segment.stress((load + later) / 2, slip, two_mu)
        self._turn(*self._arguments(now, middle))
        slipped, turned = self.lattice.means(self._sites.sums).tolist()
        flow.slip_before[0] = total_slip
        macro.total_slip[0] += slipped * n_sites
        macro.events[0] += round(turned * n_sites)
        macro.load[0] = later
        macro.steps[0] += 1
        self.timing.step_on()
        if not isfinite(macro.total_slip[0]):
            said = f"plastic strain is not a number after step {macro.steps[0]}"
            raise NotFinite(said)
        before, self._stress = self._stress, self.state.fields.stress_before
        self.state.fields = self.state.fields._replace(stress_before=before)
        self._find_stress()

    def take_cycles(self) -> list[NDArray[Any]]:
        """Return the rows of the cycles of a sine that ended since the last call."""
        rows, self._rows = self._rows, []
        return rows

    def plastic_fraction(self) -> float:
        """Return which fraction of the sites is plastic. Collective."""
        by_row = self.state.fields.plastic.sum(axis=1, keepdims=True, dtype=np.float64)
        return float(self.lattice.means(by_row)[0])

    def lowest_yields_at(self) -> float:
        """Return Σ plus the least of σ_c − |σ|. Collective."""
        stress = self.stress_at(float(self._macro.load[0]))
        strength = self.state.fields.sigma_c - np.abs(self._stress + stress)
        return stress + min(self.lattice.ranks.allgather(float(strength.min(initial=np.inf))))

    @property
    def nbytes(self) -> int:
        """Memory on this rank, in bytes."""
        return super().nbytes + self._stress.nbytes + self._sites.limit.nbytes
