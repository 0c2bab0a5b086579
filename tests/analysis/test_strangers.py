"""Runs from strangers, sealed with care: what they ask for in vain, and numbers of any size."""

import json
import signal
import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from hpcepm.analysis.results import open_run
from hpcepm.cli import look, main
from hpcepm.cli import summarize as command
from hpcepm.faults import INTERRUPTED, NoRun

from .conftest import replace, rewritten


def asking(section: str, every: float) -> Any:
    def change(file: h5py.File) -> None:
        settings = json.loads(file.attrs["input_resolved"])
        settings["output"][section]["every"] = every
        file.attrs["input_resolved"] = json.dumps(settings)

    return change


@pytest.mark.parametrize("section", ["observables", "fields"])
def test_an_input_that_asks_for_more_records_than_there_can_be(
    single: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], section: str
) -> None:
    """A schedule of 1e8 records is gigabytes, of a file of 100 kB."""
    run = str(rewritten(single, tmp_path, asking(section, 1e-9)))
    said = "asks for more than 10000000 records"
    assert main(["verify", run]) == 1 and said in capfd.readouterr().out
    assert main(["plot", run]) == main(["report", run]) == 0
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("value", [np.inf, -1.7e308])
def test_numbers_of_any_size_are_shown_without_warnings(
    single: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], value: float
) -> None:
    def change(file: h5py.File) -> None:
        for name, dataset in list(file["observables"].items()):
            if dataset.dtype.kind == "f" and name != "strain":
                replace(file, f"observables/{name}", np.full(dataset.shape, value))

    run = str(rewritten(single, tmp_path, change))
    for words in (["summarize", run], ["compare", run, str(single)], ["verify", run]):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert main(words) in (0, 1)
        assert [str(one.message) for one in caught] == []
    assert "Traceback" not in capfd.readouterr().err


def test_ctrl_c_that_python_drops_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where garbage is collected: an exception there ends nothing."""

    def carry_out(_: Any) -> int:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            return 0  # as Python goes on
        raise AssertionError("nothing was raised")

    monkeypatch.setattr(command, "carry_out", carry_out)
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        assert look.main("summarize", ["run"]) == INTERRUPTED
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_compressed_table_is_not_larger_than_memory(
    single: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousandth of it may be stored. Avalanches and maps are read in parts."""
    packed = str(tmp_path / "packed.h5")
    assert main(["pack", str(single), "--out", packed, "--gzip"]) == 0
    with h5py.File(packed) as file:
        largest = max(one.nbytes for one in file["profiles"].values())
    for memory, is_fine in ((2 * largest, True), (2 * largest - 2, False)):
        monkeypatch.setattr("hpcepm.reading.bytes_of_this_machine", lambda size=memory: size)
        if is_fine:
            with open_run(packed) as run:
                assert run.realizations == 1
        else:
            with pytest.raises(NoRun, match="would take half of the memory"), open_run(packed):
                pass
