"""What is said of an ensemble in numbers: its plateau, its peak, and how well they are known.

Realizations are independent, so errors come from their scatter. Arrays have the realization on the
first axis and the record, where there is one, on the last.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import ceil, floor, log10
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.layout import SAME_STRAIN

Floats = NDArray[np.float64]

PLATEAU: Final = (0.5, 1.0)
"""The strains between which the mean stress is the plateau, as in the paper."""

RESAMPLES: Final = 400

ONE_ERROR: Final = (0.1587, 0.8413)
"""The quantiles of a normal distribution one standard deviation below its mean and above."""


ROUNDING: Final = 1e-12
"""An error that is a smaller part of its number is none."""

SMALL: Final = 1e-4
"""Smaller numbers are written with a power of ten."""


LARGEST_COUNT: Final = 1e12
"""Up to here whole numbers without an error are written whole."""


class Estimate(NamedTuple):
    """A number and its standard error; NaN if one realization tells no error."""

    value: float
    error: float

    def __str__(self) -> str:
        """Write as many digits as the error allows: two of its own."""
        if not ROUNDING * abs(self.value) < self.error < np.inf:
            is_count = float(self.value).is_integer() and abs(self.value) < LARGEST_COUNT
            return f"{self.value:.0f}" if is_count else f"{self.value:.4g}"
        if 0 < abs(self.value) < SMALL or abs(self.value) >= LARGEST_COUNT:
            power = floor(log10(abs(self.value)))
            return f"({Estimate(*(10.0**-power * np.array(self)))})e{power}"
        digits = max(0, 1 - floor(log10(float(f"{self.error:.1e}"))))
        return f"{self.value:.{digits}f} ± {self.error:.{digits}f}"


# The plateau and the peak


def interpolate(strain: Floats, curves: Floats, at: Floats) -> Floats:
    """Return the values of curves (..., record) at strains, (..., at), on straight lines.

    Beyond the first and the last record a curve is as high as there.
    """
    right = np.clip(np.searchsorted(strain, at), 1, len(strain) - 1)
    part = np.clip((at - strain[right - 1]) / (strain[right] - strain[right - 1]), 0, 1)
    return curves[..., right - 1] * (1 - part) + curves[..., right] * part


def first_branch(strain: Floats) -> int:
    """Return how many records there are before the load turns, the turning point included."""
    way = np.diff(strain) * (strain[1] - strain[0])
    return int(np.argmax(way < 0)) + 1 if (way < 0).any() else strain.size


def plateau_window(last: float) -> tuple[float, float]:
    """Return between which strains the plateau of a run to strain ``last`` lies.

    `PLATEAU`, or of a shorter run its second half.
    """
    return PLATEAU if last >= PLATEAU[1] - SAME_STRAIN else (last / 2, last)


def plateau(strain: Floats, curves: Floats, window: tuple[float, float] | None = None) -> Floats:
    """Return the mean of curves (..., record) over a window of strain, (...,).

    It is the area below the curve by the width of the window. So it does not depend on where the
    records lie, as their plain mean does, in which the ends of the window count for too much.
    Without a window: that of `plateau_window`.
    """
    low, high = window or plateau_window(float(strain[-1]))
    inside = (strain > low + SAME_STRAIN) & (strain < high - SAME_STRAIN)
    at = np.concatenate([[low], strain[inside], [high]])
    return np.asarray(np.trapezoid(interpolate(strain, curves, at), at) / (high - low))


BLOCKS: Final = 8
"""A window of one realization is cut into so many parts, whose scatter tells the error."""

SAME_SIZE: Final = 1e-6
"""Values that are so many decades apart have one size."""

SAME_LEVEL: Final = 0.01
"""Halves of a window that differ by less than this part of the mean are one level."""

MOST_CHANGE: Final = 0.05
"""Halves that differ by more are none, however large their errors."""

CONFIDENCE: Final = 0.95


class Plateau(NamedTuple):
    """The mean over a window of strain, and whether the curve is stationary there."""

    value: Estimate
    window: tuple[float, float]
    change: Estimate
    """How much higher the second half of the window is than the first."""

    freedom: int
    """Degrees of freedom of the errors: of realizations, or of blocks."""

    reached: bool
    """Whether the curve had come to this level before the window begins."""

    @property
    def is_stationary(self) -> bool:
        """Whether it is a plateau: reached before, and its halves agree within errors."""
        least, most = (part * abs(self.value.value) for part in (SAME_LEVEL, MOST_CHANGE))
        return self.reached and abs(self.change.value) <= np.clip(self.by_chance, least, most)

    @property
    def by_chance(self) -> float:
        """How far the halves differ by chance, at the most."""
        from scipy.special import stdtrit  # slow to load, and seldom needed

        return float(stdtrit(self.freedom, (1 + CONFIDENCE) / 2)) * self.change.error

    @property
    def why_not(self) -> str:
        """Why it is none, in words; empty if it is one."""
        low, high = self.window
        if self.is_stationary:
            return ""
        if not self.reached:
            return f"no plateau yet: the stress still rises to it at strain {low:g}"
        percent = Estimate(*np.abs(100 * np.array(self.change) / (self.value.value or np.nan)))
        where = f"from the first half of {low:g} < strain < {high:g} to the second"
        if abs(self.change.value) <= self.by_chance:
            return f"not known: the stress changes by ({percent}) % {where}; more samples tell"
        way = "rises" if self.change.value > 0 else "falls"
        return f"no plateau yet: the stress still {way} by ({percent}) % {where}"


def find_plateau(
    strain: Floats, curves: Floats, window: tuple[float, float] | None = None
) -> Plateau:
    """Return what curves (realization, record) come to in a window, and whether they rest there.

    Errors are those of independent realizations. One alone is cut into `BLOCKS` parts of the
    window, which are nearly independent if they are longer than the drops of the stress.
    """
    low, high = window or plateau_window(float(strain[-1]))
    edges = np.linspace(low, high, BLOCKS + 1)
    blocks = [plateau(strain, curves, (float(a), float(b))) for a, b in pairwise(edges)]
    parts, half = np.stack(blocks, axis=-1), BLOCKS // 2
    first, second = parts[:, :half], parts[:, half:]
    if len(curves) > 1:
        value, change = mean(parts.mean(axis=1)), mean(second.mean(axis=1) - first.mean(axis=1))
        freedom = len(curves) - 1
    else:
        within = np.sqrt((first.var(ddof=1) + second.var(ddof=1)) / 2)
        freedom = BLOCKS - 2
        value = Estimate(float(parts.mean()), float(parts.std(ddof=1) / np.sqrt(BLOCKS)))
        change = Estimate(float(second.mean() - first.mean()), float(within / np.sqrt(half / 2)))
    before = np.append(strain[strain < low], low)
    highest_before = interpolate(strain, curves.mean(axis=0), before).max()
    reached = highest_before >= value.value - SAME_LEVEL * abs(value.value)
    return Plateau(value, (low, high), change, freedom, bool(reached))


def peak(
    strain: Floats, curves: Floats, top: NDArray[np.int64] | None = None
) -> tuple[Floats, Floats]:
    """Return height and strain of the highest point of curves (..., record), each (...,).

    It is the vertex of the parabola through the highest record and its two neighbours; or this
    record itself if it is the first or the last (is it a peak then? `has_peak`). A record alone
    is too low by chance of where records lie. A fit through more than three is too low wherever
    the elastic rise, as steep as 2μ, lies among them: it can fall below the highest record.

    Take the curve that is the mean of all realizations: the highest points of single ones are
    higher, and their mean says more of the scatter than of the glass.

    Parameters
    ----------
    strain, curves
        Shapes (record,) and (..., record).
    top
        Which record is the highest, (...,), if this was decided elsewhere (`pseudo_values`). A
        curve may be almost straight there: no vertex is beyond the neighbours.
    """
    top = curves.argmax(axis=-1) if top is None else top
    middle = np.clip(top, 1, strain.size - 2)
    around = middle[..., None] + np.array([-1, 0, 1])
    x, y = strain[around], np.take_along_axis(curves, around, axis=-1)
    left, right = x[..., 0] - x[..., 1], x[..., 2] - x[..., 1]
    fall, rise = (y[..., 0] - y[..., 1]) / left, (y[..., 2] - y[..., 1]) / right
    bend = (rise - fall) / (right - left)
    slope = rise - bend * right
    to_top = np.divide(-slope, 2 * bend, out=np.zeros_like(slope), where=bend < 0)
    to_top = np.select([top < middle, top > middle], [left, right], np.clip(to_top, left, right))
    return y[..., 1] + (slope + bend * to_top) * to_top, x[..., 1] + to_top


def has_peak(strain: Floats, curves: Floats, before: float = np.inf) -> NDArray[np.bool_]:
    """Return which curves (..., record) have their highest record before a strain, (...,).

    The first and the last record are no peak, nor is one after which the curve does not fall.
    """
    top = curves.argmax(axis=-1)
    height = np.take_along_axis(curves, top[..., None], axis=-1)
    later = np.arange(strain.size) > top[..., None]
    falls = (later & (curves < height - ROUNDING * np.abs(height))).any(axis=-1)
    return (top > 0) & falls & (strain[top] < before)


# Errors


def standard_error(values: NDArray[Any]) -> Floats:
    """Return the standard error of the mean over the first axis; NaN of one value alone."""
    n = len(values)
    return values.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.full(values.shape[1:], np.nan)


def mean(values: NDArray[Any]) -> Estimate:
    """Return the mean of independent numbers, (realization,), and its error."""
    return Estimate(float(values.mean()), float(standard_error(values)))


def pseudo_values(values: Floats, of: Callable[[Floats], Floats]) -> Floats:
    """Return what each realization says of a function of the mean over all: the jackknife.

    f(all) + (n − 1)·(mean of f(all but one) − f(all but this one)). Their mean is f(all), and
    their scatter gives its error, also where f, as the height of a peak, is no mean.

    Parameters
    ----------
    values
        Shape (realization, ...), of realizations or of groups of equal size. One alone says
        f(all), and has no scatter.
    of
        The function, of means (k, ...) for any k; its result has shape (k, ...). It should be
        smooth: let a peak stay at the record ``top`` that is the highest of the mean over all.

    References
    ----------
    Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 11.
    """
    n, total = len(values), values.mean(axis=0, keepdims=True)
    if n == 1:
        return of(total)
    without = of((n * total - values) / (n - 1))
    return of(total) + (n - 1) * (without.mean(axis=0, keepdims=True) - without)


def ratio(sums: Floats, counts: Floats) -> Estimate:
    """Return Σ sums / Σ counts, of each (realization,), and its error by the jackknife."""
    both = np.stack([sums, counts], axis=1)
    return mean(pseudo_values(both, lambda means: means[:, 0] / means[:, 1]))


def estimate_peak(strain: Floats, curves: Floats) -> tuple[Estimate, Estimate] | None:
    """Return height and strain of the peak of the mean of curves (realization, record).

    None if the mean is highest at the first or the last record. The jackknife of a few realizations
    may give any small error by chance: that of the height is at least that of the highest record.
    It does not see that other realizations may be highest elsewhere, so the error of the strain is
    that of the bootstrap, in which each mean has a highest record of its own: half the width of
    the middle two thirds of them, for of a few realizations some means are one alone.
    """
    whole, n = curves.mean(axis=0), len(curves)
    if not has_peak(strain, whole):
        return None

    def height_of(means: Floats) -> Floats:
        return peak(strain, means, np.full(len(means), whole.argmax()))[0]

    height = mean(pseudo_values(curves, height_of))
    error = max(height.error, mean(curves[:, whole.argmax()]).error)
    of_strain = np.nan
    if n > 1:  # means of n drawn of n scatter too little, by this factor
        low, high = np.quantile(peak(strain, bootstrap(curves))[1], ONE_ERROR)
        of_strain = float((high - low) / 2 * np.sqrt(n / (n - 1)))
    return Estimate(height.value, error), Estimate(float(peak(strain, whole)[1]), of_strain)


def bootstrap(values: Floats) -> Floats:
    """Return means over as many realizations drawn with repetition, (`RESAMPLES`, ...).

    Their scatter is the error of what is no smooth function of the mean, as where a curve is the
    highest. The draws are the same each time, so that several observables are drawn together.

    Parameters
    ----------
    values
        Shape (realization, ...).
    """
    n = len(values)
    weights = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), RESAMPLES) / n
    return np.tensordot(weights, values, axes=1)


def agreement(values: Sequence[Estimate], freedoms: Sequence[int]) -> float | None:
    """Return how probable it is that equal numbers differ as much as these; None without errors.

    Welch's test: of two numbers it is the t test for unequal errors.

    Parameters
    ----------
    values
        The numbers and their errors.
    freedoms
        Degrees of freedom of the errors.

    References
    ----------
    B. L. Welch, Biometrika 38, 330 (1951).
    """
    from scipy.special import fdtrc

    (found, errors), k = np.array(values).T, len(values)
    if k < 2 or not np.isfinite(found).all() or not (errors > 0).all():
        return None
    weights = errors**-2.0
    middle = (weights * found).sum() / weights.sum()
    apart = (weights * (found - middle) ** 2).sum() / (k - 1)
    unknown = ((1 - weights / weights.sum()) ** 2 / np.array(freedoms)).sum() / (k**2 - 1)
    return float(fdtrc(k - 1, 1 / (3 * unknown), apart / (1 + 2 * (k - 2) * unknown)))


# Curves


QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)


class Band(NamedTuple):
    """An observable over realizations; each (record,), the quantiles (`QUANTILES`, record)."""

    mean: Floats
    error: Floats  # standard error of the mean; NaN for one realization
    quantiles: Floats


def band(values: NDArray[Any]) -> Band:
    """Return what values (realization, record) are over realizations."""
    return Band(values.mean(axis=0), standard_error(values), np.quantile(values, QUANTILES, axis=0))


# Distributions


BINS_IN_A_DECADE: Final = 6


def log_density(values: NDArray[Any]) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Return where logarithmic bins lie, the density in each, and how many values there are in it.

    Of positive values, each in a bin; empty bins are left out. Of whole numbers a bin is as wide
    as there are whole numbers in it.
    """
    low, high = values.min(), values.max()
    decades = float(np.log10(high) - np.log10(low))
    edges = np.geomspace(low, high, max(1, ceil(decades * BINS_IN_A_DECADE)) + 1)
    edges[0], edges[-1] = low, high  # not a rounding beside them
    if whole := values.dtype.kind == "i":
        edges = np.unique(np.ceil(edges))
        edges[-1] += 1
        edges = edges if edges.size > 1 else np.array([edges[0] - 1, edges[0]])
    elif decades < SAME_SIZE:
        edges = np.array([low * 0.9, high * 1.1])
    counts, _ = np.histogram(values, edges)
    some, last = counts > 0, edges[1:] - 1 if whole else edges[1:]
    density = counts / np.diff(edges) / values.size
    return np.sqrt(edges[:-1] * last)[some], density[some], counts[some]
