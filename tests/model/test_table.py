"""Kernels from a file: the events of what is built in; and what is no kernel is refused."""

import copy
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import hpcepm
from hpcepm.input.glass import glass_of
from hpcepm.input.problems import InputError
from hpcepm.input.read import read_mapping
from hpcepm.model.consistency import ImpossibleState
from hpcepm.model.dynamics import Dynamics
from hpcepm.model.kernel import Kernel, kernel, wavevectors
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from tests.conftest import Run, datasets, settings_for

Array = np.ndarray[Any, Any]
MU_STAR = 14.7 / (1 + 14.7 / 52)


def transform(shape: tuple[int, int], kind: str = "continuum") -> Array:
    """Return Ĝ of a kernel that is built in, in the order of fft2."""
    qx, qy = wavevectors(shape)
    return Kernel(kernel[kind](), MU_STAR).fourier(qx[:, None], qy[None, :])


def in_file(path: Path, hat: Array, space: str, dtype: str = "f8") -> dict[str, Any]:
    """Write Ĝ or G into a file; return the section of the input."""
    with h5py.File(path, "w") as file:
        values = hat if space == "fourier" else np.fft.ifft2(hat).real
        file["tables/G"] = values.astype(dtype)
    return {"type": "table", "file": f"{path}:/tables/G", "space": space}


def simulated(shape: tuple[int, int], section: Any, **changes: Any) -> Any:
    settings = settings_for(shape, kernel=section, **changes)
    return hpcepm.simulate({**settings, "output": {"observables": {"every": 0.02}}})


@pytest.mark.parametrize("engine", ["direct", "lazy", "spectral"])
@pytest.mark.parametrize("sides", ["one", "two"])
def test_a_table_of_the_continuum_is_the_continuum(tmp_path: Path, engine: str, sides: str) -> None:
    shape, changes = (64, 31), {"engine": engine, "yielding": {"sides": sides}}
    built_in = simulated(shape, {"type": "continuum"}, **changes)
    assert built_in["observables"].events[0, -1] > 1000
    for space in ("fourier", "real"):
        section = in_file(tmp_path / f"{space}.h5", transform(shape), space)
        table = simulated(shape, section, **changes)
        for group in ("observables", "avalanches"):
            for name, values in built_in[group].data_vars.items():
                same = table[group][name].values
                if space == "fourier" or values.dtype.kind in "iu":
                    assert same.tobytes() == values.values.tobytes(), name
                else:  # the initial stress has the root of what rounding makes of Ĝ = 0
                    assert same == pytest.approx(values.values, rel=1e-7, abs=1e-8), name


@pytest.mark.parametrize("space", ["real", "fourier"])
def test_single_precision_is_made_even(tmp_path: Path, one_rank: Ranks, space: str) -> None:
    shape = (20, 15)
    section = in_file(tmp_path / "G.h5", transform(shape), space, "f4")
    read = read_mapping(settings_for(shape, kernel=section), {})
    qx, qy = wavevectors(shape)
    hat = glass_of(read, Lattice(shape, one_rank)).kernel.fourier(qx[:, None], qy[None, :])
    assert hat == pytest.approx(transform(shape), abs=1e-5)
    assert hat[0, 0] == 0 and hat.max() <= 0
    mirrored = hat[-np.arange(20) % 20][:, -np.arange(15) % 15]
    assert (hat == mirrored).all()
    assert len(read.files) == 1


def broken(shape: tuple[int, int]) -> dict[str, tuple[str, Array, str]]:
    """Return what is no kernel: in which space, its values, and what is said of it."""
    hat = transform(shape)
    g = np.fft.ifft2(hat).real
    lopsided, shifted = hat.copy(), np.roll(g, 1, 1)
    lopsided[2, 3] *= 1.01
    holes = g.copy()
    holes[3, 1] = np.nan
    return {
        "shape": ("real", g[:, 1:], "has shape (12, 9), but lattice.shape is (12, 10)"),
        "finite": ("real", holes, "the value at (3, 1) is nan; it must be a number of at most"),
        "complex": (
            "fourier",
            hat + 1j,
            "holds complex128, not numbers that are real; store the real",
        ),
        "even in x": ("fourier", lopsided, "Ĝ(2, 3) is -16.6886, and Ĝ(10, 3) is -16.5234: they"),
        "even in y": (
            "real",
            shifted,
            "they must be equal, as a kernel is even in y; put the slip",
        ),
        "sign": ("real", -g, "it must not be positive, or slips would grow; look at the sign"),
        "sign of Ĝ": ("fourier", -hat, "it must not be positive, or slips would grow; look at"),
        "mean": ("real", g + 1, "Ĝ(0, 0), the sum of G, is 120: it must be 0, since the mean"),
        "q = 0": ("fourier", hat - np.eye(12, 10) * (np.arange(12) == 0)[:, None], "set it to 0"),
    }


@pytest.mark.parametrize("what", broken((12, 10)))
def test_what_is_no_kernel_is_refused(tmp_path: Path, what: str) -> None:
    space, values, said = broken((12, 10))[what]
    with h5py.File(tmp_path / "G.h5", "w") as file:
        file["G"] = values
    (tmp_path / "in.yaml").write_text(
        "lattice: {shape: [12, 10]}\nloading: {target: 1}\n"
        f"kernel: {{type: table, file: 'G.h5:/G', space: {space}}}\n"
    )
    with pytest.raises(InputError) as raised:
        hpcepm.simulate(tmp_path / "in.yaml")
    (line,) = raised.value.problems
    assert "in.yaml:3:29: kernel.file: " in line and said in line, line


def test_a_kernel_that_is_larger_than_mu_star(tmp_path: Path, one_rank: Ranks) -> None:
    """Its own size, not μ*, bounds what the lazy engine has deferred."""
    shape = (64, 20)
    section = in_file(tmp_path / "G.h5", 60 * transform(shape), "real")
    settings = settings_for(shape, kernel=section, slip={"c0": 0.0005, "c1": 0.0003})
    lattice, read = Lattice(shape, one_rank), read_mapping(settings, {})
    events = []
    for engine in ("direct", "lazy"):
        dynamics = Dynamics(lattice, glass_of(read, lattice), engine)
        for _ in range(60):
            dynamics.shear(1.0, 5)
            state = copy.deepcopy(dynamics.complete_state())
            dynamics = Dynamics(lattice, dynamics.glass, engine, state)
        events.append(dynamics.state.fields.n_events.copy())
    assert (events[0] == events[1]).all() and events[0].sum() > 300
    state.fields.yields_at[3, 4] += 50
    with pytest.raises(ImpossibleState, match="not that of the plastic strain"):
        Dynamics(lattice, dynamics.glass, "direct", state)


def test_from_the_command_line(hpcepm: Run, tmp_path: Path) -> None:
    in_file(tmp_path / "G.h5", transform((16, 12), "finite_difference"), "real")
    section = {"type": "table", "file": "G.h5:/tables/G"}
    done = hpcepm(settings_for((16, 12), kernel=section))
    assert done.returncode == 0, done.stderr
    assert "kernel    table(file G.h5:/tables/G, space real)" in done.stdout
    built_in = settings_for((16, 12), kernel={"type": "finite_difference"})
    assert hpcepm(built_in, "--quiet", "--output", "other", ranks=2).returncode == 0
    a, b = (datasets(tmp_path / name / "run.h5") for name in ("run", "other"))
    assert a["observables/events"][0, -1] > 50
    assert (a["observables/events"] == b["observables/events"]).all()
    in_file(tmp_path / "G.h5", transform((16, 12)), "real")
    further = settings_for((16, 12), kernel=section, loading={"target": 0.2})
    done = hpcepm(further, "--continue")
    assert done.returncode != 0 and "G.h5:/tables/G" in done.stderr
