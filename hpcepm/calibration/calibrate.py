"""A calibration: rank 0 searches, all ranks simulate what it asks for."""

from collections.abc import Callable
from dataclasses import dataclass

from hpcepm.analysis.statistics import Floats, standard_error
from hpcepm.parallel.ranks import Ranks
from hpcepm.run.stopping import StopRequest

from .ensemble import Ensemble
from .search import MOST_ROUNDS, Found, most_points, search
from .target import Target


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
    model = _Model(ranks, target, stop_request, say, show)
    if not ranks.is_root:
        while model.curves_at(None) is not None:
            pass
        return None
    try:
        found = search(
            target.start, target.bounds, target.goal, target.settings.confidence, model.observe
        )
        say("curve at the optimum")
        at_best = model.curves_at(found.fit.best[None])
        assert at_best is not None
    except NoPeak:
        model.curves_at(None)
        raise
    model.curves_at(None)
    curves, pseudo = at_best[0], target.statistics.pseudo_values(at_best[0])
    mean, error = curves.mean(axis=0), standard_error(curves)
    return Result(found, mean, error, pseudo.mean(axis=0), standard_error(pseudo), model.done)


class _Model:
    """What `calibrate` takes, and how many realizations are done."""

    def __init__(
        self,
        ranks: Ranks,
        target: Target,
        stop_request: StopRequest,
        say: Callable[[str], None],
        show: Callable[[int, int], None],
    ) -> None:
        self.ranks, self.target, self.say, self.show = ranks, target, say, show
        statistics, self.n = target.statistics, target.settings.realizations
        self.ensemble = Ensemble(
            ranks, self.n, statistics.strains, statistics.observables, stop_request
        )
        self.most, self.done = self.n * (most_points(len(target.keys)) + 1), 0

    def curves_at(self, points: Floats | None) -> Floats | None:
        """Return the curves of all groups at the points of rank 0. Collective.

        None ends it: rank 0 has no more points.
        """
        points = self.ranks.bcast(points)
        if points is None:
            return None
        before, new = self.done, self.n * len(points)
        self.done += new
        inputs = [self.target.input_at(point) for point in points]
        return self.ensemble.curves(
            inputs, lambda part: self.show(before + round(part * new), self.most)
        )

    def observe(self, points: Floats, number: int) -> Floats:
        """Return the numbers of the goal at the points of a round, (P, G, S). On rank 0."""
        told = f"{len(points)} point{'s'[: len(points) > 1]} × {self.n} realizations"
        self.say(f"round {number} of at most {MOST_ROUNDS}: {told}")
        curves = self.curves_at(points)
        assert curves is not None
        _refuse_no_peak(self.target, curves.mean(axis=1))
        return self.target.statistics.pseudo_values(curves)


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
