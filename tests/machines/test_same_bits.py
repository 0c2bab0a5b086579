"""Runs on two and three machines give the bits of one rank."""

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import assert_same_bits, settings_for
from tests.faults.harness import write_input
from tests.machines.cluster import Cluster
from tests.machines.conftest import Alone
from tests.machines.harness import LONG, STOPPED, begin, finish, goes_on, start

pytestmark = pytest.mark.machines

RUNS: dict[str, dict[str, Any]] = {  # shapes that no number of ranks divides
    "lazy": settings_for((97, 71), engine="lazy", loading={"target": 0.1}),
    "direct": settings_for((67, 83), engine="direct", loading={"target": 0.1}),
    "spectral": settings_for((65, 79), engine="spectral", loading={"target": 0.05}),
}
ENSEMBLE = settings_for((23, 31), loading={"target": 0.1}, realizations=7)


@pytest.mark.parametrize("ranks", [(1, 1), (2, 2), (1, 1, 1), (2, 2, 2)])
@pytest.mark.parametrize("engine", RUNS)
def test_an_engine(
    three: Cluster, alone: Alone, tmp_path: Path, engine: str, ranks: tuple[int, ...]
) -> None:
    write_input(tmp_path, RUNS[engine])
    told = finish(start(three, ranks, tmp_path))
    assert f"on {sum(ranks)} ranks" in told
    assert_same_bits(alone(RUNS[engine]), tmp_path / "run")


@pytest.mark.parametrize(
    ("ranks", "per_realization"),
    [((1, 1, 1), 1), ((1, 1, 1), 2), ((2, 2), 3), ((1, 2, 1), 2), ((1, 1), 2)],
)
def test_groups_of_an_ensemble(
    three: Cluster, alone: Alone, tmp_path: Path, ranks: tuple[int, ...], per_realization: int
) -> None:
    """Some lie on one machine, some on two; the last group of three ranks is smaller."""
    write_input(tmp_path, {**ENSEMBLE, "ranks_per_realization": per_realization})
    assert "sheared 7 realizations" in finish(start(three, ranks, tmp_path))
    assert_same_bits(alone(ENSEMBLE), tmp_path / "run")


def test_on_fewer_and_more_machines_than_before(
    three: Cluster, alone: Alone, tmp_path: Path
) -> None:
    write_input(tmp_path, LONG)
    for ranks in [(1, 2, 1), (2, 1, 0), (0, 1, 1)]:
        process = begin(three, ranks, tmp_path)
        (tmp_path / "run" / "STOP").touch()
        finish(process, STOPPED)
    goes_on(three, (1, 1, 1), tmp_path, alone(LONG))
