"""What a run keeps, and when, by its input."""

from math import log10

from hpcepm import schedule
from hpcepm.input.clock import times_of
from hpcepm.input.output import CadenceInput
from hpcepm.input.schema import Input
from hpcepm.model.loading import Cycles, Loading, Sine
from hpcepm.schedule import Cadence, SavePoint
from hpcepm.storage.plan import Plan

from .cadences import Cadences


def save_points(settings: Input) -> list[SavePoint] | None:
    """Return the save points of a run, in order; None if they are not known beforehand."""
    written = settings.model_dump()
    return schedule.save_points_of(written) if schedule.is_known(written) else None


def cadences_of(settings: Input) -> Cadences:
    """Return how often a run saves."""
    output = settings.output
    snapshots = Cadence.parse(output.fields.model_dump()) if output.fields else None
    return Cadences(Cadence.parse(output.observables.model_dump()), snapshots)


def rows_in_time(asked: CadenceInput | None, loading: Loading) -> int | None:
    """Return how many records or snapshots follow time; None if these follow something else."""
    if asked is None or asked.of != "time":
        return None
    times = times_of(loading)
    ends = 1 + len(times)
    if asked.every is not None:
        return ends + int(sum(times) / asked.every)
    assert asked.per_decade is not None
    decades = sum(log10(time / asked.first) for time in times if time > asked.first)
    return ends + int(decades * asked.per_decade)


def plan_of(settings: Input) -> Plan:
    """Return what a run keeps of each realization."""
    points, (nx, ny) = save_points(settings), settings.lattice.shape
    records = snapshots = None
    if points is not None:
        records = tuple(point.strain for point in points if point.record)
        snapshots = tuple(point.strain for point in points if point.snapshot)
    fields = settings.output.fields
    names, kind = (tuple(fields.names), fields.dtype) if fields else ((), "float64")
    loading, turns, cycles = settings.loading, 0, 0
    if isinstance(loading, Cycles):
        turns, cycles = len(loading.cycle), loading.cycles
    avalanches = settings.output.avalanches
    kept = names, avalanches, turns, cycles, kind, settings.clock is not None
    sine, events = isinstance(loading, Sine), settings.output.events
    return Plan((nx, ny), records, snapshots, *kept, oscillation=sine, events=events)
