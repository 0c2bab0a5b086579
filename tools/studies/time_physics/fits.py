"""Laws fitted to curves, their errors, and the closed form of the mean field."""

from collections.abc import Callable
from math import gamma
from typing import Final, NamedTuple

import numpy as np
from scipy.optimize import least_squares, minimize_scalar

from hpcepm.analysis.statistics import Estimate, Floats, pseudo_values, standard_error

POWERS: Final = (0.05, 3.0)
"""Between which powers are looked for."""


class Power(NamedTuple):
    """y = start + factor · x^power."""

    start: float
    factor: float
    power: float

    def at(self, x: Floats) -> Floats:
        """Return y."""
        return np.asarray(self.start + self.factor * x**self.power)


def fit_power(x: Floats, y: Floats, start: float | None = None) -> Power:
    """Fit y = start + factor · x^power by least squares; ``start`` is free if it is not given."""

    def linear(power: float) -> tuple[Power, float]:
        columns = x[:, None] ** power
        if start is None:
            columns = np.column_stack([np.ones_like(x), columns])
        best = np.linalg.lstsq(columns, y - (start or 0.0), rcond=None)[0]
        law = Power(best[0] if start is None else start, best[-1], power)
        return law, float(np.sum((y - law.at(x)) ** 2))

    grid = np.linspace(*POWERS, 60)
    k = int(np.argmin([linear(power)[1] for power in grid]))
    bounds = (grid[max(0, k - 1)], grid[min(k + 1, len(grid) - 1)])
    found = minimize_scalar(lambda p: linear(p)[1], bounds=bounds, options={"xatol": 1e-9})
    return linear(float(found.x))[0]


class Rounding(NamedTuple):
    """Δ = factor · (T (ln ω − ln rate))^power."""

    factor: float
    log_omega: float
    power: float

    def at(self, temperature: Floats, rate: Floats) -> Floats:
        """Return Δ."""
        left = np.maximum(self.log_omega - np.log(rate), 1e-9)
        return np.asarray(self.factor * (temperature * left) ** self.power)


def fit_rounding(temperature: Floats, rate: Floats, lowered: Floats) -> Rounding:
    """Fit how much heat lowers the stress, at all temperatures and rates together.

    The rates should differ: the power and ω say nothing of one rate alone.
    """

    def left(p: Floats) -> Floats:
        return Rounding(np.exp(p[0]), p[1], p[2]).at(temperature, rate) - lowered

    bounds = ([-10.0, float(np.log(rate).max()) + 0.1, 0.1], [10.0, 30.0, 3.0])
    log_factor, log_omega, power = least_squares(left, (0.0, 0.0, 0.8), bounds=bounds).x
    return Rounding(float(np.exp(log_factor)), float(log_omega), float(power))


def jackknife(values: Floats, of: Callable[[Floats], tuple[float, ...]]) -> list[Estimate]:
    """Return numbers of the mean over realizations, and errors, by `pseudo_values`.

    ``values`` are of shape (realization, ...); ``of`` takes a mean.
    """
    return means(pseudo_values(values, lambda some: np.array([of(mean) for mean in some])))


def slopes(x: Floats, curves: Floats, low: float, high: float) -> Floats:
    """Return the slope of a straight line through each curve (..., x), low ≤ x ≤ high."""
    inside = (x >= low - 1e-9) & (x <= high + 1e-9)
    away = x[inside] - x[inside].mean()
    return np.asarray(curves[..., inside] @ away / (away @ away))


def inverse(one: Estimate) -> Estimate:
    """Return 1/one."""
    return Estimate(1 / one.value, one.error / one.value**2)


def means(values: Floats) -> list[Estimate]:
    """Return the means over realizations, (realization, point)."""
    errors = standard_error(values)
    return [Estimate(float(v), float(e)) for v, e in zip(values.mean(axis=0), errors, strict=True)]


def reset_stress(speed: Floats, law: str, first: float, second: float) -> Floats:
    """Return the stress of flow of sites that slip to stress 0, and feel each other on average.

    The stress of a site rises at ``speed`` from 0 to its threshold, and by y beyond it, until it
    yields: so ⟨σ⟩ in time is ⟨(σ_c + y)²⟩ / 2⟨σ_c + y⟩. Of the law ``uniform`` the time beyond the
    threshold is exponential with mean 1; of ``sqrt`` its survival is exp(−⅔ √speed t^(3/2)).

    Parameters
    ----------
    speed
        2μ* times the rate of strain, in units of σ_0 and τ.
    law
        Of the clock ``rate``.
    first, second
        ⟨σ_c⟩ and ⟨σ_c²⟩.
    """
    if law == "uniform":
        mean, square = speed, 2 * speed**2
    else:
        scale = speed * (1.5 / np.sqrt(speed)) ** (2 / 3)
        mean, square = scale * gamma(5 / 3), scale**2 * gamma(7 / 3)
    return np.asarray((second + 2 * first * mean + square) / (2 * (first + mean)))
