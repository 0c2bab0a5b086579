"""The lattice: which rank has which rows, and sums that do not depend on it."""

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
def test_rows_of_the_ranks_cover_the_lattice_once(nx: int, size: int) -> None:
    lattices = [Lattice((nx, 4), OneOfMany(size, rank)) for rank in range(size)]  # type: ignore[arg-type]
    all_rows = np.concatenate([lattice.row_map.global_row for lattice in lattices])
    assert (np.sort(all_rows) == np.arange(nx)).all()
    rows_of = lattices[0].rows_of
    assert rows_of == [lattice.rows for lattice in lattices]
    assert max(rows_of) - min(rows_of) <= lattices[0].strip
    for lattice in lattices:
        global_row, local_row = lattice.row_map.global_row, lattice.row_map.local_row
        assert (local_row[global_row] == np.arange(lattice.rows)).all()
        assert (local_row >= 0).sum() == lattice.rows and (np.diff(global_row) > 0).all()
        for strip in lattice.strips_of(lattice.ranks.rank):
            there = global_row[strip.here : strip.here + strip.rows]
            assert (there == np.arange(strip.start, strip.start + strip.rows)).all()
