"""Runs that nothing happened to."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import run_python
from tests.faults.harness import COMMAND, SETTINGS, with_protocol, write_input


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a run that nothing happened to."""
    return _made(tmp_path_factory.mktemp("undisturbed"), SETTINGS)


@pytest.fixture(scope="session")
def undisturbed_in(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that returns the same for a protocol, or a clock."""

    @cache
    def directory(name: str) -> Path:
        quick = {**with_protocol(name), "checkpoint": {"every": "1 h"}}
        return _made(tmp_path_factory.mktemp("undisturbed"), quick)

    return directory


def _made(folder: Path, settings: dict[str, Any]) -> Path:
    write_input(folder, settings)
    done = run_python(COMMAND, None, folder)
    assert done.returncode == 0, done.stderr
    return folder / "run"
