"""Runs of Maxwell sites: what they keep, what reads it, and that they go on with the same bits."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import yaml

import hpcepm
from hpcepm.analysis.quantities import quantities
from hpcepm.analysis.results import open_run
from hpcepm.cli import main
from tests.conftest import assert_same_bits, datasets, run_python
from tests.run.test_clocks import made

SINE: Final[dict[str, Any]] = {
    "lattice": {"shape": [16, 14]},
    "clock": {"type": "maxwell", "dt": 0.04},
    "loading": {"waveform": "sine", "amplitude": 0.08, "frequency": 0.3, "cycles": 3},
    "realizations": 2,
    "output": {"observables": {"of": "time", "every": 1}, "fields": {"of": "time", "every": 4}},
}
PATH: Final[dict[str, Any]] = {
    **SINE,
    "loading": [
        {"target": 0.05, "rate": 0.05},
        {"hold": 3},
        {"control": "stress", "target": 0.3},
        {"control": "stress", "target": 0.5, "rate": 0.1, "hold": 1.9},
        {"target": -0.05, "rate": 0.1, "until": {"plastic_strain": 0.5}},
    ],
    "output": {"observables": {"of": "time", "per_decade": 4, "from": 0.1}},
}


@pytest.fixture(scope="module")
def oscillated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("sine"), SINE)


def test_a_sine_has_a_table_of_cycles(oscillated: Path) -> None:
    data = datasets(oscillated / "run.h5")
    assert data["cycles/harmonic"].tolist() == [1, 3, 5, 7, 9]
    assert data["cycles/in_phase"].shape == (2, 3, 5)
    assert data["cycles/time"] == pytest.approx(np.tile([1 / 0.3, 2 / 0.3, 10.0], (2, 1)))
    storage, loss = data["cycles/storage_modulus"], data["cycles/loss_modulus"]
    assert storage * 0.08 == pytest.approx(data["cycles/in_phase"][..., 0])
    assert loss * 0.08 == pytest.approx(data["cycles/out_of_phase"][..., 0])
    assert ((storage > 5) & (storage < 29.4) & (loss > 1)).all()
    strain, time = data["observables/strain"][0], data["observables/time"][0]
    assert strain == pytest.approx(0.08 * np.sin(2 * np.pi * 0.3 * time), abs=1e-12)
    step = 1 / 0.3 / 84  # 0.04 does not divide a cycle
    assert time[1:-1] == pytest.approx(step * np.ceil(np.arange(1, 10) / step))
    assert (data["observables/events"][:, -1] > 50).all()


def test_all_that_reads_a_run_reads_a_sine(oscillated: Path, tmp_path: Path) -> None:
    run, packed = str(oscillated), tmp_path / "packed.h5"
    for command in ("verify", "plot", "summarize", "report", "status"):
        assert main([command, run]) == 0
    assert main(["pack", run, "--out", str(packed)]) == 0
    assert main(["verify", str(packed)]) == 0
    for kind in ("netcdf", "zarr", "csv", "vtk"):
        assert main(["export", run, f"--{kind}", str(tmp_path / kind)]) == 0
    assert (tmp_path / "csv" / "cycles.csv").read_text().startswith("realization,cycle,time")
    cycles = hpcepm.open(packed)["cycles"]
    with open_run(oscillated) as found:
        numbers = {one.name: one.value.value for one in quantities(found)}
    assert numbers["storage modulus"] == pytest.approx(cycles.storage_modulus[:, -1].mean())
    assert numbers["loss modulus"] == pytest.approx(cycles.loss_modulus[:, -1].mean())
    assert cycles.in_phase.dims == ("realization", "cycle", "harmonic")


def test_segments_of_all_kinds(tmp_path: Path) -> None:
    run = made(tmp_path, PATH)
    assert main(["verify", str(run)]) == 0
    data = datasets(run / "run.h5")
    time, stress, strain = (data[f"observables/{name}"][0] for name in ("time", "stress", "strain"))
    begun = int((abs(stress - 0.3) < 1e-15).argmax())  # at once: by the elastic strain alone
    loaded, held = (time.searchsorted(t + 1e-9) - 1 for t in (1.0, 6.0))
    assert strain[loaded:begun] == pytest.approx(0.05)  # it relaxes
    assert stress[begun - 1] < stress[loaded]
    end = int(time.searchsorted(7.9 + 1e-9)) - 1
    assert stress[held : end + 1] == pytest.approx(0.5, abs=1e-15) and strain[end] > strain[held]
    assert strain[-1] == -0.05
    assert time[begun] == time[begun - 1]
    assert strain[begun] - strain[begun - 1] == pytest.approx((0.3 - stress[begun - 1]) / 29.4)


@pytest.mark.parametrize("settings", [SINE, PATH], ids=["sine", "path"])
def test_it_goes_on_with_the_same_bits(tmp_path: Path, settings: dict[str, Any]) -> None:
    whole = made(tmp_path / "whole", settings)
    (tmp_path / "in.yaml").write_text(yaml.safe_dump(settings))
    command = ["-m", "hpcepm", "in.yaml", "--output", "out", "--quiet", "--continue"]
    stopped = run_python([*command, "--max-walltime", "0.001"], None, tmp_path)
    assert stopped.returncode == 75, stopped.stderr
    done = run_python(command, None, tmp_path)
    assert done.returncode == 0, done.stderr
    assert_same_bits(whole, tmp_path / "out")
