"""Runs for a few seconds, in memory and on one rank: what `hpcepm check` counts by."""

import os
import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from hpcepm.input.glass import glass_of, loading_of
from hpcepm.input.read import ReadInput
from hpcepm.input.regions import RegionInput
from hpcepm.input.schema import LatticeInput
from hpcepm.model.dynamics import Dynamics
from hpcepm.model.observables import Series, measure, measure_profiles
from hpcepm.model.snapshot import Snapshot
from hpcepm.model.table import Table
from hpcepm.model.thresholds import GivenField
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from hpcepm.storage.plan import snapshots_are_large

from .pace import steps_of
from .runner import Runner
from .save_points import cadences_of, plan_of, rows_in_time, save_points

Shape = tuple[int, int]

SMALLEST_SIDE: Final = 16
GROWTH: Final = 8.0
"""How many times as long a lattice takes that is twice as long and wide: events, and each."""

MOST_OF_MEMORY: Final = 0.5
"""Of what is free: what a lattice may take that is rehearsed."""

LEAST_EVENTS: Final = 100
"""Of which one can say what an event takes."""

BYTES_A_SITE: Final = 80
"""Of a large lattice, all told."""

SECONDS_TO_COMPILE: Final = 3.0
"""At the least, where a step loop was not only loaded."""

SECONDS_TO_LOAD: Final = 0.5

BYTES_OF_LOOPS: Final = 46 * 2**20
"""Of step loops that are loaded."""

SECONDS_A_STRETCH: Final = 0.05
"""Between two looks at the clock."""


class OutOfTime(Exception):
    """The seconds are over."""


class Rehearsal(NamedTuple):
    """What a realization came to, or as much of it as there was time for.

    Attributes
    ----------
    shape, engine
        Of the lattice.
    complete
        Whether it came to the end.
    seconds
        How long it was sheared.
    seconds_before, seconds_a_record
        Processor time of making the glass, and of one record.
    events, avalanches, records, snapshots, cycles
        How many.
    strain, plastic_strain
        At the end.
    nbytes
        Of state, engine and buffers.
    looks
        Processor time, and events so far, again and again from the begin to the end.
    """

    shape: Shape
    engine: str
    complete: bool
    seconds_before: float
    seconds: float
    seconds_a_record: float
    events: int
    avalanches: int
    records: int
    snapshots: int
    cycles: int
    strain: float
    plastic_strain: float
    nbytes: int
    looks: Sequence[tuple[float, int]]

    @property
    def n_sites(self) -> int:
        """Number of sites."""
        return self.shape[0] * self.shape[1]

    @property
    def event_us(self) -> float:
        """What an event took, in µs; NaN if there was none.

        Until the end, or, if that was not reached, in the second half of the time: where loading
        begins, avalanches are small, and dearer by event.
        """
        (begun, _), (end, events) = self.looks[0], self.looks[-1]
        middle, before = next(one for one in self.looks if one[0] >= (begun + end) / 2)
        if self.complete or events == before:
            middle, before = self.looks[0]
        return 1e6 * (end - middle) / (events - before) if events > before else float("nan")

    def first_event_us(self, events_a_site: float) -> float:
        """Return what each of the first so many events a site took, in µs; NaN of too few."""
        events = events_a_site * self.n_sites
        if not LEAST_EVENTS <= events <= self.events:
            return float("nan")
        seconds, counts = np.array(self.looks).T
        return 1e6 * float(np.interp(events, counts, seconds) - seconds[0]) / events


class Program(NamedTuple):
    """Bytes of this process, as the system counts them: its own, and those of mapped files."""

    own: int
    of_files: int

    @classmethod
    def now(cls) -> "Program":
        """Return them; zeros where the system does not say."""
        sizes = {"RssAnon": 0, "RssShmem": 0, "RssFile": 0}
        with suppress(OSError):
            for line in Path("/proc/self/status").read_text().splitlines():
                name, _, value = line.partition(":")
                if name in sizes:
                    sizes[name] = int(value.split()[0]) * 1024
        return cls(sizes["RssAnon"] + sizes["RssShmem"], sizes["RssFile"])


class Trials(NamedTuple):
    """All rehearsals of an input.

    Attributes
    ----------
    shape
        Of its lattice.
    rehearsals
        From the smallest lattice on; the last is of the lattice itself, if that could be.
    records, snapshots
        Of a realization, if the input says how many; else None.
    seconds_to_load
        The step loop.
    program
        This process, its step loop compiled, without a lattice.
    lattice_bytes
        What the lattice takes besides, on all ranks that share it.
    clocked
        Whether there is a clock.
    """

    shape: Shape
    rehearsals: Sequence[Rehearsal]
    records: int | None
    snapshots: int | None
    seconds_to_load: float
    program: Program
    lattice_bytes: int
    clocked: bool = False


def try_out(read: ReadInput, own: Ranks, seconds: float) -> Trials:
    """Shear smaller lattices of the same glass to the end, and the lattice itself for a while."""
    settings, plan = read.settings, plan_of(read.settings)
    shape = (settings.lattice.shape[0], settings.lattice.shape[1])
    shapes, rehearsals = list(_shapes(read, shape)), list[Rehearsal]()
    program, loaded = _load(read, own, shapes)
    began, before = time.perf_counter(), sum(Program.now())
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # what was most until now is forgotten
    for one in shapes:
        left = began + seconds - time.perf_counter()
        too_long = bool(rehearsals) and GROWTH * rehearsals[-1].seconds > left
        if too_long or (one == shape and not _fits(one)):
            break
        rehearsals.append(rehearse(smaller(read, one), own, left))
    if (not rehearsals or rehearsals[-1].shape != shape) and _fits(shape):
        left = max(began + seconds - time.perf_counter(), seconds / 2)
        rehearsals.append(rehearse(read, own, left))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    last, n_sites = rehearsals[-1], shape[0] * shape[1]
    of_fields = last.nbytes if last.shape == shape else BYTES_A_SITE * n_sites
    lattice = max(peak - before, of_fields)
    output, loading = settings.output, settings.loading
    records, snapshots = (rows_in_time(one, loading) for one in (output.observables, output.fields))
    if plan.record_strains is not None:
        records, snapshots = len(plan.records), len(plan.snapshots)
    snapshots, clocked = snapshots if plan.field_names else 0, settings.clock is not None
    return Trials(shape, rehearsals, records, snapshots, loaded, program, lattice, clocked)


def _load(read: ReadInput, own: Ranks, shapes: Sequence[Shape]) -> tuple[Program, float]:
    """Load or compile the step loops; return this process, and the seconds that loading takes.

    Loops that had to be compiled will be loaded by the run itself, which needs no compiler then.
    """
    before, began = Program.now(), time.perf_counter()
    inputs = [smaller(read, one) for one in reversed(shapes)]
    for one in {one.settings.choice.engine: one for one in inputs}.values():
        rehearse(one, own, 0.0)
    after, took = Program.now(), time.perf_counter() - began
    if took < SECONDS_TO_COMPILE:
        return after, took
    return Program(min(after.own, before.own + BYTES_OF_LOOPS), after.of_files), SECONDS_TO_LOAD


def _shapes(read: ReadInput, shape: Shape) -> Iterator[Shape]:
    """Yield the shapes of lattices to try, each twice as long and wide as the one before."""
    settings = read.settings
    by_site = isinstance(settings.kernel, Table) or settings.initial_plastic_strain is not None
    if not by_site and not isinstance(settings.thresholds.initial, GivenField):
        halvings = max(0, (min(shape) // SMALLEST_SIDE).bit_length() - 1)
        yield from ((shape[0] >> k, shape[1] >> k) for k in range(halvings, 0, -1))
    yield shape


def _fits(shape: Shape) -> bool:
    """Return whether a lattice can be tried here."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return shape[0] * shape[1] * BYTES_A_SITE < MOST_OF_MEMORY * free


def smaller(read: ReadInput, shape: Shape) -> ReadInput:
    """Return the input of the same glass on another lattice; lengths of regions go with it."""
    settings, (nx, ny) = read.settings, read.settings.lattice.shape
    if shape == (nx, ny):
        return read
    by = {"x": shape[0] / nx, "y": shape[1] / ny}
    regions = [_scaled(one, by) for one in settings.regions or ()] or None
    changed = {"lattice": LatticeInput(shape=list(shape)), "regions": regions}
    return replace(read, settings=settings.model_copy(update=changed))


def _scaled(region: RegionInput, by: dict[str, float]) -> RegionInput:
    """Return a region on a lattice that is smaller by some factors."""
    across = "x" if region.along == "y" else "y"
    axes = across if region.shape == "band" else "xy"
    centre = tuple(at * by[axis] for at, axis in zip(region.centre, axes, strict=False))
    size = tuple(max(1.0, s * by[axis]) for s, axis in zip(region.size, axes, strict=False))
    return region.model_copy(update={"centre": centre, "size": size})


def rehearse(read: ReadInput, own: Ranks, seconds: float) -> Rehearsal:
    """Shear a realization for so many seconds at the most."""
    began, settings = time.process_time(), read.settings
    lattice = Lattice((settings.lattice.shape[0], settings.lattice.shape[1]), own)
    glass, engine = glass_of(read, lattice), settings.choice.engine
    plan, cadences = plan_of(settings), cadences_of(settings)
    loading, points = loading_of(read), save_points(settings)
    runner = _Trial(lattice, glass, engine, points, plan, None, loading, cadences, settings.clock)
    runner.begin(0)
    dynamics, made, complete = runner.dynamics, time.process_time(), False
    clock, ready = _Clock(dynamics, seconds), time.perf_counter()
    with suppress(OutOfTime):
        for _ in runner.shear(clock.pause, 16):
            pass
        complete = True
    clock.look()
    macro, took = dynamics.state.macro[0], time.perf_counter() - ready
    before = time.process_time()
    series = Series.of(Snapshot(dynamics, float(macro.load)))
    measure(series), measure_profiles(series)
    return Rehearsal(
        lattice.shape,
        engine,
        complete,
        made - began,
        took,
        time.process_time() - before,
        int(macro.events),
        int(macro.avalanches),
        runner.n_records,
        runner.n_snapshots,
        runner.n_cycles,
        dynamics.strain_at(float(macro.load)),
        dynamics.state.plastic_strain(lattice),
        dynamics.nbytes,
        clock.looks,
    )


class _Trial(Runner):
    """A runner that only counts large snapshots: it has no place to write them to."""

    def _add_fields(self, snapshot: Snapshot) -> None:
        if snapshots_are_large(self.plan):
            self.n_snapshots += 1
        else:
            super()._add_fields(snapshot)


class _Clock:
    """Says at each pause for how many steps to go on, and ends a rehearsal that is out of time.

    What an event takes is counted in processor time: others may be at work here, and not there.
    """

    def __init__(self, dynamics: Dynamics, seconds: float) -> None:
        self._dynamics, self._steps = dynamics, 16
        self._last = time.perf_counter()
        self._deadline = self._last + seconds
        self.looks: list[tuple[float, int]] = []
        self.look()

    def look(self) -> None:
        """Note how many events there were until now."""
        self.looks.append((time.process_time(), int(self._dynamics.state.macro[0].events)))

    def pause(self, full_stretch: bool) -> int:
        """Return for how many steps to go on; raise `OutOfTime`."""
        now = time.perf_counter()
        if now >= self._deadline:
            raise OutOfTime
        if full_stretch:
            self._steps = steps_of(SECONDS_A_STRETCH, self._steps, now - self._last)
        self._last = now
        self.look()
        return self._steps
