"""Maxwell sites on several ranks, with and without restarts; the digests go to a file.

``mpiexec -n 2 python -m mpi4py -m tests.ranks.maxwell FILE``
"""

import json
import sys
from pathlib import Path

from hpcepm.model.loading import Stress
from hpcepm.parallel import launch
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from tests.model.test_maxwell import OSCILLATED, ended
from tests.ranks.protocols import digest_of


def main(file: str) -> None:
    """Run all, compare, and write the digests."""
    ranks, digests = Ranks(launch.initialize()), []
    lattice = Lattice((40, 31), ranks)
    for loading in (OSCILLATED, Stress(0.6, rate=0.2)):
        (state, rows), (other, same) = (ended(lattice, loading, n) for n in (2**40, 59))
        assert rows == same and state.macro[0].events > 50
        assert state.macro == other.macro
        numbers = [one.tobytes() for one in (state.macro, state.flow, state.clock)]
        digests.append(digest_of(lattice, state, other, b"".join([rows, *numbers])))
    if ranks.is_root:
        Path(file).write_text(json.dumps(digests))


if __name__ == "__main__":
    main(sys.argv[1])
