"""Run hpcepm and the second program on the same glasses, and compare their numbers.

Started by ``tools/verify-independent``.
"""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import hypot
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from ..paper_reproduction.statistics import Estimate, Statistic
from ..physics.__main__ import into_docs
from ..physics.runs import Run
from .cases import band_case, flow_cases, ours, paper_cases, theirs
from .quantities import AVALANCHES, BANDS, PAPER, PEAK

DOCS: Final = Path(__file__).parents[2] / "docs" / "independent.md"
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
    one, other = ours(run), theirs(run, seed)
    for name, statistic in quantities.items():
        yield Compared(run.path.name, name, one.estimate(statistic), other.estimate(statistic))


def with_seed(run: Run, seed: int) -> Run:
    """Return a run of other glasses; its own for 0."""
    return replace(run, glass={**run.glass, "seed": run.glass.get("seed", 1) + 1000 * seed})


def report(found: list[Compared]) -> str:
    """Return a table, and how many agree within how much."""
    off = np.abs([one.off for one in found])
    said = ", ".join(f"{np.mean(off < k):.0%} within {k}" for k in (1, 2, 3))
    lines = [
        f"{len(found)} numbers: {said} standard errors of the difference (68 %, 95 %, 99.7 % are to be expected).",
        "",
        "| case | number | hpcepm | second program | difference / error |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {one.case} | {one.quantity} | {one.ours} | {one.theirs} | {one.off:+.1f} |"
            for one in found
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Do all of it."""
    parser = argparse.ArgumentParser(prog="tools/verify-independent", description=__doc__)
    parser.add_argument(
        "--runs",
        default="runs/independent",
        type=Path,
        help="where runs are kept (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="another number makes other glasses, in another folder (default: %(default)s)",
    )
    parser.add_argument(
        "--cases",
        nargs="+",
        metavar="CASE",
        help="only these; their names are the first column of the table",
    )
    parser.add_argument(
        "--docs", action="store_true", help="put the table into docs/independent.md, too"
    )
    options = parser.parse_args()
    if options.seed:
        options.runs = options.runs / f"seed-{options.seed}"
    cases: list[tuple[Run, Mapping[str, Statistic]]] = [
        *(
            (run, PAPER if run.path.name in PEAKLESS else {**PAPER, **PEAK})
            for run in paper_cases(options.runs)
        ),
        *((run, AVALANCHES) for run in flow_cases(options.runs)),
        (band_case(options.runs), BANDS),
    ]
    found: list[Compared] = []
    for number, (run, quantities) in enumerate(cases):
        if options.cases and run.path.name not in options.cases:
            continue
        found += compare(
            with_seed(run, options.seed), quantities, 1000 * (options.seed + 1) + number
        )
        print(
            f"{run.path.name}: {', '.join(f'{one.off:+.1f}' for one in found if one.case == run.path.name)}",
            flush=True,
        )
    text = report(found)
    print(text)
    (options.runs / "independent.md").write_text(text)
    if options.docs:
        into_docs(text, DOCS)


if __name__ == "__main__":
    main()
