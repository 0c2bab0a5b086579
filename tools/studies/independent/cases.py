"""What both programs run: the paper's parameter sets, steady flow on lattices of several sizes, and shear bands."""

from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
import yaml
from numpy.typing import NDArray

from hpcepm.model.disorder import PRESETS

from ..paper_reproduction.sets import INPUTS, NAMES
from ..paper_reproduction.statistics import Ensemble
from ..physics.bands import widths
from ..physics.runs import BAND, FLOW, Run
from .second_model import Glass, shear

PAPER_REALIZATIONS: Final = 500
FLOW_REALIZATIONS: Final = {
    ("continuum", 16): 400,
    ("continuum", 32): 200,
    ("continuum", 64): 60,
    ("finite_difference", 16): 400,
    ("finite_difference", 32): 200,
}
BAND_SIZE: Final = 64
BAND_REALIZATIONS: Final = 24
RECORDED: Final = (
    "stress",
    "threshold_mean",
    "localization",
    "strain_variance",
    "x_min",
    "avalanches",
)
OUTPUT: Final = {"observables": {"every": 0.025}, "avalanches": True}


def paper_cases(folder: Path) -> list[Run]:
    """Return the paper's eight sets."""
    cases = []
    for name in NAMES:
        settings = yaml.safe_load((INPUTS / f"{name}.yaml").read_text())
        (size, _), settings["output"] = (
            settings.pop("lattice")["shape"],
            {"observables": {"every": 0.005}, "avalanches": False},
        )
        settings.pop("realizations")
        cases.append(Run(folder / name, "continuum", size, PAPER_REALIZATIONS, settings))
    return cases


def flow_cases(folder: Path) -> list[Run]:
    """Return the runs whose avalanches are compared."""
    glass = {**FLOW, "output": OUTPUT}
    return [
        Run(folder / f"flow-{kernel}-{size}", kernel, size, n, glass)
        for (kernel, size), n in FLOW_REALIZATIONS.items()
    ]


def band_case(folder: Path) -> Run:
    """Return the run whose shear bands are compared."""
    glass = {**BAND, "loading": {"target": 0.5}, "output": OUTPUT}
    return Run(folder / "band", "continuum", BAND_SIZE, BAND_REALIZATIONS, glass)


def ours(run: Run) -> Ensemble:
    """Run hpcepm, unless it is done; return what it measured."""
    run.make()
    with h5py.File(run.file, "r") as file:
        observables = file["observables"]
        strain: NDArray[np.float64] = observables["strain"][()]
        of = {name: observables[name][()] for name in RECORDED}
        of["slip"] = observables["plastic_strain"][()] * run.size**2
        of["rise"] = (
            _rises(file["avalanches"], strain, run.realizations)
            if "avalanches" in file
            else np.zeros_like(of["slip"])
        )
        profiles = np.stack([file["profiles/along_x"][()], file["profiles/along_y"][()]])
    return _ensemble(strain, of, profiles)


def _rises(
    avalanches: h5py.Group, strain: NDArray[np.float64], realizations: int
) -> NDArray[np.float64]:
    """Return by how much the stress was raised up to all triggers so far, (realization, record)."""
    table = {
        name: avalanches[name][()] for name in ("realization", "strain", "stress", "stress_drop")
    }
    rises = np.zeros((realizations, strain.size))
    for realization in range(realizations):
        own = {name: column[table["realization"] == realization] for name, column in table.items()}
        rested = own["stress"] - own["stress_drop"]
        total = np.cumsum([0.0, *(own["stress"] - [0.0, *rested[:-1]])])
        rises[realization] = total[np.searchsorted(own["strain"], strain)]
    return rises


def theirs(run: Run, seed: int) -> Ensemble:
    """Run the second program, unless it is done; return what it measured."""
    kept = run.path.with_name(f"{run.path.name}-second.npz")
    strain = np.arange(
        0, run.glass["loading"]["target"] + 1e-9, run.glass["output"]["observables"]["every"]
    )
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        measured = shear(_glass(run), run.realizations, strain, seed)
        partial = kept.with_suffix(".partial.npz")
        np.savez_compressed(partial, **measured)  # type: ignore[arg-type]
        partial.rename(kept)
    with np.load(kept) as file:
        of = {name: file[name] for name in (*RECORDED, "slip", "rise")}
        profiles = np.stack([file["along_x"], file["along_y"]])
    return _ensemble(strain, of, profiles)


def _glass(run: Run) -> Glass:
    elasticity, thresholds, slip = (
        run.glass[name] for name in ("elasticity", "thresholds", "slip")
    )
    initial, renewal = PRESETS[thresholds["initial"]], PRESETS[thresholds["renewal"]]
    kernel: Any = run.kernel
    mu, bulk = elasticity["shear_modulus"], elasticity["bulk_modulus"]
    return Glass(run.size, mu, bulk, initial, renewal, slip["c0"], slip["c1"], kernel)


def _ensemble(
    strain: NDArray[np.float64], of: dict[str, Any], profiles: NDArray[np.float64]
) -> Ensemble:
    middle, width = widths(strain, profiles)
    of["band_width"] = np.array([np.interp(strain, middle, row) for row in width])
    return Ensemble(strain, of)
