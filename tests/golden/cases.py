"""The golden inputs: small runs that touch every kernel, engine, distribution and loading."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
import yaml

from tests.conftest import ALL_SHARE

Settings = Mapping[str, Any]

OUTPUT: Final = {"observables": {"every": 0.01}, "fields": {"every": 0.05}, "events": True}
FEW_RECORDS: Final = {"observables": {"every": 0.1}, "fields": {"every": 0.5}, "events": True}
WELLS: Final = {"sides": "two", "landscape": "quenched"}
NAMES: Final = ["sigma", "epsilon_p", "sigma_c", "n_events", "sigma_c_backward", "well"]
MAPS_OF_WELLS: Final = {**OUTPUT, "fields": {"every": 0.05, "names": NAMES}}
FLOWS: Final = {"control": "stress", "target": 0.9, "until": {"strain": 0.15}}
FAR: Final = {
    "initial": {"distribution": "uniform", "low": 0.6, "high": 2},
    "renewal": {"distribution": "uniform", "low": 0.5, "high": 2},
}
IN_TIME: Final = {
    "observables": {"of": "time", "per_decade": 8},
    "fields": {"of": "time", "every": 8.0},
    "avalanches": True,
    "events": True,
}
MAXWELL: Final = {"type": "maxwell", "dt": 0.04}
OF_TIME: Final = {"observables": {"of": "time", "every": 0.5}, "fields": {"of": "time", "every": 2}}
CREEP: Final = [
    {"control": "stress", "target": 0.3},
    {"hold": 12.0},
    {"control": "stress", "target": 0.35, "rate": 0.01},
]
THERMAL: Final = {"thermal": {"temperature": 0.05}}
NEGATIVE: Final = {"distribution": "normal", "mean": 0.1, "std": 0.5, "allow_negative": True}


def case(shape: tuple[int, int], target: float = 0.12, **changes: Any) -> Settings:
    """Return an input that exercises everything, quickly."""
    settings = {
        "lattice": {"shape": list(shape)},
        "thresholds": {"initial": "ESL", "renewal": "MCT"},
        "initial_stress": {"std": 0.3},
        "loading": {"target": target},
        "seed": 3,
        "output": OUTPUT,
        "checkpoint": {"every": "1 h"},
        **({} if "realizations" in changes else ALL_SHARE),
    }
    return {**settings, **changes}


def renewed(**thresholds: Any) -> dict[str, Any]:
    """Return the section of thresholds with another renewal."""
    return {"thresholds": {"initial": "ESL", "renewal": thresholds}}


CASES: Final[Mapping[str, Settings]] = {
    "square direct": case((32, 32), engine="direct"),
    "prime direct": case((97, 61), 0.06, engine="direct"),
    "prime spectral": case((97, 61), 0.03, engine="spectral"),
    "prime lazy": case((97, 61), 0.08, engine="lazy"),
    "odd spectral, cell average": case(
        (15, 21), engine="spectral", kernel={"type": "cell_average"}
    ),
    "long spectral, pure shear": case((8, 50), engine="spectral", kernel={"orientation": "pure"}),
    "square lazy, pure shear": case((64, 64), engine="lazy", kernel={"orientation": "pure"}),
    "lazy, finite difference": case(
        (70, 48), 0.08, engine="lazy", kernel={"type": "finite_difference"}
    ),
    "direct, finite difference, pure shear": case(
        (20, 14), kernel={"type": "finite_difference", "orientation": "pure"}
    ),
    "long lazy": case((9, 130), 0.3, engine="lazy"),
    "more ranks than strips, lazy": case((3, 70), 0.5, engine="lazy", output=FEW_RECORDS),
    "more ranks than strips": case((3, 5), 2.0, output=FEW_RECORDS),
    "fewer wavevectors than ranks": case((6, 4), 1.0, engine="spectral", output=FEW_RECORDS),
    "narrow spectral": case((2, 64), 0.3, engine="spectral", output=FEW_RECORDS),
    "narrow lazy": case((128, 3), 0.3, engine="lazy", output=FEW_RECORDS),
    "narrow direct": case((40, 3), 0.3, engine="direct", output=FEW_RECORDS),
    "unstable at the start": case((40, 30), thresholds={"initial": NEGATIVE}),
    "GQ, largest seed": case((24, 17), 0.2, thresholds={"initial": "GQ"}, seed=2**64 - 1),
    "no initial stress, no maps": case(
        (16, 16), 0.3, initial_stress={"std": 0.0}, output={"avalanches": False}
    ),
    "weibull": case((16, 12), **renewed(distribution="weibull", shape=2.0, scale=1.1)),
    "weibull by moments": case((16, 12), **renewed(distribution="weibull", mean=1.0, std=0.4)),
    "normal": case((16, 12), **renewed(distribution="normal", mean=1.0, std=0.6)),
    "lognormal": case((16, 12), **renewed(distribution="lognormal", shape=0.5, scale=0.9)),
    "gamma by moments": case((16, 12), **renewed(distribution="gamma", mean=1.0, std=0.5)),
    "uniform": case((16, 12), **renewed(distribution="uniform", low=0.4, high=1.7)),
    "exponential": case((16, 12), **renewed(distribution="exponential", mean=0.8)),
    "constant, and constant slip": case(
        (16, 12),
        slip={"distribution": "constant", "c0": 0.04, "c1": 0.01},
        **renewed(distribution="constant", value=1.0),
    ),
    "samples of a table": case((16, 12), **renewed(distribution="samples", file="samples.csv")),
    "samples and a field of HDF5": case(
        (16, 12),
        thresholds={
            "initial": {"distribution": "field", "file": "thresholds.h5:/field"},
            "renewal": {"distribution": "samples", "file": "thresholds.h5:/samples"},
        },
    ),
    "two sides": case((24, 17), 0.2, yielding={"sides": "two"}),
    "two sides, lazy, weakest first": case(
        (70, 33), 0.1, engine="lazy", yielding={"sides": "two", "order": "weakest"}
    ),
    "wells": case((24, 17), 0.2, yielding=WELLS, output=MAPS_OF_WELLS),
    "wells, lazy": case((66, 40), 0.1, engine="lazy", yielding=WELLS, output=MAPS_OF_WELLS),
    "wells, spectral": case((15, 21), engine="spectral", yielding=WELLS),
    "there and back": case(
        (24, 17), loading=[{"target": 0.1}, {"target": -0.08}], yielding={"sides": "two"}
    ),
    "cycles of wells, lazy": case(
        (66, 40),
        engine="lazy",
        yielding=WELLS,
        loading={"cycle": [0.04, -0.03], "cycles": 2},
        output=MAPS_OF_WELLS,
    ),
    "cycles that come back": case(
        (16, 14),
        yielding={**WELLS, "order": "weakest"},
        loading={"cycle": [0.03, -0.03], "cycles": 40, "until": {"recurrence": True}},
        initial_stress={"std": 0.0},
        output={
            "observables": {"of": "cycle"},
            "fields": {"of": "cycle", "names": NAMES},
            "events": True,
        },
    ),
    "stress until it flows, lazy": case((66, 40), engine="lazy", loading=FLOWS),
    "stress, weakest first, spectral": case(
        (15, 21), engine="spectral", loading=FLOWS, yielding={"order": "weakest"}
    ),
    "extremal": case(
        (24, 17),
        loading={"control": "extremal", "until": {"plastic_strain": 0.1}},
        output={"observables": {"every": 0.01, "of": "plastic_strain"}},
    ),
    "machine, unloaded, strain": case(
        (66, 40),
        engine="lazy",
        yielding={"sides": "two"},
        loading=[
            {"control": "machine", "stiffness": 5.0, "target": 0.1},
            {"control": "stress", "target": 0.0},
            {"target": -0.02, "until": {"plastic_strain": 0.01}},
        ],
    ),
    "ensemble, each as long as it takes": case((12, 10), realizations=5, loading=FLOWS),
    "regions, strained before, lazy": case(
        (66, 40),
        engine="lazy",
        regions=[
            {"shape": "disc", "centre": [2, 20], "size": 12, "thresholds": {"multiply": 0.6}},
            {"shape": "band", "along": "y", "centre": 5, "size": 3, "thresholds": {"draw": "MCT"}},
        ],
        initial_plastic_strain="thresholds.h5:/strain",
        yielding={"sides": "two", "landscape": "quenched"},
        loading=[{"target": 0.08}, {"target": 0.0}],
    ),
    "shuffled": case((16, 12), kernel={"type": "shuffled"}, yielding={"sides": "two"}),
    "table": case((16, 12), kernel={"type": "table", "file": "thresholds.h5:/table"}),
    "memory and damage, mean field": case(
        (16, 12),
        kernel={"type": "uniform"},
        yielding={"memory": 0.4, "damage": {"per_event": 0.1, "floor": 0.5}},
    ),
    "slips to a stress": case(
        (16, 12), slip={"distribution": "to_stress", "value": 0.1}, thresholds=FAR
    ),
    "thermal creep, loaded further at a rate, lazy": case(
        (66, 40), engine="lazy", clock=THERMAL, loading=CREEP, output=IN_TIME
    ),
    "thermal, instant avalanches, lazy": case(
        (66, 40),
        engine="lazy",
        clock={"thermal": {"temperature": 0.02, "unstable": "instant"}},
        loading={"target": 0.03, "rate": 1e-4},
    ),
    "thermal, wells, lazy": case(
        (66, 40),
        engine="lazy",
        yielding=WELLS,
        clock=THERMAL,
        loading={"target": 0.03, "rate": 2e-3, "hold": 5.0},
        output={**MAPS_OF_WELLS, "avalanches": True},
    ),
    "rate, direct": case(
        (24, 17),
        engine="direct",
        clock={"rate": {"time": 2.0, "law": "sqrt", "scale": 0.5}},
        loading={"target": 0.06, "rate": 1e-3, "hold": 20.0},
        output={**OUTPUT, "avalanches": True},
    ),
    "thermal creep, spectral": case(
        (15, 21), engine="spectral", clock=THERMAL, loading=CREEP, output=IN_TIME
    ),
    "Maxwell sites, strained at a rate, held, unloaded": case(
        (15, 21),
        clock=MAXWELL,
        loading=[{"target": 0.05, "rate": 0.05}, {"hold": 2.0}, {"control": "stress", "target": 0}],
        output=OF_TIME,
    ),
    "Maxwell sites, a sine of stress": case(
        (24, 16),
        clock=MAXWELL,
        loading={"control": "stress", "waveform": "sine", "amplitude": 0.9, "frequency": 0.4},
        output=OF_TIME,
    ),
    "ensemble, thermal, lazy": case(
        (66, 40),
        realizations=3,
        engine="lazy",
        clock=THERMAL,
        loading={"target": 0.03, "rate": 1e-3, "hold": 20.0},
        ranks_per_realization=2,
    ),
    "extremal, then strained, extremal, unloaded": case(
        (24, 17),
        loading=[
            {"control": "extremal", "until": {"plastic_strain": 0.015}},
            {"target": 0.05},
            {"control": "extremal", "until": {"plastic_strain": 0.045}},
            {"control": "stress", "target": 0.0},
        ],
    ),
    "ensemble": case((16, 16), realizations=5),
    "ensemble without maps": case(
        (9, 8), realizations=9, initial_stress={"std": 0.0}, output={"observables": {"every": 0.01}}
    ),
    "ensemble of pairs": case((40, 33), 0.08, realizations=3, ranks_per_realization=2),
    "ensemble, lazy": case((66, 40), 0.05, realizations=3, engine="lazy", ranks_per_realization=3),
}

CHAINS: Final = (
    "square direct",
    "prime lazy",
    "odd spectral, cell average",
    "long lazy",
    "cycles of wells, lazy",
    "there and back",
    "cycles that come back",
    "stress until it flows, lazy",
    "machine, unloaded, strain",
    "thermal creep, loaded further at a rate, lazy",
    "thermal, wells, lazy",
    "rate, direct",
    "Maxwell sites, a sine of stress",
    "extremal, then strained, extremal, unloaded",
)
"""These are also stopped after each 64 steps and continued: the same datasets."""

GROWN: Final = {"ensemble": 2, "ensemble of pairs": 2}
"""These are also begun with fewer realizations: the same datasets."""

RANKS: Final = (1, 2, 3, 4)

RANKS_OF_PARTS: Final = {name: RANKS[k % len(RANKS)] for k, name in enumerate((*CHAINS, *GROWN))}
"""On how many ranks one is run in parts: some hundred starts, and each chain has its turn once."""


def near_neighbours(shape: tuple[int, int]) -> np.ndarray[Any, Any]:
    """Return a table of G in which a slip relaxes its site, and loads the four next to it."""
    table = np.zeros(shape)
    table[0, 0] = -16.0
    table[1, 0] = table[-1, 0] = table[0, 1] = table[0, -1] = 4.0
    return table


def write_inputs(folder: Path) -> None:
    """Write the inputs, and the files that they name."""
    rng = np.random.default_rng(5)
    samples, field = rng.gamma(4.0, 0.25, 300), rng.uniform(0.3, 2.0, (16, 12))
    (folder / "samples.csv").write_text("sigma_c\n" + "\n".join(map(repr, samples.tolist())) + "\n")
    with h5py.File(folder / "thresholds.h5", "w") as file:
        file["samples"], file["field"] = samples, field
        file["strain"] = 0.01 * rng.standard_normal((66, 40))
        file["table"] = near_neighbours((16, 12))
    for name, settings in CASES.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(dict(settings)))
