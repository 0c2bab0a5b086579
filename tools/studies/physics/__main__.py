"""Run what is missing, estimate exponents, and write them as tables and a figure.

Started by ``tools/verify-physics``.
"""

import argparse
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from .bands import read_bands
from .figure import draw
from .flow import read_flow
from .results import Results
from .runs import KERNELS, Run, band_run, flow_runs
from .table import tables

DOCS: Final = Path(__file__).parents[2] / "docs"
TABLES: Final = re.compile(r"(<!-- tables: .*-->\n).*(<!-- end of tables -->\n)", re.DOTALL)


def make(runs: Sequence[Run]) -> None:
    """Run what is missing of all."""
    for run in runs:
        began = time.monotonic()
        run.make()
        print(
            f"{run.path.name}: {run.realizations} realizations, {time.monotonic() - began:.0f} s",
            flush=True,
        )


def into_docs(text: str, page: Path) -> None:
    """Replace what is between the marks of a page."""
    page.write_text(TABLES.sub(lambda marks: f"{marks[1]}\n{text}\n{marks[2]}", page.read_text()))


def main() -> None:
    """Do all of it."""
    parser = argparse.ArgumentParser(prog="tools/verify-physics", description=__doc__)
    parser.add_argument(
        "--runs",
        default="runs/verify",
        type=Path,
        help="where runs are kept (default: %(default)s)",
    )
    parser.add_argument("--docs", action="store_true", help="put tables and figure into docs/, too")
    options = parser.parse_args()
    results = []
    for kernel in KERNELS:
        flows, band = flow_runs(options.runs, kernel), band_run(options.runs, kernel)
        make([*flows, band])
        results.append(Results(kernel, [read_flow(run) for run in flows], read_bands(band)))
    text = tables(results)
    print(text)
    (options.runs / "physics.md").write_text(text)
    draw(results, options.runs / "physics.png")
    if options.docs:
        into_docs(text, DOCS / "physics.md")
        draw(results, DOCS / "physics.png")


if __name__ == "__main__":
    main()
