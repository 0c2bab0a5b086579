"""What is run: cycles of several amplitudes, flow under each control, and strain that reverses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ..harness import Run

ORDERS: Final = ("weakest", "synchronous")
CONTROLS: Final[dict[str, dict[str, Any]]] = {
    "extremal": {"control": "extremal"},
    "stress": {"control": "stress", "target": 100.0},
    "strain": {"control": "strain"},
}
STRETCH: Final = 0.5
"""Plastic strain to which flow goes; under strain control, the strain."""

GLASS: Final[dict[str, Any]] = {
    "elasticity": {"shear_modulus": 14.7, "bulk_modulus": 52.0},
    "slip": {"c0": 0.0276, "c1": 0.0206},
}
Shape = tuple[int, int]


@dataclass(frozen=True)
class Cycled:
    """Glasses of one size that are cycled: ESL, renewed MCT, quenched."""

    shape: Shape
    amplitudes: tuple[float, ...]
    samples: int
    orders: tuple[str, ...] = ORDERS


@dataclass(frozen=True)
class Reversed:
    """Glasses that are sheared to ``strain``, unloaded, and then sheared back, or on."""

    thresholds: str  # initial
    size: int
    strain: float
    samples: int
    landscape: str = "renewed"

    @property
    def name(self) -> str:
        """What its runs are called."""
        return f"{self.thresholds}-{self.landscape}-{self.size}-{self.strain:g}"


def square(size: int, amplitudes: tuple[float, ...], samples: int) -> Cycled:
    """Return cycles of a square lattice."""
    return Cycled((size, size), amplitudes, samples)


@dataclass(frozen=True)
class Plan:
    """All that is run."""

    cycled: tuple[Cycled, ...] = (
        Cycled((16, 14), (0.03, 0.05, 0.06), 100),
        square(16, (0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1), 30),
        square(32, (0.02, 0.03, 0.035, 0.04, 0.045, 0.05), 30),
        square(64, (0.02, 0.025, 0.03, 0.0325, 0.035, 0.0375), 8),
        square(128, (0.02, 0.025, 0.0275, 0.03, 0.0325, 0.035), 4),
        Cycled((256, 256), (0.02, 0.025, 0.0275, 0.03), 2, ("weakest",)),
    )
    alone: Cycled = Cycled((16, 14), (0.03, 0.05, 0.06), 1)
    seeds: tuple[int, ...] = (1, 2)  # of those that are cycled alone
    most_cycles: int = 200
    flowing: Mapping[int, int] = field(
        default_factory=lambda: {16: 200, 32: 100, 64: 24, 128: 10, 256: 6}
    )
    reversed: tuple[Reversed, ...] = (
        *(Reversed(g, 64, strain, 16) for g in ("ESL", "MCT") for strain in (0.02, 0.05, 0.1, 0.2)),
        *(Reversed("ESL", size, 0.1, n) for size, n in ((16, 256), (32, 64), (128, 4))),
        Reversed("ESL", 64, 0.1, 16, "quenched"),
    )


QUICK: Final = Plan(
    (Cycled((16, 14), (0.01, 0.03, 0.15), 4),),
    Cycled((16, 14), (0.03,), 1),
    (1,),
    20,
    {8: 4, 12: 4, 16: 4},
    (Reversed("ESL", 16, 0.05, 4),),
)
"""Too small to say anything; it takes every step of the way."""


def cycle_run(
    folder: Path, plan: Plan, cycled: Cycled, order: str, amplitude: float, seed: int | None = None
) -> Run:
    """Return the run of one amplitude."""
    nx, ny = cycled.shape
    settings: dict[str, Any] = {
        **GLASS,
        "lattice": {"shape": [nx, ny]},
        "thresholds": {"initial": "ESL", "renewal": "MCT"},
        "yielding": {"sides": "two", "landscape": "quenched", "order": order},
        "loading": {
            "cycle": [amplitude, -amplitude],
            "cycles": plan.most_cycles,
            "until": {"recurrence": True},
        },
        "realizations": cycled.samples,
        "output": {"observables": {"of": "cycle", "every": 100_000}, "avalanches": False},
    }
    name = f"cycles-{nx}x{ny}-{order}-{amplitude:g}"
    if seed is None:
        return Run(folder / name, settings)
    return Run(folder / f"{name}-seed-{seed}", {**settings, "seed": seed})


def flow_run(folder: Path, plan: Plan, control: str, order: str, size: int) -> Run:
    """Return the run of flow under one control: MCT from the start, so there is no overshoot."""
    loading, of = dict(CONTROLS[control]), "plastic_strain"
    if control == "strain":
        loading["target"], of = STRETCH, "strain"
    else:
        loading["until"] = {"plastic_strain": STRETCH}
    settings: dict[str, Any] = {
        **GLASS,
        "lattice": {"shape": [size, size]},
        "thresholds": {"initial": "MCT", "renewal": "MCT"},
        "yielding": {"order": order},
        "loading": loading,
        "realizations": plan.flowing[size],
        "output": {"observables": {"every": 0.005, "of": of}, "avalanches": True},
    }
    if control == "extremal":
        settings["engine"] = "direct"  # lazy is slow where the load moves at each event
    return Run(folder / f"{control}-{order}-{size}", settings)


def reversal_run(folder: Path, what: Reversed, way: int) -> Run:
    """Return the run that goes back (−1) or on (+1) after it was unloaded."""
    last = what.strain + (0.06 if way > 0 else -0.1)
    settings = {
        **GLASS,
        "lattice": {"shape": [what.size, what.size]},
        "thresholds": {"initial": what.thresholds, "renewal": "MCT"},
        "yielding": {"sides": "two", "landscape": what.landscape},
        "loading": [
            {"control": "strain", "target": what.strain},
            {"control": "stress", "target": 0.0},
            {"control": "strain", "target": round(last, 12)},
        ],
        "realizations": what.samples,
        "output": {"observables": {"every": 0.0005}, "avalanches": False},
    }
    return Run(folder / f"{'on' if way > 0 else 'back'}-{what.name}", settings)


FLOWS: Final = (
    ("extremal", "synchronous"),  # one site at a time, whatever the order
    ("stress", "weakest"),
    ("stress", "synchronous"),
    ("strain", "weakest"),
    ("strain", "synchronous"),
)


def all_runs(folder: Path, plan: Plan) -> list[Run]:
    """Return all runs of a plan."""
    cycles = [
        cycle_run(folder, plan, cycled, order, amplitude)
        for cycled in plan.cycled
        for order in cycled.orders
        for amplitude in cycled.amplitudes
    ]
    alone = [
        cycle_run(folder, plan, plan.alone, order, amplitude, seed)
        for order in plan.alone.orders
        for amplitude in plan.alone.amplitudes
        for seed in plan.seeds
    ]
    flows = [flow_run(folder, plan, *flow, size) for size in plan.flowing for flow in FLOWS]
    reversals = [reversal_run(folder, what, way) for what in plan.reversed for way in (1, -1)]
    return [*flows, *reversals, *alone, *cycles]
