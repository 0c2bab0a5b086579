"""What is run: creep, flow at a temperature and at a rate, flow without time, mean fields."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from ..harness import Run

GLASS: Final[dict[str, Any]] = {
    "elasticity": {"shear_modulus": 14.7, "bulk_modulus": 52.0},
    "thresholds": {"initial": "MCT", "renewal": "MCT"},
}
SLIP: Final[dict[str, Any]] = {"c0": 0.0276, "c1": 0.0206}
TO_ZERO: Final[dict[str, Any]] = {"distribution": "to_stress", "value": 0.0, "noise": 0.0}
LAWS: Final = ("uniform", "sqrt")
ORDERS: Final = ("synchronous", "weakest")
STRAIN: Final = 0.5
"""The strain to which glasses flow; they flow steadily from half of it on."""


class Curve(NamedTuple):
    """A flow curve of one law of the clock ``rate``: a kernel, a size, rates, realizations."""

    kernel: str
    size: int
    law: str
    rates: tuple[float, ...]
    samples: int
    strain: float = STRAIN
    longest: float = 0.0
    """In units of τ: at high rates the strain is larger, so that flow takes so long at least."""

    @property
    def name(self) -> str:
        """What its runs are called."""
        return f"{self.kernel}-{self.size}-{self.law}"


def curves(kernel: str, size: int, *rest: Any) -> tuple[Curve, ...]:
    """Return the flow curves of both laws."""
    return tuple(Curve(kernel, size, law, *rest) for law in LAWS)


@dataclass(frozen=True)
class Plan:
    """All that is run."""

    size: int = 64
    still: int = 16
    """Realizations of flow without time."""
    creep_stress: float = 0.3
    creep: tuple[float, ...] = (0.0025, 0.005, 0.01, 0.02)
    creep_samples: int = 12
    hold: float = 1.0e6
    cold: float = 1.0e-7
    """The temperature that stands for T → 0; at `cold_rate`."""
    cold_rate: float = 1.0e-3
    heat: tuple[tuple[float, tuple[float, ...]], ...] = (
        (1.0, (1e-3, 3e-3, 1e-2, 3e-2)),
        (1.5, (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)),
    )
    """Exponents of barriers, and temperatures."""
    heat_rates: tuple[float, ...] = (1e-7, 1e-5, 1e-3)
    heat_samples: int = 6
    curves: tuple[Curve, ...] = (
        *curves("uniform", 64, (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1), 4, 1.0, 90.0),
        *curves("continuum", 64, (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2), 10),
        *curves("shuffled", 64, (1e-4, 3e-4, 1e-3, 3e-3, 1e-2), 6),
        *curves("continuum", 128, (1e-4, 3e-4, 1e-3, 3e-3), 2),
    )

    @property
    def halves(self) -> tuple[float, float, float]:
        """The times between which creep is fitted: halves, in log t."""
        return self.hold**0.25, self.hold**0.625, self.hold


QUICK: Final = Plan(
    16,
    3,
    0.3,
    (0.01, 0.02),
    3,
    1.0e4,
    1e-7,
    1e-3,
    ((1.0, (1e-2, 2e-2, 4e-2)), (1.5, (3e-3, 1e-2, 3e-2))),
    (1e-4, 1e-3),
    3,
    (
        *curves("uniform", 16, (1e-3, 3e-3, 1e-2, 3e-2), 3, 1.0),
        *curves("continuum", 16, (3e-4, 1e-3, 3e-3, 1e-2), 3),
        *curves("shuffled", 16, (3e-4, 1e-3, 3e-3, 1e-2), 3),
    ),
)
"""Too small to say anything; it takes every step of the way."""


def settings_of(size: int, samples: int, **rest: Any) -> dict[str, Any]:
    """Return an input of a square lattice, with records of strain unless ``rest`` has others."""
    records = {"observables": {"every": 0.005, "of": "strain"}, "avalanches": False}
    base = {"lattice": {"shape": [size, size]}, **GLASS, "slip": SLIP, "realizations": samples}
    return {**base, "output": records, **rest}


def still_run(folder: Path, plan: Plan, order: str) -> Run:
    """Return the run without a clock."""
    loading, yielding = {"control": "strain", "target": STRAIN}, {"order": order}
    settings = settings_of(plan.size, plan.still, loading=loading, yielding=yielding)
    return Run(folder / f"still-{order}", settings)


def creep_run(folder: Path, plan: Plan, temperature: float) -> Run:
    """Return the run at a stress that is held."""
    settings = settings_of(
        plan.size,
        plan.creep_samples,
        clock={"type": "thermal", "temperature": temperature},
        loading={"control": "stress", "target": plan.creep_stress, "hold": plan.hold},
        output={"observables": {"of": "time", "per_decade": 5}, "avalanches": False},
    )
    return Run(folder / f"creep-{temperature:g}", settings)


def heat_run(folder: Path, plan: Plan, exponent: float, temperature: float, rate: float) -> Run:
    """Return the run at a temperature and a rate of strain; avalanches take no time."""
    clock = {"type": "thermal", "temperature": temperature, "exponent": exponent}
    settings = settings_of(
        plan.size,
        plan.heat_samples,
        clock={**clock, "unstable": "instant"},
        loading={"control": "strain", "target": STRAIN, "rate": rate},
    )
    return Run(folder / f"heat-{exponent:g}-{temperature:g}-{rate:g}", settings)


def rate_run(folder: Path, curve: Curve, rate: float) -> Run:
    """Return the run of one rate of a flow curve; in the mean field a site slips to stress 0."""
    strain = max(curve.strain, round(curve.longest * rate, 9))
    settings = settings_of(
        curve.size,
        curve.samples,
        kernel={"type": curve.kernel},
        clock={"type": "rate", "law": curve.law},
        loading={"control": "strain", "target": strain, "rate": rate},
    )
    if curve.kernel == "uniform":
        settings["slip"] = TO_ZERO
    return Run(folder / f"rate-{curve.name}-{rate:g}", settings)


def all_runs(folder: Path, plan: Plan) -> Iterator[Run]:
    """Yield all runs of a plan."""
    yield from (still_run(folder, plan, order) for order in ORDERS)
    yield from (creep_run(folder, plan, temperature) for temperature in plan.creep)
    yield heat_run(folder, plan, 1.5, plan.cold, plan.cold_rate)
    for exponent, temperatures in plan.heat:
        for temperature in temperatures:
            for rate in plan.heat_rates:
                yield heat_run(folder, plan, exponent, temperature, rate)
    for curve in plan.curves:
        yield from (rate_run(folder, curve, rate) for rate in curve.rates)
