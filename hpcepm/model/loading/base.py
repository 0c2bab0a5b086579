"""What the step loop asks of a loading.

A loading has one number that it moves, ``macro.strain``, its *load*: the strain under strain
control. The macroscopic stress is a function of the load and of the mean plastic strain. Who slips
is not its question: that belongs to the rule by which sites yield, which is the same for all
loadings so far (the weakest site begins an avalanche, and all unstable ones go on with it).
"""

from functools import singledispatch
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.model.plugins import OfPlugin, call
from hpcepm.model.registry import Registry
from hpcepm.parallel.compiled import bind, compiled


class Loading:
    """What the outside does to a glass.

    Attributes
    ----------
    target
        The load at which a run ends.
    """

    target: float

    def stress(self, load: float, plastic_strain: float, two_mu: float) -> float:
        """Return the macroscopic stress Σ."""
        raise NotImplementedError

    def for_loop(self, two_mu: float) -> NamedTuple:
        """Return what the compiled loop needs; its type selects the answers to the questions.

        A field ``stiffness`` is by how much slips of mean 1 lower Σ, the load being held.
        """
        raise NotImplementedError


# The questions of the step loop. Each loading binds its own answers to the type of `for_loop`.


@singledispatch
def stress_of(loading: Any, macro: Any, n_sites: int) -> float:
    """Return the macroscopic stress Σ."""
    raise NotImplementedError


@singledispatch
def trigger(
    loading: Any, macro: Any, stress: float, lowest: float, until: float, n_sites: int
) -> bool:
    """Move the load until the stress, now ``stress``, is ``lowest``: there the weakest site yields.

    If the load ``until`` comes first, or is where it would, nothing is changed and the answer is
    False.
    """
    raise NotImplementedError


class _ForLoop(NamedTuple):
    """A loading of a plug-in: its numbers, and the addresses of its methods."""

    stiffness: float
    stress: int
    load: int
    numbers: NDArray[np.float64]
    two_mu: float


class _OfPlugin(OfPlugin, Loading):
    """A class of a plug-in with the methods ``stress`` and ``load``, each the other's inverse."""

    def for_loop(self, two_mu: float) -> NamedTuple:
        stiffness = self.stress(0.0, 0.0, two_mu) - self.stress(0.0, 1.0, two_mu)
        stress, load = self.addresses
        return _ForLoop(stiffness, stress, load, self.parameters, two_mu)


@bind(stress_of, _ForLoop)
@compiled
def _stress_of(loading: Any, macro: Any, n_sites: int) -> float:
    plastic_strain = macro.total_slip / n_sites
    return call(loading.stress, loading.numbers, macro.strain, plastic_strain, loading.two_mu)


@bind(trigger, _ForLoop)
@compiled
def _trigger(
    loading: Any, macro: Any, stress: float, lowest: float, until: float, n_sites: int
) -> bool:
    plastic_strain = macro.total_slip / n_sites
    load = call(loading.load, loading.numbers, lowest, plastic_strain, loading.two_mu)
    if not load < until:
        return False
    macro.strain = max(load, macro.strain)
    return True


loading: Final = Registry("control", "strain", Loading, _OfPlugin, {"stress": 3, "load": 3})
"""The loadings, by name; ``@loading`` adds one."""
