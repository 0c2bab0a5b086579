"""Flow under each control: the flow stress by several definitions, and avalanches at a stress.

In extremal loading the site that yields next is always the one that needs the lowest stress. This
stress is a signal F. Under stress control at Σ, weakest first, the same events happen in the same
order for as long as F ≤ Σ: an avalanche ends where F exceeds Σ.
"""

from pathlib import Path
from typing import Final, NamedTuple

import h5py
import numpy as np
from scipy.optimize import curve_fit, least_squares, minimize_scalar

from hpcepm.analysis.statistics import Estimate, Floats, mean, plateau, pseudo_values, ratio
from hpcepm.layout import SAME_STRAIN

from ..harness import Run
from .runs import Plan, flow_run

STEADY: Final = (0.25, 0.5)
"""Strains, plastic ones of extremal loading, between which flow counts as steady."""

LEVELS: Final = np.round(np.arange(0.2, 0.66, 0.02), 12)
"""Stresses at which avalanches of the extremal signal are taken."""

DIVERGES: Final = ((0.40, 0.52), (0.44, 0.54), (0.48, 0.56))
"""Levels between which the mean avalanche is fitted."""

DRAWN: Final = (0.40, 0.50, 0.56)
"""Levels whose avalanches are drawn."""

ALIKE: Final = {
    "weakest": ("extremal, highest", "strain, weakest, mean"),
    "synchronous": (
        "stress, synchronous",
        "strain, synchronous, highest",
        "strain, synchronous, mean",
    ),
}
"""Flow stresses that should tend to one, by the order in which sites yield."""


SAME_STRESS: Final = 1e-9
"""Engines differ by rounding."""


class Signal(NamedTuple):
    """Avalanches of one realization, in their order; each (avalanche,)."""

    stress: Floats  # at the trigger
    slip: Floats
    strain: Floats  # at the trigger


class Flow(NamedTuple):
    """What was found at one size."""

    size: int
    samples: int
    alike: int  # realizations whose stress control ended at the top of the extremal signal
    stress: dict[str, Estimate]  # flow stresses, by definition
    avalanche: list[Estimate]  # ⟨S⟩ of extremal loading at `LEVELS`
    divergences: list[tuple[Estimate, Estimate]]  # Σ_c and γ of ⟨S⟩ ~ (Σ_c − Σ)^−γ, `DIVERGES`
    ramp: list[tuple[float, Estimate, int]]  # of stress control: Σ, ⟨S⟩, how many
    slips: dict[str, Floats]  # sizes of avalanches: "strain", "ramp", and "0.50" at a level


def read_signals(run: Run) -> list[Signal]:
    """Return the avalanches of each realization."""
    with h5py.File(run.file, "r") as file:
        table = file["avalanches"]
        which = table["realization"][()]
        columns = [table[name][()] for name in ("stress", "slip", "strain")]
    cuts = np.searchsorted(which, np.arange(1, run.realizations))
    return [Signal(*row) for row in zip(*(np.split(c, cuts) for c in columns), strict=True)]


def last_stress(run: Run) -> Floats:
    """Return the stress of the last record of each realization."""
    with h5py.File(run.file, "r") as file:
        stress, counts = file["observables/stress"][()], file["observables/records"][()]
    return np.array([row[n - 1] for row, n in zip(stress, counts, strict=True)])


def plateaus(run: Run) -> Floats:
    """Return the mean stress of each realization in steady flow, under strain control."""
    with h5py.File(run.file, "r") as file:
        strain, stress = file["observables/strain"][()], file["observables/stress"][()]
    return plateau(strain, stress, STEADY)


def avalanches_at(signal: Signal, level: float) -> Floats:
    """Return the sizes of avalanches at a stress, the last, which may not be over, left out.

    Each begins with an event above it, and goes on with all events at or below it.
    """
    begins = np.flatnonzero(signal.stress > level)
    if begins.size < 2:
        return np.zeros(0)
    return np.add.reduceat(signal.slip[: begins[-1]], begins[:-1])


def steady(signal: Signal, n_sites: int) -> Signal:
    """Return the part of an extremal signal that lies in steady flow."""
    plastic = np.cumsum(signal.slip) / n_sites
    inside = (plastic >= STEADY[0]) & (plastic <= STEADY[1])
    return Signal(*(column[inside] for column in signal))


def fit_divergence(levels: Floats, sizes: Floats) -> tuple[float, float]:
    """Fit ⟨S⟩ = A (Σ_c − Σ)^−γ, least squares of logarithms; return Σ_c and γ."""
    logs = np.log(sizes)

    def line(critical: float) -> tuple[float, float]:
        x = np.log(critical - levels)
        slope, start = np.polyfit(x, logs, 1)
        return float(np.sum((logs - start - slope * x) ** 2)), -float(slope)

    top = float(levels.max())
    found = minimize_scalar(
        lambda ln: line(top + np.exp(ln))[0], bounds=(-7.0, 0.5), method="bounded"
    )
    critical = top + float(np.exp(found.x))
    return critical, line(critical)[1]


def divergence(signals: list[Signal], low: float, high: float) -> tuple[Estimate, Estimate]:
    """Return Σ_c and γ with errors by the jackknife over realizations."""
    fitted = LEVELS[(low - SAME_STRAIN < LEVELS) & (high + SAME_STRAIN > LEVELS)]
    sums = np.array([[s.slip.sum(), *((s.stress > x).sum() for x in fitted)] for s in signals])

    def of(means: Floats) -> Floats:
        return np.array([fit_divergence(fitted, row[0] / row[1:]) for row in means])

    critical, power = pseudo_values(sums, of).T
    return mean(critical), mean(power)


def _mean_at(signals: list[Signal], level: float) -> Estimate:
    """Return ⟨S⟩ at a level: all slip, by the number of events above it."""
    counts = np.array([float((s.stress > level).sum()) for s in signals])
    if (counts > 0).sum() < 2:
        return Estimate(np.nan, np.nan)
    return ratio(np.array([s.slip.sum() for s in signals]), counts)


def _ramp(signals: list[Signal]) -> list[tuple[float, Estimate, int]]:
    """Return ⟨S⟩ of avalanches that a rising stress triggers, by that stress."""
    found = []
    for low, high in zip(LEVELS[:-2:2], LEVELS[2::2], strict=True):
        inside = [s.slip[(s.stress >= low) & (s.stress < high)] for s in signals]
        n = np.array([float(slips.size) for slips in inside])
        if n.sum() >= 30:
            size = ratio(np.array([slips.sum() for slips in inside]), n)
            found.append((float(low + high) / 2, size, int(n.sum())))
    return found


def read_flow(folder: Path, plan: Plan, size: int) -> Flow:
    """Return what was found at one size."""
    runs = {
        (control, order): flow_run(folder, plan, control, order, size)
        for control in ("stress", "strain")
        for order in ("weakest", "synchronous")
    }
    its = flow_run(folder, plan, "extremal", "synchronous", size)
    extremal, last = read_signals(its), last_stress(its)  # which is that of an event not over
    flowing = [steady(s, size * size) for s in extremal]
    top = np.array([max(s.stress.max(), end) for s, end in zip(extremal, last, strict=True)])
    strain = read_signals(runs["strain", "synchronous"])
    ramp = read_signals(runs["stress", "synchronous"])
    stress = {
        "extremal, highest": mean(top),
        "stress, synchronous": mean(last_stress(runs["stress", "synchronous"])),
        "strain, synchronous, highest": mean(np.array([s.stress.max() for s in strain])),
        "strain, weakest, mean": mean(plateaus(runs["strain", "weakest"])),
        "strain, synchronous, mean": mean(plateaus(runs["strain", "synchronous"])),
    }
    sizes = {
        "strain": np.concatenate([s.slip[s.strain >= STEADY[0]] for s in strain]),
        "ramp": np.concatenate([s.slip for s in ramp]),
    }
    for level in DRAWN:
        sizes[f"{level:.2f}"] = np.concatenate([avalanches_at(s, level) for s in flowing])
    same = abs(last_stress(runs["stress", "weakest"]) - top) < SAME_STRESS
    means = [_mean_at(flowing, level) for level in LEVELS]
    return Flow(
        size,
        len(top),
        int(same.sum()),
        stress,
        means,
        [divergence(flowing, *levels) for levels in DIVERGES],
        _ramp(ramp),
        sizes,
    )


def widened(estimate: Estimate, samples: int) -> Estimate:
    """Return a mean of so few samples with the standard deviation of Student's t as its error."""
    widening = np.sqrt((samples - 1) / (samples - 3)) if samples > 3 else np.inf
    return Estimate(estimate.value, float(estimate.error * widening))


def extrapolate(sizes: Floats, values: list[Estimate]) -> tuple[Estimate, Estimate, float]:
    """Fit Σ(N) = Σ_∞ + a N^−b; return Σ_∞, b, and χ² by degree of freedom.

    Where that exceeds 1 errors are enlarged by its root.
    """
    y, errors = np.array(values).T

    def law(n: Floats, limit: float, a: float, b: float) -> Floats:
        return limit + a * n**-b

    start = (y[-1], (y[0] - y[-1]) * sizes[0] ** 0.7, 0.7)
    best, covariance = curve_fit(
        law,
        sizes,
        y,
        start,
        errors,
        absolute_sigma=True,
        maxfev=20_000,
        bounds=([-np.inf, -np.inf, 0.05], [np.inf, np.inf, 4.0]),
    )
    chi2 = float(np.sum(((y - law(sizes, *best)) / errors) ** 2)) / max(1, len(y) - 3)
    spread = np.sqrt(np.diag(covariance) * max(1.0, chi2))
    return Estimate(best[0], spread[0]), Estimate(best[2], spread[2]), chi2


def common_limit(sizes: Floats, rows: list[list[Estimate]]) -> tuple[Estimate, float]:
    """Fit Σ_i(N) = Σ_∞ + a_i N^−b_i with one Σ_∞ for all; return it, and χ² by freedom.

    ``rows`` are of one definition each. Errors of definitions are taken as independent, though they
    have glasses in common.
    """
    y, errors = np.moveaxis(np.array(rows), -1, 0)
    k = len(rows)

    def left(p: Floats) -> Floats:
        law = p[0] + p[1 : k + 1, None] * (sizes / sizes[0]) ** -p[k + 1 :, None]
        return np.ravel((y - law) / errors)

    start = np.concatenate([[y[:, -1].mean()], y[:, 0] - y[:, -1], np.full(k, 0.8)])
    found = least_squares(left, start, x_scale="jac", max_nfev=5000)
    freedom = max(1, y.size - start.size)
    chi2 = 2 * float(found.cost) / freedom
    spread = np.sqrt(np.linalg.pinv(found.jac.T @ found.jac)[0, 0] * max(1.0, chi2))
    return Estimate(float(found.x[0]), float(spread)), chi2
