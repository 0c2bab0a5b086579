"""Whether avalanches of two sides are sure to end."""

from .distributions import LAST, Distribution
from .glass import Glass
from .kernel import Oriented
from .regions import limits
from .slip import slip_at


def sure_to_end(glass: Glass, shape: tuple[int, int]) -> bool:
    """Return whether all avalanches end, under strain control, whatever slips.

    So it is if each step lowers the elastic energy: if all thresholds exceed half of c times the
    largest slip, c being −G(0) + 2μ/N² where one site slips at a time, and the largest of 2μ and
    −Ĝ(q) where several do (docs/model.md, section 8). Sufficient, not necessary.
    """
    initial, two_mu = glass.initial, 2 * glass.shear_modulus
    if not glass.yielding.two_sides:
        return True
    if not (isinstance(initial, Distribution) and isinstance(glass.kernel.kind, Oriented)):
        return False  # not known without looking at all sites or wave vectors
    both = [*limits(glass.regions, initial.limits), *glass.renewal.limits]
    lowest, highest = min(both), max(both)
    c = max(two_mu, 2 * glass.kernel.mu_star)
    softening = glass.kernel.softening(shape, two_mu)
    if glass.yielding.order == "weakest":
        c = softening
    largest = slip_at(glass.slip.kind, glass.slip.parameters, highest, 1 - LAST, highest, softening)
    if glass.yielding.quenched:
        largest = min(largest, 1.5 * highest / glass.kernel.mu_star)
    return bool(lowest > 0.5 * c * largest)
