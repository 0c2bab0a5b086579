"""The lattice: slabs, and sums that do not depend on them."""

import numpy as np
import pytest

from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice


def test_sums_are_those_of_numpy(one_rank: Ranks) -> None:
    lattice = Lattice((7, 9), one_rank)
    field = np.random.default_rng(2).normal(1.0, 2.0, (7, 9))
    assert lattice.power_means(field, 0.5) == pytest.approx(
        [((field - 0.5) ** p).mean() for p in (1, 2, 3, 4)], rel=1e-13
    )
    assert lattice.column_sums(field) == pytest.approx(field.sum(axis=0), rel=1e-13)


def test_first_bad_site(one_rank: Ranks) -> None:
    lattice = Lattice((7, 9), one_rank)
    field = lattice.field()
    assert lattice.first_bad_site(field) is None
    field[5, 1] = np.inf
    field[4, 8] = np.nan
    assert lattice.first_bad_site(field) == 4 * 9 + 8


class OneOfMany:
    """A rank of many that are not there."""

    def __init__(self, size: int, rank: int) -> None:
        self.size, self.rank = size, rank


@pytest.mark.parametrize(("nx", "size"), [(97, 4), (3, 5), (8, 8), (16384, 64), (50, 1)])
def test_slabs_cover_the_lattice_once(nx: int, size: int) -> None:
    slabs = [Lattice((nx, 4), OneOfMany(size, rank)) for rank in range(size)]  # type: ignore[arg-type]
    assert (
        np.sort(np.concatenate([slab.row_map.global_row for slab in slabs])) == np.arange(nx)
    ).all()
    assert slabs[0].rows_of == [slab.rows for slab in slabs]
    assert max(slabs[0].rows_of) - min(slabs[0].rows_of) <= slabs[0].strip
    for slab in slabs:
        assert (slab.row_map.local_row[slab.row_map.global_row] == np.arange(slab.rows)).all()
        assert (slab.row_map.local_row >= 0).sum() == slab.rows and (
            np.diff(slab.row_map.global_row) > 0
        ).all()
        assert all((slab.row_map.global_row[s.here : s.here + s.rows] == np.arange(s.start, s.start + s.rows)).all()
                   for s in slab.strips_of(slab.ranks.rank))  # fmt: skip
