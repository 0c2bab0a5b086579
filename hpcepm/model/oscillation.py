"""What cycles of a sine come to: Fourier sums, G′ and G″ (docs/maxwell.md)."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hpcepm.layout import HARMONICS, OSCILLATION_ROW

from .loading import Sine

if TYPE_CHECKING:
    from .maxwell import MaxwellSites


def add_to_cycle(dynamics: "MaxwellSites", sine: Sine, step: int) -> list[NDArray[Any]]:
    """Add a step of a sine to the Fourier sums; return the row of the cycle if that ends there.

    Of what answers the load: the stress, or the strain where the load is the stress.
    """
    load, flow = float(dynamics.state.macro["load"][0]), dynamics.state.flow[0]
    answer = dynamics.stress_at(load) if sine.is_strain else dynamics.strain_at(load)
    n = dynamics.timing.in_cycle
    phase = 2 * np.pi * (np.array(HARMONICS) * step % n) / n
    flow.in_phase += answer * np.sin(phase) * (2 / n)
    flow.out_of_phase += answer * np.cos(phase) * (2 / n)
    if step % n:
        return []
    row = np.zeros(1, OSCILLATION_ROW)
    row["in_phase"], row["out_of_phase"] = flow.in_phase, flow.out_of_phase
    first = complex(flow.in_phase[0], flow.out_of_phase[0])
    modulus = first / sine.amplitude if sine.is_strain else sine.amplitude / first
    row["storage_modulus"], row["loss_modulus"] = modulus.real, modulus.imag
    row["plastic"], row["time"] = dynamics.plastic_fraction(), dynamics.timing.now
    flow.in_phase, flow.out_of_phase = 0.0, 0.0
    flow.cycles += 1
    return [row]
