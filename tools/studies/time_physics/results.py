"""All that the runs of a plan found."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import h5py
import numpy as np
from scipy.special import gamma

from hpcepm.analysis.statistics import Estimate, Floats, mean, plateau
from hpcepm.model.thresholds import PRESETS

from ..harness import Run
from .fits import Power, Rounding, fit_power, fit_rounding, jackknife, means, reset_stress, slopes
from .runs import GLASS, ORDERS, Curve, Plan, creep_run, heat_run, rate_run, still_run

SHAPE, SCALE = PRESETS["MCT"]
FIRST: Final = float(SCALE * gamma(1 + 1 / SHAPE))
SECOND: Final = float(SCALE**2 * gamma(1 + 2 / SHAPE))
"""⟨σ_c⟩ and ⟨σ_c²⟩ of the preset MCT, from its two numbers."""

MU: Final = float(GLASS["elasticity"]["shear_modulus"])
MU_STAR: Final = MU / (1 + MU / float(GLASS["elasticity"]["bulk_modulus"]))


def steady(run: Run) -> Floats:
    """Return the mean stress of each realization in the second half of the strain."""
    with h5py.File(run.file, "r") as file:
        strain, stress = file["observables/strain"][()], file["observables/stress"][()]
    strain = np.broadcast_to(strain, stress.shape)
    found = []
    for at, curve in zip(strain, stress, strict=True):
        known = np.isfinite(at)
        last = at[known][-1]
        found.append(float(plateau(at[known], curve[known], (last / 2, last))))
    return np.array(found)


@dataclass(frozen=True)
class Creep:
    """Plastic strain at a stress that is held: time (record,), plastic (realization, record)."""

    temperature: float
    time: Floats
    plastic: Floats

    @property
    def decades(self) -> list[Estimate]:
        """Plastic strain gained in each decade of time."""
        last = round(float(np.log10(self.time[-1])))
        at = [int(np.argmin(np.abs(self.time / 10.0**k - 1))) for k in range(last + 1)]
        return means(np.diff(self.plastic[:, at], axis=1))

    def slope(self, low: float, high: float) -> Estimate:
        """Return dε_p/d log10 t between two times."""
        found = slopes(np.log10(self.time), self.plastic, np.log10(low), np.log10(high))
        return mean(found)

    def falls(self, low: float, high: float) -> Estimate:
        """Return p of a rate of strain t^−p between two times: 1 if strain is a logarithm."""
        middle = np.log(np.sqrt(self.time[1:] * self.time[:-1]))

        def power(plastic: Floats) -> tuple[float, ...]:
            speed = np.log(np.maximum(np.diff(plastic) / np.diff(self.time), 1e-300))
            return (-float(slopes(middle, speed, np.log(low), np.log(high))),)

        return jackknife(self.plastic, power)[0]


@dataclass(frozen=True)
class Heat:
    """Stress of flow at barriers x^α: (realization, temperature, rate); Σ_c is that without heat.

    ``critical`` has an error, which is left out of that of powers, and told besides.
    """

    exponent: float
    temperatures: Floats
    rates: Floats
    stress: Floats
    critical: Estimate

    def power(self, rate: int, most: float, off: float = 0.0) -> Estimate:
        """Return the power of T in Σ_c − Σ at one rate, T ≤ ``most``; Σ_c changed by ``off``."""
        inside = self.temperatures <= most
        x, critical = self.temperatures[inside], self.critical.value + off

        def of(stress: Floats) -> tuple[float, ...]:
            return (fit_power(x, stress, critical).power,)

        return jackknife(self.stress[:, inside, rate], of)[0]

    def shift(self, rate: int, most: float) -> float:
        """Return by how much the power changes as Σ_c changes by its error, up or down."""
        up, down = (self.power(rate, most, s * self.critical.error).value for s in (1, -1))
        return abs(up - down) / 2

    def rounding(self, stress: Floats) -> Rounding:
        """Return the law of the lowest temperatures, and all rates, of a mean over realizations."""
        temperatures = self.temperatures[: len(stress)]
        temperature, rate = np.meshgrid(temperatures, self.rates, indexing="ij")
        lowered = self.critical.value - stress
        return fit_rounding(temperature.ravel(), rate.ravel(), lowered.ravel())

    def law(self, last: int | None = None) -> list[Estimate]:
        """Return factor, ln ω and power of the law of ``temperatures[:last]`` and all rates."""
        return jackknife(self.stress[:, :last], self.rounding)


@dataclass(frozen=True)
class Flow:
    """A flow curve: stress (realization, rate)."""

    curve: Curve
    rates: Floats
    stress: Floats

    @property
    def values(self) -> list[Estimate]:
        """The stress at each rate."""
        return means(self.stress)

    def law(self, most: float, start: float | None = None) -> list[Estimate]:
        """Return Σ_c, factor and n of Σ = Σ_c + A·rate^n, rates up to ``most``."""
        inside = self.rates <= most * (1 + 1e-9)
        x = self.rates[inside]
        return jackknife(self.stress[:, inside], lambda y: fit_power(x, y, start))

    def fitted(self, most: float, start: float | None = None) -> Power:
        """Return the law itself."""
        return Power(*(one.value for one in self.law(most, start)))

    @property
    def closed(self) -> Floats:
        """The closed form of the mean field, at each rate."""
        return reset_stress(2 * MU_STAR * self.rates, self.curve.law, FIRST, SECOND)


@dataclass(frozen=True)
class Results:
    """All of it."""

    plan: Plan
    still: dict[str, Estimate]
    cold: Estimate
    creeps: list[Creep]
    heats: list[Heat]
    flows: list[Flow]

    def flow(self, kernel: str, law: str) -> Flow:
        """Return the flow curve of a kernel and a law, on the lattice that comes first."""
        wanted = (kernel, law)
        return next(f for f in self.flows if (f.curve.kernel, f.curve.law) == wanted)

    def critical(self, flow: Flow) -> float:
        """Return Σ_c as it is known without a flow curve.

        Of the mean field from the closed form; else that of runs without a clock, synchronous,
        on the lattice of the plan.
        """
        if flow.curve.kernel == "uniform":
            return float(reset_stress(np.array(0.0), "uniform", FIRST, SECOND))
        return self.still["synchronous"].value


def _read_creep(folder: Path, plan: Plan, temperature: float) -> Creep:
    with h5py.File(creep_run(folder, plan, temperature).file, "r") as file:
        time = file["observables/time"][0]
        plastic = file["observables/plastic_strain"][()]
    later = time > 0
    return Creep(temperature, time[later], plastic[:, later])


def read(folder: Path, plan: Plan) -> Results:
    """Read all runs."""
    still = {order: mean(steady(still_run(folder, plan, order))) for order in ORDERS}
    heats = []
    for exponent, temperatures in plan.heat:
        rows = [
            [steady(heat_run(folder, plan, exponent, t, rate)) for rate in plan.heat_rates]
            for t in temperatures
        ]
        stress = np.moveaxis(np.array(rows), -1, 0)
        sets = (np.array(temperatures), np.array(plan.heat_rates), stress)
        heats.append(Heat(exponent, *sets, still["synchronous"]))
    flows = [
        Flow(c, np.array(c.rates), np.array([steady(rate_run(folder, c, r)) for r in c.rates]).T)
        for c in plan.curves
    ]
    cold = mean(steady(heat_run(folder, plan, 1.5, plan.cold, plan.cold_rate)))
    creeps = [_read_creep(folder, plan, temperature) for temperature in plan.creep]
    return Results(plan, still, cold, creeps, heats, flows)
