"""What the ranks of one node share.

Memory that nobody else sees, numbers that all change at once, sums that anybody adds up.
"""

from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI

from hpcepm.parallel.node import Node
from tests.conftest import assert_on_ranks
from tests.ranks.separate_nodes import REASONS


def test_alone_memory_is_one_s_own() -> None:
    node = Node(MPI.COMM_SELF)
    assert (node.rank, node.size) == (0, 1)
    array = node.shared((3, 4), np.int32)
    assert array.shape == (3, 4) and array.dtype == np.int32
    assert not array.any() and array.flags.writeable


def test_all_ranks_see_what_one_writes_and_nothing_is_left_open(tmp_path: Path) -> None:
    assert_on_ranks("shared_memory", 3, tmp_path)


@pytest.mark.parametrize("reason", REASONS)
def test_ranks_that_cannot_see_each_other_are_each_a_node(tmp_path: Path, reason: str) -> None:
    assert_on_ranks("separate_nodes", 3, tmp_path, reason)


def test_numbers_that_all_ranks_change_at_once(tmp_path: Path) -> None:
    assert_on_ranks("atomic_counts", 3, tmp_path)


def test_sums_are_the_same_whoever_adds_them_up(tmp_path: Path) -> None:
    assert_on_ranks("work_pool", 3, tmp_path)


@pytest.mark.parametrize("ranks", [2, 4])
def test_events_and_minima_reach_all(tmp_path: Path, ranks: int) -> None:
    assert_on_ranks("exchanges", ranks, tmp_path)


def test_a_cluster_gives_the_bits_of_one_node(tmp_path: Path) -> None:
    assert_on_ranks("cluster", 4, tmp_path)
