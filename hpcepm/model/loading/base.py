"""What the step loop asks of a loading.

One formula serves every loading: Σ = K (ℓ − S/N²) + F, with S the sum of all slips. A loading has
one number that it moves, ``macro.load``, its *load*: ℓ or F. It moves it in one direction, up (+1)
or down (−1), until a site yields. Who slips then is not its question: that belongs to the rule by
which sites yield (`hpcepm.model.yielding`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import singledispatch
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpcepm.model.plugins import OfPlugin, call, tried
from hpcepm.model.registry import Registry
from hpcepm.parallel.compiled import bind

from .until import NO_RULE, Until


class Loading:
    """What the outside does to a glass.

    Attributes
    ----------
    target
        The load at which a run ends.
    until
        What else ends it.
    rate, hold
        With a clock: how fast the load moves, None being faster than time; and for how long it
        stays at its target.
    """

    target: float
    until = NO_RULE
    rate: float | None = None
    hold: float = 0.0
    more_fields: Sequence[str] = ()  # that a state has for it

    @property
    def segments(self) -> Sequence["Loading"]:
        """What it does, one after the other: it moves to the target, or it stays there."""
        return tuple(self.after(0.0)) if self.hold else (self,)

    def after(self, load: float) -> Iterator["Loading"]:
        """Yield its segments where it begins at a load: one that holds does not move."""
        kind: Any = self
        if self.target != load:
            yield replace(kind, hold=0.0) if self.hold else self
        if self.hold:
            yield replace(kind, rate=None)

    @property
    def turns(self) -> Sequence[float]:
        """The loads at which the direction changes, and at the end the target."""
        return [segment.target for segment in self.segments]

    def item(self, segment: int) -> int:
        """Return of which item of a list a segment is; 0 if there is no list."""
        return 0

    def rules(self, segment: int) -> Until:
        """Return the rules that hold in a segment: those of the whole, or of its item."""
        return self.until

    @property
    def is_strain(self) -> bool:
        """Whether the load is the strain, from the beginning to the end."""
        return False

    @property
    def begins_anew(self) -> bool:
        """Whether the engine finds the stress anew at each turning point."""
        return False

    def follows(self, before: "Loading") -> bool:
        """Return whether its load is that of another, which went to another target."""
        if not (is_dataclass(self) and type(self) is type(before)):
            return False
        return all(
            getattr(self, f.name) == getattr(before, f.name)
            for f in fields(self)
            if f.name not in ("target", "rate", "hold")
        )

    def stress(self, load: float, plastic_strain: float, two_mu: float) -> float:
        """Return the macroscopic stress Σ."""
        raise NotImplementedError

    def load(self, stress: float, plastic_strain: float, two_mu: float) -> float:
        """Return the load at a stress: where a segment begins that follows another loading."""
        raise NotImplementedError

    def strain(self, load: float, plastic_strain: float, two_mu: float) -> float:
        """Return the strain of the sample, ε = Σ/2μ + S/N²."""
        return self.stress(load, plastic_strain, two_mu) / two_mu + plastic_strain

    def for_loop(self, two_mu: float, direction: float = 1.0) -> Any:
        """Return what the compiled loop needs: `Numbers`, or a tuple with answers of its own.

        Its type selects the answers. These fields are asked for of any: ``stiffness``,
        ``direction``, ``one_by_one``, ``load_is_strain`` and ``two_mu``.
        """
        raise NotImplementedError


class Numbers(NamedTuple):
    """A loading as the compiled loop wants it."""

    stiffness: float  # K: by how much slips of mean 1 lower Σ, the load being held
    direction: float  # +1 or −1
    one_by_one: bool  # the load moves at each event
    load_is_stress: bool
    load_is_strain: bool
    two_mu: float


# The questions of the step loop, and the answers of all loadings of the one formula.


@singledispatch
def stress_of(loading: Any, macro: Any, n_sites: int) -> float:
    """Return the macroscopic stress Σ."""
    raise NotImplementedError


@singledispatch
def strain_of(loading: Any, macro: Any, stress: float, n_sites: int) -> float:
    """Return the strain of the sample."""
    raise NotImplementedError


@singledispatch
def drop_of(loading: Any, macro: Any, slip: float, n_sites: int) -> float:
    """Return by how much the last slips, ``slip`` in all, lowered Σ, the load being held."""
    raise NotImplementedError


@singledispatch
def load_at(loading: Any, macro: Any, stress: float, n_sites: int) -> float:
    """Return the load at a stress, nothing slipping on the way."""
    raise NotImplementedError


@singledispatch
def trigger(
    loading: Any, macro: Any, stress: float, lowest: float, until: float, n_sites: int
) -> bool:
    """Move the load until ``stress`` is ``lowest``: there the weakest site yields.

    Both count in the direction of the loading: where it goes down, they are −Σ. If the load
    ``until`` comes first, or is where it would, nothing is changed and the answer is False.
    """
    raise NotImplementedError


@bind(stress_of, Numbers)
def _stress_by_formula(loading: Any, macro: Any, n_sites: int) -> float:
    if loading.load_is_stress:
        return macro.load
    return loading.stiffness * (macro.load - macro.total_slip / n_sites)


@bind(strain_of, Numbers)
def _strain_by_formula(loading: Any, macro: Any, stress: float, n_sites: int) -> float:
    if loading.load_is_strain:
        return macro.load
    return stress / loading.two_mu + macro.total_slip / n_sites


@bind(drop_of, Numbers)
def _drop_by_formula(loading: Any, macro: Any, slip: float, n_sites: int) -> float:
    return loading.stiffness * slip / n_sites


@bind(load_at, Numbers)
def _load_by_formula(loading: Any, macro: Any, stress: float, n_sites: int) -> float:
    if loading.load_is_stress:
        return stress
    return stress / loading.stiffness + macro.total_slip / n_sites


@bind(trigger, Numbers)
def _trigger_by_formula(
    loading: Any, macro: Any, stress: float, lowest: float, until: float, n_sites: int
) -> bool:
    if loading.load_is_stress:
        load = loading.direction * lowest
    else:
        load = macro.load + loading.direction * ((lowest - stress) / loading.stiffness)
    if not loading.one_by_one and not loading.direction * load < loading.direction * until:
        return False
    macro.load = load
    return True


class _ForLoop(NamedTuple):
    """A loading of a plug-in: its numbers, and the addresses of its methods."""

    stiffness: float  # NaN where slips do not lower Σ in proportion
    direction: float
    one_by_one: bool
    load_is_strain: bool
    stress: int
    load: int
    numbers: NDArray[np.float64]
    two_mu: float


class _OfPlugin(OfPlugin, Loading):
    """A class of a plug-in with the methods ``stress`` and ``load``, each the other's inverse."""

    def for_loop(self, two_mu: float, direction: float = 1.0) -> Any:
        _try_out(self, two_mu)
        stress, load = self.addresses
        numbers, stiffness = self.parameters, _stiffness(self, two_mu)
        return _ForLoop(stiffness, direction, False, False, stress, load, numbers, two_mu)


def _stiffness(section: Any, two_mu: float) -> float:
    """Return by how much slips of mean 1 lower Σ; NaN if that depends on load and slips."""
    found = [
        (section.stress(load, slips, two_mu) - section.stress(load, slips + more, two_mu)) / more
        for load in LOADS
        for slips, more in ((0.0, 1.0), (0.1, 0.02))
    ]
    same = np.ptp(found) <= SAME_LOAD * max(1.0, abs(found[0]))
    return float(found[0]) if same else np.nan


@bind(stress_of, _ForLoop)
def _stress_of(loading: Any, macro: Any, n_sites: int) -> float:
    plastic_strain = macro.total_slip / n_sites
    return call(loading.stress, loading.numbers, macro.load, plastic_strain, loading.two_mu)


@bind(strain_of, _ForLoop)
def _strain_of(loading: Any, macro: Any, stress: float, n_sites: int) -> float:
    return stress / loading.two_mu + macro.total_slip / n_sites


@bind(drop_of, _ForLoop)
def _drop_of(loading: Any, macro: Any, slip: float, n_sites: int) -> float:
    if not np.isnan(loading.stiffness):
        return loading.stiffness * slip / n_sites
    numbers, load, after = loading.numbers, macro.load, macro.total_slip / n_sites
    before = after - slip / n_sites
    return call(loading.stress, numbers, load, before, loading.two_mu) - call(
        loading.stress, numbers, load, after, loading.two_mu
    )


@bind(load_at, _ForLoop)
def _load_at(loading: Any, macro: Any, stress: float, n_sites: int) -> float:
    plastic_strain = macro.total_slip / n_sites
    return call(loading.load, loading.numbers, stress, plastic_strain, loading.two_mu)


@bind(trigger, _ForLoop)
def _trigger(
    loading: Any, macro: Any, stress: float, lowest: float, until: float, n_sites: int
) -> bool:
    plastic_strain, d = macro.total_slip / n_sites, loading.direction
    load = call(loading.load, loading.numbers, d * lowest, plastic_strain, loading.two_mu)
    if not d * load < d * until:
        return False
    macro.load = d * max(d * load, d * macro.load)
    return True


SAME_LOAD: Final = 1e-9
"""What rounding makes of equal loads."""


LOADS: Final = (0.05, 0.2, 0.7)
"""At which a loading of a plug-in is tried."""


def _try_out(section: Any, two_mu: float = 2.0) -> None:
    """See that load and stress of a plug-in are inverse to each other, and rise together.

    A `Loading` is tried again with the 2μ of its input.
    """
    for plastic_strain in (0.0, 0.1):
        last = -np.inf
        for load in LOADS:
            stress = tried("stress", section.stress, load, plastic_strain, two_mu)
            back = tried("load", section.load, stress, plastic_strain, two_mu)
            if abs(back - load) > SAME_LOAD:
                said = f"load(stress({load:g}, …), …) of the plug-in is {back:g}"
                raise ValueError(f"{said}: the one must be the inverse of the other")
            if not stress > last:
                raise ValueError("stress of the plug-in must rise with the load")
            more = tried("stress", section.stress, load, plastic_strain + 0.1, two_mu)
            if more > stress + SAME_LOAD * max(1.0, abs(stress)):
                raise ValueError("stress of the plug-in must not rise with plastic strain")
            last = stress


loading: Final = Registry(
    "control",
    "strain",
    Loading,
    _OfPlugin,
    {"stress": 3, "load": 3},
    _try_out,
    doc="""Add a loading: decorate a frozen dataclass.

    Its fields are keys of the input; ``target`` must be one. Its method ``stress(self, load,
    plastic_strain, two_mu)`` returns Σ, which rises with the load and never with the plastic
    strain, and ``load(self, stress, plastic_strain, two_mu)`` is its inverse (docs/extending.md).

    Raises
    ------
    TypeError, ValueError
        It is no frozen dataclass, lacks a method, or its name is taken.
    """,
)
"""The loadings, by name; ``@loading`` adds one."""
