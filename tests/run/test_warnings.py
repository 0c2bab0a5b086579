"""What is hardly meant is said before a run: the place, the value, and a remedy."""

from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
import pytest

from hpcepm.cli import main
from hpcepm.input.named_files import Statistics
from hpcepm.input.read import ReadInput, read_input, read_mapping
from hpcepm.run.warnings import threshold_files, warnings_of

ROOT: Final = Path(__file__).parents[2]
PROTOCOLS: Final = sorted((ROOT / "inputs" / "protocols").glob("*.yaml"))
SOUND: Final = {"lattice": {"shape": [16, 16]}, "loading": {"target": 0.1}}
FLOW: Final = {"control": "stress", "target": 1.0, "until": {"strain": 0.3}}


def read(**changes: Any) -> ReadInput:
    return read_mapping({**SOUND, **changes}, {})


def samples(tmp_path: Path, values: list[float]) -> dict[str, Any]:
    path = tmp_path / "samples.csv"
    path.write_text("sigma_c\n" + "".join(f"{value}\n" for value in values))
    return {"initial": {"distribution": "samples", "file": str(path)}}


@pytest.mark.parametrize(
    ("changes", "place", "value", "remedy"),
    [
        (
            {
                "yielding": {"sides": "two"},
                "loading": {"control": "extremal", "until": {"events_per_site": 1}},
            },
            "yielding.sides: two",
            "no site yields backward",
            "write one",
        ),
        (
            {"output": {"observables": {"every": 0.5}}},
            "output.observables.every: 0.5",
            "first and the last",
            "write 0.001",
        ),
        (
            {
                "output": {"observables": {"every": 1.5}},
                "loading": [{"target": 0.1}, {"target": -1}],
            },
            "output.observables.every: 1.5",
            "turning points",
            "write 0.011",
        ),
        (
            {"output": {"observables": {"every": 0.4}}, "loading": FLOW},
            "output.observables.every: 0.4",
            "strain of 0.3",
            "write 0.003",
        ),
        ({"loading": {"target": 30}}, "loading.target: a strain of 30", "3000 %", "write 0.3"),
        (
            {"loading": [{"target": 0.1}, {"target": -20}], "yielding": {"sides": "two"}},
            "loading[1].target",
            "-2000 %",
            "write -0.2",
        ),
        ({"initial_stress": {"std": 17.5}}, "initial_stress.std: 17.5", "15 times", "have 0.175"),
        (
            {
                "clock": {"type": "rate", "law": "sqrt", "scale": 1e-9},
                "loading": {"target": 0.05, "rate": 0.01},
            },
            "clock.scale: 1e-09",
            "0.00105 or more yield alike",
            "write 1e-06",
        ),
        ({"slip": {"c0": 10}}, "slip: a mean slip of 10", "times the mean", "lower slip.c0"),
    ],
)
def test_what_is_hardly_meant_is_said(
    changes: dict[str, Any], place: str, value: str, remedy: str
) -> None:
    (said,) = warnings_of(read(**changes))
    assert said.startswith(place)
    assert value in said
    assert remedy in said


@pytest.mark.parametrize("path", PROTOCOLS, ids=lambda path: path.stem)
def test_what_is_sound_is_passed_over(path: Path) -> None:
    assert warnings_of(read_input(str(path), [])) == []


def test_thresholds_of_files_are_looked_at(tmp_path: Path) -> None:
    few = read(thresholds=samples(tmp_path, [1.0, -0.5, 0.0]))
    negative, short = warnings_of(few)
    assert "2 of 3 thresholds are not above 0 (the lowest is -0.5)" in negative
    assert "3 samples are few" in short
    assert all(said.startswith("thresholds.initial.file: ") for said in (negative, short))
    assert warnings_of(read(thresholds=samples(tmp_path, [1.0] * 100))) == []


def test_a_field_is_no_sample(tmp_path: Path) -> None:
    values = np.random.default_rng(1).uniform(0.5, 2, (8, 8))
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["sigma_c"] = values
    given = {"distribution": "field", "file": f"{tmp_path}/f.h5:/sigma_c"}
    of_field = read(lattice={"shape": [8, 8]}, thresholds={"initial": given})
    assert warnings_of(of_field) == []
    (file,) = threshold_files(of_field)
    told = f"64 values, mean {values.mean():.4g}, std {values.std():.4g}, min {values.min():.4g}"
    assert str(file) == f"thresholds.initial.file {given['file']}: {told}"


def test_statistics_of_blocks_are_those_of_all() -> None:
    values, known = np.random.default_rng(2).normal(1e3, 0.1, 1000), Statistics()
    for block in np.split(values, [1, 10, 500]):
        known.add(block)
    assert known.count == 1000
    assert known.lowest == values.min()
    np.testing.assert_allclose([known.mean, known.std], [values.mean(), values.std()], rtol=1e-9)


def test_a_run_says_so_at_its_start(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "input.yaml"
    thresholds = samples(tmp_path, [1.0, 2.0])["initial"]
    glass = f"thresholds: {{initial: {thresholds}}}"
    path.write_text(f"lattice: {{shape: [8, 8]}}\nloading: {{target: 0.01}}\n{glass}\n")
    assert main(["run", str(path), "--output", str(tmp_path / "run")]) == 0
    out, err = capfd.readouterr()
    assert "2 values, mean 1.5, std 0.5, min 1" in out
    assert "hpcepm: warning: thresholds.initial.file: " in err
