"""A glass, and its state at strain 0, before anything has yielded."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.parallel.compiled import compiled
from hpcepm.parallel.rows import Lattice, LocalField

from .convolution import Convolution
from .distributions import Distribution, normal_deviate, quantile
from .kernel import Kernel
from .rng import INITIAL_STRESS, WELL, YIELDING, draw3
from .slip import SlipLaw
from .state import State
from .yielding.rule import Yielding


class Glass(NamedTuple):
    """What is sheared: material, disorder and the key of its random streams."""

    kernel: Kernel
    shear_modulus: float
    initial: Distribution | LocalField
    renewal: Distribution
    slip: SlipLaw
    initial_stress_std: float
    seed: int
    realization: int
    yielding: Yielding = Yielding()


def prepare(lattice: Lattice, glass: Glass, initial_stress: LocalField | None) -> State:
    """Return the state of a glass at strain 0, before anything has yielded. Collective."""
    state = State.blank(lattice, glass.yielding.fields)
    fields = state.fields
    if isinstance(glass.initial, Distribution):
        _fill_thresholds(
            fields.sigma_c,
            fields.sigma_c_backward,
            lattice.row_map.global_row,
            glass.initial.kind,
            glass.initial.parameters,
            WELL if glass.yielding.quenched else YIELDING,
            np.uint64(glass.seed),
            np.uint64(glass.realization),
        )
    else:
        fields.sigma_c[...] = glass.initial
        if glass.yielding.two_sides:
            fields.sigma_c_backward[...] = glass.initial
    fields.yields_at[...] = fields.sigma_c
    fields.yields_backward_at[...] = fields.sigma_c_backward
    if initial_stress is not None:
        fields.yields_at[...] -= initial_stress
        if glass.yielding.two_sides:
            fields.yields_backward_at[...] += initial_stress
    return state


def mean_initial_threshold(glass: Glass, lattice: Lattice) -> float:
    """Return the mean threshold that a glass starts with. Collective."""
    initial = glass.initial
    if isinstance(initial, Distribution):
        return initial.moments()[0]
    return float(lattice.power_means(initial)[0])


def disorder_strength(glass: Glass) -> float:
    """Return s = std(p_r)/(μ* ε̄₀), the paper's Eq 3."""
    return _ratio(glass.renewal.moments()[1], glass.kernel.mu_star * glass.slip.mean(glass.renewal))


def age(mean_initial: float, renewal: Distribution) -> float:
    """Return r = (⟨σ_c⟩_i − ⟨σ_c⟩_r)/⟨σ_c⟩_r, the paper's Eq 6."""
    return _ratio(mean_initial - renewal.moments()[0], renewal.moments()[0])


def _ratio(over: float, under: float) -> float:
    """Return a quotient; NaN or infinity where there is none."""
    with np.errstate(all="ignore"):
        return float(np.divide(over, under))


def stress_scale(lattice: Lattice, glass: Glass) -> float:
    """Return the size of stresses in a glass.

    Of its thresholds or of what a mean slip changes, the larger. Collective.
    """
    if isinstance(glass.initial, Distribution):
        initial = _size(glass.initial)
    else:
        initial = lattice.power_means(glass.initial)[1] ** 0.5
    slip = glass.kernel.mu_star * glass.slip.mean(glass.renewal)
    return max(initial, _size(glass.renewal), glass.initial_stress_std, slip)


def _size(thresholds: Distribution) -> float:
    mean, std = thresholds.moments()
    return abs(mean) + std


def equilibrated_stress(lattice: Lattice, glass: Glass, convolution: Convolution) -> LocalField:
    """Return a Gaussian stress field in mechanical equilibrium. Collective.

    Its mean is zero, and its standard deviation that of the glass.
    """
    noise = lattice.field()
    _fill_normal(
        noise, lattice.row_map.global_row, np.uint64(glass.seed), np.uint64(glass.realization)
    )
    stress = convolution.equilibrated(noise)
    mean = lattice.power_means(stress)[0]
    variance = lattice.power_means(stress, mean)[1]
    return (stress - mean) * (glass.initial_stress_std / np.sqrt(variance))


@compiled
def _fill_thresholds(
    sigma_c: LocalField,
    backward: LocalField,
    row: NDArray[np.int32],
    kind: int,
    p: NDArray[np.float64],
    purpose: int,
    seed: int,
    realization: int,
) -> None:
    """Draw the thresholds of each site; ``row`` holds the numbers of the rows in the lattice."""
    rows, ny = sigma_c.shape
    for i in range(rows):
        for j in range(ny):
            u, _, u_backward = draw3(row[i] * ny + j, 0, purpose, seed, realization)
            sigma_c[i, j] = quantile(kind, p, u)
            if backward.shape[0] > 0:
                backward[i, j] = quantile(kind, p, u_backward)


@compiled
def _fill_normal(noise: LocalField, row: NDArray[np.int32], seed: int, realization: int) -> None:
    rows, ny = noise.shape
    for i in range(rows):
        for j in range(ny):
            u, _, _ = draw3(row[i] * ny + j, 0, INITIAL_STRESS, seed, realization)
            noise[i, j] = normal_deviate(u)
