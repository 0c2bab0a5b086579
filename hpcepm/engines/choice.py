"""Which engine ``auto`` takes: from the lattice alone and counted operations, never the clock or the number of ranks."""

from math import log2
from typing import NamedTuple

# Nanoseconds per site, measured on one core (tools/bench): an event of direct adds a row of the table to a row of the lattice; a
# step of spectral is an FFT pair, whose cost grows with the logarithm, and three passes.
DIRECT_EVENT = 0.35
SPECTRAL_STEP_PER_LOG = 0.45
SPECTRAL_PASSES = 1.5


class Choice(NamedTuple):
    """An engine and the reason for it."""

    engine: str
    why: str


def events_per_step(n_sites: int) -> float:
    """Return how many sites yield together in steady flow: measured 2.6 at N = 64, 4.7 at 256, 6.6 at 512."""
    return 0.40 * n_sites**0.225


def choose(requested: str, shape: tuple[int, int]) -> Choice:
    """Return the engine for a lattice, and why.

    Parameters
    ----------
    requested
        The ``engine`` of the input: a name, or ``"auto"``.
    shape
        (nx, ny).
    """
    if requested != "auto":
        return Choice(requested, "as asked")
    n_sites = shape[0] * shape[1]
    direct = DIRECT_EVENT * events_per_step(n_sites)
    spectral = SPECTRAL_STEP_PER_LOG * log2(n_sites) + SPECTRAL_PASSES
    best = "direct" if direct <= spectral else "spectral"
    return Choice(best, f"a step in steady flow costs about {direct:.1f} ns a site with direct, {spectral:.1f} with spectral")
