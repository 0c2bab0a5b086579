"""A calibration: rank 0 searches, all ranks simulate what it asks for."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpcepm.analysis.statistics import standard_error
from hpcepm.parallel.ranks import Ranks
from hpcepm.run.stopping import StopRequest

from .ensemble import Ensemble
from .search import MOST_ROUNDS, Found, most_points, search
from .target import Target

Floats = NDArray[np.float64]


class NoPeak(Exception):
    """A peak was asked of glasses whose stress has none."""


@dataclass(frozen=True)
class Result:
    """What a calibration found.

    Attributes
    ----------
    found
        The fit.
    curves, curve_errors
        Means at the best keys, simulated, and their standard errors, (observables, strains).
    simulated, simulated_error
        The observables of that curve, (S,).
    runs
        How many realizations were sheared in all.
    """

    found: Found
    curves: Floats
    curve_errors: Floats
    simulated: Floats
    simulated_error: Floats
    runs: int


def silent(*_: object) -> None:
    """Say nothing."""


def calibrate(
    ranks: Ranks,
    target: Target,
    stop_request: StopRequest,
    say: Callable[[str], None] = silent,
    show: Callable[[int, int], None] = silent,
) -> Result | None:
    """Return what was found on rank 0, None elsewhere. Collective.

    Parameters
    ----------
    ranks
        All ranks.
    target
        The same on all ranks.
    stop_request
        Obeyed between two groups of realizations.
    say
        Is told of each round, in words.
    show
        Is told again and again how many realizations are done, and how many there are at most.

    Raises
    ------
    Interrupted
        A rank was asked to stop.
    ProblemOnRank, InputError
        A point that was tried makes no stable glass, or no valid input.
    NoPeak
        On rank 0 alone: a peak is wanted, and most points have none.
    """
    statistics, n = target.statistics, target.settings.realizations
    ensemble = Ensemble(ranks, n, statistics.strains, statistics.observables, stop_request)
    most, done = n * (most_points(len(target.keys)) + 1), 0

    def curves_at(points: Floats | None) -> Floats | None:
        nonlocal done
        points = ranks.bcast(points)
        if points is None:
            return None
        before, done = done, done + n * len(points)

        def tell(part: float) -> None:
            show(before + round(part * n * len(points)), most)

        return ensemble.curves([target.input_at(point) for point in points], tell)

    def observe(points: Floats, number: int) -> Floats:
        plural = "s"[: len(points) > 1]
        say(
            f"round {number} of at most {MOST_ROUNDS}: {len(points)} point{plural} "
            f"× {n} realizations"
        )
        curves = curves_at(points)
        assert curves is not None
        _refuse_no_peak(target, curves.mean(axis=1))
        return statistics.pseudo_values(curves)

    if not ranks.is_root:
        while curves_at(None) is not None:
            pass
        return None
    try:
        found = search(
            target.start, target.bounds, target.goal, target.settings.confidence, observe
        )
        say("curve at the optimum")
        at_best = curves_at(found.fit.best[None])
        assert at_best is not None
    except NoPeak:
        curves_at(None)
        raise
    curves_at(None)
    curves, pseudo = at_best[0], statistics.pseudo_values(at_best[0])
    mean, error = curves.mean(axis=0), standard_error(curves)
    return Result(found, mean, error, pseudo.mean(axis=0), standard_error(pseudo), done)


def _refuse_no_peak(target: Target, curves: Floats) -> None:
    """Raise `NoPeak` if a peak is wanted and most of curves (points, ...) have none."""
    wanted = [name for name in target.statistics.names if name != "plateau"]
    without = int((~target.statistics.has_peak(curves)).sum())
    if wanted and 2 * without > len(curves):
        raise NoPeak(
            f"target.{wanted[0]}: at {without} of {len(curves)} points tried the stress has no "
            "peak before its plateau: take an older glass (thresholds.initial), more records, "
            "a narrower range of the keys, or leave the peak out"
        )
