"""A sweep in one MPI job: groups of ranks take points, one after the other, until none is left.

Who works on a point holds the lock of its directory; so groups, and other jobs of the same sweep,
keep out of each other's way without a word.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from hpcepm.faults import DIRECTORY_TAKEN, FAILED
from hpcepm.parallel.ranks import Ranks
from hpcepm.run.status import last_word
from hpcepm.text import report_fault

from .grid import Point
from .plan import Sweep

SECONDS_BETWEEN_LOOKS: Final = 0.05

RunPoint = Callable[[Ranks, list[str]], int]
"""Carries out the command line of a run on a group of ranks; returns the exit code. Collective."""


def run_in_job(
    comm: Any,
    sweep: Sweep,
    points: Sequence[Point],
    ranks: int,
    run_point: RunPoint,
    urgency: Callable[[], int],
    ended: Callable[[Point, int], None],
) -> dict[int, int]:
    """Run points; return on all ranks the exit code of each that was not another's. Collective.

    Parameters
    ----------
    comm
        All ranks of the job.
    sweep, points
        Which; the same on all ranks, whatever comes on the disk meanwhile.
    ranks
        Of each point. Ranks that make no whole group, or find no point, have nothing to do.
    run_point
        See `RunPoint`.
    urgency
        Returns how often this rank was asked to stop until now.
    ended
        Is told of each point that ended, on the first rank of its group.

    An exception on a rank of a group of several is raised: the others wait, so all ranks must end.
    """
    before = comm.bcast(None if comm.rank else _last_words(sweep, points))
    groups = max(1, min(comm.size // ranks, len(points)))
    mine = comm.rank // ranks
    group = Ranks(comm.Split(mine, comm.rank))
    codes: dict[int, int] = {}
    if mine < groups:
        first = mine * len(points) // groups  # each begins elsewhere
        for point in [*points[first:], *points[:first]]:
            if any(group.allgather(urgency())):
                break
            if group.bcast(sweep.in_use(point) or _ended(sweep, point, before)):
                continue
            code = _code_of(group, sweep.arguments(point), run_point)
            if group.is_root and (code != DIRECTORY_TAKEN or not sweep.in_use(point)):
                codes[point.number] = code
                ended(point, code)
    _wait_for_all(comm)
    told = comm.allgather(codes)
    pairs = [pair for some in told for pair in some.items()]
    pairs.sort(key=lambda pair: pair[1] != DIRECTORY_TAKEN)  # what another group came to counts
    return dict(pairs)


def _last_words(sweep: Sweep, points: Sequence[Point]) -> dict[int, object]:
    """Return how each point ended that has ended, by its number. No clocks are compared."""
    return {point.number: last_word(sweep.directory(point)) for point in points}


def _ended(sweep: Sweep, point: Point, before: dict[int, object]) -> bool:
    """Return whether a point has ended since the job began."""
    return last_word(sweep.directory(point)) not in (None, before[point.number])


def _code_of(group: Ranks, arguments: list[str], run_point: RunPoint) -> int:
    try:
        return run_point(group, arguments)
    except Exception as error:
        if group.size > 1:
            raise
        report_fault(error)
        return FAILED


def _wait_for_all(comm: Any) -> None:
    """Wait without spinning: others may need the processor for hours."""
    barrier = comm.Ibarrier()
    while not barrier.Test():
        time.sleep(SECONDS_BETWEEN_LOOKS)
