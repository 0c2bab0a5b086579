"""A run that nothing happened to."""

from pathlib import Path

import pytest

from tests.conftest import (
    run_python,
)
from tests.faults.harness import COMMAND, SETTINGS, write_input


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a run that nothing happened to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    write_input(folder, SETTINGS)
    done = run_python(COMMAND, None, folder)
    assert done.returncode == 0, done.stderr
    return folder / "run"
