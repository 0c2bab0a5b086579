"""The bounds of the lazy engine hold where blocks lie on several ranks."""

from typing import Any

from hpcepm.model.dynamics import Dynamics
from hpcepm.model.engines.lazy import engine
from hpcepm.parallel import launch
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from tests.model.test_dynamics import glass
from tests.model.test_lazy import assert_certified

lazy: Any = engine


def main() -> None:
    """Check all bounds against a convolution, every few steps."""
    ranks = Ranks(launch.initialize())
    not_evaluated = 0
    usual = lazy.lazy_sizes, lazy._sides
    # The lattice has more than the blocks nearby, and more than the window.
    small = lambda *_: (3, 5000, 50), lambda _: (2, 6, (3, 1))
    for shape, at_once, sides in (
        ((50, 41), 4096, usual),
        ((13, 70), 4096, usual),
        ((50, 41), 1, usual),
        ((50, 41), 4096, small),
        ((57, 70), 1, small),
    ):
        lazy.MOST_EVALUATED = at_once
        lazy.lazy_sizes, lazy._sides = sides
        dynamics = Dynamics(Lattice(shape, ranks), glass(initial_stress_std=0.3), "lazy")
        for _ in range(60):
            dynamics.shear(1.0, 7)
            not_evaluated += assert_certified(dynamics)
    assert not_evaluated > 0


if __name__ == "__main__":
    main()
