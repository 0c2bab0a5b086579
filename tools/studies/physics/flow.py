"""Steady flow of one run: avalanches, distances to yield, and how plastic strain spreads."""

from typing import Final, NamedTuple

import h5py
import numpy as np

from hpcepm.analysis.statistics import Estimate, Floats, mean, ratio

from ..harness import Run

STEADY: Final = 0.25
"""Strain from which flow counts as steady."""

SMALL_X: Final = 0.5
"""Plastic strengths up to this one are kept."""


class Flow(NamedTuple):
    """What is measured of a run in steady flow."""

    size: int
    slips: Floats  # of all avalanches
    slip: Estimate  # ⟨S⟩
    x_min: Estimate  # ⟨x_min⟩: the stress that is added before an avalanche
    ratio: Estimate  # ⟨x_min⟩ by 2μ⟨S⟩/(nx ny)
    residual: float  # |Σ x_min − Σ drops − change of stress| / Σ x_min, the largest of all runs
    x: Floats  # plastic strengths below SMALL_X, of all sites at all snapshots
    n_x: int  # how many there were in all
    lags: Floats  # of strain
    diffusion: list[Estimate]  # at each: mean square displacement over mean increment of ε_p

    @property
    def p0(self) -> Estimate:
        """P(x → 0): the density below 2⟨x_min⟩, with the error of a Poisson count."""
        width = 2 * self.x_min.value * self.n_x
        n = int((self.x < 2 * self.x_min.value).sum())
        return Estimate(n / width, np.sqrt(n) / width)


def read_flow(run: Run) -> Flow:
    """Return what is measured of a run."""
    with h5py.File(run.file, "r") as file:
        avalanches = _avalanches(run, file["avalanches"])
        fields = file["fields"]
        strain = fields["strain"][:]
        steady = np.flatnonzero(strain >= STEADY - 1e-9)
        x = (fields["sigma_c"][:, steady] - fields["sigma"][:, steady]).ravel()
        lags, diffusion = _diffusion(run, fields["epsilon_p"][:, steady], strain[steady])
    return Flow(run.size, *avalanches, x[x < SMALL_X], len(x), lags, diffusion)


def _avalanches(run: Run, table: h5py.Group) -> tuple[Floats, Estimate, Estimate, Estimate, float]:
    """Return all slips, and the balance of loading and relaxation: four numbers of `Flow`.

    Avalanches are in order, one realization after the other.
    """
    realization, strain, stress, drop, slip = (
        table[name][:] for name in ("realization", "strain", "stress", "stress_drop", "slip")
    )
    after = stress - drop
    steady = np.flatnonzero(strain > STEADY)
    of = realization[steady]
    loaded = stress[steady] - after[steady - 1]
    each = range(of[-1] + 1)
    first = steady[np.searchsorted(of, each)]
    last = steady[np.searchsorted(of, each, "right") - 1]
    sums = (loaded, slip[steady], np.ones(len(of)))
    x_min, slipped, counts = (np.bincount(of, values).astype(float) for values in sums)
    relaxed = 2 * run.settings["elasticity"]["shear_modulus"] * slipped / run.size**2
    residual = abs(x_min - relaxed - (after[last] - after[first - 1])) / x_min
    means = ratio(slipped, counts), ratio(x_min, counts), ratio(x_min, relaxed)
    return slip[steady], *means, float(residual.max())


def _diffusion(run: Run, epsilon_p: Floats, strain: Floats) -> tuple[Floats, list[Estimate]]:
    """Return lags, and for each the mean square displacement, over the mean plastic increment.

    A plastic strain ε_p, a shear, moves matter by u(q) with
    q²|u|² = 4|ε_p|² (cos² 2θ + (μ/(K + μ))² sin² 2θ): a force −2μ div ε_p against the transverse
    and the longitudinal stiffness, μ and K + μ, where θ is the angle of q with x.
    """
    elasticity = run.settings["elasticity"]
    mu, bulk = elasticity["shear_modulus"], elasticity["bulk_modulus"]
    q = 2 * np.pi * np.fft.fftfreq(run.size)
    qx2, qy2 = q[:, None] ** 2, q[None, :] ** 2
    q2 = qx2 + qy2
    q2[0, 0] = np.inf
    sin2 = 4 * qx2 * qy2 / q2**2
    weight = 4 / q2 * (1 - sin2 + (mu / (bulk + mu)) ** 2 * sin2)
    displacements = []
    for lag in range(1, len(strain)):
        moved = epsilon_p[:, lag:] - epsilon_p[:, :-lag]
        power = abs(np.fft.fft2(moved) / run.size**2) ** 2
        squares = (power * weight).sum(axis=(2, 3)) / moved.mean(axis=(2, 3))
        displacements.append(mean(squares.mean(axis=1)))
    return strain[1:] - strain[0], displacements
