"""Plug-ins that are typed into a script: a run that goes on must find the same."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import hpcepm
from hpcepm.input.typed import typed_in
from hpcepm.model.observables import OBSERVABLES
from hpcepm.storage.directory import DirectoryTaken
from tests.conftest import run_python, settings_for

FACTOR = 1.0
TRI = {"distribution": "tri", "highest": 1.0}
SETTINGS = settings_for((8, 8), thresholds={"initial": TRI, "renewal": TRI})


def type_in(power: float = 0.5) -> None:
    @hpcepm.distribution
    @dataclass(frozen=True)
    class Tri:
        highest: hpcepm.Positive

        def quantile(self, u: float) -> float:
            return FACTOR * self.highest * u**power


def go_on(directory: Path, target: float) -> Any:
    return hpcepm.simulate(SETTINGS, loading={"target": target}, directory=directory, resume=True)


def change_a_global(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "FACTOR", 2.0)
    type_in()


def change_what_it_encloses(monkeypatch: pytest.MonkeyPatch) -> None:
    type_in(0.25)


def change_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    @hpcepm.distribution
    @dataclass(frozen=True)
    class Tri:
        highest: hpcepm.Positive

        def quantile(self, u: float) -> float:
            return self.highest * u


CHANGES = change_a_global, change_what_it_encloses, change_its_source


@pytest.mark.parametrize("change", CHANGES)
def test_another_distribution_of_the_same_name_is_another_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[..., None]
) -> None:
    type_in()
    go_on(tmp_path / "run", 0.05)
    type_in()
    assert go_on(tmp_path / "run", 0.06)["observables"].strain.values[-1] == 0.06
    change(monkeypatch)
    with pytest.raises(DirectoryTaken, match=r"plugins\.tri: was"):
        go_on(tmp_path / "run", 0.07)


def test_a_variable_with_the_name_of_an_attribute_is_another_thing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    type_in()
    go_on(tmp_path / "run", 0.05)
    monkeypatch.setitem(globals(), "highest", 7)
    monkeypatch.setitem(globals(), "renewal", 7)
    assert go_on(tmp_path / "run", 0.06)["observables"].strain.values[-1] == 0.06


@pytest.mark.parametrize("changed", ["distribution", "law"])
def test_a_distribution_and_a_law_of_one_name_are_both_told(tmp_path: Path, changed: str) -> None:
    def both(factor: float, amount: float) -> None:
        @hpcepm.distribution(name="mine")
        @dataclass(frozen=True)
        class Thresholds:
            def quantile(self, u: float) -> float:
                return 0.1 + factor * u

        @hpcepm.slip(name="mine")
        @dataclass(frozen=True)
        class Law:
            def slip(self, sigma_c: float, u: float) -> float:
                return amount

    mine = {"distribution": "mine"}
    settings = settings_for((8, 8), thresholds={"initial": mine, "renewal": mine}, slip=mine)
    both(1.0, 0.02)
    hpcepm.simulate(settings, directory=tmp_path / "run")
    both(3.0, 0.02) if changed == "distribution" else both(1.0, 0.03)
    with pytest.raises(DirectoryTaken, match=r"plugins\.mine: was"):
        hpcepm.simulate(settings, directory=tmp_path / "run", resume=True, loading={"target": 0.2})


def test_an_observable_that_is_not_there_any_more_is_missed(tmp_path: Path) -> None:
    type_in()

    @hpcepm.observable(units="1", description="one")
    def other(series: Any) -> Any:
        return series.mean(0 * series.sigma + 1)

    go_on(tmp_path / "run", 0.05)
    assert go_on(tmp_path / "run", 0.06)["observables"].other.values.tolist()[0][-1] == 1.0
    OBSERVABLES[:] = [one for one in OBSERVABLES if one.name != "other"]
    with pytest.raises(DirectoryTaken, match=r"plugins\.other"):
        go_on(tmp_path / "run", 0.07)


def test_what_is_not_used_is_not_told() -> None:
    type_in()
    assert not typed_in({"thresholds": {"initial": "ESL"}}, {})
    assert typed_in({"thresholds": {"initial": TRI}}, {}).keys() == {"tri"}
    assert not typed_in({"thresholds": {"initial": TRI}}, {__name__: None})


SCRIPT = """
import sys
import numpy as np
from numba import njit
from hpcepm.input.typed import _digest
LIMITS = np.array([0.5, {0}])

@njit
def power(u):
    return u**0.5 if u in {{0.25, 0.5, 1.0}} else {1} * u

WAYS = [power, {{"a": (power, 1)}}, None, object()]

def quantile(u, way=power, other={2}):
    return WAYS[0](u) + LIMITS[1]

print(_digest([quantile]))
"""


@pytest.mark.parametrize("typed", [True, False])
def test_a_digest_is_that_of_all_that_is_named(tmp_path: Path, typed: bool) -> None:
    """In another process the same, whatever is called, listed, or a default."""

    def digest(*values: float, seed: str = "0") -> str:
        text = SCRIPT.format(*values)
        (tmp_path / "script.py").write_text(text)
        command = ["-c", text] if typed else ["script.py"]
        done = run_python(command, None, tmp_path, PYTHONHASHSEED=seed)
        assert done.returncode == 0, done.stderr
        return done.stdout

    first = digest(1, 2, 3)
    assert digest(1, 2, 3, seed="7") == first
    assert first not in {digest(9, 2, 3), digest(1, 9, 3), digest(1, 2, 9)}
