"""Which engine ``engine: auto`` means.

It follows from the lattice and from counts of operations; the clock and the number of ranks must
not change it. An engine has bits of its own, so neither may a new measurement: these coefficients
are none of `hpcepm.model.cost`. Nothing here needs MPI or the compiler.
"""

from math import log2
from typing import NamedTuple

from .cost import events_per_step

# Measured once on one core (tools/bench), nanoseconds. For each site: an event of direct adds the
# table to the lattice; a step of spectral is an FFT pair, whose cost grows with the logarithm, and
# three passes. For each event of lazy: window and bounds, and the sums of pending events, whose
# number grows with √(nx ny).
DIRECT_EVENT = 0.35
SPECTRAL_STEP_PER_LOG = 0.45
SPECTRAL_PASSES = 1.5
LAZY_EVENT = 600.0
LAZY_EVENT_PER_LENGTH = 14.5
LEAST_SIDE_FOR_LAZY = 64  # of the longer side: on less, a few windows are the lattice


class Choice(NamedTuple):
    """An engine and the reason for it."""

    engine: str
    why: str


def choose_engine(requested: str, shape: tuple[int, int], shuffled: bool = False) -> Choice:
    """Return the engine for a lattice, and why.

    Parameters
    ----------
    requested
        The ``engine`` of the input: a name, or ``"auto"``.
    shape
        (nx, ny).
    shuffled
        Whether the kernel is `hpcepm.model.kernel.Shuffled`.
    """
    if shuffled:
        return Choice("direct", "the only one that can shuffle")
    n_sites = shape[0] * shape[1]
    if requested == "lazy" and max(shape) < LEAST_SIDE_FOR_LAZY:
        return Choice(
            "direct",
            "where a few windows of lazy cover the lattice, direct does the same for less",
        )
    if requested != "auto":
        return Choice(requested, "as asked")
    events = events_per_step(n_sites)
    microseconds = {
        "direct": DIRECT_EVENT * n_sites * events / 1000,
        "spectral": (SPECTRAL_STEP_PER_LOG * log2(n_sites) + SPECTRAL_PASSES) * n_sites / 1000,
        "lazy": (LAZY_EVENT + LAZY_EVENT_PER_LENGTH * n_sites**0.5) * events / 1000,
    }
    best = min(microseconds, key=lambda engine: microseconds[engine])
    costs = ", ".join(f"{engine} {cost:.3g}" for engine, cost in microseconds.items())
    return Choice(best, f"of a step in steady flow, estimated in µs on one core: {costs}")
