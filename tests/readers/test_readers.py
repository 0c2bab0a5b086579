"""What is exported is read by the programs that people have, to the last bit.

``tools/test --readers`` installs them into environments of their own: the newest ones, and the
oldest xarray that pyproject.toml allows.
"""

import subprocess
from pathlib import Path

import pytest

from hpcepm.analysis.export.write import export
from tests.analysis.conftest import simulated
from tests.conftest import ROOT

pytestmark = pytest.mark.readers

PYTHON = {age: ROOT / "build" / "readers" / age / "bin" / "python" for age in ("newest", "oldest")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run, and all that can be made of it."""
    folder = tmp_path_factory.mktemp("exports")
    run = str(simulated(folder, realizations=2))
    for kind, name in (("netcdf", "all.nc"), ("zarr", "all.zarr"), ("vtk", "vtk")):
        export(run, kind, str(folder / name))
    export(run, "xdmf", str(folder / "maps.xdmf"))
    export(run, "zarr", str(folder / "gzip.zarr"), gzip=True)
    return folder


@pytest.mark.parametrize(
    ("age", "what"),
    [
        ("newest", ["xarray", "netCDF4"]),
        ("oldest", ["xarray"]),
        ("newest", ["vtk"]),
        ("newest", ["ovito"]),
    ],
)
def test_exact_numbers(folder: Path, age: str, what: list[str]) -> None:
    reader, *more = what
    program = [str(PYTHON[age]), "-m", "tests.readers.read_with", reader, str(folder), *more]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert f"read with {reader}" in done.stdout
