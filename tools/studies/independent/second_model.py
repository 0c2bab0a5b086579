"""The model once more, by an author who had read the contract and not hpcepm.

It uses numpy alone, for many realizations at once. It shares no line, table or random number with
hpcepm: the two agree within their errors, or one of them is wrong.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SCALARS = (
    "stress",
    "threshold_mean",
    "threshold_variance",
    "stress_variance",
    "strain_variance",
    "plastic_strain_variance",
    "localization",
    "x_min",
    "events",
    "avalanches",
    "slip",
    "rise",
)
PROFILES = ("along_x", "along_y")
COUNTS = ("events", "avalanches")


@dataclass(frozen=True)
class Glass:
    """Material and lattice.

    Parameters
    ----------
    n : int
        Sites along each side of the square periodic lattice.
    mu, bulk : float
        Shear modulus and two-dimensional bulk modulus.
    initial, renewal : tuple of float
        Weibull (shape, scale) of the thresholds at the start and after each event.
    c0, c1 : float
        Mean slip of a site whose threshold was `s`: ``c0 + c1 * s**2``.
    kernel : {"continuum", "finite_difference"}
        What stands for the squared wavevector components.
    """

    n: int
    mu: float
    bulk: float
    initial: tuple[float, float]
    renewal: tuple[float, float]
    c0: float
    c1: float = 0.0
    kernel: Literal["continuum", "finite_difference"] = "continuum"

    @property
    def mu_star(self) -> float:
        """Stress drop inside a circular inclusion per unit eigenstrain."""
        return self.mu / (1.0 + self.mu / self.bulk)


@dataclass
class _State:
    """Realizations that have not reached the target.

    The first axis of every field is the realization.

    The local stress is ``load + tau`` with `tau` of zero mean, so that loading touches no field.
    Instead of `tau` the load at which each site yields, ``limit = threshold - tau``, is kept: a
    site is unstable when ``limit <= load``.
    """

    who: Integers
    """Position in the results, (R,)."""
    threshold: Floats
    limit: Floats
    plastic: Floats
    load: Floats
    """Macroscopic stress, (R,)."""
    rested: Floats
    """Macroscopic stress at the end of the last avalanche, (R,)."""
    weakest: Floats
    """Smallest limit, (R,)."""
    strain: Floats
    calm: NDArray[np.bool_]
    """Whether no avalanche is under way, (R,)."""
    record: Integers
    """Index of the next record, (R,)."""
    events: Integers
    avalanches: Integers
    slip: Floats
    rise: Floats

    def select(self, kept: NDArray[np.bool_]) -> "_State":
        """Return the realizations marked in `kept`."""
        return _State(**{field.name: getattr(self, field.name)[kept] for field in fields(self)})


def kernel_hat(glass: Glass) -> Floats:
    """Return the Fourier transform of the stress response to a unit slip, as ``rfft2`` has it.

    The response has zero mean.
    """
    full = 2.0 * np.pi * np.fft.fftfreq(glass.n)
    half = 2.0 * np.pi * np.fft.rfftfreq(glass.n)
    if glass.kernel == "continuum":
        a, b = full[:, None] ** 2, half[None, :] ** 2
    elif glass.kernel == "finite_difference":
        a, b = 2.0 - 2.0 * np.cos(full)[:, None], 2.0 - 2.0 * np.cos(half)[None, :]
    else:
        raise ValueError(f"unknown kernel {glass.kernel!r}")
    norm = (a + b) ** 2
    norm[0, 0] = 1.0
    return -2.0 * glass.mu_star * 4.0 * a * b / norm


def redistributor(glass: Glass) -> Callable[[Floats], Floats]:
    """Return the function that maps slips (R, n, n) to zero-mean stress changes."""
    response = kernel_hat(glass)

    def redistribute(slips: Floats) -> Floats:
        spectrum = np.fft.fft(np.fft.rfft(slips, axis=2), axis=1)
        spectrum *= response
        return np.fft.irfft(np.fft.ifft(spectrum, axis=1), n=glass.n, axis=2)

    return redistribute


def _start(glass: Glass, realizations: int, rng: np.random.Generator) -> _State:
    shape, scale = glass.initial
    threshold = scale * rng.weibull(shape, (realizations, glass.n, glass.n))

    def zeros() -> Floats:
        return np.zeros(realizations)

    def counts() -> Integers:
        return np.zeros(realizations, dtype=np.int64)

    return _State(
        who=np.arange(realizations),
        threshold=threshold,
        limit=threshold.copy(),
        plastic=np.zeros_like(threshold),
        load=zeros(),
        rested=zeros(),
        weakest=threshold.min(axis=(1, 2)),
        strain=zeros(),
        calm=np.ones(realizations, dtype=bool),
        record=counts(),
        events=counts(),
        avalanches=counts(),
        slip=zeros(),
        rise=zeros(),
    )


def _measure(glass: Glass, state: _State, at: Integers, out: dict[str, NDArray[Any]]) -> None:
    """Write the observables of the realizations `at`, which stand exactly at their next record."""
    place = state.who[at], state.record[at]
    threshold, plastic, load = state.threshold[at], state.plastic[at], state.load[at]
    stress = threshold - state.limit[at] + load[:, None, None]
    total = plastic + stress / (2.0 * glass.mu)
    squares = total * total
    energy = squares.sum(axis=(1, 2))
    deformed = energy > 0.0
    peaks = glass.n * (squares * squares).sum(axis=(1, 2))
    observed = {
        "stress": stress.mean(axis=(1, 2)),
        "threshold_mean": threshold.mean(axis=(1, 2)),
        "threshold_variance": threshold.var(axis=(1, 2)),
        "stress_variance": stress.var(axis=(1, 2)),
        "strain_variance": total.var(axis=(1, 2)),
        "plastic_strain_variance": plastic.var(axis=(1, 2)),
        "localization": np.where(
            deformed, peaks / np.where(deformed, energy, 1.0) ** 2, 1.0 / glass.n
        ),
        "x_min": (threshold - stress).min(axis=(1, 2)),
        "events": state.events[at],
        "avalanches": state.avalanches[at],
        "slip": state.slip[at],
        "rise": state.rise[at],
        "along_x": plastic.mean(axis=2),
        "along_y": plastic.mean(axis=1),
    }
    for name, values in observed.items():
        out[name][place] = values


def _load(glass: Glass, state: _State, strains: Floats, out: dict[str, NDArray[Any]]) -> _State:
    """Strain the calm realizations up to the load at which their weakest site yields.

    The records that they reach on the way are written.
    """
    waiting = np.flatnonzero(state.calm)
    finished = False
    while waiting.size:
        ahead = strains[state.record[waiting]]
        reached = state.load[waiting] + 2.0 * glass.mu * (ahead - state.strain[waiting])
        due = state.weakest[waiting] >= reached
        waiting, ahead, reached = waiting[due], ahead[due], reached[due]
        if waiting.size:
            state.load[waiting] = reached
            state.strain[waiting] = ahead
            _measure(glass, state, waiting, out)
            state.record[waiting] += 1
            on_the_way = state.record[waiting] < strains.size
            finished |= not on_the_way.all()
            waiting = waiting[on_the_way]
    if finished:
        state = state.select(state.record < strains.size)
    trigger = np.flatnonzero(state.calm)
    yielding = state.weakest[trigger]
    state.strain[trigger] += (yielding - state.load[trigger]) / (2.0 * glass.mu)
    state.rise[trigger] += yielding - state.rested[trigger]
    state.load[trigger] = yielding
    return state


def _sweep(
    glass: Glass, state: _State, rng: np.random.Generator, redistribute: Callable[[Floats], Floats]
) -> None:
    """Let every unstable site slip once, all at the same time.

    Each realization must have at least one.
    """
    sites = glass.n * glass.n
    unstable = np.flatnonzero(state.limit.reshape(-1, sites) <= state.load[:, None])
    owner = unstable // sites
    threshold, limit = state.threshold.reshape(-1), state.limit.reshape(-1)
    overcome = threshold[unstable]
    slips = rng.exponential(glass.c0 + glass.c1 * overcome * overcome)
    shape, scale = glass.renewal
    renewed = scale * rng.weibull(shape, unstable.size)
    threshold[unstable] = renewed
    limit[unstable] += renewed - overcome
    state.plastic.reshape(-1)[unstable] += slips

    field = np.zeros_like(state.limit)
    field.reshape(-1)[unstable] = slips
    state.limit -= redistribute(field)
    total = np.bincount(owner, weights=slips, minlength=state.load.size)
    state.load -= 2.0 * glass.mu / sites * total
    state.slip += total
    state.events += np.bincount(owner, minlength=state.load.size)

    state.weakest = state.limit.reshape(-1, sites).min(axis=1)
    state.calm = state.weakest > state.load
    state.avalanches += state.calm
    state.rested = np.where(state.calm, state.load, state.rested)


def shear(glass: Glass, realizations: int, strains: Floats, seed: int) -> dict[str, NDArray[Any]]:
    """Shear independent samples from rest and measure them at given strains.

    Parameters
    ----------
    glass : Glass
        Material and lattice.
    realizations : int
        Number R of samples.
    strains : array (K,)
        Increasing record strains, the last of which is the target.
    seed : int
        Of `numpy.random.default_rng`.

    Returns
    -------
    dict of arrays
        `SCALARS` of shape (R, K), `PROFILES` of shape (R, K, n).
    """
    strains = np.asarray(strains, dtype=np.float64)
    if (
        strains.ndim != 1
        or strains.size == 0
        or strains[0] < 0.0
        or np.any(np.diff(strains) <= 0.0)
    ):
        raise ValueError("strains must be a non-empty increasing sequence of values >= 0")
    shape = realizations, strains.size
    out: dict[str, NDArray[Any]] = {
        name: np.full(shape, -1 if name in COUNTS else np.nan) for name in SCALARS
    }
    out |= {name: np.full((*shape, glass.n), np.nan) for name in PROFILES}
    rng = np.random.default_rng(seed)
    redistribute = redistributor(glass)
    state = _load(glass, _start(glass, realizations, rng), strains, out)
    while state.who.size:
        _sweep(glass, state, rng, redistribute)
        state = _load(glass, state, strains, out)
    return out
