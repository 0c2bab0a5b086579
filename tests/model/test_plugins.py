"""Plug-ins: each example runs as a user would run it, and what is wrong with one is said plainly.

Registries are of the process, so what is run from here runs in processes of its own.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
import pytest

from hpcepm.input.plugins import load_plugin
from hpcepm.input.problems import InputError
from hpcepm.input.read import read_input
from hpcepm.input.schema import Input
from hpcepm.model.distributions import Exponential, Uniform, distribution, quantile
from hpcepm.model.kernel import Kernel, kernel
from hpcepm.model.plugins import expectation
from hpcepm.model.registry import Positive
from hpcepm.model.slip import slip, slip_at
from tests.conftest import ROOT, run_python

EXAMPLES: Final = ROOT / "inputs" / "plugins"


def run(tmp_path: Path, name: str, *options: str, ranks: int | None = None) -> dict[str, Any]:
    """Run an example; return its observables."""
    plugin, read = str(EXAMPLES / f"{name}.py"), str(EXAMPLES / f"{name}.yaml")
    command = ["-m", "hpcepm", read, "--plugin", plugin]
    directory = tmp_path / f"{name} on {ranks} {' '.join(options).replace('/', '|')}"
    options = ("--quiet", "--output", str(directory), *options)
    done = run_python([*command, *options], ranks, tmp_path, timeout=300, PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr
    with h5py.File(directory / "run.h5") as file:
        assert json.loads(file.attrs["input_resolved"])["lattice"]
        observables = file["observables"]
        units = {key: observables[key].attrs["units"] for key in observables}
        return {key: observables[key][()] for key in observables} | {"units": units}


def test_a_bimodal_glass_is_the_same_on_two_ranks(tmp_path: Path) -> None:
    one, two = (run(tmp_path, "bimodal", ranks=ranks) for ranks in (None, 2))
    mean = one["threshold_mean"][0]
    assert mean[0] == pytest.approx(1.3, abs=0.05)
    assert one["threshold_variance"][0] == pytest.approx((mean - 0.5) * (1.5 - mean), abs=1e-12)
    assert one["events"][0, -1] > 100
    for key, values in one.items():
        assert np.array_equal(values, two[key]) or key == "units"


def test_a_flat_profile_is_the_kernel_that_is_built_in(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "flat.h5", "w") as file:
        file["f"] = np.array([[0.0, 9.0], [1.0, 1.0]])
    flat = f"kernel.file={tmp_path / 'flat.h5'}:/f"
    built_in = run(tmp_path, "kernel_from_profile", "--set", "kernel={type: continuum}")
    soft = run(tmp_path, "kernel_from_profile")
    same = run(tmp_path, "kernel_from_profile", "--set", flat)
    assert built_in["events"][0, -1] > 50
    assert np.array_equal(same["events"], built_in["events"])
    assert same["stress"] == pytest.approx(built_in["stress"], abs=1e-12)
    assert not np.array_equal(soft["events"], built_in["events"])


def test_an_observable_is_measured_in_each_realization(tmp_path: Path) -> None:
    found = run(tmp_path, "small_x")
    assert found["small_x"].shape == found["stress"].shape == (4, 31)
    assert found["units"]["small_x"] == "1"
    assert 0 < found["small_x"].mean() < 0.5 and found["small_x"].max() <= 1
    assert (found["small_x"] * 256 % 1 == 0).all()


def test_a_weight_and_a_soft_spring_make_larger_avalanches(tmp_path: Path) -> None:
    soft = run(tmp_path, "weight")
    rigid = ("--set", "loading.stiffness=1e6", "--set", "loading.weight=0")
    stiff = run(tmp_path, "weight", *rigid)
    strain = run(tmp_path, "weight", "--set", "loading={control: strain, target: 0.3}")
    assert np.array_equal(stiff["events"], strain["events"])
    assert stiff["stress"] == pytest.approx(strain["stress"], abs=1e-12)
    by_avalanche = [f["events"][0, -1] / f["avalanches"][0, -1] for f in (soft, strain)]
    assert by_avalanche[0] > 1.5 * by_avalanche[1]
    assert soft["stress"][0, 0] == pytest.approx(0.3, abs=0.05)  # what yields at once is lost
    assert soft["strain"][0, 0] == pytest.approx(0.3 / 29.4, abs=0.01)


def read(tmp_path: Path, text: str) -> Input:
    (tmp_path / "in.yaml").write_text("lattice: {shape: [8, 8]}\n" + text)
    return read_input(str(tmp_path / "in.yaml"), []).settings


def test_moments_are_found_by_quadrature() -> None:
    @distribution
    @dataclass(frozen=True)
    class Flat:
        low: float
        high: float

        def quantile(self, u: float) -> float:
            return self.low + (self.high - self.low) * u

    @distribution(name="one_or_two")
    @dataclass(frozen=True)
    class OneOrTwo:
        def quantile(self, u: float) -> float:
            return 1.0 if u < 0.3 else 2.0

    ours: Any = Flat(0.5, 2.0)
    assert ours.moments() == pytest.approx(Uniform(0.5, 2.0).moments(), rel=1e-10)
    assert quantile(ours.kind, ours.parameters, 0.25) == 0.875
    assert distribution["one_or_two"]().moments() == pytest.approx((1.7, 0.21**0.5), rel=1e-6)


def test_a_slip_law(tmp_path: Path) -> None:
    @slip
    @dataclass(frozen=True)
    class Ramp:
        """Slips uniform between 0 and twice ``per_stress`` times the threshold."""

        per_stress: Positive = 0.05

        def slip(self, sigma_c: float, u: float) -> float:
            return 2 * self.per_stress * sigma_c * u

    text = "loading: {target: 0.1}\nslip: {distribution: ramp, per_stress: 0.02}\n"
    law = read(tmp_path, text).slip
    assert slip_at(law.kind, law.parameters, 1.5, 0.75, 0.0, 1.0) == pytest.approx(0.045, rel=1e-15)
    assert law.mean(Exponential(1.0)) == pytest.approx(0.02, rel=1e-5)


def test_a_kernel_is_a_function_of_wavevectors() -> None:
    @kernel
    def isotropic(qx: Any, qy: Any) -> Any:
        return np.where((qx == 0) & (qy == 0), 0.0, 0.5)

    assert Kernel(isotropic("simple"), 2.0).fourier(np.array([0.0, 1.0]), np.zeros(2)).tolist() == [
        0,
        -2,
    ]


WRONG: Final = {
    "def f(:\n    pass\n": ":1: invalid syntax",
    "import none_such\n": ":1: ModuleNotFoundError: No module named 'none_such'",
    "\n\nx = 1 / 0\n": ":3: ZeroDivisionError: division by zero",
    "import hpcepm\n@hpcepm.distribution\nclass A:\n    def quantile(self, u): return u\n": (
        ":2: TypeError: A: write @dataclass(frozen=True) below the decorator"
    ),
    "{d}class A:\n    pass\n": "A: needs a method quantile, which takes 1 number",
    "{d}class Weibull:\n    def quantile(self, u): return u\n": "the name 'weibull' is taken",
    "{d}class A:\n    a: float\n    def quantile(self, u): return self.b\n": (
        "A.quantile cannot be compiled: "
    ),
    "import hpcepm\n@hpcepm.observable(units='1', description='d')\ndef stress(s): return 0\n": (
        "stress: there is an observable of this name"
    ),
}
HEAD: Final = (
    "import hpcepm\nfrom dataclasses import dataclass\n"
    "@hpcepm.distribution\n@dataclass(frozen=True)\n"
)


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_with_a_plug_in_is_said(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text.replace("{d}", HEAD))
    with pytest.raises(InputError) as raised:
        load_plugin(str(path))
    (line,) = raised.value.problems
    assert line.startswith(f"{path}:") and WRONG[text] in line, line


def test_a_plug_in_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.py: the plug-in cannot be read: No such file"):
        load_plugin(str(tmp_path / "none.py"))


def test_an_edited_plug_in_replaces_itself(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    for value in ("1.0", "2.0"):
        path.write_text(f"{HEAD}class Edited:\n    def quantile(self, u): return {value}\n")
        plugin = load_plugin(str(path))
        assert distribution["edited"]().moments()[0] == pytest.approx(float(value))
        assert plugin.name == "mine.py" and value in plugin.text and len(plugin.sha256) == 64


def test_wrong_keys_of_a_plug_in_are_told_as_all_others(tmp_path: Path) -> None:
    load_plugin(str(EXAMPLES / "bimodal.py"))
    text = (
        "loading: {target: 1}\nthresholds: {renewal: {distribution: bimodal, weak: -1, strnog: 2}}"
    )
    with pytest.raises(InputError) as raised:
        read(tmp_path, text)
    assert [line.partition("in.yaml")[2] for line in raised.value.problems] == [
        ":3:23: thresholds.renewal.strong: is required",
        ":3:53: thresholds.renewal.weak: must be positive, not -1",
        ":3:57: thresholds.renewal.strnog: unknown key (did you mean 'strong'?)",
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f[1:], "has shape (1, 33): it must have two rows"),
        (lambda f: -f[:, ::-1], "has f = -1: it must not be negative"),
        (lambda f: f[:, ::-1], "has |q| that do not ascend"),
        (lambda f: f * np.nan, "NaN"),
    ],
)
def test_a_profile_that_is_none(tmp_path: Path, change: Any, said: str) -> None:
    load_plugin(str(EXAMPLES / "kernel_from_profile.py"))
    with h5py.File(EXAMPLES / "profile.h5") as file:
        profile = file["f"][()]
    with h5py.File(tmp_path / "profile.h5", "w") as file:
        file["f"] = change(profile)
    (tmp_path / "in.yaml").write_text((EXAMPLES / "kernel_from_profile.yaml").read_text())
    with pytest.raises(InputError) as raised:
        read_input(str(tmp_path / "in.yaml"), [])
    (line,) = raised.value.problems
    assert "in.yaml:3:31: kernel.file: " in line and said in line


def test_an_integral_that_does_not_converge() -> None:
    with pytest.raises(ValueError, match="does not converge"):
        expectation(lambda u: 1 / u)
