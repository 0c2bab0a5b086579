"""conda's recipe, rendered by rattler-build, which ``tools/test --readers`` installs."""

import json
import subprocess
import tomllib
from typing import Final

import pytest

from tests.conftest import ROOT

from .test_readers import PYTHON

pytestmark = pytest.mark.readers

RENDER: Final = """
import json, sys
from rattler_build import Stage0Recipe
(variant,) = Stage0Recipe.from_file(sys.argv[1]).render()
print(json.dumps(variant.recipe.to_dict()))
"""


def test_rattler_build_renders_the_recipe() -> None:
    recipe = ROOT / "tools" / "packaging" / "conda" / "recipe.yaml"
    command = [str(PYTHON["newest"]), "-c", RENDER, str(recipe)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert found["build"]["noarch"] == "python" and found["build"]["string"].startswith("pyh")
    run = {one.split()[0] for one in found["requirements"]["run"]}
    assert {one.split(">=")[0].strip() for one in project["dependencies"]} <= run
    assert [next(iter(test)) for test in found["tests"]] == ["python", "script"]
