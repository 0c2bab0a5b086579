"""Cycles: what each comes to, and whether they come back."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import hpcepm
from hpcepm.analysis.verify import report
from hpcepm.cli import main
from hpcepm.input.problems import InputError
from hpcepm.input.read import read_input
from tests.conftest import settings_for
from tests.model.plain_protocols import PlainProtocol
from tests.run.test_paths import WELLS, run

TWO_MU = 2 * 14.7


def plain_cycles(cycle: list[float], most: int, **asked: Any) -> tuple[int, int, list[Any]]:
    """Return transient, period and the wells at the end of each cycle, by the plain program."""
    model = PlainProtocol((16, 14), two=True, quenched=True, **asked)
    strobes: list[Any] = []
    for _ in range(most):
        for turn in cycle:
            model.drive("strain", turn, TWO_MU, 10**9)
        strobes.append(model.well.copy())
        for earlier in range(len(strobes) - 2, -1, -1):
            if (strobes[earlier] == strobes[-1]).all():
                return earlier, len(strobes) - 1 - earlier, strobes
    return 0, 0, strobes


@pytest.mark.parametrize("order", ["weakest", "synchronous"])
def test_transient_and_period_are_those_of_a_plain_program(tmp_path: Path, order: str) -> None:
    transient, period, strobes = plain_cycles([0.03, -0.03], 30, weakest=order == "weakest", seed=4)
    assert 1 <= transient <= 8 and period >= 1
    for engine in ("direct", "lazy", "spectral"):
        (tmp_path / engine).mkdir()
        directory = run(
            tmp_path / engine,
            seed=4,
            engine=engine,
            yielding={**WELLS, "order": order},
            loading={"cycle": [0.03, -0.03], "cycles": 40, "until": {"recurrence": True}},
            output={
                "observables": {"of": "cycle"},
                "fields": {"of": "cycle", "names": ["well", "n_events", "epsilon_p"]},
            },
        )
        with h5py.File(directory / "run.h5") as file:
            cycles = {name: values[0] for name, values in file["cycles"].items() if values.ndim > 1}
            wells = file["fields/well"][0][2::2].reshape(-1, 224)
            assert file.attrs["ended_by"] == "until.recurrence"
            assert file["fields/strain"][0, :3].tolist() == [0, 0.03, -0.03]
        assert len(wells) == cycles["work"].size == transient + 1 + 2 * period
        assert (wells[: len(strobes)] == strobes).all()
        assert cycles["transient"].tolist() == [0] * (len(wells) - 1) + [transient]
        assert cycles["period"].tolist() == [0] * (len(wells) - 1) + [period]
        before = np.concatenate([[np.zeros(224, int)], wells[:-1]])
        assert cycles["changed"].tolist() == (wells != before).sum(axis=1).tolist()
        assert cycles["changed_since_first"].tolist() == (wells != wells[0]).sum(axis=1).tolist()
        hops = (wells - before).sum(axis=1)
        assert (cycles["events_forward"] - cycles["events_backward"] == hops).all()
        assert main(["verify", str(directory)]) == 0


def test_work_and_moduli_are_those_of_the_loop(tmp_path: Path) -> None:
    """Stress over strain, straight from one avalanche to the next."""
    cycle = [0.04, -0.02, 0.03, -0.04]
    directory = run(tmp_path, yielding=WELLS, loading={"cycle": cycle, "cycles": 5})
    with h5py.File(directory / "run.h5") as file:
        cycles = {name: values[0] for name, values in file["cycles"].items() if values.ndim > 1}
        table = {name: values[()] for name, values in file["avalanches"].items()}
    assert cycles["stress"].shape == (5, 4)
    expected, begin, stress, work, at = [], 0, 0.0, 0.0, 0.0
    turns = iter(cycle * 5)
    for number in range(20):
        turn = next(turns)
        way = 1 if turn > at else -1
        while begin < table["strain"].size:
            strain = table["strain"][begin]
            ahead = way * (strain - at) >= 0 and way * (turn - strain) >= 0
            if not ahead:
                break
            work += (stress + table["stress"][begin]) / 2 * (strain - at)
            at, stress = strain, table["stress"][begin] - table["stress_drop"][begin]
            begin += 1
        after = stress + TWO_MU * (turn - at)
        work += (stress + after) / 2 * (turn - at)
        at, stress = turn, after
        assert stress == pytest.approx(cycles["stress"][number // 4, number % 4], abs=1e-10)
        if number % 4 == 3:
            expected.append(work)
            work = 0.0
    assert cycles["work"] == pytest.approx(expected, abs=1e-12)
    assert cycles["loss_modulus"] == pytest.approx(np.array(expected) / (2 * np.pi * 0.04**2))
    span = cycles["stress"][:, 0] - cycles["stress"][:, 3]
    assert cycles["storage_modulus"] == pytest.approx(span / 0.16)
    (tmp_path / "elastic").mkdir()
    elastic = run(
        tmp_path / "elastic", yielding=WELLS, loading={"cycle": [1e-4, -1e-4], "cycles": 3}, seed=2
    )
    with h5py.File(elastic / "run.h5") as file:
        assert file["cycles/storage_modulus"][0] == pytest.approx([14.7] * 3)
        assert np.abs(file["cycles/work"][0]).max() < 1e-15 + 14.7e-8
        assert file["cycles/period"][0].tolist() == [0, 0, 1]


def test_cycles_need_wells(tmp_path: Path) -> None:
    path = tmp_path / "in.yaml"
    path.write_text("lattice: {shape: [8, 8]}\nloading: {cycle: [0.1, -0.1], cycles: 3}\n")
    with pytest.raises(InputError, match="landscape: quenched"):
        read_input(str(path), [])


def test_maps_of_cycles_that_no_record_is_of(tmp_path: Path) -> None:
    """A limit cycle comes back to strain and plastic strain, not to the count of events."""
    settings = settings_for(
        (6, 5),
        yielding={"sides": "two", "landscape": "quenched"},
        loading={"cycle": [0.04, -0.02, 0.01], "cycles": 8, "until": {"recurrence": True}},
        output={
            "observables": {"of": "cycle", "every": 2},
            "fields": {"of": "cycle", "every": 3},
        },
    )
    hpcepm.simulate(settings, directory=tmp_path / "run")
    told: list[str] = []
    assert report(str(tmp_path / "run"), told.append), told
