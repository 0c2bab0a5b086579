"""Regions, given fields and plastic strain from the command line to the verdict on a run."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from hpcepm.analysis.verify import report
from hpcepm.cli import main
from hpcepm.input.problems import InputError
from hpcepm.input.read import read_input
from hpcepm.input.schema import Input
from tests.analysis.conftest import rewritten
from tests.conftest import Run, assert_same_bits, settings_for

MINIMAL = "lattice: {shape: [8, 6]}\nloading: {target: 1}\n"
BAND: dict[str, Any] = {
    "shape": "band",
    "along": "y",
    "centre": 1,
    "size": 4,
    "thresholds": {"multiply": 0.5},
}
DISC: dict[str, Any] = {
    "shape": "disc",
    "centre": [20, 30.5],
    "size": 9,
    "thresholds": {"draw": {"distribution": "samples", "file": "samples.csv"}},
}


def problems(folder: Path, text: str) -> list[str]:
    (folder / "in.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        read_input(str(folder / "in.yaml"), [])
    return [problem.removeprefix(f"{folder}/") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("region", "said"),
    [
        ("shape: dics", "regions[0].shape: must be 'disc', 'band' or 'rectangle', not 'dics' (did"),
        ("shape: disc, centre: 3", "centre: of a disc it is two numbers, [x, y]; here it has 1"),
        ("shape: rectangle", "size: of a rectangle it is two numbers, [x, y]; here it has 1"),
        ("centre: [3, 6]", "centre: y = 6 lies outside the lattice; give a number from 0 to below"),
        ("centre: [-1, 3]", "centre: x = -1 lies outside the lattice"),
        ("centre: [a, 3]", "centre: must be a number of cells, or two, as [x, y]"),
        ("size: 7", "size: 7 is more than the lattice has along y; give at most 6"),
        ("size: 0", "size: must be above 0, not 0; give cells"),
        ("size: .nan", "size: must be a number of cells"),
        ("centre: [2.5, 2.5], size: 0.5", "size: with 0.5 no site lies in it"),
        ("shape: band, centre: 3", "along: a band needs along: x or y"),
        ("along: x", "along: a disc has no direction; leave it out"),
        ("sise: 3", "regions[0].sise: unknown key (did you mean 'size'?)"),
        ("thresholds: {set: 1, multiply: 2}", "thresholds: give one of multiply, set and draw"),
        ("thresholds: {}", "thresholds: give one of multiply, set and draw"),
        ("thresholds: {mutliply: 2}", "thresholds.mutliply: unknown key (did you mean 'multiply'"),
        ("thresholds: {multiply: 0}", "thresholds.multiply: must be positive"),
        ("thresholds: {draw: ELS}", "thresholds.draw: must be 'MCT', 'ESL' or 'GQ', not 'ELS'"),
        ("thresholds: {draw: {distribution: weibull, shap: 1}}", "draw.shap: unknown key (did"),
        (
            "thresholds: {draw: {distribution: samples, file: no.csv}}",
            "regions[0].thresholds.draw.file: ",
        ),
    ],
)
def test_regions_that_mean_nothing(tmp_path: Path, region: str, said: str) -> None:
    whole = {"shape": "disc", "centre": [3, 3], "size": 3, "thresholds": {"multiply": 0.5}}
    whole |= yaml.safe_load("{" + region + "}")
    text = MINIMAL + "regions:\n  - " + json.dumps(whole).replace("NaN", ".nan") + "\n"
    found = problems(tmp_path, text)
    assert any(said in line and line.startswith("in.yaml:4:") for line in found), found


def test_two_sides_need_thresholds_above_0(tmp_path: Path) -> None:
    two = MINIMAL + "yielding: {sides: two}\n"
    below = "{distribution: uniform, low: -1, high: 1}"
    for key, text in (
        ("regions[0].thresholds.set", "{set: 0}"),
        ("regions[0].thresholds.draw", f"{{draw: {below}}}"),
    ):
        region = f"regions: [{{shape: disc, centre: [3, 3], size: 3, thresholds: {text}}}]\n"
        (line,) = problems(tmp_path, two + region)
        assert key in line and "with yielding.sides: two" in line
        (tmp_path / "in.yaml").write_text(MINIMAL + region)
        read_input(str(tmp_path / "in.yaml"), [])
    (line,) = problems(tmp_path, two + f"thresholds: {{renewal: {below}}}\n")
    assert "thresholds.renewal: has thresholds down to -1" in line
    write_files(tmp_path, (8, 6))
    for name in ("strain", "forward"):
        given = f"{{distribution: field, file: 'f.h5:/forward', file_backward: 'f.h5:/{name}'}}"
        text = two + f"thresholds: {{initial: {given}}}\n"
        if name == "strain":
            assert "thresholds.initial: has thresholds down to -0.0" in problems(tmp_path, text)[0]
    (tmp_path / "in.yaml").write_text(text)
    read_input(str(tmp_path / "in.yaml"), [])
    (tmp_path / "in.yaml").write_text(
        two + "thresholds: {renewal: {distribution: normal, mean: 1, std: 0.6}}\n"
    )
    read_input(str(tmp_path / "in.yaml"), [])


def write_files(folder: Path, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Write the files that inputs name; return the plastic strain."""
    rng = np.random.default_rng(8)
    strain = rng.normal(0.004, 0.01, shape)
    (folder / "samples.csv").write_text("0.3\n0.5\n0.6\n")
    with h5py.File(folder / "f.h5", "w") as file:
        file["strain"], file["forward"] = strain, rng.uniform(0.4, 2.0, shape)
        file["backward"], file["odd"] = rng.uniform(0.4, 2.0, shape), np.zeros((3, 3))
        file["bad"] = np.where(strain == strain[1, 2], np.nan, strain)
    return strain


def test_fields_that_cannot_be_used(tmp_path: Path) -> None:
    write_files(tmp_path, (8, 6))
    field = "{initial: {distribution: field, file: 'f.h5:/forward', file_backward: 'f.h5:/bad'}}"
    two = "yielding: {sides: two}\n"
    for key, text, said in (
        ("initial_plastic_strain", "'f.h5:/odd'", "has shape (3, 3), but lattice.shape is (8, 6)"),
        ("initial_plastic_strain", "'f.h5:/bad'", "the value of site (1, 2) is nan"),
        ("initial_plastic_strain", "'f.h5:/none'", "has no dataset /none"),
        ("initial_plastic_strain", "f.csv", "is no array; save one by numpy.save"),
        ("initial_plastic_strain", "[1]", "must be text, not a list of 1"),
        ("thresholds", field, "file_backward: sites yield on one side; set yielding.sides: two"),
        ("thresholds", field + "\n" + two, "file_backward: "),
    ):
        (line,) = problems(tmp_path, MINIMAL + f"{key}: {text}\n")
        assert line.startswith("in.yaml:3:") and key in line and said in line
    assert "the value of site (1, 2) is nan" in line


CASES: dict[str, dict[str, Any]] = {
    "one side": {"regions": [BAND, DISC]},
    "strained": {"initial_plastic_strain": "f.h5:/strain", "realizations": 3},
    "all": {
        "regions": [BAND, DISC],
        "initial_plastic_strain": "f.h5:/strain",
        "yielding": {"sides": "two", "landscape": "quenched"},
        "loading": {"cycle": [0.04, -0.03], "cycles": 2},
        "thresholds": {
            "initial": {
                "distribution": "field",
                "file": "f.h5:/forward",
                "file_backward": "f.h5:/backward",
            }
        },
    },
}


@pytest.mark.parametrize("name", CASES)
def test_from_the_command_line_to_the_verdict(
    tmp_path: Path, hpcepm: Run, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """On two ranks, stopped and continued: the bits of one rank, and sound."""
    shape = (40, 33)
    strain = write_files(tmp_path, shape)
    fields = {"every": 0.01, "names": ["epsilon_p", "sigma_c", "sigma", "n_events"]}
    output = {"directory": "run", "observables": {"every": 0.01}, "fields": fields}
    settings = settings_for(shape, output=output, **{"loading": {"target": 0.05}, **CASES[name]})
    done = hpcepm(settings, "--output", "one")
    assert done.returncode == 0, done.stderr
    for key, said in (
        ("regions", "disc at 20, 30.5, size 9: thresholds of their own"),
        ("initial_plastic_strain", "plastic at the start, of f.h5:/strain"),
    ):
        assert (said in done.stdout) == (key in CASES[name])
    done = hpcepm(settings, "--output", "two", "--max-walltime", "0.001", ranks=2)
    assert done.returncode == 75, done.stderr
    done = hpcepm(settings, "--output", "two", "--continue", ranks=2)
    assert done.returncode == 0, done.stderr
    assert_same_bits(tmp_path / "one", tmp_path / "two")
    assert main(["verify", str(tmp_path / "one")]) == 0, capsys.readouterr().out
    with h5py.File(tmp_path / "one" / "run.h5") as file:
        epsilon_p, first = file["fields/epsilon_p"][0, 0], file["observables/plastic_strain"][0, 0]
        slips = file["avalanches/slip"][: file["observables/avalanches"][0, 0]].sum()
        if "initial_plastic_strain" in CASES[name]:
            assert first == pytest.approx(strain.mean() + slips / strain.size, abs=1e-12)
            still = file["fields/n_events"][0, 0] == 0
            assert np.abs(epsilon_p - strain)[still].max() < 1e-12 and still.sum() > 900
        if name == "one side":
            sigma_c, still = file["fields/sigma_c"][0, 0], file["fields/n_events"][0, 0] == 0
            in_disc = sigma_c[18:23, 28:33][still[18:23, 28:33]]
            assert set(np.round(in_disc, 9)) <= {0.3, 0.5, 0.6} and in_disc.size > 15
            assert sigma_c[[39, 0, 1, 2]].mean() < 0.65 * sigma_c[3:16].mean()
            assert file.attrs["age"] < 0.14 - 0.5 * 4 / 40
        told = json.loads(file.attrs["input_resolved"])
        assert Input.model_validate({k: v for k, v in told.items() if k != "files"})
    if name == "one side":
        return

    def alter(file: h5py.File) -> None:
        file["avalanches/slip"][-1] *= 1.1

    lines: list[str] = []
    assert not report(str(rewritten(tmp_path / "one", tmp_path, alter)), lines.append)
    assert "their slips do not add up to the plastic strain" in "\n".join(lines)
    strain[0, 0] += 1e-9
    with h5py.File(tmp_path / "f.h5", "r+") as file:
        file["strain"][...] = strain
    done = hpcepm(settings, "--output", "two", "--continue")
    assert done.returncode == 3 and "f.h5:/strain" in done.stderr
