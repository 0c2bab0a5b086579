"""The bounds of the lazy engine hold where blocks lie on several ranks."""

from hpcepm.model.dynamics import Dynamics
from hpcepm.model.engines.lazy import engine as lazy
from hpcepm.parallel import launch
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from tests.model.test_dynamics import glass
from tests.model.test_lazy import assert_certified


def main() -> None:
    """Check all bounds against a convolution, every few steps."""
    ranks = Ranks(launch.initialize())
    not_evaluated = 0
    for shape, at_once in (((50, 41), 4096), ((13, 70), 4096), ((50, 41), 1)):
        lazy.MOST_EVALUATED = at_once
        dynamics = Dynamics(Lattice(shape, ranks), glass(initial_stress_std=0.3), "lazy")
        for _ in range(60):
            dynamics.shear(1.0, 7)
            not_evaluated += assert_certified(dynamics)
    assert not_evaluated > 0


if __name__ == "__main__":
    main()
