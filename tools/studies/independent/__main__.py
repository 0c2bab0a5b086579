"""Run hpcepm and the second program on the same glasses, and compare their numbers.

Started by ``tools/verify-independent``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import hypot
from typing import Final, NamedTuple

import numpy as np

from hpcepm.analysis.statistics import Estimate

from ..ensemble import Statistic
from ..harness import Run, make, options_of, publish, table
from .cases import band_case, flow_cases, ours, paper_cases, theirs
from .quantities import AVALANCHES, BANDS, PAPER, PEAK

PEAKLESS: Final = ("esl_plain", "esl_rejuvenated")


class Compared(NamedTuple):
    """A number by both programs."""

    case: str
    quantity: str
    ours: Estimate
    theirs: Estimate

    @property
    def off(self) -> float:
        """By how many standard errors they differ."""
        return (self.ours.value - self.theirs.value) / hypot(self.ours.error, self.theirs.error)


def compare(run: Run, quantities: Mapping[str, Statistic], seed: int) -> Iterator[Compared]:
    """Yield what both programs say of a case; run what is missing."""
    make([run])
    one, other = ours(run), theirs(run, seed)
    for name, statistic in quantities.items():
        yield Compared(run.name, name, one.estimate(statistic), other.estimate(statistic))


def with_seed(run: Run, seed: int) -> Run:
    """Return a run of other glasses; its own for 0."""
    own = run.settings.get("seed", 1)
    return replace(run, settings={**run.settings, "seed": own + 1000 * seed})


def report(found: list[Compared]) -> str:
    """Return a table, and how many agree within how much."""
    off = np.abs([one.off for one in found])
    said = ", ".join(f"{np.mean(off < k):.0%} within {k}" for k in (1, 2, 3))
    head = (
        f"{len(found)} numbers: {said} standard errors of the difference "
        "(68 %, 95 %, 99.7 % are to be expected).\n\n"
    )
    columns = ("case", "number", "hpcepm", "second program", "difference / error")
    return head + table(columns, [(*one, f"{one.off:+.1f}") for one in found])


def main() -> None:
    """Do all of it."""
    parser = options_of("tools/verify-independent", __doc__, "runs/independent")
    seed = "another number makes other glasses, in another folder (default: %(default)s)"
    parser.add_argument("--seed", type=int, default=0, help=seed)
    cases = "only these; their names are the first column of the table"
    parser.add_argument("--cases", nargs="+", metavar="CASE", help=cases)
    options = parser.parse_args()
    if options.seed:
        options.runs = options.runs / f"seed-{options.seed}"
    compared: list[tuple[Run, Mapping[str, Statistic]]] = [
        *(
            (run, PAPER if run.name in PEAKLESS else {**PAPER, **PEAK})
            for run in paper_cases(options.runs)
        ),
        *((run, AVALANCHES) for run in flow_cases(options.runs)),
        (band_case(options.runs), BANDS),
    ]
    found: list[Compared] = []
    for number, (run, quantities) in enumerate(compared, 1000 * (options.seed + 1)):
        if not options.cases or run.name in options.cases:
            own = list(compare(with_seed(run, options.seed), quantities, number))
            print(f"{run.name}: {', '.join(f'{one.off:+.1f}' for one in own)}", flush=True)
            found += own
    publish(report(found), "independent.md", options)


if __name__ == "__main__":
    main()
