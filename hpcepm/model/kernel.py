"""How a slip changes the stress around it: the kernel in Fourier space.

It is that of an Eshelby inclusion (docs/model.md, section 2; the paper's Eqs 1 and 2).

Conventions. Sites lie at integer r = (i, j) of an nx × ny periodic lattice; wavevectors are q = 2π
(kx/nx, ky/ny) in (−π, π]; the transform is ĥ(q) = Σ_r h(r) exp(−i q·r) and its inverse carries
1/(nx ny). A field δε_p of slips changes the stress by δσ̂ = Ĝ δε̂_p with

    Ĝ(q) = −2 μ* S(q),    S = sin²2θ = 4 a b / (a + b)²  (simple)    or    cos²2θ = 1 − sin²2θ
    (pure),

a and b being what the kernel type takes for qx² and qy². Ĝ(0) = 0 here: the mean stress, 2μ(ε −
⟨ε_p⟩) under strain control, is kept as one number, never added to a field.

A new kernel is one more function ``sin2_2theta(qx, qy)`` under ``@kernel``, or a dataclass with a
method ``relaxation(self, qx, qy)`` that returns S. (`Table` alone says Ĝ itself.)
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from hpcepm.parallel.rows import read_only

from .registry import Registry
from .table import Table, mirrored

Array = NDArray[np.float64]

MOST_TRIED: Final = 2048
"""Wavevectors along each axis with which a plug-in is tried out."""

SAME: Final = 1e-9
"""Of a kernel's largest value: what rounding makes of equal ones."""


@dataclass(frozen=True)
class Oriented:
    """A kernel given by a function sin²2θ of the wavevector.

    Attributes
    ----------
    orientation
        ``"simple"`` shear, Ĝ = −2μ* sin²2θ, or ``"pure"``, −2μ* cos²2θ (bands at 45°).
    """

    orientation: Literal["simple", "pure"] = "simple"
    of: ClassVar[Callable[[Array, Array], Array]]

    def relaxation(self, qx: Array, qy: Array) -> Array:
        """Return S at wavevectors that broadcast together; 0 at q = 0."""
        angular = type(self).of(qx, qy)
        if self.orientation == "pure":
            angular = np.where((qx == 0) & (qy == 0), 0.0, 1 - angular)
        return angular


def _try_out(section: Any) -> None:
    """See that a kernel of a plug-in is what the loop takes it to be, on a small lattice."""
    try_on(section, (8, 6))


def try_on(section: Any, shape: tuple[int, int]) -> None:
    """See that a kernel of a plug-in is what the loop takes it to be.

    On a lattice of this shape, or as much of it as is looked at in a second.

    Raises
    ------
    ValueError
        It fails, or is not even, negative somewhere, or not 0 at q = 0.
    """
    qx, qy = wavevectors((min(shape[0], MOST_TRIED), min(shape[1], MOST_TRIED)))
    qx, qy = read_only(qx[:, None]), read_only(qy[None, :])
    try:
        with np.errstate(all="ignore"):
            found = np.asarray(section.relaxation(qx, qy), np.float64)
    except Exception as error:
        raise ValueError(f"the kernel of the plug-in: {type(error).__name__}: {error}") from None
    wanted = (qx.size, qy.size)
    if found.shape != wanted:
        said = f"of shape {found.shape} for wavevectors of shapes {qx.shape} and {qy.shape}"
        raise ValueError(f"the kernel of the plug-in is {said}: it must be {wanted}")
    if not np.isfinite(found).all():
        raise ValueError("the kernel of the plug-in has NaN or infinity; it must be 0 at q = 0")
    small = SAME * np.abs(found).max()
    if abs(found[0, 0]) > small:
        raise ValueError(f"the kernel of the plug-in is {found[0, 0]:g} at q = 0: it must be 0")
    if found.min() < -small:
        said = "slips would grow, not relax"
        raise ValueError(f"the kernel of the plug-in is {found.min():g} somewhere: {said}")
    for axis, way in enumerate("xy"):
        if np.abs(found - mirrored(found, axis)).max() > small:
            raise ValueError(f"the kernel of the plug-in must be the same at q{way} and −q{way}")


kernel: Final = Registry(
    "type",
    "continuum",
    Oriented,
    object,
    try_out=_try_out,
    functions="relaxation",
    doc="""Add a kernel: decorate a function of wavevectors, or a frozen dataclass.

    The function ``sin2_2theta(qx, qy)`` gets arrays that broadcast together, in 1/cells, and
    returns sin²2θ, 0 at q = 0. Of a dataclass the fields are keys of the input, and its method
    ``relaxation(self, qx, qy)`` returns S in Ĝ = −2μ*S (docs/extending.md).

    Raises
    ------
    TypeError, ValueError
        It is neither, lacks the method, or its name is taken.
    """,
)
"""The kernels, by name; ``@kernel`` adds one, and makes a function of wavevectors a class."""


@kernel
def continuum(qx: Array, qy: Array) -> Array:
    """sin²2θ of the wavevectors themselves: the continuum, cut off at the Brillouin zone."""
    return _sin2_2theta(qx**2, qy**2)


@kernel
def finite_difference(qx: Array, qy: Array) -> Array:
    """sin²2θ with q_i² → 2 − 2 cos q_i, the lattice Laplacian: a clean far field."""
    return _sin2_2theta(2 - 2 * np.cos(qx), 2 - 2 * np.cos(qy))


def _sin2_2theta(a: Array, b: Array) -> Array:
    a, b = np.broadcast_arrays(a, b)
    total = a + b
    return np.divide(4 * a * b, total**2, out=np.zeros_like(total), where=total > 0)


@kernel
def cell_average(qx: Array, qy: Array) -> Array:
    """sin²2θ for an eigenstrain that fills a square cell and a stress averaged over one.

    The continuum kernel weighted by sinc²(qx/2) sinc²(qy/2) and summed over q + 2π(m, n). With A =
    qx + 2πm, B = qy + 2πn the weights are 16 sin²(qx/2) sin²(qy/2)/(A²B²), so the sum is 64 sin²
    sin² Σ_m Σ_n (A² + B²)⁻². The sum over n is closed,

        Σ_n (A² + B²)⁻² = −(1/2A) d/dA [ sinh A / (2A (cosh A − cos qy)) ]  =  1/(4|A|³) +
        O(e^−|A|),

    and the tail of the sum over m is then a Hurwitz zeta function: exact to rounding, where plain
    summation needs 10⁵ terms.
    """
    from scipy.special import zeta  # takes a quarter of a second to load

    terms = 7  # e^(−2π·7) ≈ 1e-19
    qx, qy = np.broadcast_arrays(qx, qy)
    total = (zeta(3, terms + 1 + qx / (2 * np.pi)) + zeta(3, terms + 1 - qx / (2 * np.pi))) / (
        4 * (2 * np.pi) ** 3
    )
    for m in range(-terms, terms + 1):
        total = total + _inverse_fourth_powers(np.abs(qx + 2 * np.pi * m), qy)
    result: Array = 64 * np.sin(qx / 2) ** 2 * np.sin(qy / 2) ** 2 * total
    return result


def _inverse_fourth_powers(a: Array, qy: Array) -> Array:
    """Return Σ_n (a² + (qy + 2πn)²)⁻² for a ≥ 0.

    0 where a = 0 (its prefactor sin²(qx/2) vanishes there).
    """
    safe = np.where(a > 0, a, 1.0)
    # Both numerator and denominator times e^−a: cosh overflows at a ≈ 710, and only tanh-like
    # ratios matter.
    decay = np.exp(-safe)
    sinh, cosh, cos = (1 - decay**2) / 2, (1 + decay**2) / 2, np.cos(qy) * decay
    gap = np.where(safe < 1e-2, 2 * np.sinh(safe / 2) ** 2 + 2 * np.sin(qy / 2) ** 2, 1.0)
    difference = np.where(safe < 1e-2, gap * decay, cosh - cos)
    ratio = sinh / difference
    slope = (cosh - ratio * sinh) / difference
    return np.where(a > 0, (ratio / safe - slope) / (4 * safe**2), 0.0)


@kernel(name="none")
@dataclass(frozen=True)
class NoCoupling:
    """No site feels another, but for the macroscopic stress."""

    def relaxation(self, qx: Array, qy: Array) -> Array:
        """Return S: 0."""
        return np.zeros(np.broadcast_shapes(qx.shape, qy.shape))


@kernel
@dataclass(frozen=True)
class Uniform:
    """Mean field: a slip lowers the stress of its site by 2μ*, and all others share it."""

    def relaxation(self, qx: Array, qy: Array) -> Array:
        """Return S: 1, and 0 at q = 0."""
        return np.where((qx == 0) & (qy == 0), 0.0, 1.0)


kernel["table"] = Table  # as it is: what is decorated elsewhere could not be pickled


@kernel
@dataclass(frozen=True)
class Shuffled:
    """The true values of a kernel, but at random places at each event (`hpcepm.model.shuffle`).

    The self value G(0) stays where it is. Only the direct engine has it: what was shuffled is no
    convolution.

    Attributes
    ----------
    of
        The kernel whose values are shuffled.
    orientation
        That of this kernel, ``"simple"`` or ``"pure"`` shear.
    """

    of: Literal["continuum", "finite_difference", "cell_average"] = "continuum"
    orientation: Literal["simple", "pure"] = "simple"

    def relaxation(self, qx: Array, qy: Array) -> Array:
        """Return S of the kernel that is shuffled."""
        true: Oriented = kernel[self.of](self.orientation)
        return true.relaxation(qx, qy)


@dataclass(frozen=True)
class Kernel:
    """The stress redistribution of one event.

    Parameters
    ----------
    kind
        An instance of one of the classes in `kernel`: says S(q).
    mu_star
        μ* = μ/(1 + μ/K), in units of stress.
    """

    kind: Any
    mu_star: float

    def fourier(self, qx: Array, qy: Array) -> Array:
        """Return Ĝ at wavevectors that broadcast together, in units of stress.

        Real, even in qx and in qy, ≤ 0, and 0 at q = 0.
        """
        qx, qy = read_only(qx), read_only(qy)
        if isinstance(self.kind, Table):
            return self.kind.fourier(qx, qy)
        return -2 * self.mu_star * np.asarray(self.kind.relaxation(qx, qy))

    @property
    def size(self) -> float:
        """The size of the stress that a slip of 1 causes: μ*, or more if a table has more."""
        if isinstance(self.kind, Table):
            return max(self.mu_star, self.kind.largest / 2)
        return self.mu_star

    @property
    def shuffled(self) -> bool:
        """Whether the stress of an event comes to random places."""
        return isinstance(self.kind, Shuffled)

    def softening(self, shape: tuple[int, int], stiffness: float) -> float:
        """Return by how much a slip of 1 lowers the stress of its own site: −G(0) + K/N².

        ``stiffness`` is K, by how much slips of mean 1 lower the macroscopic stress.
        """
        at_origin = self.quarter_table(shape, columns=1)[0, 0]
        return float(stiffness / (shape[0] * shape[1]) - at_origin)

    def quarter_table(self, shape: tuple[int, int], columns: int | None = None) -> Array:
        """Return G(i, j) for 0 ≤ i ≤ nx/2, 0 ≤ j ≤ ny/2, in units of stress.

        Symmetry gives the rest. Zero mean. Or the first ``columns`` of it, in little memory.
        """
        nx, ny = shape
        half = ny // 2 + 1
        qx, qy = wavevectors(shape)
        quarter = np.empty((nx // 2 + 1, half if columns is None else columns))
        for some in np.array_split(
            np.arange(len(quarter)), -(-len(quarter) // 256)
        ):  # even either way: each row for itself
            rows = self.fourier(qx[some, None], qy[None, :half])
            quarter[some] = np.fft.irfft(rows, ny, axis=1)[:, : quarter.shape[1]]
        for part in np.array_split(quarter, -(-quarter.shape[1] // 256), axis=1):
            part[...] = np.fft.irfft(part, nx, axis=0)[: nx // 2 + 1]
        return quarter


def wavevectors(shape: tuple[int, int]) -> tuple[Array, Array]:
    """Return qx, shape (nx,), and qy, shape (ny,), in the order of the Fourier transform."""
    nx, ny = shape
    qx, qy = (2 * np.pi * np.fft.fftfreq(n).astype(np.float64) for n in (nx, ny))
    return qx, qy
