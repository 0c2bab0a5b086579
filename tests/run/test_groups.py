"""Which ranks share a realization, and which have nothing to do."""

import pytest

from hpcepm.run.groups import groups_of_ranks

LARGE, SMALL = (1024, 1024), (64, 64)
FREE, CROWDED = [False], [True]


@pytest.mark.parametrize(
    ("crowded", "asked", "realizations", "shape", "groups", "n_working"),
    [
        (FREE, "auto", 1, LARGE, [[0]], 1),
        (4 * FREE, "auto", 1, LARGE, [[0, 1, 2, 3]], 1),
        # two machines of three ranks and two processors each
        (2 * (2 * FREE + CROWDED), "auto", 1, LARGE, [[0, 1, 3, 4], [2], [5]], 1),
        (FREE + 3 * CROWDED, "auto", 1, LARGE, [[0], [1], [2], [3]], 1),
        (FREE + 3 * CROWDED, 2, 1, LARGE, [[0, 1, 2, 3]], 1),  # as asked: all
        (4 * FREE, "auto", 1, (9, 50), [[0, 1, 2], [3]], 1),  # strips of 4 rows
        (2 * FREE, "auto", 5, SMALL, [[0], [1]], 2),
        (2 * FREE + 2 * CROWDED, "auto", 5, SMALL, [[0], [1], [2], [3]], 2),
        (4 * FREE, "auto", 2, LARGE, [[0, 1], [2, 3]], 2),
        (4 * FREE + 2 * CROWDED, "auto", 2, LARGE, [[0, 1], [2, 3], [4], [5]], 2),
        (5 * FREE, 2, 9, SMALL, [[0, 1], [2, 3], [4]], 3),
        (3 * FREE, 8, 9, SMALL, [[0, 1, 2]], 1),
    ],
)
def test_groups(
    crowded: list[bool],
    asked: int | str,
    realizations: int,
    shape: tuple[int, int],
    groups: list[list[int]],
    n_working: int,
) -> None:
    assert groups_of_ranks(crowded, asked, realizations, shape) == (groups, n_working)
