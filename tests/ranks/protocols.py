"""Protocols on several ranks, by all engines; the digest of the results goes to a file.

``mpiexec -n 2 python -m mpi4py -m tests.ranks.protocols FILE``
"""

import copy
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from hpcepm.model.dynamics import Dynamics
from hpcepm.model.loading import Extremal, Loading, Machine, Strain, Stress
from hpcepm.model.loading import Path as Turning
from hpcepm.model.loop import LoopExit
from hpcepm.model.state import State
from hpcepm.parallel import launch
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from tests.model.test_lazy import assert_certified
from tests.model.test_protocols import RULES, glass

CASES: list[tuple[str, list[Loading]]] = [
    ("one, weakest", [Strain(0.07)]),
    ("one", [Stress(0.55), Machine(0.2, 4.0)]),
    ("one", [Extremal()]),
    ("two", [Strain(0.08), Strain(-0.07)]),
    ("two, weakest", [Stress(0.6), Stress(-0.6)]),
    ("quenched", [Strain(0.06), Strain(-0.06), Strain(0.06)]),
]
MOST = 2500


def driven(
    lattice: Lattice, rule: str, path: list[Loading], engine: str, steps: int, again: bool
) -> tuple[Any, list[Any]]:
    """Drive a glass, perhaps restarted after each stretch; return its state and avalanches."""
    a_glass, rows = glass(**RULES[rule]), []
    whole = Turning(tuple(path))
    dynamics = Dynamics(lattice, a_glass, engine, loading=whole)
    for number, loading in enumerate(path):
        if number:
            dynamics.turn(path[number - 1].target)
        while int(dynamics.state.macro[0].steps) < MOST:
            left = min(steps, MOST - int(dynamics.state.macro[0].steps))
            why = dynamics.shear(loading.target, left)
            rows.append(dynamics.take_avalanches())
            if engine == "lazy":
                assert_certified(dynamics)
            if why is LoopExit.REACHED:
                break
            if again:
                state = copy.deepcopy(dynamics.complete_state())
                dynamics = Dynamics(lattice, a_glass, engine, state, whole)
    return dynamics.complete_state(), [row for some in rows for row in some.tolist()]


def digest_of(lattice: Lattice, state: State, other: State, rows: bytes) -> str:
    """Return a digest of rows, and of the fields of a state, which another must have, too."""
    digest = hashlib.sha256(rows)
    for name in state.names:
        if name in ("evaluated", "yields_at", "yields_backward_at"):
            continue
        both = (lattice.all_rows(getattr(s.fields, name)) for s in (state, other))
        one, two = (values.tobytes() for values in both)
        assert one == two, name
        digest.update(one)
    return digest.hexdigest()


def main(file: str) -> None:
    """Run all, compare, and write the digests."""
    ranks, digests = Ranks(launch.initialize()), {}
    lattice = Lattice((48, 31), ranks)
    for number, (rule, path) in enumerate(CASES):
        events = {}
        for engine in ("direct", "lazy"):
            state, rows = driven(lattice, rule, path, engine, 97, again=False)
            other, same = driven(lattice, rule, path, engine, 41, again=True)
            assert rows == same and len(rows) > 100, (rule, engine)
            digest = digest_of(lattice, state, other, repr(rows).encode())
            digests[f"{number} {engine}"] = digest
            n_events = lattice.all_rows(state.fields.n_events)
            events[engine] = n_events.tobytes(), [row[5:] for row in rows]
        assert events["direct"] == events["lazy"], (rule, path)
    if ranks.is_root:
        Path(file).write_text(json.dumps(digests))


if __name__ == "__main__":
    main(sys.argv[1])
