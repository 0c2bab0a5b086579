"""The picture of a run: its curves, and maps if it has any."""

from pathlib import Path

import h5py
import matplotlib.pyplot as plt
import pytest

from hpcepm.analysis.plot import draw_summary
from hpcepm.layout import NoRun

from .conftest import rewritten


def test_curves_and_maps(single: Path, many: Path) -> None:
    for run in (single, many):
        path = draw_summary(str(run))
        assert path == run / "summary.png" and plt.imread(path).shape == (902, 1430, 4)


def test_a_run_without_fields_is_drawn_without_maps(many: Path, tmp_path: Path) -> None:
    def drop(file: h5py.File) -> None:
        del file["fields"]

    assert plt.imread(draw_summary(str(rewritten(many, tmp_path, drop)))).shape[0] == 484


def test_what_cannot_be_drawn_is_told(
    single: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NoRun, match="No such file"):
        draw_summary(str(tmp_path))
    whole = rewritten(single, tmp_path, lambda file: None)
    (whole / "summary.png").mkdir()
    with pytest.raises(OSError, match=r"summary\.png: Is a directory"):
        draw_summary(str(whole))
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(NoRun, match=r"pip install 'hpcepm\[plot\]'"):
        draw_summary(str(single))
