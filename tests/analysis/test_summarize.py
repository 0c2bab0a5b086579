"""Means over realizations: what is printed, and the table."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from hpcepm.analysis import statistics
from hpcepm.analysis.differences import directories
from hpcepm.analysis.ensembles import Ensemble
from hpcepm.analysis.export.source import Part
from hpcepm.analysis.export.write import export
from hpcepm.analysis.quantities import _before_the_turn, open_for_numbers, quantities, window_of
from hpcepm.analysis.results import open_run
from hpcepm.analysis.summarize import lines, summarize, summary
from hpcepm.cli import main
from hpcepm.faults import NoRun
from tests.conftest import run_python

from .conftest import replace, rewritten, simulated


def test_what_is_printed_is_what_numpy_says(many: Path) -> None:
    found, path, _ = summarize(str(many))
    assert path == many / "summary.csv"
    said = "\n".join(lines(found))
    with open_run(many) as run:
        strain, stress = run.strain, run.observable("stress")
    by_name = {one.name: one for one in found.quantities}
    modulus = statistics.mean((stress[:, 1] - stress[:, 0]) / 0.02)
    assert by_name["shear modulus"].value == pytest.approx(tuple(modulus))
    assert f"shear modulus     {modulus} Lennard-Jones stress" in said
    assert "plateau           not known: the stress changes by" in said
    assert "3 realizations, 13 records to strain 0.12" in said and "0.06 < strain < 0.12" in said
    assert "an error of 3 realizations is itself uncertain by about 50%" in said
    assert f"{stress[:, -1].mean():14.6g}{stress[:, -1].std(ddof=1) / 3**0.5:12.2g}" in said
    table = np.genfromtxt(many / "summary.csv", delimiter=",", names=True)
    np.testing.assert_array_equal(table["strain"], strain)
    np.testing.assert_allclose(table["stress_mean"], stress.mean(axis=0), rtol=1e-15)
    np.testing.assert_allclose(table["stress_error"], stress.std(axis=0, ddof=1) / 3**0.5)
    np.testing.assert_allclose(table["stress_q5"], np.quantile(stress, 0.05, axis=0), rtol=1e-15)


def test_a_plateau_is_the_mean_over_its_window(many: Path, tmp_path: Path) -> None:
    def flat(file: h5py.File) -> None:
        rise = np.minimum(file["observables/strain"][()] / 0.03, 1)
        replace(file, "observables/stress", rise * np.array([[0.5], [0.6], [0.61]]))

    found, *_ = summarize(str(rewritten(many, tmp_path, flat)), (0.05, 0.12))
    level = statistics.mean(np.array([0.5, 0.6, 0.61]))
    said = f"  plateau           {level} Lennard-Jones stress"
    assert lines(found)[2].startswith(said) and lines(found)[2].endswith(" 0.05 < strain < 0.12")


def test_a_peak_and_none(many: Path, tmp_path: Path) -> None:
    def shaped(file: h5py.File) -> None:
        curve = 1 - 100 * (file["observables/strain"][()] - 0.043) ** 2
        replace(file, "observables/stress", curve + np.array([[0.01], [0.02], [0.03]]))

    with open_run(rewritten(many, tmp_path, shaped)) as run:
        found = {one.name: one for one in summary(run).quantities}
        height, where = found["peak stress"].value, found["peak strain"].value
        text = "\n".join(lines(summary(run)))
    assert height == pytest.approx((1.02, 0.01 / 3**0.5)) and where.value == pytest.approx(0.043)
    assert f"peak stress       {height}" in text and "peak strain       0.043" in text

    def rising(file: h5py.File) -> None:
        replace(file, "observables/stress", np.tile(file["observables/strain"][()], (3, 1)))

    (tmp_path / "rising").mkdir()
    with open_run(rewritten(many, tmp_path / "rising", rising)) as run:
        text = "\n".join(lines(summary(run)))
    assert "peak stress       none: the mean stress is highest at the first or the last" in text
    assert "plateau           no plateau yet: the stress still rises to it at strain 0.06" in text


def test_one_realization_has_no_errors(single: Path) -> None:
    said = lines(summarize(str(single))[0])
    assert said[0] == "1 realization, 13 records to strain 0.12"
    with_errors = {line.split("  ")[1] for line in said if "±" in line}
    assert with_errors == {"plateau", "mean avalanche S"}  # of its parts, of many avalanches
    assert "nan" not in " ".join(said)
    (events,) = [line.split() for line in said if line.startswith("events")]
    with h5py.File(single / "run.h5") as file:
        assert events == ["events", f"{file['observables/events'][0, -1]:g}"]


def test_avalanches_are_those_before_the_load_turns() -> None:
    realization = np.array([0, 0, 0, 0, 1, 1, 1, 2])
    strain = np.array([0.1, 0.2, 0.1, 0.3, 0.0, 0.1, 0.05, 0.02])
    found = _before_the_turn(realization.astype(np.int32), strain)
    assert found.tolist() == [True, True, False, False, True, True, False, True]
    assert _before_the_turn(realization[:0].astype(np.int32), strain[:0]).size == 0


def test_a_window_lies_within_the_run(many: Path) -> None:
    with pytest.raises(NoRun, match=r"window 0\.1:0\.5 goes beyond strain 0\.12"):
        summarize(str(many), (0.1, 0.5))


def test_json_has_what_is_printed(many: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["summarize", str(many), "--window", "0.06:0.12", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["quantities"]["shear modulus"]["unit"] == "Lennard-Jones stress"
    assert found["strain"] == [0.12, 0.12] and found["realizations"] == 3
    with open_run(many) as run:
        last = run.observable("stress")[:, -1]
    at_last = found["at_the_last_record"]["stress"]
    assert at_last["value"] == pytest.approx(last.mean())
    assert at_last["q50"] == pytest.approx(np.median(last))
    assert main(["summarize", str(many), "--window", "0.12:0.06"]) == 2
    assert "write two strains from 0 on, as 0.5:1" in capfd.readouterr().err


def test_what_cannot_be_summarized_is_told(
    many: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def cut(file: h5py.File) -> None:
        for name, dataset in list(file["observables"].items()):
            if dataset.ndim == 2 or name == "realization":
                replace(file, f"observables/{name}", dataset[:0])

    none_finished = rewritten(many, tmp_path, cut)
    with pytest.raises(NoRun, match="has no two records"):
        summarize(str(none_finished))
    (tmp_path / "taken").mkdir()
    whole = rewritten(many, tmp_path / "taken", lambda file: None)
    (whole / "summary.csv").mkdir()
    for options in ([], ["--json"]):  # as where one may only read: the numbers are told
        assert main(["summarize", str(whole), *options]) == 1
        out, err = capfd.readouterr()
        assert "shear modulus" in out and "every record: " not in out
        assert "summary.csv: Is a directory: the table of all records was not written" in err
    elsewhere = tmp_path / "elsewhere.csv"
    assert main(["summarize", str(whole), "--out", str(elsewhere)]) == 0
    assert f"every record: {elsewhere}" in capfd.readouterr().out
    assert elsewhere.read_text().startswith("strain,")


def test_a_packed_run_has_all_its_numbers(many: Path, tmp_path: Path) -> None:
    """Also under the name that a run.h5 copied alone has."""
    for name in ("packed.h5", "run.h5"):
        export(str(many), "netcdf", str(tmp_path / name))
        with open_for_numbers(str(tmp_path / name)) as packed, open_for_numbers(str(many)) as run:
            np.testing.assert_equal(quantities(packed), quantities(run))


def test_a_part_between_two_strains_has_no_peak_and_no_modulus(many: Path, tmp_path: Path) -> None:
    export(str(many), "netcdf", str(tmp_path / "part.h5"), Part(strain=(0.03, 0.1)))
    with open_for_numbers(str(tmp_path / "part.h5")) as part:
        found = {one.name: one for one in quantities(part)}
    for name in ("peak stress", "peak strain", "shear modulus"):
        assert not found[name].known
        assert found[name].note == "not known of a run between two strains"
    assert found["events"].known


def test_a_part_between_two_strains_has_no_window_before_it(many: Path, tmp_path: Path) -> None:
    """Its plateau is looked for in what there is of the run's; beyond that in all of it."""
    part = str(tmp_path / "part.h5")
    export(str(many), "netcdf", part, Part(strain=(0.09, 0.12)))
    with open_for_numbers(part) as cut, open_for_numbers(str(many)) as whole:
        for window in ((0.03, 0.12), (0.0, 0.1)):
            with pytest.raises(NoRun, match=r"begins before strain 0\.09, where this part"):
                summary(cut, window)
        found = {one.name: one for one in quantities(cut)}
        same = {one.name: one for one in quantities(whole, (0.09, 0.12))}
        assert found["mean avalanche S"] == same["mean avalanche S"]
        assert "0.09 < strain < 0.12" in found["mean avalanche S"].note + found["plateau"].note
        assert window_of(whole, Ensemble(np.array([0.0, 0.4]), np.zeros((1, 2)))) == (0.2, 0.4)
        assert window_of(cut, Ensemble(np.array([1.2, 1.5]), np.zeros((1, 2)))) == (1.2, 1.5)


def test_what_is_not_finished_says_so(many: Path, tmp_path: Path) -> None:
    def stopped(file: h5py.File) -> None:
        file.attrs["finished"] = False
        settings = json.loads(file.attrs["input_resolved"])
        file.attrs["input_resolved"] = json.dumps({**settings, "realizations": 40})

    with open_run(rewritten(many, tmp_path, stopped)) as run:
        found = summary(run)
    said = "3 of 40 realizations, 13 records to strain 0.12, not finished"
    assert lines(found)[0] == said and found.as_json()["finished"] is False


def test_a_run_and_the_same_one_packed_have_names_of_their_own(many: Path, tmp_path: Path) -> None:
    shutil.copytree(many, tmp_path / "cyc")
    export(str(many), "netcdf", str(tmp_path / "cyc.h5"))
    with open_run(tmp_path / "cyc") as one, open_run(tmp_path / "cyc.h5") as other:
        assert directories([one, other]) == ["cyc", "cyc.h5"]


FORBIDDEN = """
import pathlib, sys
from hpcepm.__main__ import main

really = pathlib.Path.is_file

def is_file(path):
    if path.parent.name == "pieces":
        raise PermissionError(13, "Permission denied")
    return really(path)

pathlib.Path.is_file = is_file
sys.argv[0] = "hpcepm"
main()
"""


@pytest.mark.parametrize("command", [["summarize"], ["report"], ["plot"], ["pack"], ["cite"]])
def test_pieces_that_may_not_be_entered_are_told(
    many: Path, tmp_path: Path, command: list[str]
) -> None:
    """And the process ends as others do; it died of a file that HDF5 closed twice."""
    copy = tmp_path / "copy"
    shutil.copytree(many, copy)
    done = run_python(["-c", FORBIDDEN, *command, str(copy)], None, tmp_path)
    assert done.returncode in (0, 1, 2), done.stderr
    assert "Permission denied" in done.stdout + done.stderr or command == ["report"]


def test_a_stress_that_is_steered_is_no_plateau_and_has_no_peak(tmp_path: Path) -> None:
    run = simulated(tmp_path, realizations=2, loading={"control": "stress", "target": 0.4})
    names = {one.name for one in summarize(str(run))[0].quantities}
    assert "shear modulus" in names and not names & {"plateau", "peak stress", "peak strain"}
