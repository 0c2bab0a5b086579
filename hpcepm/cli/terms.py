"""Words of the field that are no keys of an input: what they are here, or where they are found."""

from typing import Final

TERMS: Final = {
    ("yield stress", "threshold", "local yield stress", "sigma c", "barrier", "disorder"): (
        "the local yield stresses σ_c are drawn from thresholds.initial and thresholds.renewal; "
        "the yield stress of the glass is a result: hpcepm summarize RUN"
    ),
    ("flow stress", "plateau", "macroscopic yield stress", "peak", "overshoot", "yield point"): (
        "it is a result: hpcepm summarize RUN has the plateau and the peak of the stress"
    ),
    ("avalanche", "avalanche size", "stress drop", "event"): (
        "it is a result: output.avalanches keeps a table of them, with slip, stress_drop, "
        "events and duration; hpcepm plot and hpcepm report draw them"
    ),
    ("stress", "applied stress", "creep", "control"): (
        "what is held or driven is loading.control; loading: {control: stress, target: 0.5} raises "
        "the stress, and with a clock loading.hold lets it stay"
    ),
    ("temperature", "thermal", "time", "strain rate", "shear rate", "dt", "time step"): (
        "loading is quasi-static, without time, unless there is a clock: clock.type says which, "
        "clock.temperature how warm, and loading.rate how fast the load moves"
    ),
    ("age", "annealing", "preparation", "quench", "parent temperature", "stability"): (
        "thresholds.initial says how the glass was prepared: ESL, GQ …, against "
        "thresholds.renewal, what a site is after it has yielded"
    ),
    ("rejuvenation",): "thresholds.renewal: what is drawn for a site that has yielded",
    ("shear band", "band", "localization", "plastic strain", "map", "snapshot"): (
        "output.fields keeps maps, as of epsilon_p; hpcepm plot RUN --field epsilon_p draws one. A "
        "band of soft sites at the start is one of regions"
    ),
    ("propagator", "green function", "eshelby", "elastic interaction", "redistribution"): (
        "kernel: how a slip changes the stress around it; Eshelby's is the default"
    ),
    ("plastic event", "eigenstrain", "slip size", "strain increment"): (
        "slip: how far a site slips when it yields; slip.c0 and slip.c1"
    ),
    ("shear modulus", "bulk modulus", "elastic moduli", "elastic modulus"): (
        "elasticity.shear_modulus and elasticity.bulk_modulus"
    ),
    ("system size", "box", "number of sites"): "lattice.shape",
    ("ensemble", "sample", "realization", "statistics"): (
        "realizations: how many glasses are sheared; hpcepm sweep INPUT seed=1..8 for as many runs"
    ),
}
"""What is said of each; words are in small letters, in the singular, and without - and _."""


def term(word: str) -> str | None:
    """Return what is said of a word of the field; None if it is none, or unknown here."""
    plain = " ".join(word.lower().replace("-", " ").replace("_", " ").replace("'s", "").split())
    words = (plain, plain.removesuffix("s"))
    return next((said for known, said in TERMS.items() if set(known) & set(words)), None)
