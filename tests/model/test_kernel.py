"""The kernel: the table of the contract, and the properties that any type must have."""

import numpy as np
import pytest

from hpcepm.model.convolution import Convolution
from hpcepm.model.kernel import Kernel, Oriented, cell_average, kernel, wavevectors
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from tests.model.plain_model import kernel_hat

ESHELBY = [kind for kind, made in kernel.items() if issubclass(made, Oriented)]
EVERY = [(kind, orientation) for kind in ESHELBY for orientation in ("simple", "pure")]
TABLE = {
    "continuum": (-1.1416, 0.158, -0.211),
    "finite_difference": (-1.2732, 0.180, -0.180),
    "cell_average": (-0.8825, 0.086, -0.172),
}


def in_fourier_space(of: Kernel, shape: tuple[int, int]) -> np.ndarray:
    qx, qy = wavevectors(shape)
    return of.fourier(qx[:, None], qy[None, :])


def in_real_space(of: Kernel, shape: tuple[int, int]) -> np.ndarray:
    return np.fft.ifft2(in_fourier_space(of, shape)).real


@pytest.mark.parametrize("kind", ESHELBY)
def test_values_of_the_contract_at_512(kind: str) -> None:
    table = Kernel(kernel[kind]("simple"), mu_star=1.0).quarter_table((512, 512))
    assert (table[0, 0], table[1, 0], table[1, 1]) == pytest.approx(TABLE[kind], abs=6e-4)


@pytest.mark.parametrize(("kind", "orientation"), EVERY)
@pytest.mark.parametrize("shape", [(16, 16), (13, 8), (97, 61)])
def test_agrees_with_the_plain_formula(kind: str, orientation: str, shape: tuple[int, int]) -> None:
    # Plain summation of cell_average over 81² reciprocal cells is that far from done (pure: the
    # weights do not yet add up to 1).
    tolerance = (2e-2 if orientation == "pure" else 1e-3) if kind == "cell_average" else 1e-13
    expected = kernel_hat(shape, kind, orientation, 1.7)
    assert in_fourier_space(Kernel(kernel[kind](orientation), 1.7), shape) == pytest.approx(
        expected, abs=tolerance
    )


@pytest.mark.parametrize(("kind", "orientation"), EVERY)
def test_real_even_and_not_positive(kind: str, orientation: str) -> None:
    hat = in_fourier_space(Kernel(kernel[kind](orientation), 1.0), (24, 15))
    assert np.isrealobj(hat) and hat[0, 0] == 0
    assert hat.max() <= 1e-15 and hat.min() >= -2 - 1e-14
    mirrored = hat[-np.arange(24) % 24][:, -np.arange(15) % 15]
    assert hat == pytest.approx(mirrored, abs=1e-14)


@pytest.mark.parametrize(("kind", "orientation"), EVERY)
def test_symmetry_of_the_square(kind: str, orientation: str) -> None:
    g = in_real_space(Kernel(kernel[kind](orientation), 1.0), (20, 20))
    mirror = -np.arange(20) % 20
    assert g == pytest.approx(g[mirror], abs=1e-14)
    assert g == pytest.approx(g[:, mirror], abs=1e-14)
    assert g == pytest.approx(g.T, abs=1e-14)
    assert abs(g.mean()) < 1e-16


@pytest.mark.parametrize("kind", ESHELBY)
def test_a_uniform_row_or_column_changes_nothing_in_simple_shear(
    kind: str, one_rank: Ranks
) -> None:
    lattice = Lattice((18, 25), one_rank)
    convolution = Convolution(lattice, Kernel(kernel[kind]("simple"), 14.0))
    for where in (np.s_[7, :], np.s_[:, 3]):
        slips = lattice.field()
        slips[where] = 0.1
        assert abs(convolution.stress_of(slips)).max() < 1e-14


@pytest.mark.parametrize(("kind", "orientation"), EVERY)
def test_far_field_is_that_of_an_inclusion(kind: str, orientation: str) -> None:
    n, mu_star = 1024, 3.0
    g = Kernel(kernel[kind](orientation), mu_star).quarter_table((n, n))
    sign = 1 if orientation == "simple" else -1
    for i, j in ((24, 24), (24, 10), (10, 24)):
        # The raw wavevectors of the continuum ring along the axes; the mean over a small square is
        # free of it.
        near = g[i - 4 : i + 4, j - 4 : j + 4]
        x, y = np.meshgrid(np.arange(i - 4, i + 4), np.arange(j - 4, j + 4), indexing="ij")
        expected = sign * 2 * mu_star * np.cos(4 * np.arctan2(y, x)) / (np.pi * (x**2 + y**2))
        assert near.mean() == pytest.approx(expected.mean(), abs=0.06 * mu_star / (24**2 + 24**2))


@pytest.mark.parametrize(("kind", "orientation"), EVERY)
@pytest.mark.parametrize("shape", [(530, 6), (31, 600)])
def test_first_columns_are_those_of_the_whole_table(
    kind: str, orientation: str, shape: tuple[int, int]
) -> None:
    g = Kernel(kernel[kind](orientation), 3.0)
    whole, first = g.quarter_table(shape), g.quarter_table(shape, columns=1)
    assert np.array_equal(first, whole[:, :1])
    assert g.softening(shape, 6.0) == 6.0 / (shape[0] * shape[1]) - whole[0, 0]


def test_a_disc_of_eigenstrain_relaxes_by_mu_star_inside() -> None:
    n, radius = 512, 40
    x = np.arange(n) - n // 2
    distance = np.hypot(x[:, None], x[None, :])
    angle = np.arctan2(x[None, :], x[:, None])
    slips = np.where(distance < radius, 1.0, 0.0)
    for kind in ESHELBY:
        hat = in_fourier_space(Kernel(kernel[kind]("simple"), 1.0), (n, n))
        stress = np.fft.ifft2(hat * np.fft.fft2(slips)).real
        assert stress[distance < radius / 2].mean() == pytest.approx(-1, abs=0.05)
        ring = (distance > 2 * radius) & (distance < 2.2 * radius)
        r = distance[ring]
        exact = np.cos(4 * angle[ring]) * (2 * radius**2 / r**2 - 3 * radius**4 / r**4)
        assert abs(stress[ring] - exact).mean() < 0.06


def test_cell_average_is_symmetric_though_its_sum_is_not() -> None:
    q = np.array([1e-4, 1e-3, 0.0099, 0.0101, 0.3, 1.0, 2.5, np.pi])
    table = cell_average().relaxation(q[:, None], q[None, :])
    assert table == pytest.approx(table.T, rel=1e-7, abs=1e-12)


def test_orientations_add_up_to_the_whole() -> None:
    for kind in ESHELBY:
        simple, pure = (
            in_fourier_space(Kernel(kernel[kind](o), 1.0), (10, 12)) for o in ("simple", "pure")
        )
        assert (simple + pure).ravel()[1:] == pytest.approx(-2 * np.ones(119))


def test_kernels_without_shape() -> None:
    assert (Kernel(kernel["none"](), 3.0).quarter_table((6, 8)) == 0).all()
    mean_field = Kernel(kernel["uniform"](), 3.0)
    table = mean_field.quarter_table((6, 8))
    assert table[0, 0] == pytest.approx(-6.0 * 47 / 48)
    assert table.ravel()[1:] == pytest.approx(6.0 / 48)
    assert mean_field.softening((6, 8), 4.8) == pytest.approx(6.0 * 47 / 48 + 0.1)
