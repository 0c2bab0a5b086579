"""A Ctrl-C while HDF5 writes: no file, at once, and never a damaged one."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from hpcepm import files
from hpcepm.files import hdf5_written


@pytest.fixture(autouse=True)
def interrupts_are_raised() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("call", ["seek", "write", "truncate"])
def test_inside_hdf5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    as_it_was = getattr(files._PatientDisk, call)

    def interrupted(disk: Any, *arguments: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return as_it_was(disk, *arguments)

    monkeypatch.setattr(files._PatientDisk, call, interrupted)
    with pytest.raises(KeyboardInterrupt), hdf5_written(tmp_path / "x.h5") as (file, _):
        file["numbers"] = np.arange(1000)
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_between_two_calls_of_hdf5_it_ends_at_once(tmp_path: Path) -> None:
    written = []

    def write() -> None:
        with hdf5_written(tmp_path / "x.h5") as (file, heed):
            for k in range(10):
                file[str(k)] = np.arange(1000)
                written.append(k)
                if k == 3:
                    signal.raise_signal(signal.SIGINT)
                heed()

    with pytest.raises(KeyboardInterrupt):
        write()
    assert written == [0, 1, 2, 3] and list(tmp_path.iterdir()) == []


def test_where_it_raises_nothing_a_file_is_written(tmp_path: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with hdf5_written(tmp_path / "x.h5") as (file, heed):
        signal.raise_signal(signal.SIGINT)
        heed()
        file["numbers"] = np.arange(10)
    with h5py.File(tmp_path / "x.h5") as file:
        assert file["numbers"][9] == 9
    assert files.damage(tmp_path / "x.h5") is None
