"""What the paper says, as numbers that must lie in an interval: standard errors decide."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import Final, NamedTuple

from hpcepm.analysis.statistics import Estimate

from ..ensemble import PEAK_BEFORE, Ensemble, Statistic
from . import statistics as st
from .sets import NAMES, SCANNED, SUSPECT, TWIN, inputs, scanned, slip_of

SAME_PLATEAU: Final = 0.015
NO_PEAK: Final = 0.01
TINY_PEAK: Final = 0.10
ALIKE: Final = 0.10
WITHOUT_PEAK: Final = ("esl_plain", "esl_rejuvenated")
SIGMAS: Final = 2.0
"""So many standard errors on both sides of a number decide."""


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
    from hpcepm.model.disorder import preset

    renewal = preset(inputs()[TWIN]["thresholds"]["renewal"])
    c0, c1 = slip_of(TWIN)
    return float(c0 + c1 * (renewal.mean**2 + renewal.std**2))


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
    return [
        *_of_plateau(plateau, twin_slip),
        *_of_stress(ensembles),
        *_of_thresholds(ensembles),
        *_of_strain(ensembles),
        *_of_localization(ensembles),
    ]


def _of_plateau(plateau: Plateau, twin_slip: float) -> list[Statement]:
    deviations = [
        Check(name, _deviation(of, plateau.common), -SAME_PLATEAU, SAME_PLATEAU)
        for name, of in plateau.of.items()
    ]
    return [
        Statement(
            "plateau",
            "The parameters of all sets give one and the same plateau.",
            f"plateau/common − 1, of seven sets (all but {plateau.outlier}); "
            f"within ±{SAME_PLATEAU:.1%}",
            [check for check in deviations if check.what != plateau.outlier],
        ),
        Statement(
            "plateau",
            f"The same, of the set that is farthest from the others as printed: {plateau.outlier}.",
            f"plateau/common − 1; within ±{SAME_PLATEAU:.1%}",
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


def _of_stress(ensembles: Mapping[str, Ensemble]) -> list[Statement]:
    of = {name: ensembles[name].estimate(st.overshoot) for name in NAMES}
    how = f"peak/plateau − 1, the peak being the highest up to strain {PEAK_BEFORE:g}"
    pairs = {"3b": "gq_{}", "4a": "esl_{}_correlated", "4b": "gq_{}_correlated"}
    return [
        Statement(
            "3a",
            "ESL without correlation: the stress rises monotonically.",
            f"{how}; below {NO_PEAK:.0%}",
            [Check(name, of[name], high=NO_PEAK) for name in WITHOUT_PEAK],
        ),
        Statement(
            "3b",
            "GQ with neither rejuvenation nor correlation: a tiny bump.",
            f"{how}; above 0 and below {TINY_PEAK:.0%}",
            [Check("gq_plain", of["gq_plain"], 0, TINY_PEAK)],
        ),
        Statement(
            "4a",
            "ESL with correlation: the stress has a peak.",
            f"{how}; above {NO_PEAK:.0%}",
            [
                Check(name, of[name], NO_PEAK)
                for name in ("esl_plain_correlated", "esl_rejuvenated_correlated")
            ],
        ),
        *(
            _sharper(figure, pair.format("plain"), pair.format("rejuvenated"), ensembles)
            for figure, pair in pairs.items()
        ),
    ]


def _sharper(
    figure: str, plain: str, rejuvenated: str, ensembles: Mapping[str, Ensemble]
) -> Statement:
    """Return the statement that rejuvenation makes the peak sharper."""

    def more(statistic: Statistic) -> Estimate:
        return st.difference(
            ensembles[rejuvenated].estimate(statistic), ensembles[plain].estimate(statistic)
        )

    return Statement(
        figure,
        f"The peak is sharper with rejuvenation ({'GQ' if plain.startswith('gq') else 'ESL'}).",
        "half of (peak/plateau − 1) by the strain in which it is lost, rejuvenated less plain; "
        "above 0 (not judged: peak/plateau itself, rejuvenated less plain, is "
        f"{more(st.overshoot)})",
        [Check(f"{rejuvenated} − {plain}", more(st.sharpness), 0)],
    )


def _of_thresholds(ensembles: Mapping[str, Ensemble]) -> list[Statement]:
    of = {name: ensembles[name].estimate(st.hardening) for name in NAMES}
    how = "mean threshold in flow / at the start − 1"
    esl = [name for name in NAMES if name.startswith("esl")]
    plain, rejuvenated = (
        [f"gq_{kind}{more}" for more in ("", "_correlated")] for kind in ("plain", "rejuvenated")
    )
    return [
        Statement(
            "5a",
            "ESL hardens: weak sites are weeded out.",
            f"{how}; above 0",
            [Check(n, of[n], 0) for n in esl],
        ),
        Statement(
            "5b",
            "The plain GQ glass hardens.",
            f"{how}; above 0",
            [Check(n, of[n], 0) for n in plain],
        ),
        Statement(
            "5b",
            "The rejuvenated GQ glass softens.",
            f"{how}; below 0",
            [Check(n, of[n], high=0) for n in rejuvenated],
        ),
    ]


def _of_strain(ensembles: Mapping[str, Ensemble]) -> list[Statement]:
    of = {name: ensembles[name].estimate(st.final_strain_variance) for name in NAMES}
    return [
        Statement(
            figure,
            f"The strain variance grows alike with and without rejuvenation ({glass.upper()}).",
            f"at strain 1, rejuvenated / plain; within 1 ± {ALIKE:.0%}",
            [
                Check(
                    f"{glass}_…{more}",
                    st.ratio(of[f"{glass}_rejuvenated{more}"], of[f"{glass}_plain{more}"]),
                    1 - ALIKE,
                    1 + ALIKE,
                )
                for more in ("", "_correlated")
            ],
        )
        for figure, glass in (("6a", "esl"), ("6b", "gq"))
    ]


def _of_localization(ensembles: Mapping[str, Ensemble]) -> list[Statement]:
    found = []
    for figure, glass in (("7a", "esl"), ("7b", "gq")):
        names = [name for name in NAMES if name.startswith(glass)]
        rise, decay = (
            {n: ensembles[n].estimate(what) for n in names}
            for what in (st.localization_rise, st.localization_decay)
        )
        found += [
            Statement(
                figure,
                f"LOC rises at the stress peak ({glass.upper()}).",
                "LOC at the stress peak / at the start, of sets with a peak; above 1",
                [Check(n, rise[n], 1) for n in names if n not in WITHOUT_PEAK],
            ),
            Statement(
                figure,
                f"LOC then decays ({glass.upper()}).",
                "1 − LOC at strain 1 / its maximum; above 0",
                [Check(n, decay[n], 0) for n in names],
            ),
        ]
    return found
