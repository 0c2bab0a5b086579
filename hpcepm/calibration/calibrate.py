"""A calibration: rank 0 searches, all ranks simulate what it asks for."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpcepm.parallel.ranks import Ranks
from hpcepm.run.stopping import StopRequest

from .ensemble import Ensemble
from .progress import Progress
from .search import Found, search
from .target import Target

Floats = NDArray[np.float64]


class NoPeak(Exception):
    """A peak was asked of glasses whose stress rises to none."""


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


def calibrate(
    ranks: Ranks, target: Target, progress: Progress | None, stop_request: StopRequest
) -> Result | None:
    """Return what was found on rank 0, None elsewhere. Collective.

    Parameters
    ----------
    ranks
        All ranks.
    target
        The same on all ranks.
    progress
        Rank 0's reports; None elsewhere.
    stop_request
        Heeded between two groups of realizations.

    Raises
    ------
    Interrupted
        A rank was asked to stop.
    ProblemOnRank, InputError
        A point that was tried makes no stable glass, or no valid input.
    NoPeak
        On rank 0: see there.
    """
    statistics = target.statistics
    ensemble = Ensemble(
        ranks,
        target.settings.realizations,
        statistics.strains,
        statistics.observables,
        stop_request,
    )

    def curves_at(points: Floats | None) -> Floats | None:
        points = ranks.bcast(points)
        if points is None:
            return None
        tell = progress.update if progress else lambda _: None
        return ensemble.curves([target.input_at(point) for point in points], tell)

    if not ranks.is_root:
        while curves_at(None) is not None:
            pass
        return None

    def observe(points: Floats, number: int) -> Floats:
        if progress:
            progress.begin(number, len(points))
        curves = curves_at(points)
        assert curves is not None
        _refuse_no_peak(target, curves.mean(axis=1))
        return statistics.pseudo_values(curves)

    try:
        found = search(
            target.start, target.bounds, target.goal, target.settings.confidence, observe
        )
        if progress:
            progress.begin(None, 1)
        at_best = curves_at(found.fit.best[None])
        assert at_best is not None
    except NoPeak:
        curves_at(None)
        raise
    curves_at(None)
    return _result(target, found, at_best[0])


def _refuse_no_peak(target: Target, curves: Floats) -> None:
    """Raise `NoPeak` if a peak is wanted and most curves (points, observables, strains) have none."""
    wanted = [name for name in target.statistics.names if name != "plateau"]
    with_peak = int(target.statistics.has_peak(curves).sum())
    if wanted and 2 * with_peak < len(curves):
        raise NoPeak(
            f"target.{wanted[0]}: at {len(curves) - with_peak} of {len(curves)} points tried the stress has no peak before its "
            "plateau: take an older glass (thresholds.initial), more records, a narrower range of the keys, or leave the peak out"
        )


def _result(target: Target, found: Found, group_curves: Floats) -> Result:
    groups = len(group_curves)
    pseudo = target.statistics.pseudo_values(group_curves)
    return Result(
        found,
        group_curves.mean(axis=0),
        group_curves.std(axis=0, ddof=1) / np.sqrt(groups),
        pseudo.mean(axis=0),
        pseudo.std(axis=0, ddof=1) / np.sqrt(groups),
        (len(found.points) + 1) * target.settings.realizations,
    )
