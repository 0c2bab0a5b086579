"""Recipes of tools/packaging ask for what pyproject.toml asks for, and do what they say.

conda's is read as YAML, Spack's file runs with stand-ins for Spack, and the sections of Apptainer's
definition run one by one, in a folder in place of the root and without tools/setup.
"""

import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest
import yaml

from hpcepm import __version__
from tests.conftest import QUICK_START, ROOT

PACKAGING: Final = ROOT / "tools" / "packaging"
SPACK: Final = PACKAGING / "spack" / "spack_repo" / "hpcepm"
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: Final = "plot", "xarray"


def bounds(requirements: list[str]) -> dict[str, str]:
    """Return the least version of each package."""
    pairs = (re.fullmatch(r"([\w-]+) ?>=(.+)", one) for one in requirements)
    found = {pair[1]: pair[2] for pair in pairs if pair}
    assert len(found) == len(requirements), requirements
    return found


def wanted(*extras: str) -> dict[str, str]:
    """Return what pyproject.toml asks for, Python and some extras included."""
    optional = (one for extra in extras for one in PROJECT["optional-dependencies"][extra])
    python = f"python{PROJECT['requires-python']}"
    return bounds([python, *PROJECT["dependencies"], *optional])


def test_conda() -> None:
    path = PACKAGING / "conda" / "recipe.yaml"
    recipe = yaml.safe_load(path.read_text())
    run = bounds(recipe["requirements"]["run"])
    run["matplotlib"] = run.pop("matplotlib-base")
    assert run == wanted(*EXTRAS)
    assert recipe["package"] == {"name": PROJECT["name"], "version": __version__}
    name, place = next(iter(PROJECT["scripts"].items()))
    assert recipe["build"]["python"]["entry_points"] == [f"{name} = {place}"]
    assert recipe["about"]["license"] == PROJECT["license"]
    assert recipe["about"]["summary"] == PROJECT["description"]
    source = recipe["source"]
    assert (path.parent / source["path"]).resolve() == ROOT
    assert all(any(ROOT.glob(each)) for each in source["filter"])


class Spack:
    """What package files of Spack say, by stand-ins for its directives."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.said: list[tuple[str, str, dict[str, Any]]] = []
        package, python = ModuleType("spack.package"), ModuleType("python")
        for name in ("license", "version", "variant", "depends_on"):
            setattr(package, name, self._directive(name))
        package.__dict__["default_args"] = lambda **_: nullcontext()
        package.__dict__["EnvironmentModifications"] = object
        python.__dict__["PythonPackage"] = object
        folders = ("spack", "spack_repo", "spack_repo.builtin", "spack_repo.builtin.build_systems")
        for name in folders:
            monkeypatch.setitem(sys.modules, name, ModuleType(name))
        monkeypatch.setitem(sys.modules, "spack.package", package)
        monkeypatch.setitem(sys.modules, f"{folders[-1]}.python", python)

    def _directive(self, name: str) -> Any:
        return lambda what, **how: self.said.append((name, what, how))

    def load(self, name: str) -> Any:
        self.said.clear()
        return runpy.run_path(str(SPACK / "packages" / name / "package.py"))

    def of(self, directive: str, when: str | None = None) -> list[str]:
        """Return what was said in a directive, without a condition or under one."""
        return [w for n, w, how in self.said if n == directive and how.get("when") == when]

    def depends(self, when: str | None = None) -> dict[str, str]:
        """Return the least versions that it depends on, by the names of PyPI."""
        specs = (one.removeprefix("py-").rstrip(":") for one in self.of("depends_on", when))
        return dict(spec.split("@") for spec in specs if not spec.startswith("setuptools"))


def test_spack(monkeypatch: pytest.MonkeyPatch) -> None:
    spack = Spack(monkeypatch)
    package = spack.load("hpcepm")["Hpcepm"]
    assert spack.depends() == wanted()
    assert spack.of("variant") == list(EXTRAS)
    for extra in EXTRAS:
        assert spack.depends(f"+{extra}") == bounds(PROJECT["optional-dependencies"][extra])
    assert package.git == ROOT.as_uri() and spack.of("license") == [PROJECT["license"]]
    assert yaml.safe_load((SPACK / "repo.yaml").read_text())["repo"]["namespace"] == SPACK.name


def test_spack_compiles_what_setup_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    spack = Spack(monkeypatch)
    spack.load("py_mpi4py_fft")
    (pinned,) = re.findall(r"^MPI4PY_FFT=(.+)$", (ROOT / "tools" / "setup").read_text(), re.M)
    assert spack.of("version") == [pinned]


def sections(definition: str) -> dict[str, str]:
    """Return the sections of an Apptainer definition, without comments."""
    parts = re.split(r"^%(\w+)\n", re.sub(r"^#.*\n", "", definition, flags=re.M), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_apptainer(tmp_path: Path) -> None:
    """Files are copied and sections run, with a folder as root and this environment in it."""
    found = sections((PACKAGING / "apptainer.def").read_text())
    for line in found["files"].split("\n\n")[0].strip().splitlines():
        source, target = line.split()
        there = tmp_path / target.lstrip("/")
        there.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / source).is_dir() else shutil.copy)(ROOT / source, there)
    home = tmp_path / "opt" / "hpcepm"
    metadata = "from setuptools.build_meta import prepare_metadata_for_build_wheel as p; p('.')"
    subprocess.run([sys.executable, "-c", metadata], cwd=home, check=True, capture_output=True)
    (home / "tools" / "setup").write_text(f"#!/bin/sh\nln -s {sys.prefix} .venv\n")
    for name in ("post", "test"):
        script = re.sub(r"(?<=\s)/", f"{tmp_path}/", found["environment"] + found[name])
        done = subprocess.run(
            ["sh", "-e", "-c", script],
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": "/root", **QUICK_START},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{name}\n{done.stdout}{done.stderr}"
    assert "is sound" in done.stdout
    run = f"{home}/.venv/bin/hpcepm"
    assert run in re.sub(r"(?<=\s)/", f"{tmp_path}/", found["runscript"]) and Path(run).exists()
