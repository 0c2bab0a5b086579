"""Which ranks share a realization, and which have nothing to do."""

import time
from pathlib import Path

import pytest

from hpcepm.run.groups import SECONDS_OF_THE_IDLE, in_turn, wait
from hpcepm.run.sharing import groups_of_ranks, warnings
from tests.conftest import assert_on_ranks

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


@pytest.mark.parametrize(
    ("sharing", "idle", "crowded", "shape", "engine", "says"),
    [
        (2, 0, False, LARGE, "lazy", []),
        (2, 6, True, LARGE, "lazy", ["6 ranks have nothing to do: there are more ranks than proc"]),
        (3, 1, False, (9, 14000), "lazy", ["1 rank has nothing to do: 9 rows make only 3 strips"]),
        (4, 0, False, (16, 16), "direct", ["4 ranks are too many for 16 × 16 sites: an event"]),
    ],
)
def test_too_many_ranks_are_warned_of(
    sharing: int, idle: int, crowded: bool, shape: tuple[int, int], engine: str, says: list[str]
) -> None:
    said = warnings(sharing, idle, crowded, shape, engine, 1)
    assert [line[: len(start)] for line, start in zip(said, says, strict=True)] == says


@pytest.mark.parametrize(
    ("members", "node_of", "order"),
    [
        ([0, 1, 2, 3], [0, 0, 0, 0], [0, 1, 2, 3]),
        ([0, 1, 2, 3], [0, 0, 2, 2], [0, 2, 1, 3]),
        ([2, 3, 4, 5], [0, 0, 0, 0, 4, 4], [2, 4, 3, 5]),
        ([0, 1, 2, 3, 4], [0, 1, 1, 1, 4], [0, 1, 4, 2, 3]),
    ],
)
def test_ranks_of_a_group_are_numbered_in_turn_over_nodes(
    members: list[int], node_of: list[int], order: list[int]
) -> None:
    assert in_turn(members, node_of) == order
    assert order[0] == members[0]  # the leader


def test_rows_of_more_than_2_gib_come_in(tmp_path: Path) -> None:
    assert_on_ranks("large_messages", 2, tmp_path)


def test_who_waits_long_looks_rarely_and_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a run of days, a rank that has nothing to do waits millions of turns."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    for turns in (0, 19, 20, 100, 1000, 20_480, 10**6, 10**9):
        wait(turns)
    assert slept == sorted(slept)
    assert slept[0] < 0.001 and slept[-1] == SECONDS_OF_THE_IDLE
