"""Means over realizations: what is printed, and the table."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from hpcepm.analysis import statistics
from hpcepm.analysis.results import open_run
from hpcepm.analysis.summarize import lines, report, summary
from hpcepm.layout import NoRun

from .conftest import replace, rewritten


def test_what_is_printed_is_what_numpy_says(many: Path) -> None:
    said = "\n".join(report(str(many)))
    with open_run(many) as run:
        strain, stress = run.strain, run.observable("stress")
    late = np.trapezoid(stress[:, 6:], strain[6:]) / 0.06
    assert f"plateau   {statistics.mean(late)}" in said
    assert "3 realizations, 13 records to strain 0.12" in said and "0.06 < strain < 0.12" in said
    assert f"{stress[:, -1].mean():14.6g}{stress[:, -1].std(ddof=1) / 3**0.5:12.2g}" in said
    table = np.genfromtxt(many / "summary.csv", delimiter=",", names=True)
    np.testing.assert_array_equal(table["strain"], strain)
    np.testing.assert_allclose(table["stress_mean"], stress.mean(axis=0), rtol=1e-15)
    np.testing.assert_allclose(table["stress_error"], stress.std(axis=0, ddof=1) / 3**0.5)
    np.testing.assert_allclose(table["stress_q5"], np.quantile(stress, 0.05, axis=0), rtol=1e-15)


def test_a_peak_and_none(many: Path, tmp_path: Path) -> None:
    def shaped(file: h5py.File) -> None:
        curve = 1 - (file["observables/strain"][()] - 0.043) ** 2
        replace(file, "observables/stress", curve + np.array([[0.01], [0.02], [0.03]]))

    with open_run(rewritten(many, tmp_path, shaped)) as run:
        found = summary(run)
        assert found.peak is not None and found.peak[0].value == pytest.approx(1.02)
        assert found.peak[0].error == pytest.approx(0.01 / 3**0.5)
        assert found.peak[1].value == pytest.approx(0.043)
        text = "\n".join(lines(found))
    assert f"peak      {found.peak[0]}" in text and "at strain 0.043" in text
    text = "\n".join(lines(found._replace(peak=None)))
    assert "peak      none: the mean stress is highest at the first or the last record" in text


def test_one_realization_has_no_errors(single: Path) -> None:
    said = "\n".join(report(str(single)))
    assert "1 realization (so no errors), 13 records" in said and "±" not in said


def test_what_cannot_be_summarized_is_told(many: Path, tmp_path: Path) -> None:
    def cut(file: h5py.File) -> None:
        for name, dataset in list(file["observables"].items()):
            if dataset.ndim == 2 or name == "realization":
                replace(file, f"observables/{name}", dataset[:0])

    none_finished = rewritten(many, tmp_path, cut)
    with pytest.raises(NoRun, match="has no two records yet"):
        report(str(none_finished))
    (tmp_path / "taken").mkdir()
    whole = rewritten(many, tmp_path / "taken", lambda file: None)
    (whole / "summary.csv").mkdir()
    with pytest.raises(OSError, match=r"summary\.csv: Is a directory"):
        report(str(whole))
