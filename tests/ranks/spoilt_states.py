"""A state of which one site of one rank is wrong: all ranks find it impossible.

``mpiexec -n 2 python -m mpi4py -m tests.ranks.spoilt_states``
"""

import pytest

from hpcepm.model.consistency import ImpossibleState
from hpcepm.parallel import launch
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from tests.model.test_consistency import check, two_sides


def main() -> None:
    """Spoil each field in turn, on each rank."""
    ranks = Ranks(launch.initialize())
    dynamics = two_sides(Lattice((16, 8), ranks))
    dynamics.shear(0.05)
    check(dynamics)
    for name in ("yields_at", "yields_backward_at"):
        for rank in range(ranks.size):
            field = getattr(dynamics.state.fields, name)
            before = field.copy()
            if rank == ranks.rank:
                field[1, 2] += 0.5
            with pytest.raises(ImpossibleState, match="yields_at is not that of the plastic str"):
                check(dynamics)
            field[...] = before
    assert ranks.allgather(ranks.rank) == [*range(ranks.size)], "messages are in step"


if __name__ == "__main__":
    main()
