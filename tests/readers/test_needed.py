"""A run with the oldest of what pyproject.toml asks for; ``tools/test --readers`` installs that."""

import json
import os
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT, settings_for

pytestmark = pytest.mark.readers

PYTHON = ROOT / "build" / "readers" / "needed" / "bin" / "python"
VERSIONS = """
import json, sys
from importlib.metadata import version
print(json.dumps({name: version(name) for name in sys.argv[1:]}))
"""


def output_of(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [str(PYTHON), *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def test_a_run_with_the_oldest_that_is_asked_for(tmp_path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = dict(line.split(">=") for line in project["dependencies"] if "mpi4py" not in line)
    found = json.loads(output_of(tmp_path, "-c", VERSIONS, *asked))
    assert all(f"{found[name]}.".startswith(f"{least}.") for name, least in asked.items()), found
    (tmp_path / "input.yaml").write_text(yaml.safe_dump(settings_for((16, 16))))
    output_of(tmp_path, "-m", "hpcepm", "input.yaml")
    assert "is sound" in output_of(tmp_path, "-m", "hpcepm", "verify", "run")
