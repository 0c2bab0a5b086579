"""What ranks of one machine row_map.

Memory that nobody else sees, numbers that all change at once, sums that anybody adds up.
"""

from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI

from hpcepm.parallel.node import Node
from tests.conftest import run_python

ROOT = str(Path(__file__).parents[2])

MACHINES = """
from mpi4py import MPI

class Cluster(MPI.Intracomm):
    "So many ranks on each machine."
    per_machine = 1

    def Split_type(self, kind):
        return self.Split(self.rank // self.per_machine)
"""


def assert_on_ranks(script: str, ranks: int, folder: Path) -> None:
    """Run a script on some ranks, and check that each thing it asserts is so on each of them."""
    (folder / "script.py").write_text(script)
    done = run_python(
        ["script.py"], ranks, folder, timeout=300, PYTHONPATH=ROOT
    )  # they may have to compile
    assert done.returncode == 0, done.stderr


def test_alone_memory_is_one_s_own() -> None:
    node = Node(MPI.COMM_SELF)
    assert (node.rank, node.size) == (0, 1)
    array = node.shared((3, 4), np.int32)
    assert (
        array.shape == (3, 4)
        and array.dtype == np.int32
        and not array.any()
        and array.flags.writeable
    )


def test_all_ranks_see_what_one_writes_and_nothing_is_left_open(tmp_path: Path) -> None:
    assert_on_ranks(
        "import os, numpy as np\n"
        "from mpi4py import MPI\n"
        "from hpcepm.parallel.node import Node\n"
        "node = Node(MPI.COMM_WORLD)\n"
        "assert (node.rank, node.size) == (MPI.COMM_WORLD.rank, 3)\n"
        "before = len(os.listdir('/proc/self/fd'))\n"
        "for shape in ((3, 5), (3, 100003), (3, 0)):\n"
        "    array = node.shared(shape, np.int64)\n"
        "    assert array.shape == shape and not array.any()\n"
        "    node.barrier()\n"
        "    array[node.rank] = node.rank + 1\n"
        "    node.barrier()\n"
        "    assert (array == np.arange(1, 4)[:, None]).all()\n"
        "assert len(os.listdir('/proc/self/fd')) == before\n",
        3,
        tmp_path,
    )


@pytest.mark.parametrize(
    "not_so", ["os.open = refused", "os.readlink = lambda path: '/dev/null'", "del os.memfd_create"]
)
def test_ranks_that_cannot_see_each_other_are_each_a_machine(tmp_path: Path, not_so: str) -> None:
    """Not allowed to look, in a container of its own where that number is another process, not on Linux."""
    assert_on_ranks(
        "import os\n"
        "from mpi4py import MPI\n"
        "from hpcepm.parallel.node import Node\n"
        "def refused(*_):\n"
        "    raise PermissionError\n"
        f"if MPI.COMM_WORLD.rank == {0 if 'memfd' in not_so else 1}:\n"
        f"    {not_so}\n"
        "node = Node(MPI.COMM_WORLD)\n"
        "node.barrier()\n"
        "assert (node.rank, node.size, node.shared(2).tolist()) == (0, 1, [0.0, 0.0])\n",
        3,
        tmp_path,
    )


def test_numbers_that_all_ranks_change_at_once(tmp_path: Path) -> None:
    assert_on_ranks(
        "import numpy as np\n"
        "from mpi4py import MPI\n"
        "from hpcepm import atomic\n"
        "from hpcepm.parallel.compiled import compiled\n"
        "from hpcepm.parallel.node import Node\n"
        "@compiled\n"
        "def count(whole, real, times):\n"
        "    highest = 0\n"
        "    for _ in range(times):\n"
        "        highest = max(highest, atomics.fetch_add(whole, 1, 3))\n"
        "        atomics.fetch_add(real, 2, 0.5)\n"
        "    return highest\n"
        "node = Node(MPI.COMM_WORLD)\n"
        "whole, real = node.shared(4, np.int64), node.shared(4)\n"
        "count(whole, real, 0)\n"
        "node.barrier()\n"
        "highest = count(whole, real, 200_000)\n"
        "node.barrier()\n"
        "assert whole.tolist() == [0, 3 * 600_000, 0, 0], whole\n"
        "assert real.tolist() == [0, 0, 0.5 * 600_000, 0], real\n"
        "assert MPI.COMM_WORLD.allreduce(highest, MPI.MAX) == 3 * 599_999\n",
        3,
        tmp_path,
    )


def test_sums_are_the_same_whoever_adds_them_up(tmp_path: Path) -> None:
    """Lists of very different length, empty ones, sites of few look-ups and of many.

    Each rank late now and then.
    """
    assert_on_ranks(
        "import time, numpy as np\n"
        "from mpi4py import MPI\n"
        "from hpcepm.parallel.compiled import compiled\n"
        "from hpcepm.model.dynamics import Dynamics\n"
        "from hpcepm.model.engines.lazy.pool import sum_together\n"
        "from hpcepm.model.engines.lazy.sums import sum_of_pending\n"
        "from hpcepm.parallel.rows import Lattice\n"
        "from hpcepm.parallel.ranks import Ranks\n"
        "from tests.model.test_dynamics import glass\n"
        "nx, ny, pending = 60, 47, 9000\n"
        "one_rank = Ranks(MPI.COMM_WORLD)\n"
        "engine = Dynamics(Lattice((nx, ny), one_rank), glass(), 'lazy').engine.arrays\n"
        "same, own = np.random.default_rng(1), np.random.default_rng(one_rank.rank)\n"
        "engine.pending_i[:pending] = same.integers(0, nx, pending)\n"
        "engine.pending_j[:pending] = same.integers(0, ny, pending)\n"
        "engine.slips[:pending] = same.exponential(size=pending)\n"
        "@compiled\n"
        "def together(engine, n):\n"
        "    sum_together(engine, n, nx, ny)\n"
        "@compiled\n"
        "def alone(engine, site, first):\n"
        "    return sum_of_pending(engine, site // ny, site % ny, first, engine.n_pending[0], nx, ny)\n"
        "due, sums = engine.pool.due[one_rank.rank], engine.pool.sums[one_rank.rank]\n"
        "for turn in range(300):\n"
        "    n = int(own.choice([0, 1, 3, 40])) if turn < 299 else 400 * one_rank.rank\n"
        "    engine.n_pending[0] = (turn % 3) * 4500\n"
        "    due['site'][:n] = own.integers(0, nx * ny, n)\n"
        "    due['first'][:n] = own.integers(0, engine.n_pending[0] + 1, n)\n"
        "    if own.random() < 0.05:\n"
        "        time.sleep(0.005)\n"
        "    together(engine, n)\n"
        "    assert sums[:n].tolist() == [alone(engine, d['site'], d['first']) for d in due[:n]], turn\n"
        "    one_rank.comm.allgather(None)\n",
        3,
        tmp_path,
    )


def test_a_cluster_gives_the_bits_of_one_machine(tmp_path: Path) -> None:
    """Machines of 1, 2, 3 of 4 ranks.

    Pieces of the convolution are exchanged, sums added up on the machine of the site.
    """
    assert_on_ranks(
        MACHINES + "from hpcepm.parallel.ranks import Ranks\n"
        "from tests.model.test_dynamics import sheared\n"
        "one, rows = sheared(Ranks(MPI.COMM_SELF), (50, 41), 'lazy', 0.3)\n"
        "assert one.state.macro[0]['events'] > 2000\n"
        "for Cluster.per_machine in (1, 2, 3, 4):\n"
        "    one_rank = Ranks(Cluster(MPI.COMM_WORLD))\n"
        "    assert one_rank.node.size == min(Cluster.per_machine, 4 - one_rank.rank // Cluster.per_machine * Cluster.per_machine)\n"
        "    several, their_rows = sheared(one_rank, (50, 41), 'lazy', 0.3)\n"
        "    assert their_rows.tobytes() == rows.tobytes()\n"
        "    for name in ('epsilon_p', 'sigma_c', 'n_events'):\n"
        "        mine = getattr(one.state.fields, name)[several.lattice.row_map.global_row]\n"
        "        assert getattr(several.state.fields, name).tobytes() == mine.tobytes(), name\n"
        "    stress = several.engine.internal_stress(several.state)\n"
        "    assert stress.tobytes() == one.engine.internal_stress(one.state)[several.lattice.row_map.global_row].tobytes()\n",
        4,
        tmp_path,
    )
