"""Targets of a calibration that are wrong, and curves that no target can have."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from hpcepm.calibration.target import read_target
from hpcepm.input.problems import InputError
from tests.conftest import run_python

from .test_calibration import changed, filled


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return filled(tmp_path)


RANGE = {"start": 0.5, "from": 0.1, "to": 0.9}


BAD = [
    (changed("input", "nix.yaml"), "target.yaml:1:8: input: nix.yaml: no such file"),
    (changed("input", None), "input: is required"),
    (changed("realisations", 3), "realisations: unknown key (did you mean 'realizations'?)"),
    (changed("realizations", 3), "realizations: must be at least 10"),
    (
        changed("fit", {"slip.c00": RANGE}),
        "target.yaml:3:3: fit.slip.c00: unknown key of the input (did you mean 'slip.c0'?)",
    ),
    (changed("fit", {"kernel.type": RANGE}), "fit.kernel.type: is not a number that can be fitted"),
    (changed("fit", {"seed": RANGE}), "fit.seed: is not a number that can be fitted"),
    (changed("fit", {"thresholds.initial.scale": RANGE}), "the input has a preset there, GQ"),
    (changed("fit", {}), "fit: has 0 keys"),
    (
        changed("fit/slip.c0/from", -0.1),
        "fit.slip.c0.from: slip.c0 must be 0 or more, not -0.1",
    ),
    (changed("fit/slip.c0/from", 0.2), "fit.slip.c0: from must be less than to"),
    (changed("fit/slip.c0/start", 0.2), "fit.slip.c0: start must lie between from and to"),
    (changed("fit/slip.c0/form", 0.2), "fit.slip.c0.form: unknown key (did you mean 'from'?)"),
    (
        changed("fit/slip.c1", {"start": 0.02, "from": 0.0, "to": 0.1}),
        "2 keys cannot be found from 1 number;",
    ),
    (changed("target", {}), "target: name what is to be met"),
    (changed("target/plateau/error", 0), "target.plateau.error: must be positive"),
    (
        changed("target/plateau/window", [0.2, 0.5]),
        "ends at strain 0.5, but loading.target of glass.yaml is 0.4",
    ),
    (changed("target/plateau/window", [0.2, 0.21]), "holds fewer than three records"),
    (
        changed("target/peak", {"value": 0.4, "error": 0.1}),
        "target: the peak is not above the plateau",
    ),
    (
        changed("target/curves", {"stress": {"file": "nix.csv"}}),
        "target.curves.stress.file: nix.csv: No such file or directory",
    ),
    (
        changed("target/curves", {"stres": {"file": "nix.csv"}}),
        "curves.stres: unknown observable (did you mean 'stress'?)",
    ),
    *((changed("input", f"of {k}.yaml"), "has another loading than one strain") for k in range(6)),
    ("- 1", "expected keys and values"),
]


OTHER_LOADINGS: tuple[Any, ...] = (
    {"control": "stress", "target": 0.5},
    {"control": "extremal", "until": {"events_per_site": 3}},
    {"control": "machine", "stiffness": 5, "target": 0.2},
    [{"target": 0.4}, {"target": 0.1}],
    [{"target": -0.4}],
    {"target": 0.4, "until": {"plastic_strain": 0.1}},
)
"""Of which stress is no function of the strain that a target has."""


def test_wrong_targets_are_told_with_their_place(folder: Path) -> None:
    program = """
import sys
from hpcepm.cli import main
arguments = [["calibrate", f"{k}.yaml", "--output", "out"] for k in range(int(sys.argv[1]))]
print(list(map(main, arguments)))
"""
    (folder / "all_bad.py").write_text(program)
    glass = yaml.safe_load((folder / "glass.yaml").read_text())
    for k, loading in enumerate(OTHER_LOADINGS):
        (folder / f"of {k}.yaml").write_text(yaml.safe_dump({**glass, "loading": loading}))
    for k, (target, _) in enumerate(BAD):
        (folder / f"{k}.yaml").write_text(
            target if isinstance(target, str) else yaml.safe_dump(target, sort_keys=False)
        )
    done = run_python(["all_bad.py", str(len(BAD))], None, folder)
    assert done.stdout.strip() == str([2] * len(BAD)), done.stderr
    assert "Traceback" not in done.stderr and not (folder / "out").exists()
    for k, (_, said) in enumerate(BAD):
        assert any(
            line.startswith(f"{k}.yaml:") and said.replace("target.yaml", f"{k}.yaml") in line
            for line in done.stderr.splitlines()
        ), said


def test_a_list_of_one_strain_is_one(folder: Path) -> None:
    glass = yaml.safe_load((folder / "glass.yaml").read_text())
    listed = {**glass, "loading": [glass["loading"]]}
    (folder / "glass.yaml").write_text(yaml.safe_dump(listed))
    (folder / "target.yaml").write_text(yaml.safe_dump(changed("realizations", 20)))
    assert read_target(str(folder / "target.yaml"), [], None).keys == ("slip.c0",)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("", "holds no rows"),
        ("0.1,0.5\n", "stress.csv:1: has 2 columns; three are expected"),
        ("strain,stress,error\n0.1,x,0.1\n", "stress.csv:2: '0.1,x,0.1' are not three numbers"),
        ("0.0,0.0,0.1\n", "holds no point beyond strain 0"),
        ("strain;stress\n", "columns are separated by ',', and numbers have a decimal point"),
        ("0,1;0,55;0,01\n", "columns are separated by ',', and numbers have a decimal point"),
        ("0.1,nan,0.1\n", "stress.csv:1: numbers must be finite"),
        ("0.2,0.5,0.1\n0.1,0.5,0.1\n", "stress.csv:2: strain 0.1 is not above the one before"),
        ("0,0,0\n", "stress.csv:1: the error is 0; it must be above 1e-09"),
        ("0.7,0.5,0.1\n", "goes to strain 0.7, but loading.target of glass.yaml is 0.4"),
    ],
)
def test_malformed_curves(folder: Path, rows: str, said: str) -> None:
    (folder / "stress.csv").write_text(rows)
    (folder / "target.yaml").write_text(
        yaml.safe_dump(changed("target", {"curves": {"stress": {"file": "stress.csv"}}}))
    )
    with pytest.raises(InputError, match=r"target\.curves\.stress\.file: ") as caught:
        read_target(str(folder / "target.yaml"), [], None)
    assert said in str(caught.value)
