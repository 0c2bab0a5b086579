"""Regions and plastic strain at the start on several ranks; digests of the results go to a file.

``mpiexec -n 2 python -m mpi4py -m tests.ranks.regions FILE``
"""

import copy
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from hpcepm.model.distributions import Uniform
from hpcepm.model.dynamics import Dynamics
from hpcepm.model.glass import Glass, mean_initial_threshold, stress_scale
from hpcepm.model.loading import Path as Turning
from hpcepm.model.loading import Strain
from hpcepm.model.loop import LoopExit
from hpcepm.model.regions import Change, Region
from hpcepm.parallel import launch
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from tests.model.test_lazy import assert_certified
from tests.model.test_protocols import glass
from tests.ranks.protocols import digest_of

SHAPE = (47, 31)
RULES: dict[str, dict[str, Any]] = {
    "one": {},
    "two": {"sides": "two"},
    "quenched": {"sides": "two", "landscape": "quenched"},
}
REGIONS = (
    Region("band", (46.0,), (5.0,), Change(draw=Uniform(0.2, 1.2)), "y"),
    Region("disc", (0.5, 30.0), (11.0,), Change(multiply=0.5)),
    Region("rectangle", (20.0, 3.0), (9.0, 8.0), Change(set=0.4)),
)


def a_glass(lattice: Lattice, rule: str) -> Glass:
    """Return a glass with all that can be prescribed."""
    rng = np.random.default_rng(1)
    forward, backward = rng.uniform(0.4, 2.0, (2, *SHAPE))
    strain = lattice.local_rows(0.01 * rng.standard_normal(SHAPE))
    made = glass(**RULES[rule])._replace(regions=REGIONS, plastic_strain=strain)
    if rule == "one":
        return made
    return made._replace(
        initial=lattice.local_rows(forward), initial_backward=lattice.local_rows(backward)
    )


def driven(lattice: Lattice, rule: str, engine: str, steps: int, again: bool) -> Any:
    """Drive a glass there and back, perhaps restarted after each stretch; return its state."""
    made, path, rows = a_glass(lattice, rule), [Strain(0.05), Strain(-0.02)], []
    whole = Turning(tuple(path))
    dynamics = Dynamics(lattice, made, engine, loading=whole)
    for number, loading in enumerate(path):
        if number:
            dynamics.turn(path[number - 1].target)
        while (why := dynamics.shear(loading.target, steps)) is not LoopExit.REACHED:
            assert why is LoopExit.PAUSED
            if engine == "lazy":
                assert_certified(dynamics)
            if again:
                rows.append(dynamics.take_avalanches())
                state = copy.deepcopy(dynamics.complete_state())
                dynamics = Dynamics(lattice, made, engine, state, whole)
        rows.append(dynamics.take_avalanches())
    return dynamics.complete_state(), np.concatenate(rows)


def main(file: str) -> None:
    """Run all, compare, and write the digests."""
    ranks, digests = Ranks(launch.initialize()), {}
    lattice = Lattice(SHAPE, ranks)
    for rule in RULES:
        events = []
        made = a_glass(lattice, rule)
        numbers = mean_initial_threshold(made, lattice), stress_scale(lattice, made)
        for engine in ("direct", "lazy", "spectral"):
            state, rows = driven(lattice, rule, engine, 97, again=False)
            other, same = driven(lattice, rule, engine, 41, again=True)
            assert rows.tobytes() == same.tobytes() and len(rows) > 30, (rule, engine, len(rows))
            told = rows.tobytes() + repr(numbers).encode()
            digests[f"{rule} {engine}"] = digest_of(lattice, state, other, told)
            events.append(lattice.all_rows(state.fields.n_events).tobytes())
        assert events[0] == events[1] == events[2], rule
    if ranks.is_root:
        Path(file).write_text(json.dumps(digests))


if __name__ == "__main__":
    main(sys.argv[1])
