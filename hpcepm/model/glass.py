"""A glass, and its state at strain 0, before anything has yielded."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.parallel.compiled import compiled
from hpcepm.parallel.rows import Lattice, LocalField

from .convolution import Convolution
from .distributions import Distribution, normal_deviate, quantile
from .kernel import Kernel
from .regions import ALL, Inside, Region
from .rng import INITIAL_STRESS, WELL, YIELDING, draw3
from .slip import SlipLaw
from .state import State
from .yielding.rule import Yielding, grid_of_slips


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
    initial_backward: LocalField | None = None  # where it is another field than ``initial``
    regions: tuple[Region, ...] = ()  # later ones win
    plastic_strain: LocalField | None = None  # at the start, if there is any


def prepare(
    lattice: Lattice,
    glass: Glass,
    initial_stress: LocalField | None,
    more_fields: Sequence[str] = (),
) -> State:
    """Return the state of a glass at strain 0, before anything has yielded. Collective.

    Of a glass with plastic strain the engine has still to find ``yields_at``.
    """
    state = State.blank(lattice, (*glass.yielding.fields, *more_fields))
    fields = state.fields
    _set_thresholds(lattice, glass, fields.sigma_c, fields.sigma_c_backward)
    if glass.plastic_strain is not None:
        fields.epsilon_p[...] = glass.plastic_strain
        if glass.yielding.quenched:  # so that it comes back exactly
            grid = grid_of_slips(glass.slip.mean(glass.renewal))
            fields.epsilon_p[...] = np.rint(fields.epsilon_p / grid) * grid
        state.macro[0].total_slip = lattice.total(fields.epsilon_p)
    fields.yields_at[...] = fields.sigma_c
    fields.yields_backward_at[...] = fields.sigma_c_backward
    if initial_stress is not None:
        fields.yields_at[...] -= initial_stress
        if glass.yielding.two_sides:
            fields.yields_backward_at[...] += initial_stress
    return state


def _set_thresholds(
    lattice: Lattice, glass: Glass, forward: LocalField, backward: LocalField
) -> None:
    """Set the thresholds that a glass starts with; ``backward`` has no rows if there is one side.

    A site that is drawn again has the deviate that it had.
    """

    def draw(thresholds: Distribution, inside: Inside) -> None:
        _fill_thresholds(
            forward,
            backward,
            inside,
            lattice.row_map.global_row,
            thresholds.kind,
            thresholds.parameters,
            WELL if glass.yielding.quenched else YIELDING,
            np.uint64(glass.seed),
            np.uint64(glass.realization),
        )

    sides = (forward, backward) if glass.yielding.two_sides else (forward,)
    if isinstance(glass.initial, Distribution):
        draw(glass.initial, ALL)
    else:
        for side, given in zip(sides, _given(glass), strict=False):
            side[...] = given
    for region in glass.regions:
        inside, change = region.sites(lattice), region.thresholds
        if change.draw is not None:
            draw(change.draw, inside)
        for side in sides:
            if change.multiply is not None:
                side[inside] *= change.multiply
            elif change.set is not None:
                side[inside] = change.set


def _given(glass: Glass) -> tuple[LocalField, LocalField]:
    """Return the thresholds of a glass that has fields of them, forward and backward."""
    forward, backward = glass.initial, glass.initial_backward
    assert not isinstance(forward, Distribution)
    return forward, forward if backward is None else backward


def thresholds_of_well_0(
    lattice: Lattice, glass: Glass
) -> Distribution | tuple[LocalField, LocalField]:
    """Return the thresholds of a quenched landscape to which a site comes back in well 0.

    How they are drawn; or forward and backward, if they are given, or others in regions.
    """
    if isinstance(glass.initial, Distribution) and not glass.regions:
        return glass.initial
    if not glass.regions:
        return _given(glass)
    if not glass.yielding.quenched:  # never asked for: it shall take no memory
        return glass.renewal
    forward, backward = lattice.field(), lattice.field()
    _set_thresholds(lattice, glass, forward, backward)
    return forward, backward


def mean_initial_threshold(glass: Glass, lattice: Lattice) -> float:
    """Return the mean threshold that a glass starts with. Collective."""
    return _moments(lattice, glass, glass.initial)[0]


def _moments(
    lattice: Lattice, glass: Glass, initial: Distribution | LocalField
) -> tuple[float, float]:
    """Return ⟨σ_c⟩ and ⟨σ_c²⟩ of the first thresholds, forward or backward. Collective.

    What is drawn counts by its distribution, not as one realization has it.
    """
    if isinstance(initial, Distribution):
        moments = initial.moments()[0], initial.second_moment
    else:
        moments = lattice.power_means(initial)[:2]
    if not glass.regions:
        return moments
    first, second = lattice.field(), lattice.field()
    if isinstance(initial, Distribution):
        first[...], second[...] = moments
    else:
        first[...], second[...] = initial, initial**2
    for region in glass.regions:
        region.thresholds.change_moments(first, second, region.sites(lattice))
    return lattice.power_means(first)[0], lattice.power_means(second)[0]


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

    Of its thresholds, of what a mean slip changes, or of the stress that it starts with, the
    largest. Collective.
    """
    if isinstance(glass.initial, Distribution) and not glass.regions:
        initial = _size(glass.initial)
    else:
        given = (glass.initial, glass.initial_backward)
        sides = [_moments(lattice, glass, side) for side in given if side is not None]
        initial = max(second for _, second in sides) ** 0.5
    slip = glass.kernel.size * glass.slip.mean(glass.renewal)
    largest = 0.0
    if glass.plastic_strain is not None:  # and so are stresses
        here = float(np.abs(glass.plastic_strain).max(initial=0.0))
        largest = 2 * glass.kernel.size * max(lattice.ranks.allgather(here))
    return max(initial, _size(glass.renewal), glass.initial_stress_std, slip, largest)


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
    inside: Inside,
    row: NDArray[np.int32],
    kind: int,
    p: NDArray[np.float64],
    purpose: int,
    seed: int,
    realization: int,
) -> None:
    """Draw the thresholds of the sites inside; ``row`` has the numbers of the rows in the lattice.

    Where ``inside`` has no rows, those of each site.
    """
    rows, ny = sigma_c.shape
    for i in range(rows):
        for j in range(ny):
            if inside.shape[0] > 0 and not inside[i, j]:
                continue
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
