"""A cluster of several nodes gives the bits of one node.

Nodes of 1, 2, 3 of 4 ranks: pieces of the convolution are exchanged, and sums are added up on the
node of the site.
"""

from typing import Any

from mpi4py import MPI

from hpcepm.parallel import launch
from hpcepm.parallel.ranks import Ranks
from tests.model.test_dynamics import sheared

RUN = ((50, 41), "lazy", 0.3)


class Cluster(MPI.Intracomm):
    """A communicator of nodes with so many ranks each."""

    per_node = 1

    def Split_type(self, *_: Any) -> Any:  # noqa: N802 (the name is MPI's)
        """Return the ranks of this node."""
        return self.Split(self.rank // self.per_node)


def main() -> None:
    """Run on one rank, and then on all ranks of several clusters."""
    world = launch.initialize()
    one, rows = sheared(Ranks(MPI.COMM_SELF), *RUN)
    internal_stress = one.engine.internal_stress(one.state)
    assert one.state.macro[0]["events"] > 2000
    for per_node in range(1, world.size + 1):
        Cluster.per_node = per_node
        ranks = Ranks(Cluster(world))
        before = ranks.rank // per_node * per_node
        assert ranks.node.size == min(per_node, world.size - before)
        several, their_rows = sheared(ranks, *RUN)
        assert their_rows.tobytes() == rows.tobytes()
        mine = several.lattice.row_map.global_row
        for name in ("epsilon_p", "sigma_c", "n_events"):
            expected = getattr(one.state.fields, name)[mine]
            assert getattr(several.state.fields, name).tobytes() == expected.tobytes(), name
        stress = several.engine.internal_stress(several.state)
        assert stress.tobytes() == internal_stress[mine].tobytes()


if __name__ == "__main__":
    main()
