"""The lattice: slabs, and sums that do not depend on them."""

import numpy as np
import pytest

from hpcepm.lattice import Lattice
from hpcepm.parallel import Team


def test_sums_are_those_of_numpy(team: Team) -> None:
    lattice = Lattice((7, 9), team)
    field = np.random.default_rng(2).normal(1.0, 2.0, (7, 9))
    assert lattice.power_means(field, 0.5) == pytest.approx([((field - 0.5) ** p).mean() for p in (1, 2, 3, 4)], rel=1e-13)
    assert lattice.row_sums(field) == pytest.approx(field.sum(axis=1), rel=1e-13)
    assert lattice.column_sums(field) == pytest.approx(field.sum(axis=0), rel=1e-13)


def test_first_bad_site(team: Team) -> None:
    lattice = Lattice((7, 9), team)
    field = lattice.field()
    assert lattice.first_bad_site(field) is None
    field[5, 1] = np.inf
    field[4, 8] = np.nan
    assert lattice.first_bad_site(field) == 4 * 9 + 8


@pytest.mark.parametrize(("nx", "size"), [(97, 4), (3, 5), (8, 8), (16384, 64)])
def test_slabs_cover_the_lattice_once(nx: int, size: int) -> None:
    class Ranks:
        def __init__(self, rank: int) -> None:
            self.rank, self.size = rank, size

    slabs = [Lattice((nx, 4), Ranks(rank)) for rank in range(size)]  # type: ignore[arg-type]
    assert [slab.start for slab in slabs] == list(np.cumsum([0, *(slab.rows for slab in slabs[:-1])]))
    assert slabs[-1].stop == nx
    assert max(slabs[0].rows_of) - min(slabs[0].rows_of) <= 1
