"""Runs beside each other: what differs in their inputs, and whether their numbers agree."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from hpcepm.analysis.compare import Comparison, Row, compare, lines
from hpcepm.analysis.differences import directories, flat, labels, order_of, worded
from hpcepm.analysis.export.write import export
from hpcepm.analysis.quantities import UNKNOWN, Quantity, quantities
from hpcepm.analysis.results import open_run
from hpcepm.analysis.statistics import Estimate
from hpcepm.cli import main

from .conftest import replace, rewritten, simulated


def other(run: Path, folder: Path, higher: float, **changes: Any) -> Path:
    """Return a run of another input whose stress is higher."""

    def change(file: h5py.File) -> None:
        settings = json.loads(file.attrs["input_resolved"])
        for key, value in changes.items():
            section, _, name = key.rpartition("__")
            (settings[section] if section else settings)[name] = value
        file.attrs["input_resolved"] = json.dumps(settings)
        rise = np.minimum(file["observables/strain"][()] / 0.03, 1)
        of = np.array([[0.6], [0.605], [0.61]]) + higher
        replace(file, "observables/stress", rise * of + 0 * file["observables/stress"][()])

    folder.mkdir()
    return rewritten(run, folder, change)


@pytest.fixture
def three(many: Path, tmp_path: Path) -> list[str]:
    """Return three runs, of which one has another flow stress."""
    return [
        str(other(many, tmp_path / "a", 0.0, seed=1)),
        str(other(many, tmp_path / "b", 0.001, seed=2)),
        str(other(many, tmp_path / "c", 0.1, seed=3, slip__c0=0.05)),
    ]


def test_what_differs_and_what_agrees(three: list[str]) -> None:
    found = compare(three[:2])
    assert found.inputs == {"seed": [1, 2]}
    rows = {row.name: row for row in found.rows}
    assert rows["plateau"].agree and rows["plateau"].verdict == "yes (0.2 errors apart)"
    assert rows["localization"].verdict == "same"
    text = "\n".join(lines(found))
    assert "all 2 numbers with errors agree within them" in text
    row = next(line for line in text.splitlines() if "plateau (Lennard-Jones stress)" in line)
    assert row.split(None, 3)[3] == "0.6050 ± 0.0029  0.6060 ± 0.0029  yes (0.2 errors apart)"
    found = compare(three)
    assert found.inputs == {"slip.c0": [0.0276, 0.0276, 0.05], "seed": [1, 2, 3]}
    rows = {row.name: row for row in found.rows}
    assert rows["plateau"].agree is False and rows["plateau"].verdict.startswith("NO (p = ")
    assert lines(found)[-1].startswith("differ beyond their errors: plateau, shear modulus (")


def test_many_runs_go_below_one_another(three: list[str]) -> None:
    table = lines(compare(three * 3))
    assert sum(line.startswith("run ") for line in table) > 1
    assert max(len(line) for line in table[: table.index("")]) <= 110
    assert sum("plateau (Lennard-Jones stress)" in line for line in table) > 1


def test_json_and_wrong_numbers_of_runs(
    three: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *three[1:], "--json", "--window", "0.06:0.12"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["inputs"]["seed"] == [2, 3] and len(found["runs"]) == 2
    assert found["quantities"]["plateau"]["agree"] is False
    assert found["quantities"]["plateau"]["runs"][0]["value"] == pytest.approx(0.606)
    assert found["quantities"]["plateau"]["probability"] < 1e-3
    assert main(["compare", three[0]]) == 2
    assert "compare takes two runs, or more" in capfd.readouterr().err
    assert main(["compare", three[0], str(Path(three[0]) / "nowhere")]) == 2
    assert "nowhere/run.h5: No such file" in capfd.readouterr().err


def test_without_errors_nothing_is_said() -> None:
    one, two = (Quantity("peak", "", Estimate(value, np.nan), 0) for value in (1.0, 2.0))
    assert Row("peak", "", [one, two]).verdict == "–" and Row("peak", "", [one, one]).agree is None
    assert Row("peak", "", [one, one]).verdict == "same"
    assert Row("peak", "", [one, None]).verdict == "–"


def test_runs_of_the_same_numbers_are_said_to_be_the_same(many: Path) -> None:
    assert lines(compare([str(many), str(many)]))[-1] == (
        "all numbers above that two runs have are the same"
    )


def test_packed_runs_are_called_by_their_files(single: Path, many: Path, tmp_path: Path) -> None:
    for run, name in ((single, "one"), (many, "several")):
        export(str(run), "netcdf", str(tmp_path / f"{name}.h5"))
    found = compare([str(tmp_path / f"{name}.h5") for name in ("one", "several")])
    assert found.names == ["one", "several"]


def test_a_run_without_a_number_is_left_out_of_the_test() -> None:
    a, b = (Quantity("plateau", "", Estimate(v, 0.01), 9) for v in (0.5, 0.6))
    none = Quantity("plateau", "", UNKNOWN, 9, "not known")
    row = Row("plateau", "", [a, b, none])
    assert row.agree is False and row.verdict == "NO (7.1 errors apart, 2 of 3 runs)"
    other = Row("peak", "", [a, a._replace(value=Estimate(0.501, 0.01)), a])
    found = Comparison(["a", "b", "c"], [""] * 3, {}, [row, other])
    assert lines(found)[-2:] == [
        "compared without c, where they have no error, or a lower bound of it: plateau",
        "differ beyond their errors: plateau (5% of equal numbers would, too)",
    ]
    assert found.as_json()["quantities"]["plateau"]["tested"] == ["a", "b"]
    alone = Row("plateau", "", [a, b._replace(is_bound=True)])
    assert alone.agree is None and alone.verdict == "–"
    assert "the one number that has errors agrees" in lines(found._replace(rows=[other]))[-1]


def test_avalanches_of_other_strains_are_not_compared(many: Path) -> None:
    a, b = (
        Quantity("mean avalanche S", "", Estimate(v, 0.01), 9, "", window)
        for v, window in ((0.5, (0.1, 0.2)), (0.6, (0.15, 0.3)))
    )
    row = Row("mean avalanche S", "", [a, b])
    assert row.agree is None and row.verdict == "taken elsewhere"
    assert Row("mean avalanche S", "", [a, b._replace(window=a.window)]).agree is False
    with open_run(many) as run:
        by_name = {one.name: one for one in quantities(run, (0.03, 0.09))}
    assert by_name["mean avalanche S"].window == (0.03, 0.09)


def test_names_of_runs(many: Path, three: list[str], tmp_path: Path) -> None:
    with open_run(many) as run, open_run(three[0]) as a, open_run(three[2]) as c:
        assert labels([a, c]) == ["slip.c0 0.0276, seed 1", "slip.c0 0.05, seed 3"]
        assert labels([run, run]) == ["run", "run"]
        assert labels([c, run, run])[0] == "slip.c0 0.05"
        assert labels([c, run, run])[1] == "slip.c0 0.0276 (run)"
        assert directories([a, c]) == ["a/copy", "c/copy"]
        assert order_of([a, c]) == [0.0276, 0.05] and order_of([a, a]) is None
    known = {"a": {"b": {"c": 1}}, "loading": [{"target": 1}, {"hold": 3.0}], "shape": [6, 4]}
    keys = {"a.b.c": 1, "loading.0.target": 1, "loading.1.hold": 3.0, "shape": [6, 4]}
    assert flat(known) == keys, "as --set and sweeps write them"
    assert [worded(v) for v in (None, [64, 32], 0.03, True, "GQ")] == [
        "–",
        "64 × 32",
        "0.03",
        "true",
        "GQ",
    ]
    ahead = {"control": "strain", "target": 0.3, "rate": None, "hold": 0.0}
    paths = [[ahead, ahead | {"target": back}] for back in (0.1, 0.05)]
    pair = [other(many, tmp_path / f"back-{k}", 0.0, loading=path) for k, path in enumerate(paths)]
    with open_run(pair[0]) as a, open_run(pair[1]) as c:
        assert labels([a, c]) == ["loading.1.target 0.1", "loading.1.target 0.05"]
        assert order_of([a, c]) == [0.1, 0.05]
    assert worded([{"target": 0.1}, {"target": 0}]) == "[{target: 0.1}, {target: 0}]"


def test_with_a_clock_runs_of_other_lengths_and_parts(tmp_path: Path) -> None:
    """Events and rates of other times need not agree; of a part they are not known."""
    paths = []
    for name, target in (("whole", 0.2), ("half", 0.1)):
        folder = tmp_path / name
        folder.mkdir()
        loading = {"rate": 1e-3, "target": target}
        clock = {"type": "thermal", "temperature": 0.05}
        paths.append(str(simulated(folder, realizations=2, clock=clock, loading=loading)))
    rows = {row.name: row for row in compare(paths).rows}
    assert rows["events in all"].verdict == "taken elsewhere"
    assert rows["half-life"].verdict in ("same", "–") or rows["half-life"].agree is not None
    part = str(tmp_path / "part.h5")
    assert main(["pack", paths[0], "--strain", "0.1:0.2", "--out", part]) == 0
    with open_run(part) as run:
        numbers = {one.name: one for one in quantities(run)}
    for name in ("half-life", "strain rate"):
        assert not numbers[name].known and "between two strains" in numbers[name].note
    assert "heterogeneity" not in numbers


def test_moduli_of_cycles_and_of_a_sine_are_not_compared(tmp_path: Path) -> None:
    """Those are over γ = 2ε, these over ε: of an elastic glass μ and 2μ."""
    elastic = {
        "thresholds": {"initial": {"distribution": "uniform", "low": 99.0, "high": 100.0}},
        "initial_stress": {"std": 0},
        "output": {"directory": "run"},
    }
    inputs: dict[str, dict[str, Any]] = {
        "cycles": {
            "loading": {"cycle": [0.01, -0.01], "cycles": 2},
            "yielding": {"sides": "two", "landscape": "quenched"},
        },
        "sine": {
            "loading": {"waveform": "sine", "amplitude": 0.01, "frequency": 0.1, "cycles": 2},
            "clock": {"type": "maxwell"},
        },
    }
    paths = []
    for name, more in inputs.items():
        (tmp_path / name).mkdir()
        paths.append(str(simulated(tmp_path / name, **elastic, **more)))
    rows = {row.name: row for row in compare(paths).rows}
    of_cycles, nothing = rows["storage modulus over γ"].values
    none, of_sine = rows["storage modulus"].values
    assert of_cycles and of_sine and nothing is None and none is None
    moduli = [of_cycles.value.value, of_sine.value.value]
    assert moduli == pytest.approx([14.7, 2 * 14.7], rel=1e-4)
