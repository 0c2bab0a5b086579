"""Machines for the tests of this room, and what runs on them must come to."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import run_python
from tests.faults.harness import COMMAND, write_input
from tests.machines.cluster import Cluster, cluster

Alone = Callable[[dict[str, Any]], Path]


@pytest.fixture(scope="session")
def three() -> Iterator[Cluster]:
    """Return three machines, for tests that leave them whole."""
    with cluster(3) as running:
        yield running


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Alone:
    """Return a function: the directory of what one rank makes of an input."""
    done: dict[str, Path] = {}

    def run(settings: dict[str, Any]) -> Path:
        name = repr(settings)
        if name not in done:
            done[name] = tmp_path_factory.mktemp("alone")
            write_input(done[name], settings)
            told = run_python(COMMAND, None, done[name])
            assert told.returncode == 0, told.stderr
        return done[name] / "run"

    return run
