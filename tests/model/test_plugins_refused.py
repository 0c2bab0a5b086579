"""What a plug-in may not be or do, for numbers would be wrong without a word."""

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import h5py
import numpy as np
import pytest

import hpcepm
from hpcepm.analysis.verify import report
from hpcepm.input.plugins import load_plugin
from hpcepm.input.problems import InputError
from hpcepm.model.distributions import distribution, quantile
from hpcepm.model.kernel import kernel
from hpcepm.model.loading import loading
from hpcepm.model.observables import OBSERVABLES, Series
from hpcepm.model.registry import Number, Positive
from hpcepm.model.slip import slip
from tests.conftest import ROOT, run_python
from tests.model.test_plugins import read

THRESHOLDS: Final = "loading: {target: 0.1}\nthresholds: {renewal: {distribution: mine}}\n"
SMALL: Final = {"lattice": {"shape": [8, 9]}, "loading": {"target": 0.1}}


@pytest.mark.parametrize(
    ("decorator", "name"),
    [
        *[(distribution, name) for name in ("kind", "parameters", "addresses", "distribution")],
        *[(slip, name) for name in ("kind", "mean", "data", "slip")],
        *[(loading, name) for name in ("strain", "hold", "until", "rate", "control", "turns")],
    ],
)
def test_fields_with_names_that_mean_something_else(decorator: Any, name: str) -> None:
    """A field ``kind`` of 4 would be the number of another distribution."""
    methods = {key: lambda self, *_: 1.0 for key in ("quantile", "slip", "stress", "load")}
    methods.pop(name, None)
    odd = type("Odd", (), {"__annotations__": {name: Positive}, **methods})
    with pytest.raises(TypeError, match=rf"Odd\.{name}: hpcepm has this name for something else"):
        decorator(dataclass(frozen=True)(odd))
    assert "odd" not in decorator


def test_defaults_are_what_a_key_may_be() -> None:
    with pytest.raises(TypeError, match=r"Odd\.scale: its default -1\.0: Input should be greater"):

        @distribution
        @dataclass(frozen=True)
        class Odd:
            scale: Positive = -1.0

            def quantile(self, u: float) -> float:
                return self.scale * u


@pytest.mark.parametrize("name", [5, b"x", "a\nb"])
def test_names_are_texts(name: Any) -> None:
    with pytest.raises(ValueError, match="write a text"):

        @distribution(name=name)
        @dataclass(frozen=True)
        class Odd:
            def quantile(self, u: float) -> float:
                return u


def test_a_number_that_is_none_is_nan_to_compiled_methods() -> None:
    @distribution
    @dataclass(frozen=True)
    class Perhaps:
        scale: Annotated[float, "of a test"] | None = None

        def quantile(self, u: float) -> float:
            return u if np.isnan(self.scale) else self.scale * u  # type: ignore[arg-type,operator]

    found = [quantile(p.kind, p.parameters, 0.5) for p in (Perhaps(), Perhaps(4.0))]  # type: ignore[attr-defined]
    assert found == [0.5, 2.0]


def test_quantiles_that_are_drawn(tmp_path: Path) -> None:
    @distribution(name="mine")
    @dataclass(frozen=True)
    class Mine:
        def quantile(self, u: float) -> float:
            return u + 0.01 * np.random.random()  # noqa: NPY002 (as a user may)

    with pytest.raises(InputError, match=r"quantile\(1\.11e-16\) of the plug-in is .* asked again"):
        read(tmp_path, THRESHOLDS)


FACTOR = 1.0


def test_what_is_compiled_is_what_python_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that changes after the class is decorated; a truth that is a float in the loop."""

    @distribution(name="mine")
    @dataclass(frozen=True)
    class Mine:
        def quantile(self, u: float) -> float:
            return FACTOR * (0.1 + u)

    assert read(tmp_path, THRESHOLDS).thresholds.renewal
    monkeypatch.setitem(globals(), "FACTOR", 2.0)
    with pytest.raises(InputError, match=r"quantile\(.*\) of the plug-in is 0\.2, and 0\.1 compil"):
        read(tmp_path, THRESHOLDS)

    @distribution(name="mine")
    @dataclass(frozen=True)
    class Flagged:
        flag: bool = True

        def quantile(self, u: float) -> float:
            return u if self.flag is True else u + 1.0

    with pytest.raises(InputError, match=r"compiled: .*; fields are floats there"):
        read(tmp_path, THRESHOLDS)


def test_a_kernel_cannot_change_wavevectors(tmp_path: Path) -> None:
    """They are given to it in parts, and the next part would have the changed ones."""

    @kernel
    def mine(qx: Any, qy: Any) -> Any:
        qy /= 2
        return np.sin(qx / 2) ** 2 * np.sin(qy) ** 2

    with pytest.raises(InputError, match=r"the kernel of the plug-in: ValueError: .*read-only"):
        read(tmp_path, "loading: {target: 0.1}\nkernel: {type: mine}\n")


def test_a_loading_is_tried_with_the_sample_of_the_input(tmp_path: Path) -> None:
    @loading(name="mine")
    @dataclass(frozen=True)
    class Mine:
        target: Positive

        def stress(self, load: float, plastic_strain: float, two_mu: float) -> float:
            return min(two_mu, 5.0) * (load - plastic_strain)

        def load(self, stress: float, plastic_strain: float, two_mu: float) -> float:
            return stress / two_mu + plastic_strain

    asked = "loading: {control: mine, target: 0.1}\n"
    with pytest.raises(InputError, match=r"loading: load.* must be the inverse"):
        read(tmp_path, asked)
    assert read(tmp_path, f"{asked}elasticity: {{shear_modulus: 2}}\n").loading


def test_slips_must_not_raise_the_stress(tmp_path: Path) -> None:
    @loading(name="mine")
    @dataclass(frozen=True)
    class Mine:
        target: Positive

        def stress(self, load: float, plastic_strain: float, two_mu: float) -> float:
            return two_mu * (load + plastic_strain)

        def load(self, stress: float, plastic_strain: float, two_mu: float) -> float:
            return stress / two_mu - plastic_strain

    with pytest.raises(InputError, match="must not rise with plastic strain"):
        read(tmp_path, "loading: {control: mine, target: 0.1}\n")


def add_cubic() -> None:
    @loading(name="mine")
    @dataclass(frozen=True)
    class Mine:
        target: Positive
        cubic: Number = 0.0

        def stress(self, load: float, plastic_strain: float, two_mu: float) -> float:
            return load - 0.5 * two_mu * plastic_strain - self.cubic * plastic_strain**3

        def load(self, stress: float, plastic_strain: float, two_mu: float) -> float:
            return stress + 0.5 * two_mu * plastic_strain + self.cubic * plastic_strain**3


@pytest.mark.parametrize("cubic", [0.0, 300.0])
def test_a_stress_drop_is_what_the_law_says_and_the_run_is_sound(
    tmp_path: Path, cubic: float
) -> None:
    add_cubic()
    mine = {"control": "mine", "target": 1.5, "cubic": cubic}
    settings = SMALL | {"loading": mine, "elasticity": {"shear_modulus": 10.0}}
    tree = hpcepm.simulate(settings, directory=tmp_path / "run")
    assert tree is not None
    table = tree["avalanches"]
    after = np.cumsum(table.slip.values) / 72
    before = np.concatenate([[0.0], after[:-1]])
    law = 10.0 * (after - before) + cubic * (after**3 - before**3)
    assert len(after) > 30 and after[-1] > 0.06
    assert table.stress_drop.values == pytest.approx(law, rel=1e-9, abs=1e-13)
    assert report(str(tmp_path / "run"), lambda _: None)


@pytest.mark.parametrize(
    "more",
    [
        "loading: {control: mine, target: 1.5, cubic: 300}\n",
        "loading: {control: stress, target: 0.9}\nkernel: {type: none}\n",
        "kernel: {type: none}\nloading: [{target: 0.1}, "
        "{control: extremal, until: {plastic_strain: 0.1}}]\n",
    ],
)
def test_slips_to_a_stress_need_one_that_slips_lower(tmp_path: Path, more: str) -> None:
    add_cubic()
    with pytest.raises(InputError, match="to_stress wants a loading under which a slip lowers"):
        read(tmp_path, f"{more}slip: {{distribution: to_stress}}\n")


def test_moments_cannot_be_written_to() -> None:
    @hpcepm.observable("1", "of a test")
    def mine(series: Series) -> Any:
        moments = series.moments("sigma")[1]
        moments *= 100
        return moments

    with pytest.raises(hpcepm.RunFailed, match=r"the observable mine .*read-only"):
        hpcepm.simulate(SMALL)


def test_an_observable_that_ends_the_program_fails() -> None:
    @hpcepm.observable("1", "of a test")
    def mine(series: Series) -> Any:
        raise SystemExit(0)

    with pytest.raises(hpcepm.RunFailed, match="the observable mine of a plug-in: SystemExit: 0"):
        hpcepm.simulate(SMALL)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return series.sigma.max(axis=(1, 2))", "is not the same on all ranks: series.mean"),
        ("return float(os.getpid())", "is not the same on all ranks: series.mean"),
        (
            "if MPI.COMM_WORLD.rank == 1:\n        raise ValueError('boo')\n"
            "    return series.mean(series.sigma)",
            "rank 1: the observable mine of a plug-in: ValueError: boo; the others do something",
        ),
    ],
)
def test_ranks_that_do_not_agree(tmp_path: Path, body: str, said: str) -> None:
    """Where one fails alone, others wait for it in a mean: it tells, and ends them."""
    (tmp_path / "in.yaml").write_text("lattice: {shape: [16, 16]}\nloading: {target: 0.05}\n")
    (tmp_path / "mine.py").write_text(
        "import os\nimport hpcepm\nfrom hpcepm.parallel import ranks\nfrom mpi4py import MPI\n"
        "ranks.SECONDS_ALONE = 0.5, 1.0\n@hpcepm.observable('1', 'of a test')\n"
        f"def mine(series):\n    {body}\n"
    )
    command = ["-m", "hpcepm", "in.yaml", "--plugin", "mine.py", "--quiet"]
    done = run_python(command, 2, tmp_path, 100, PYTHONPATH=str(ROOT))
    assert done.returncode == 1 and said in done.stderr and "Traceback" not in done.stderr


PLUGIN: Final = """
from dataclasses import dataclass
import hpcepm
{more}

@hpcepm.distribution
@dataclass(frozen=True)
class {name}:
    def quantile(self, u):
        return 0.1 + u

@hpcepm.observable("1", "of a test")
def number{name}(series):
    return 1.0
"""


def test_a_plugin_that_was_edited_takes_its_own_place(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    for name in ("First", "Second"):
        path.write_text(PLUGIN.format(name=name, more=""))
        load_plugin(path)
    assert "second" in distribution and "first" not in distribution
    assert [one.name for one in OBSERVABLES if one.name.startswith("number")] == ["numberSecond"]
    path.write_text(PLUGIN.format(name="Third", more="1 / 0"))
    with pytest.raises(InputError, match=r"mine\.py:4: ZeroDivisionError"):
        load_plugin(path)
    assert "second" in distribution and "third" not in distribution
    assert [one.name for one in OBSERVABLES if one.name.startswith("number")] == ["numberSecond"]


def test_a_run_does_not_go_on_with_another_helper(tmp_path: Path) -> None:
    """A module beside the plug-in, and one that this imports."""
    helper = f"helper{random.getrandbits(60):x}"
    (tmp_path / f"{helper}.py").write_text(f"from {helper}_too import FACTOR\n")
    (tmp_path / f"{helper}_too.py").write_text("FACTOR = 1.0\n")
    (tmp_path / "mine.py").write_text(PLUGIN.format(name="Mine", more=f"import {helper}"))
    (tmp_path / "in.yaml").write_text(f"lattice: {{shape: [8, 8]}}\n{THRESHOLDS}")
    command = ["-m", "hpcepm", "in.yaml", "--plugin", "mine.py", "--output", "run", "--quiet"]
    path = f"{ROOT}:{tmp_path}"
    assert run_python(command, None, tmp_path, PYTHONPATH=path).returncode == 0
    with h5py.File(tmp_path / "run" / "run.h5") as file:
        assert "mine.py" in json.loads(file.attrs["input_resolved"])["plugins"]
    go_on = [*command, "--continue", "--set", "loading.target=0.11"]
    assert run_python(go_on, None, tmp_path, PYTHONPATH=path).returncode == 0
    (tmp_path / f"{helper}_too.py").write_text("FACTOR = 2.0\n")
    done = run_python([*go_on[:-1], "loading.target=0.12"], None, tmp_path, PYTHONPATH=path)
    assert done.returncode == 3 and "plugins.mine.py" in done.stderr, done.stderr
