"""A smooth stand-in for an ensemble: polynomials in the fitted keys.

They come with their errors, of sampling and of their shape.

All points are simulated with the same random numbers, so their errors go together. Therefore a
polynomial is fitted to each group of realizations by itself: the scatter of the polynomials holds
all such correlations, of points and of observables.
"""

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hpcepm.analysis.statistics import Floats

CLEARLY_BETTER: Final = 0.8


@dataclass(frozen=True)
class Box:
    """Ranges of the fitted keys: ``low`` and ``high``, (p,)."""

    low: Floats
    high: Floats

    @property
    def half(self) -> Floats:
        """Half the width, (p,)."""
        return (self.high - self.low) / 2

    @property
    def centre(self) -> Floats:
        """The middle, (p,)."""
        return (self.high + self.low) / 2

    def scaled(self, points: Floats) -> Floats:
        """Return points (..., p) in units in which the box goes from −1 to 1."""
        return (points - self.centre) / self.half

    def holds(self, points: Floats) -> NDArray[np.bool_]:
        """Return which of the points (..., p) lie in the box."""
        inside: NDArray[np.bool_] = np.all(np.abs(self.scaled(points)) <= 1 + 1e-9, axis=-1)
        return inside

    def within(self, outer: "Box") -> "Box":
        """Return the part of this box that lies in another."""
        return Box(np.maximum(self.low, outer.low), np.minimum(self.high, outer.high))


def monomials(p: int, degree: int) -> NDArray[np.int64]:
    """Return the exponents of all monomials in p variables up to a degree, (monomials, p).

    The constant comes first.
    """
    rows = [
        [chosen.count(k) for k in range(p)]
        for total in range(degree + 1)
        for chosen in combinations_with_replacement(range(p), total)
    ]
    return np.array(rows, np.int64).reshape(-1, p)


@dataclass(frozen=True)
class Emulator:
    """Polynomials of the fitted keys in a box.

    Attributes
    ----------
    box
        Where they were fitted.
    exponents
        Of the monomials, (m, p).
    coefficients
        Of each group of realizations, (G, S, m).
    model_variance
        Mean square by which the S observables differ from polynomials beyond sampling errors, (S,).
    """

    box: Box
    exponents: NDArray[np.int64]
    coefficients: Floats
    model_variance: Floats

    @property
    def degree(self) -> int:
        """Degree of the polynomials."""
        return int(self.exponents.sum(axis=1).max())

    def of_groups(self, points: Floats) -> Floats:
        """Return what the polynomial of each group says at points (..., p), shape (G, ..., S)."""
        terms = _terms(self.box.scaled(points), self.exponents)
        return np.moveaxis(np.tensordot(self.coefficients, terms, axes=([2], [-1])), 1, -1)

    def at(self, points: Floats) -> Floats:
        """Return the observables at points (..., p), shape (..., S)."""
        terms = _terms(self.box.scaled(points), self.exponents)
        return terms @ self.coefficients.mean(axis=0).T

    def variance(self, point: Floats) -> Floats:
        """Return the variance of the observables at a point (p,), of sampling and model, (S,)."""
        sampling = self.of_groups(point).var(axis=0, ddof=1) / len(self.coefficients)
        return sampling + self.model_variance

    def gradient(self, point: Floats) -> Floats:
        """Return ∂ observable / ∂ key at a point (p,), shape (S, p)."""
        scaled = self.box.scaled(point)
        lowered = np.maximum(self.exponents - np.eye(point.size, dtype=int)[:, None], 0)
        slopes = self.exponents.T * _terms(scaled, lowered)
        columns = [self.coefficients.mean(axis=0) @ slope for slope in slopes]
        return np.stack(columns, axis=-1) / self.box.half


def fit_emulator(box: Box, points: Floats, values: Floats) -> Emulator:
    """Return polynomials through what was simulated.

    Degrees are 1 to 3. A higher one is taken only if it predicts points that were left out clearly
    better, and tried only if there are 1.5 times as many points as monomials.

    Parameters
    ----------
    box
        Where they are to hold; it holds the points.
    points
        Values of the fitted keys, (P, p).
    values
        The observables at each point for each group of realizations, (P, G, S).
    """
    best, its_error = _fit_degree(box, points, values, 1)
    for degree in (2, 3):
        if len(points) >= 1.5 * len(monomials(points.shape[1], degree)):
            emulator, error = _fit_degree(box, points, values, degree)
            # Else bends may be those of the noise, and errors at a fold have no bounds.
            if error < CLEARLY_BETTER * its_error:
                best, its_error = emulator, error
    return best


def _fit_degree(box: Box, points: Floats, values: Floats, degree: int) -> tuple[Emulator, float]:
    """Return polynomials of a degree, and their mean square error at points left out.

    The error is in units of the scatter of the values.
    """
    exponents = monomials(points.shape[1], degree)
    terms = _terms(box.scaled(points), exponents)
    n_points, groups, n_values = values.shape
    coefficients = np.empty((groups, n_values, len(exponents)))
    model_variance, left_out = np.empty(n_values), 0.0
    for s in range(n_values):
        observed = values[:, :, s]
        sampling = observed.var(axis=1, ddof=1) / groups
        # Noise does not vary by much more than this; a point that happens to show little must not
        # rule the fit.
        weight = 1 / np.sqrt(sampling + sampling.mean() + 1e-300)
        solution = np.linalg.pinv(weight[:, None] * terms) * weight
        coefficients[:, s] = (solution @ observed).T
        residuals = observed - terms @ (solution @ observed)
        unexplained = residuals.mean(axis=1) ** 2 - residuals.var(axis=1, ddof=1) / groups
        model_variance[s] = max(0.0, unexplained.sum() / max(n_points - len(exponents), 1))
        leverage = np.minimum(np.einsum("pm,mp->p", terms, solution), 1 - 1e-6)
        scatter = observed.mean(axis=1).var() + 1e-300
        left_out += np.mean((residuals.mean(axis=1) / (1 - leverage)) ** 2) / scatter
    return Emulator(box, exponents, coefficients, model_variance), left_out


def _terms(scaled: Floats, exponents: NDArray[np.int64]) -> Floats:
    """Return the monomials at scaled points (..., p), shape (..., m)."""
    terms: Floats = np.prod(scaled[..., None, :] ** exponents, axis=-1)
    return terms
