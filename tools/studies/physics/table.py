"""Results as a table in Markdown, beside those of the literature."""

from collections.abc import Callable, Sequence
from typing import Final

from hpcepm.analysis.statistics import Estimate

from ..harness import table
from .results import AT_LEAST, BETWEEN, EVEN_UP_TO, EXPONENTIAL, GAUSSIAN, Results

TAU: Final = "1.25 to 1.36 [1–4]"
DIFFUSION: Final = "1.05 at short, 1.5 to 1.6 at long times [6]"
CUT_OFFS: Final = {GAUSSIAN: "exp(−(S/S_c)²)", EXPONENTIAL: "exp(−S/S_c)"}
D_F: Final = "d_f of S_c ~ N^d_f, cut-off"
ROWS: Final[tuple[tuple[str, Callable[[Results], Estimate], str], ...]] = (
    (f"τ, cut-off {CUT_OFFS[GAUSSIAN]}", lambda r: r.fit(GAUSSIAN).tau, TAU),
    (f"τ, cut-off {CUT_OFFS[EXPONENTIAL]}", lambda r: r.fit(EXPONENTIAL).tau, TAU),
    (
        f"{D_F} {CUT_OFFS[GAUSSIAN]}",
        lambda r: r.fractal_dimension(r.fit(GAUSSIAN)),
        "≈ 1.1 [1]",
    ),
    (
        f"{D_F} {CUT_OFFS[EXPONENTIAL]}",
        lambda r: r.fractal_dimension(r.fit(EXPONENTIAL)),
        "≈ 1.1 [1]",
    ),
    ("power of N in ⟨S⟩", lambda r: r.power_of_size(lambda flow: flow.slip), "d_f (2 − τ) ≈ 0.7"),
    ("power of N in ⟨x_min⟩", lambda r: r.loading, "−2/(1 + θ) ≈ −1.3"),
    ("θ of ⟨x_min⟩ ~ N^(−2/(1 + θ))", lambda r: r.theta_of_loading, "≈ 0.5 to 0.6 [1, 3]"),
    (
        f"θ of P(x) ~ x^θ, {BETWEEN[0]} < x < {BETWEEN[1]}, largest N",
        lambda r: r.theta(),
        "≈ 0.6 [1]; not a power law [5]",
    ),
    ("power of N in P(x → 0)", lambda r: r.power_of_size(lambda flow: flow.p0), "≈ −0.6 [4]"),
    (
        f"power of N in D, N ≤ {EVEN_UP_TO}, lag 0.025",
        lambda r: r.power_of_size(lambda flow: flow.diffusion[0], EVEN_UP_TO),
        DIFFUSION,
    ),
    (
        f"power of N in D, N ≤ {EVEN_UP_TO}, lag 0.25",
        lambda r: r.power_of_size(lambda flow: flow.diffusion[9], EVEN_UP_TO),
        DIFFUSION,
    ),
    ("power of strain in the width of a band, GQ", lambda r: r.bands.growth, "≈ 0.5 [7]"),
)
SIZES: Final = (
    "kernel",
    "N",
    "avalanches",
    "⟨S⟩",
    "⟨x_min⟩",
    "⟨x_min⟩ N²/2μ⟨S⟩",
    "left over",
    "P(x → 0)",
    "D, lag 0.025",
    "D, lag 0.25",
)


def exponents(results: Sequence[Results]) -> str:
    """Return the table of exponents."""
    rows = [[name, *map(value, results), known] for name, value, known in ROWS]
    return table(["", *(r.kernel for r in results), "literature"], rows)


def sizes(results: Sequence[Results]) -> str:
    """Return what was measured at each N, with the balance of loading and relaxation."""
    rows = []
    for r in results:
        for f in r.flows:
            balance = (f.slip, f.x_min, f.ratio, f"{f.residual:.0e}", f.p0)
            rows.append((r.kernel, f.size, len(f.slips), *balance, f.diffusion[0], f.diffusion[-1]))
    return table(SIZES, rows)


def sensitivity(results: Sequence[Results]) -> str:
    """Return τ and d_f for other lower bounds and the other cut-off, and θ for other bounds."""
    rows = []
    for sharpness in (EXPONENTIAL, GAUSSIAN):
        for at_least in (AT_LEAST / 2, AT_LEAST, 2 * AT_LEAST, 4 * AT_LEAST):
            fits = [(r, r.fit(sharpness, at_least)) for r in results]
            said = (
                f"{fit.tau}; {r.fractal_dimension(fit)}; {fit.log_likelihood:.4f}"
                for r, fit in fits
            )
            rows.append([f"τ; d_f; ln L/n, {CUT_OFFS[sharpness]}, S ≥ {at_least:g}", *said])
    for low, high in ((0.005, 0.05), (0.01, 0.1), BETWEEN, (0.04, 0.4)):
        rows.append([f"θ, {low} < x < {high}", *(str(r.theta(low, high)) for r in results)])
    return table(["", *(r.kernel for r in results)], rows)


def tables(results: Sequence[Results]) -> str:
    """Return all three."""
    return "\n".join([exponents(results), sizes(results), sensitivity(results)])
