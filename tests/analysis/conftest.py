"""Two finished runs, and copies of them that say something else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest
import yaml

from hpcepm.files import write_hdf5
from tests.conftest import run_python, settings_for

Change = Callable[[h5py.File], None]
STRESS = {"loading": [{"control": "stress", "target": s} for s in (0.6, 0.7)], "realizations": 2}


def simulated(folder: Path, **changes: Any) -> Path:
    """Run hpcepm; return its directory."""
    (folder / "input.yaml").write_text(yaml.safe_dump(settings_for((12, 10), **changes)))
    done = run_python(["-m", "hpcepm", "input.yaml", "--quiet"], None, folder)
    assert done.returncode == 0, done.stderr
    return folder / "run"


@pytest.fixture(scope="session")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a run of one realization."""
    return simulated(tmp_path_factory.mktemp("single"))


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a run of three realizations."""
    return simulated(tmp_path_factory.mktemp("many"), realizations=3)


@pytest.fixture(scope="session")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run whose realizations have records at strains of their own."""
    folder = tmp_path_factory.mktemp("counted")
    output = {"output": {"directory": "run", "fields": {"every": 0.02}}}
    settings = settings_for((8, 6), **STRESS, **output)
    (folder / "input.yaml").write_text(yaml.safe_dump(settings))
    command = ["-m", "hpcepm", "input.yaml", "--quiet"]
    done = run_python(command, None, folder, NUMBA_DISABLE_JIT="1")
    assert done.returncode == 0, done.stderr
    return folder / "run"


def rewritten(run: Path, folder: Path, change: Change) -> Path:
    """Return a copy of a run in which all lies in ``run.h5``, changed, its checksum right."""
    copy = folder / "copy"
    copy.mkdir()

    def build(file: h5py.File) -> None:
        with h5py.File(run / "run.h5", "r") as old:
            file.attrs.update(old.attrs)
            for name, group in old.items():
                file.create_group(name).attrs.update(group.attrs)
                for column, dataset in group.items():
                    file[name][column] = dataset[()]
        change(file)

    write_hdf5(copy / "run.h5", build)
    return copy


def replace(file: h5py.File, name: str, values: Any) -> None:
    """Let a dataset have other values, of another shape too."""
    del file[name]
    file[name] = values
