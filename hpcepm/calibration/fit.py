"""The keys that meet a goal, by an emulator, and how well they are known."""

from dataclasses import dataclass

import numpy as np
import scipy.optimize
import scipy.stats

from hpcepm.analysis.statistics import Floats

from .emulator import Box, Emulator
from .statistics import Goal


@dataclass(frozen=True)
class Fit:
    """The best keys and their error.

    Attributes
    ----------
    best
        Values of the keys, (p,).
    covariance
        Of their errors, (p, p).
    smallest_covariance
        The same if the polynomials were exact: what a smaller box could attain.
    freedom
        Degrees of freedom of the covariance: groups of realizations less one.
    emulated
        The observables there, (S,).
    errors
        Standard errors of ``emulated − goal``, (S,).
    emulator
        What was fitted with.
    gain
        A = (JᵀKᵀKJ)⁻¹JᵀKᵀK: how far the best keys move with each observable, (p, S).
    """

    best: Floats
    covariance: Floats
    smallest_covariance: Floats
    freedom: int
    emulated: Floats
    errors: Floats
    emulator: Emulator
    gain: Floats

    def half_widths(self, confidence: float, attainable: bool = False) -> Floats:
        """Return half the width of the interval of each key alone, (p,).

        Student's t, as the errors are estimates.
        """
        covariance = self.smallest_covariance if attainable else self.covariance
        return np.sqrt(np.diag(covariance)) * scipy.stats.t.ppf((1 + confidence) / 2, self.freedom)

    def region(self, confidence: float) -> float:
        """Return the squared radius of the joint confidence region: `distance` up to this."""
        p = self.best.size
        return float(p * scipy.stats.f.ppf(confidence, p, self.freedom))

    def distance(self, keys: Floats) -> Floats:
        """Return δᵀ covariance⁻¹ δ, (...,), of keys (..., p).

        δ = A·(observables at the keys − observables at the best): keys − best where observables are
        linear, and where they are not, the region follows their curves.
        """
        delta = (self.emulator.at(keys) - self.emulated) @ self.gain.T
        inverse = np.linalg.pinv(self.covariance, hermitian=True)
        squared: Floats = np.einsum("...i,ij,...j->...", delta, inverse, delta)
        return squared

    def outline(self, confidence: float) -> Floats:
        """Return the outline of the joint region of the first two keys, (120, 2).

        The others are at their best.
        """
        angle = np.linspace(0, 2 * np.pi, 120)
        squares, directions = np.linalg.eigh(self.covariance[:2, :2])
        # A key that no target depends on leaves nothing to take a root of.
        root = directions * np.sqrt(np.maximum(squares, 0))
        far = np.linspace(0, 4, 801) * np.sqrt(self.region(confidence))
        rays = np.tile(self.best, (120, far.size, 1))
        circle = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        rays[..., :2] += far[:, None] * (circle @ root.T)[:, None]
        outside = self.distance(rays) > self.region(confidence)
        first = np.where(outside.any(axis=1), outside.argmax(axis=1), far.size - 1)
        return rays[np.arange(120), first, :2]


def fit_keys(emulator: Emulator, goal: Goal, starts: Floats, box: Box) -> Fit:
    """Return the keys in a box for which the emulated observables are nearest to a goal.

    Parameters
    ----------
    emulator, goal
        Of S observables each.
    starts
        Where to begin, (starts, p); the best end counts.
    box
        Where to look.
    """
    best = starts[0]
    for _ in range(3):  # the errors depend on the place, but weakly
        compared = _compared(emulator, goal, best)
        ends = [_descend(emulator, goal, compared, start, box) for start in starts]
        best = min(ends, key=lambda end: end[1])[0]
        starts = best[None]
    errors = np.sqrt(goal.errors**2 + emulator.variance(best))
    compared = _compared(emulator, goal, best)
    gain = np.linalg.pinv(compared @ emulator.gradient(best)) @ compared
    covariance = _covariance(emulator, goal, gain, best, emulator.model_variance)
    smallest = _covariance(emulator, goal, gain, best, np.zeros_like(errors))
    freedom = len(emulator.coefficients) - 1
    return Fit(best, covariance, smallest, freedom, emulator.at(best), errors, emulator, gain)


def modes_of(emulator: Emulator, goal: Goal, best: Floats) -> Floats | None:
    """Return what to compare of the curves of a goal, (modes, S).

    For each key it is the sum of points that determines this key best: the rows of (JᵀWJ)⁻¹JᵀW.
    The slopes J against the keys have noise at each point. In a least-squares fit to many points
    this noise adds up and passes for information, the more so the smaller the box. So the sums are
    found once, in the box of all ranges, where slopes are known well. After that they are plain
    numbers, as plateau and peak are.
    """
    if goal.curve is None or not goal.curve.any():
        return None
    curve = goal.curve > 0
    errors = goal.errors.copy()
    for k in range(1, goal.curve.max() + 1):
        own = goal.curve == k
        # The smallest errors are of points where nothing happens, and known worst.
        errors[own] = np.hypot(errors[own], np.median(errors[own]))
    slopes = emulator.gradient(best)[curve] * emulator.box.half / errors[curve, None]
    sums = np.zeros((best.size, curve.size))
    sums[:, curve] = np.linalg.pinv(slopes) / errors[curve]
    return np.concatenate([np.eye(curve.size)[~curve], sums])


def _compared(emulator: Emulator, goal: Goal, best: Floats) -> Floats:
    """Return K, (modes, S): K (observables − goal) is to be small, in units of its error.

    Correlations are neglected.
    """
    modes = np.eye(goal.errors.size) if goal.modes is None else goal.modes
    groups = emulator.of_groups(best) @ modes.T
    others = modes**2 @ (goal.errors**2 + emulator.model_variance)
    weighted: Floats = modes / np.sqrt(groups.var(axis=0, ddof=1) / len(groups) + others)[:, None]
    return weighted


def _descend(
    emulator: Emulator, goal: Goal, compared: Floats, start: Floats, box: Box
) -> tuple[Floats, float]:
    """Return a minimum of the weighted squares and its value."""

    def scaled_back(scaled: Floats) -> Floats:
        return box.centre + scaled * box.half

    found = scipy.optimize.least_squares(
        lambda scaled: compared @ (emulator.at(scaled_back(scaled)) - goal.values),
        np.clip(box.scaled(start), -1 + 1e-9, 1 - 1e-9),
        jac=lambda scaled: compared @ emulator.gradient(scaled_back(scaled)) * box.half,
        bounds=(-1, 1),
    )
    return scaled_back(found.x), float(found.cost)


def _covariance(
    emulator: Emulator, goal: Goal, gain: Floats, best: Floats, model_variance: Floats
) -> Floats:
    """Return the covariance of the best keys, from the errors of goal, sampling and model.

    The minimum moves by δ = A·(error of the goal − error of the emulator), A the gain. For the
    sampling error A is applied to each group of realizations, so that no correlation between
    observables is missed.
    """
    groups = emulator.of_groups(best)
    deviations = groups - groups.mean(axis=0)
    sampling = np.cov(deviations @ gain.T, rowvar=False).reshape(best.size, best.size) / len(groups)
    others = np.sqrt(goal.errors**2 + model_variance)
    alone = gain[:, ~goal.correlated] * others[~goal.correlated]
    # Errors of neighbouring points of a curve go together; how, the realizations of the model show.
    scatter = deviations.std(axis=0, ddof=1)
    alike = np.divide(deviations, scatter, out=np.zeros_like(deviations), where=scatter > 0)
    moved = (alike * others)[:, goal.correlated] @ gain[:, goal.correlated].T
    together = np.cov(moved, rowvar=False).reshape(best.size, best.size)
    return sampling + alone @ alone.T + together
