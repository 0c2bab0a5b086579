"""What the paper says, as numbers that must lie in an interval: standard errors decide."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import Final, NamedTuple

from hpcepm.analysis.statistics import Estimate

from ..ensemble import PEAK_BEFORE, Ensemble, Statistic, difference
from . import statistics as st
from .sets import NAMES, SCANNED, SUSPECT, TWIN, inputs, scanned, slip_of

SAME_PLATEAU: Final = 0.015
NO_PEAK: Final = 0.01
TINY_PEAK: Final = 0.10
ALIKE: Final = 0.10
WITHOUT_PEAK: Final = ("esl_plain", "esl_rejuvenated")
SIGMAS: Final = 2.0
"""So many standard errors on both sides of a number decide."""

ESL: Final = tuple(name for name in NAMES if name.startswith("esl"))
GQ: Final = tuple(name for name in NAMES if name.startswith("gq"))
PAIRS: Final = {"3b": "gq_{}", "4a": "esl_{}_correlated", "4b": "gq_{}_correlated"}
"""By figure: the sets, plain and rejuvenated, whose peaks are compared."""

PEAK: Final = f"peak/plateau − 1, the peak being the highest up to strain {PEAK_BEFORE:g}"
HARDENING: Final = "mean threshold in flow / at the start − 1"
RISE: Final = "LOC at the stress peak / at the start, of sets with a peak; above 1"
DECAY: Final = "1 − LOC at strain 1 / its maximum; above 0"
OF_PANELS: Final[tuple[tuple[str, str, str, Statistic, Sequence[str], float, float], ...]] = (
    (
        "3a",
        "ESL without correlation: the stress rises monotonically.",
        f"{PEAK}; below {NO_PEAK:.0%}",
        st.overshoot,
        WITHOUT_PEAK,
        -inf,
        NO_PEAK,
    ),
    (
        "3b",
        "GQ with neither rejuvenation nor correlation: a tiny bump.",
        f"{PEAK}; above 0 and below {TINY_PEAK:.0%}",
        st.overshoot,
        ("gq_plain",),
        0,
        TINY_PEAK,
    ),
    (
        "4a",
        "ESL with correlation: the stress has a peak.",
        f"{PEAK}; above {NO_PEAK:.0%}",
        st.overshoot,
        ("esl_plain_correlated", "esl_rejuvenated_correlated"),
        NO_PEAK,
        inf,
    ),
    (
        "5a",
        "ESL hardens: weak sites are weeded out.",
        f"{HARDENING}; above 0",
        st.hardening,
        ESL,
        0,
        inf,
    ),
    (
        "5b",
        "The plain GQ glass hardens.",
        f"{HARDENING}; above 0",
        st.hardening,
        ("gq_plain", "gq_plain_correlated"),
        0,
        inf,
    ),
    (
        "5b",
        "The rejuvenated GQ glass softens.",
        f"{HARDENING}; below 0",
        st.hardening,
        ("gq_rejuvenated", "gq_rejuvenated_correlated"),
        -inf,
        0,
    ),
    (
        "7a",
        "LOC rises at the stress peak (ESL).",
        RISE,
        st.localization_rise,
        [name for name in ESL if name not in WITHOUT_PEAK],
        1,
        inf,
    ),
    ("7a", "LOC then decays (ESL).", DECAY, st.localization_decay, ESL, 0, inf),
    ("7b", "LOC rises at the stress peak (GQ).", RISE, st.localization_rise, GQ, 1, inf),
    ("7b", "LOC then decays (GQ).", DECAY, st.localization_decay, GQ, 0, inf),
)
"""Figure, what is said, how it is measured, on which sets, and the bounds."""


class Verdict(StrEnum):
    """Whether our data bear a statement out."""

    HOLDS = "holds"
    FAILS = "does not hold"
    OPEN = "not resolved"


@dataclass(frozen=True)
class Check:
    """A number that a statement is about, and where it says that the number lies."""

    what: str
    number: Estimate
    low: float = -inf
    high: float = inf

    @property
    def verdict(self) -> Verdict:
        """Whether it lies there, with its error bar."""
        least, most = (self.number.value + sign * SIGMAS * self.number.error for sign in (-1, 1))
        if self.low <= least and most <= self.high:
            return Verdict.HOLDS
        return Verdict.FAILS if most < self.low or least > self.high else Verdict.OPEN


@dataclass(frozen=True)
class Statement:
    """What the paper says, where it is seen, how it is measured, and the checks.

    It holds if all checks do.
    """

    figure: str
    text: str
    measured: str
    checks: list[Check] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        """The worst of the checks."""
        worst_first = [Verdict.FAILS, Verdict.OPEN, Verdict.HOLDS]
        return min((check.verdict for check in self.checks), key=worst_first.index)


class Plateau(NamedTuple):
    """What comes of the plateaus of the eight sets."""

    of: dict[str, Estimate]
    outlier: str
    common: Estimate
    """Mean of the others."""

    c0: Estimate
    """With which the suspect set is on the common plateau."""

    chi2: float
    scan: dict[float, Estimate]


def plateau_of(ensembles: Mapping[str, Ensemble]) -> Plateau:
    """Return which set is not on the plateau of the others.

    And the c0 that would put the suspect there.
    """
    of = {name: ensembles[name].estimate(st.plateau) for name in NAMES}
    outlier = st.outlier(of)
    common = st.mean_of([e for name, e in of.items() if name != outlier])
    scan = {c0: ensembles[scanned(c0)].estimate(st.plateau) for c0 in SCANNED}
    c0, chi2 = st.crossing(list(scan), list(scan.values()), common)
    return Plateau(of, outlier, common, c0, chi2, scan)


def nearest_scanned(plateau: Plateau) -> float:
    """Return the c0 of the scan that is nearest to the corrected one."""
    return min(plateau.scan, key=lambda c0: abs(c0 - plateau.c0.value))


def mean_slip_of_twin() -> float:
    """Return c0 + c1 ⟨σ_c²⟩ of the correlated twin of the suspect."""
    from hpcepm.model.thresholds import preset

    renewal = preset(inputs()[TWIN]["thresholds"]["renewal"])
    c0, c1 = slip_of(TWIN)
    return c0 + c1 * renewal.second_moment


def statements(
    ensembles: Mapping[str, Ensemble], plateau: Plateau, twin_slip: float
) -> list[Statement]:
    """Return the paper's statements, each with its checks.

    Parameters
    ----------
    ensembles
        By name of the run. The suspect set is to be the corrected one here.
    plateau
        What came of the plateaus as printed.
    twin_slip
        The mean slip of the correlated twin of the suspect set.
    """
    of_panels = [
        Statement(
            figure, text, how, [Check(n, ensembles[n].estimate(of), low, high) for n in names]
        )
        for figure, text, how, of, names, low, high in OF_PANELS
    ]
    pairs = [
        *(_sharper(figure, pair, ensembles) for figure, pair in PAIRS.items()),
        *(_alike(figure, glass, ensembles) for figure, glass in (("6a", "esl"), ("6b", "gq"))),
    ]
    in_order = sorted([*of_panels, *pairs], key=lambda statement: statement.figure)
    return [*_of_plateau(plateau, twin_slip), *in_order]


def _of_plateau(plateau: Plateau, twin_slip: float) -> list[Statement]:
    deviations = [
        Check(name, _deviation(of, plateau.common), -SAME_PLATEAU, SAME_PLATEAU)
        for name, of in plateau.of.items()
    ]
    how = f"within ±{SAME_PLATEAU:.1%}"
    return [
        Statement(
            "plateau",
            "The parameters of all sets give one and the same plateau.",
            f"plateau/common − 1, of seven sets (all but {plateau.outlier}); {how}",
            [check for check in deviations if check.what != plateau.outlier],
        ),
        Statement(
            "plateau",
            f"The same, of the set that is farthest from the others as printed: {plateau.outlier}.",
            f"plateau/common − 1; {how}",
            [check for check in deviations if check.what == plateau.outlier],
        ),
        Statement(
            "plateau",
            f"The c0 that puts {SUSPECT} on the common plateau is the mean slip of its correlated "
            f"twin, {TWIN}.",
            "corrected c0 / (c0 + c1⟨σ_c²⟩ of the twin) − 1; within ±3 %",
            [Check(SUSPECT, _deviation(plateau.c0, Estimate(twin_slip, 0.0)), -0.03, 0.03)],
        ),
    ]


def _deviation(a: Estimate, b: Estimate) -> Estimate:
    """Return a/b − 1."""
    ratio = st.ratio(a, b)
    return Estimate(ratio.value - 1, ratio.error)


def _sharper(figure: str, pair: str, ensembles: Mapping[str, Ensemble]) -> Statement:
    """Return the statement that rejuvenation makes the peak sharper."""
    plain, rejuvenated = pair.format("plain"), pair.format("rejuvenated")

    def more(statistic: Statistic) -> Estimate:
        one, other = (ensembles[name].estimate(statistic) for name in (rejuvenated, plain))
        return difference(one, other)

    return Statement(
        figure,
        f"The peak is sharper with rejuvenation ({pair.partition('_')[0].upper()}).",
        "half of (peak/plateau − 1) by the strain in which it is lost, rejuvenated less plain; "
        "above 0 (not judged: peak/plateau itself, rejuvenated less plain, is "
        f"{more(st.overshoot)})",
        [Check(f"{rejuvenated} − {plain}", more(st.sharpness), 0)],
    )


def _alike(figure: str, glass: str, ensembles: Mapping[str, Ensemble]) -> Statement:
    """Return the statement that rejuvenation does not change the variance of strain."""
    of = {name: ensembles[name].estimate(st.final_strain_variance) for name in NAMES}
    ratios = {
        f"{glass}_…{more}": st.ratio(of[f"{glass}_rejuvenated{more}"], of[f"{glass}_plain{more}"])
        for more in ("", "_correlated")
    }
    return Statement(
        figure,
        f"The strain variance grows alike with and without rejuvenation ({glass.upper()}).",
        f"at strain 1, rejuvenated / plain; within 1 ± {ALIKE:.0%}",
        [Check(name, ratio, 1 - ALIKE, 1 + ALIKE) for name, ratio in ratios.items()],
    )
