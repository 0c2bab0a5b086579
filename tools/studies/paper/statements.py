"""What the paper says, as numbers that must lie in an interval.

The verdicts follow from standard errors alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import Final, NamedTuple

from . import statistics as st
from .sets import NAMES, SUSPECT, TWIN, Run, scanned
from .statistics import Ensemble, Estimate

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

    It holds if all of them do.
    """

    figure: str
    text: str
    measured: str
    checks: list[Check] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        """The worst of the checks."""
        found = {check.verdict for check in self.checks}
        return next(
            verdict for verdict in (Verdict.FAILS, Verdict.OPEN, Verdict.HOLDS) if verdict in found
        )


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


def plateau_of(ensembles: Mapping[str, Ensemble], scan: tuple[float, ...]) -> Plateau:
    """Return which set is not on the plateau of the others, and the c0 that would put the suspect there."""
    of = {name: ensembles[name].estimate(st.plateau) for name in NAMES}
    outlier = st.outlier(of)
    common = st.mean_of([e for name, e in of.items() if name != outlier])
    scanned_plateaus = {c0: ensembles[scanned(c0).name].estimate(st.plateau) for c0 in scan}
    c0, chi2 = st.crossing(list(scan), list(scanned_plateaus.values()), common)
    return Plateau(of, outlier, common, c0, chi2, scanned_plateaus)


def nearest_scanned(plateau: Plateau) -> float:
    """Return the c0 of the scan that is nearest to the corrected one."""
    return min(plateau.scan, key=lambda c0: abs(c0 - plateau.c0.value))


def mean_slip_of_twin(twin: Run, second_moment: float) -> float:
    """Return c0 + c1 ⟨σ_c²⟩ of the correlated twin of the suspect."""
    return twin.c0 + twin.c1 * second_moment


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
    others = [name for name in NAMES if name != plateau.outlier]
    deviations = [
        Check(name, _deviation(plateau, name), -SAME_PLATEAU, SAME_PLATEAU) for name in NAMES
    ]
    return [
        Statement(
            "plateau",
            "The parameters of all sets give one and the same plateau.",
            f"plateau/common − 1, of seven sets (all but {plateau.outlier}); within ±{SAME_PLATEAU:.1%}",
            [check for check in deviations if check.what in others],
        ),
        Statement(
            "plateau",
            f"The same, of the set that is farthest from the others as printed: {plateau.outlier}.",
            f"plateau/common − 1; within ±{SAME_PLATEAU:.1%}",
            [check for check in deviations if check.what == plateau.outlier],
        ),
        Statement(
            "plateau",
            f"The c0 that puts {SUSPECT} on the common plateau is the mean slip of its correlated twin, {TWIN}.",
            "corrected c0 / (c0 + c1⟨σ_c²⟩ of the twin) − 1; within ±3 %",
            [
                Check(
                    SUSPECT,
                    Estimate(plateau.c0.value / twin_slip - 1, plateau.c0.error / twin_slip),
                    -0.03,
                    0.03,
                )
            ],
        ),
    ]


def _deviation(plateau: Plateau, name: str) -> Estimate:
    ratio = st.ratio(plateau.of[name], plateau.common)
    return Estimate(ratio.value - 1, ratio.error)


def _of_stress(ensembles: Mapping[str, Ensemble]) -> list[Statement]:
    of = {name: ensembles[name].estimate(st.overshoot) for name in NAMES}
    how = f"peak/plateau − 1, the peak being the highest below strain {st.PEAK_BEFORE:g}"
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
    """Return the statement that the peak of the rejuvenated glass is sharper than that of the plain one."""

    def more(statistic: st.Statistic) -> Estimate:
        return st.difference(
            ensembles[rejuvenated].estimate(statistic), ensembles[plain].estimate(statistic)
        )

    return Statement(
        figure,
        f"The peak is sharper with rejuvenation ({'GQ' if plain.startswith('gq') else 'ESL'}).",
        "half of (peak/plateau − 1) by the strain in which it is lost, rejuvenated less plain; above 0 "
        f"(not judged: peak/plateau itself, rejuvenated less plain, is {more(st.overshoot)})",
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
