"""All ranks together shear realizations to the rows of one alone, in any order."""

from mpi4py import MPI

from hpcepm.parallel import launch
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from tests.model.test_dynamics import glass
from tests.run.test_runner import assert_same, runner

CASES = (((16, 16), "direct", 0.0), ((13, 7), "lazy", 0.3), ((3, 5), "spectral", 0.0))


def main() -> None:
    """Shear on one rank and on all."""
    launch.initialize()
    for shape, engine, std in CASES:
        alone, together = (
            runner(Lattice(shape, Ranks(comm)), glass(initial_stress_std=std), engine)
            for comm in (MPI.COMM_SELF, MPI.COMM_WORLD)
        )
        for realization in (3, 0):
            assert_same(alone.sheared(realization), together.sheared(realization))


if __name__ == "__main__":
    main()
