"""What the step loop looks out for on its way to a load: a record that is due, a rule that ends it.

Strain, stress and plastic strain have bounds. On an elastic branch the loop stops exactly where the
first is reached; inside an avalanche, after the step that has passed one.
"""

from typing import Any, Final

import numpy as np

from hpcepm.layout import record
from hpcepm.parallel.compiled import inlined

from .loading import load_at, strain_of

WATCH: Final = record(
    until="f8",
    pause_at="i8",
    active="i8",
    strain_low="f8",
    strain_high="f8",
    stress_low="f8",
    stress_high="f8",
    plastic_strain_low="f8",
    plastic_strain_high="f8",
    events="i8",
    reached="f8",
)
"""The load to go to, the steps at which to pause; the bounds; and where the loop stopped on an
elastic branch.
"""


def no_watch() -> Any:
    """Return bounds of nothing, shape (1,)."""
    watch: Any = np.zeros(1, WATCH)
    for name in ("strain", "stress", "plastic_strain"):
        watch[f"{name}_low"], watch[f"{name}_high"] = -np.inf, np.inf
    watch["events"] = 2**62
    return watch


@inlined
def passed(watch: Any, loading: Any, macro: Any, stress: float, n_sites: int) -> bool:
    """Return whether a bound has been reached or passed."""
    strain = strain_of(loading, macro, stress, n_sites)
    plastic_strain = macro.total_slip / n_sites
    return (
        not watch.strain_low < strain < watch.strain_high
        or not watch.stress_low < stress < watch.stress_high
        or not watch.plastic_strain_low < plastic_strain < watch.plastic_strain_high
        or macro.events >= watch.events
    )


@inlined
def nearest_stop(watch: Any, loading: Any, macro: Any, until: float, n_sites: int) -> float:
    """Return the load at which to stop on this elastic branch, at ``until`` at the latest."""
    if not watch.active:
        return until
    d = loading.direction
    strain = watch.strain_high if d > 0.0 else watch.strain_low
    stress = watch.stress_high if d > 0.0 else watch.stress_low
    stop = d * until
    if abs(strain) < np.inf:
        load = strain
        if not loading.load_is_strain:
            at = loading.two_mu * (strain - macro.total_slip / n_sites)
            load = load_at(loading, macro, at, n_sites)
        stop = min(stop, d * load)
    if abs(stress) < np.inf:
        stop = min(stop, d * load_at(loading, macro, stress, n_sites))
    return d * max(stop, d * macro.load)
