"""What both programs run: the paper's parameter sets, steady flow, and shear bands."""

from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np

from hpcepm.analysis.statistics import Floats
from hpcepm.model.thresholds import PRESETS

from ..ensemble import Ensemble
from ..harness import Run, run_of
from ..paper.sets import NAMES, runs_in
from ..physics.bands import widths
from ..physics.runs import BAND, FLOW
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
    more = {"output": {"observables": {"every": 0.005}, "avalanches": False}}
    runs = runs_in(folder, PAPER_REALIZATIONS)
    return [Run(run.path, {**run.settings, **more}) for run in runs if run.name in NAMES]


def flow_cases(folder: Path) -> list[Run]:
    """Return the runs whose avalanches are compared."""
    glass = {**FLOW, "output": OUTPUT}
    return [
        run_of(folder / f"flow-{kernel}-{size}", kernel, size, n, glass)
        for (kernel, size), n in FLOW_REALIZATIONS.items()
    ]


def band_case(folder: Path) -> Run:
    """Return the run whose shear bands are compared."""
    glass = {**BAND, "loading": {"target": 0.5}, "output": OUTPUT}
    return run_of(folder / "band", "continuum", BAND_SIZE, BAND_REALIZATIONS, glass)


def ours(run: Run) -> Ensemble:
    """Return what hpcepm measured."""
    with h5py.File(run.file, "r") as file:
        observables = file["observables"]
        strain: Floats = observables["strain"][()]
        of = {name: observables[name][()] for name in RECORDED}
        of["slip"] = observables["plastic_strain"][()] * run.size**2
        of["rise"] = np.zeros_like(of["slip"])
        if run.settings["output"]["avalanches"]:
            of["rise"] = _rises(file["avalanches"], strain, len(of["stress"]))
        profiles = np.stack([file["profiles/along_x"][()], file["profiles/along_y"][()]])
    return _ensemble(strain, of, profiles)


def _rises(avalanches: h5py.Group, strain: Floats, realizations: int) -> Floats:
    """Return by how much the stress was raised up to all triggers so far, (realization, record)."""
    columns = ("realization", "strain", "stress", "stress_drop")
    number, *others = (avalanches[name][()] for name in columns)
    rises = np.zeros((realizations, strain.size))
    for realization in range(realizations):
        at, stress, drop = (column[number == realization] for column in others)
        rested = stress - drop
        total = np.cumsum([0.0, *(stress - [0.0, *rested[:-1]])])
        rises[realization] = total[np.searchsorted(at, strain)]
    return rises


def theirs(run: Run, seed: int) -> Ensemble:
    """Run the second program, unless it is done; return what it measured."""
    kept = run.path.with_name(f"{run.name}-second.npz")
    every = run.settings["output"]["observables"]["every"]
    strain = np.arange(0, run.settings["loading"]["target"] + 1e-9, every)
    if not kept.exists():
        measured: dict[str, Any] = shear(_glass(run), run.realizations, strain, seed)
        partial = kept.with_suffix(".partial.npz")
        np.savez_compressed(partial, **measured)
        partial.rename(kept)
    with np.load(kept) as file:
        of = {name: file[name] for name in (*RECORDED, "slip", "rise")}
        profiles = np.stack([file["along_x"], file["along_y"]])
    return _ensemble(strain, of, profiles)


def _glass(run: Run) -> Glass:
    """Return the glass of a run as the second program wants it."""
    settings = run.settings
    elasticity, slip = settings["elasticity"], settings["slip"]
    initial, renewal = (PRESETS[settings["thresholds"][name]] for name in ("initial", "renewal"))
    kernel = settings.get("kernel", {"type": "continuum"})["type"]
    mu, bulk = elasticity["shear_modulus"], elasticity["bulk_modulus"]
    return Glass(run.size, mu, bulk, initial, renewal, slip["c0"], slip["c1"], kernel)


def _ensemble(strain: Floats, of: dict[str, Any], profiles: Floats) -> Ensemble:
    middle, width = widths(strain, profiles)
    of["band_width"] = np.array([np.interp(strain, middle, row) for row in width])
    return Ensemble(strain, of)
