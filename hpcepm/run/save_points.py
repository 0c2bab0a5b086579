"""What a run keeps, and when, by its input."""

from hpcepm import schedule
from hpcepm.input import Input
from hpcepm.schedule import SavePoint
from hpcepm.storage.store import Plan


def save_points(settings: Input) -> list[SavePoint]:
    """Return the save points of a run, in the order in which they are reached."""
    output = settings.output
    snapshots = output.fields.every if output.fields else None
    return schedule.save_points(settings.loading.turns, output.observables.every, snapshots)


def plan_of(settings: Input) -> Plan:
    """Return what a run keeps of each realization."""
    points, (nx, ny) = save_points(settings), settings.lattice.shape
    return Plan(
        (nx, ny),
        tuple(point.strain for point in points if point.record),
        tuple(point.strain for point in points if point.snapshot),
        tuple(settings.output.fields.names) if settings.output.fields else (),
        settings.output.avalanches,
    )
