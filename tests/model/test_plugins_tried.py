"""Plug-ins are tried out where an input is read, and what fails in a run ends it in a line."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

import hpcepm
from hpcepm.input.problems import InputError
from hpcepm.model.distributions import distribution, quantile
from hpcepm.model.kernel import kernel
from hpcepm.model.loading import loading
from hpcepm.model.registry import Positive
from hpcepm.model.slip import slip
from tests.conftest import ROOT, run_python
from tests.model.test_plugins import read

THRESHOLDS: Final = "loading: {target: 0.1}\nthresholds: {renewal: {distribution: mine}}\n"
QUANTILES: Final = {
    "math.nan": "quantile(1.11e-16) of the plug-in is nan: it must be a finite number",
    "1 / (u - 0.5)": "quantile(0.5) of the plug-in: ZeroDivisionError",
    "1.0 - u": "quantile of the plug-in must rise with u; it goes 1, 0.99, 0.75",
    "1 / (1.0 - u) ** 2": "an integral over its quantiles does not converge",
}


@pytest.mark.parametrize("quantiles", QUANTILES)
def test_a_distribution_is_tried_out(tmp_path: Path, quantiles: str) -> None:
    at = compile(quantiles, "", "eval")

    @distribution(name="mine")
    @dataclass(frozen=True)
    class Mine(distribution._of_plugin):  # type: ignore[name-defined,misc]
        addresses = ()

        def quantile(self, u: float) -> float:
            return float(eval(at, {"math": math, "u": u}))

    with pytest.raises(InputError) as wrong:
        read(tmp_path, THRESHOLDS)
    assert QUANTILES[quantiles] in str(wrong.value)
    assert "3:23: thresholds.renewal: " in str(wrong.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((np.nan, 1.0), "moments() of the plug-in is nan"),
        ((5.0, -1.0), "moments() of the plug-in, 5 and -1: the second is negative"),
        (7.0, "moments() of the plug-in: TypeError"),
    ],
)
def test_moments_are_tried_out(tmp_path: Path, given: Any, said: str) -> None:
    @distribution(name="mine")
    @dataclass(frozen=True)
    class Mine:
        def quantile(self, u: float) -> float:
            return u

        def moments(self) -> Any:
            return given

    with pytest.raises(InputError) as wrong:
        read(tmp_path, THRESHOLDS)
    assert said in str(wrong.value)


def test_an_error_in_what_its_own_code_makes_of_keys_is_told(tmp_path: Path) -> None:
    @distribution(name="mine")
    @dataclass(frozen=True)
    class Mine:
        def __post_init__(self) -> None:
            raise KeyError("oops")

        def quantile(self, u: float) -> float:
            return u

    with pytest.raises(InputError) as wrong:
        read(tmp_path, THRESHOLDS)
    assert "thresholds.renewal: Mine: KeyError: 'oops'" in str(wrong.value)


def test_an_exception_in_compiled_code_is_no_number() -> None:
    """It would be lost, and what is returned then is any number."""

    @distribution(name="mine")
    @dataclass(frozen=True)
    class Mine:
        def quantile(self, u: float) -> float:
            if u > 0.6 and u < 0.7:
                raise ValueError("bad")
            return u

    mine = Mine()
    found = [quantile(mine.kind, mine.parameters, u) for u in (0.6, 0.65, 0.8)]  # type: ignore[attr-defined]
    assert found[0] == 0.6 and np.isnan(found[1]) and found[2] == 0.8


def test_slips_backward_on_average_are_refused(tmp_path: Path) -> None:
    @slip(name="back")
    @dataclass(frozen=True)
    class Back:
        def slip(self, sigma_c: float, u: float) -> float:
            return 0.1 - u

        def mean(self, thresholds: Any) -> float:
            return 0.1

    with pytest.raises(InputError) as wrong:
        read(tmp_path, "loading: {target: 0.1}\nslip: {distribution: back}\n")
    assert "slips of the plug-in are -0.4 on average" in str(wrong.value)


KERNELS: Final[dict[str, Any]] = {
    "must be the same at qx and −qx": lambda qx, qy: (
        np.sin(qx / 2) ** 2 * (1 + 0.1 * np.sin(qx + qy))
    ),
    "slips would grow": lambda qx, qy: -(np.sin(qx / 2) ** 2) + 0 * qy,
    "is 1 at q = 0": lambda qx, qy: np.ones(np.broadcast_shapes(qx.shape, qy.shape)),
    "of shape (8, 1)": lambda qx, qy: np.sin(qx / 2) ** 2,
    "has NaN": lambda qx, qy: qx**2 / (qx**2 + qy**2),
    "ZeroDivisionError": lambda qx, qy: 1 // 0,
    "of shape ()": lambda qx, qy: None,
}


@pytest.mark.parametrize("said", KERNELS)
def test_a_kernel_is_tried_out(tmp_path: Path, said: str) -> None:
    def mine(qx: Any, qy: Any) -> Any:
        return KERNELS[said](qx, qy)

    kernel(mine)
    with pytest.raises(InputError) as wrong:
        read(tmp_path, "loading: {target: 0.1}\nkernel: {type: mine}\n")
    assert "kernel: the kernel of the plug-in" in str(wrong.value) and said in str(wrong.value)


@pytest.mark.parametrize(
    ("factor", "said"), [(3.0, "must be the inverse"), (-1.0, "must rise with the load")]
)
def test_a_loading_is_tried_out(tmp_path: Path, factor: float, said: str) -> None:
    @loading(name="mine")
    @dataclass(frozen=True)
    class Mine:
        target: Positive

        def stress(self, load: float, plastic_strain: float, two_mu: float) -> float:
            return two_mu * ((-load if factor < 0 else load) - plastic_strain)

        def load(self, stress: float, plastic_strain: float, two_mu: float) -> float:
            back = stress / (two_mu if factor < 0 else 3.0) + plastic_strain
            return -back if factor < 0 else back

    with pytest.raises(InputError) as wrong:
        read(tmp_path, "loading: {control: mine, target: 0.1}\n")
    assert "loading: " in str(wrong.value) and said in str(wrong.value)


@pytest.mark.parametrize("name", ["stress", "strain", "time", "records", "<lambda>", "a/b", ""])
def test_names_that_no_observable_can_have(name: str) -> None:
    def measure(series: Any) -> Any:
        return series.mean(series.x)

    measure.__name__ = name
    with pytest.raises(ValueError, match=r"of this name|is no name"):
        hpcepm.observable("1", "of a test")(measure)


@pytest.mark.parametrize("wrong", [(3, "text", "f8"), ("1", None, "f8"), ("1", "text", "str")])
def test_units_of_an_observable_are_text(wrong: Any) -> None:
    with pytest.raises(ValueError, match="must be"):
        hpcepm.observable(*wrong)


OBSERVABLES: Final = {
    "raise KeyError('oops')": "KeyError: 'oops'",
    "series.epsilon_p[...] = 1e9": "ValueError: assignment destination is read-only",
    "return None": "gives object of shape (), not a number for each snapshot",
    "return series.x[0, 0]": "not a number for each snapshot",
    "return 'text'": "not a number for each snapshot",
}


@pytest.mark.parametrize("ranks", [None, 2])
def test_an_observable_that_fails_ends_the_run_in_a_line(tmp_path: Path, ranks: int | None) -> None:
    (tmp_path / "in.yaml").write_text("lattice: {shape: [8, 9]}\nloading: {target: 0.05}\n")
    for k, (body, said) in enumerate(OBSERVABLES.items()):
        text = (
            f"import hpcepm\n@hpcepm.observable('1', 'of a test')\ndef mine(series):\n    {body}\n"
        )
        (tmp_path / "mine.py").write_text(text)
        command = ["-m", "hpcepm", "in.yaml", "--plugin", "mine.py", "--output", f"run{k}"]
        done = run_python(command, ranks, tmp_path, PYTHONPATH=str(ROOT))
        assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
        assert "the observable mine of a plug-in: " in done.stderr and said in done.stderr


@pytest.mark.parametrize("decorator", [distribution, slip, loading])
def test_a_function_is_a_kernel_and_nothing_else(decorator: Any) -> None:
    with pytest.raises(TypeError, match=r"triangle: write a class with @dataclass\(frozen=True\)"):

        @decorator
        def triangle(u: float) -> float:
            return u

    assert "triangle" not in decorator


def test_a_field_that_no_key_can_be_is_named() -> None:
    with pytest.raises(TypeError, match=r"Odd\.values: no key can be .*ndarray.*; write float"):

        @distribution
        @dataclass(frozen=True)
        class Odd:
            values: np.ndarray[Any, Any]

            def quantile(self, u: float) -> float:
                return u

    assert "odd" not in distribution


def test_a_list_is_a_key_and_no_number_of_compiled_methods() -> None:
    @distribution
    @dataclass(frozen=True)
    class Listed:
        names: list[float]
        scale: Positive = 1.0

        def quantile(self, u: float) -> float:
            return self.scale * u

    made = Listed([1.0, 2.0], 3.0)
    assert made.parameters.tolist() == [3.0]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("mean", "said"),
    [
        (lambda self: 1.0, "mean() of the plug-in: TypeError"),
        (lambda self, thresholds: 1 / 0, "mean() of the plug-in: ZeroDivisionError"),
        (lambda self, thresholds: math.nan, "mean() of the plug-in is nan"),
    ],
)
def test_a_mean_slip_is_tried_out(tmp_path: Path, mean: Any, said: str) -> None:
    @slip(name="mine")
    @dataclass(frozen=True)
    class Mine:
        def slip(self, sigma_c: float, u: float) -> float:
            return 0.03

    Mine.mean = mean  # type: ignore[attr-defined]
    with pytest.raises(InputError) as wrong:
        read(tmp_path, "loading: {target: 0.1}\nslip: {distribution: mine}\n")
    assert said in str(wrong.value)


def test_a_kernel_is_tried_on_the_lattice_of_the_input(tmp_path: Path) -> None:
    """8 × 6 wavevectors, with which a plug-in is tried first, do not show all."""

    @kernel
    def steep(qx: Any, qy: Any) -> Any:
        q2 = qx**2 + qy**2
        return np.where((q2 > 0) & (q2 < 0.2), -1.0, np.where(q2 > 0, 1.0, 0.0))

    settings = {"lattice": {"shape": [32, 32]}, "loading": {"target": 0.1}}
    with pytest.raises(
        InputError, match="kernel: the kernel of the plug-in is -1 somewhere: slips"
    ):
        hpcepm.simulate(settings, kernel={"type": "steep"}, directory=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_numba_may_stumble_over_a_method() -> None:
    with pytest.raises(TypeError, match=r"Texts\.quantile cannot be compiled: "):

        @distribution
        @dataclass(frozen=True)
        class Texts:
            def quantile(self, u: float) -> float:
                return float(str(u))


@pytest.mark.parametrize("given", [np.nan, 1.7, np.inf])
def test_a_whole_number_is_one(given: float) -> None:
    @hpcepm.observable(units="1", description="no whole number", dtype="i8")
    def odd(series: Any) -> Any:
        return given

    with pytest.raises(hpcepm.RunFailed, match=r"odd .*, not a whole number for each snapshot"):
        hpcepm.simulate({"lattice": {"shape": [8, 8]}, "loading": {"target": 0.01}})


@pytest.mark.parametrize("text", ["\0", "\ud800"])
def test_texts_that_hdf5_cannot_hold(text: str) -> None:
    with pytest.raises(ValueError, match="units: must be text"):
        hpcepm.observable(units=text, description="one")
    with pytest.raises(ValueError, match="description: must be text"):
        hpcepm.observable(units="1", description=text)
