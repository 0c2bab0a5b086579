"""An observable: how many sites are about to yield, P(x) at small x."""

import hpcepm

BELOW = 0.1


@hpcepm.observable(units="1", description=f"fraction of sites with x = sigma_c - sigma < {BELOW}")
def small_x(series):
    """Return the fraction at each snapshot."""
    return series.mean(series.x < BELOW)
