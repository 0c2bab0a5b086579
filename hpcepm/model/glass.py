"""A glass, and its state at strain 0, before anything has yielded."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.parallel.compiled import compiled
from hpcepm.parallel.rows import Lattice, LocalField

from .convolution import Convolution
from .disorder import Distribution, SlipLaw, fill_initial_thresholds, normal_deviate
from .kernel import Kernel
from .rng import INITIAL_STRESS, draw
from .state import State


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


def prepare(lattice: Lattice, glass: Glass, initial_stress: LocalField | None) -> State:
    """Return the state of a glass at strain 0, before anything has yielded. Collective."""
    state = State.blank(lattice)
    fields = state.fields
    if isinstance(glass.initial, Distribution):
        initial, seed, realization = (
            glass.initial,
            np.uint64(glass.seed),
            np.uint64(glass.realization),
        )
        fill_initial_thresholds(
            fields.sigma_c,
            lattice.row_map.global_row,
            initial.kind,
            initial.parameters,
            seed,
            realization,
        )
    else:
        fields.sigma_c[...] = glass.initial
    fields.yields_at[...] = fields.sigma_c
    if initial_stress is not None:
        fields.yields_at[...] -= initial_stress
    return state


def mean_initial_threshold(glass: Glass, lattice: Lattice) -> float:
    """Return the mean threshold that a glass starts with. Collective."""
    initial = glass.initial
    return initial.mean if isinstance(initial, Distribution) else lattice.power_means(initial)[0]


def stress_scale(lattice: Lattice, glass: Glass) -> float:
    """Return the size of stresses in a glass.

    Of its thresholds or of what a mean slip changes, the larger. Collective.
    """
    if isinstance(glass.initial, Distribution):
        initial = abs(glass.initial.mean) + glass.initial.std
    else:
        initial = lattice.power_means(glass.initial)[1] ** 0.5
    renewed = abs(glass.renewal.mean) + glass.renewal.std
    return max(
        initial,
        renewed,
        glass.initial_stress_std,
        glass.kernel.mu_star * glass.slip.mean(glass.renewal),
    )


def equilibrated_stress(lattice: Lattice, glass: Glass, convolution: Convolution) -> LocalField:
    """Return a Gaussian stress field in mechanical equilibrium, zero mean, of the wanted standard deviation. Collective."""
    noise = lattice.field()
    _fill_normal(
        noise, lattice.row_map.global_row, np.uint64(glass.seed), np.uint64(glass.realization)
    )
    stress = convolution.equilibrated(noise)
    mean = lattice.power_means(stress)[0]
    variance = lattice.power_means(stress, mean)[1]
    return (stress - mean) * (glass.initial_stress_std / np.sqrt(variance))


@compiled
def _fill_normal(noise: LocalField, row: NDArray[np.int32], seed: int, realization: int) -> None:
    rows, ny = noise.shape
    for i in range(rows):
        for j in range(ny):
            u, _ = draw(row[i] * ny + j, 0, INITIAL_STRESS, seed, realization)
            noise[i, j] = normal_deviate(u)
