"""Run what is missing, measure what clocks do, and write tables and a figure.

Started by ``tools/verify-time``.
"""

from pathlib import Path

from ..harness import DOCS, make, options_of, publish
from .figure import draw
from .results import Results, read
from .runs import QUICK, Plan, all_runs
from .table import tables

PAGE = "time_physics.md"


def main(arguments: list[str] | None = None) -> Results:
    """Do all of it; return what was found."""
    parser = options_of("tools/verify-time", __doc__, "runs/time")
    quick = "a few small runs, to see that all of it works; kept apart, never put into docs/"
    parser.add_argument("--quick", action="store_true", help=quick)
    options = parser.parse_args(arguments)
    if options.quick and options.docs:
        parser.error("--quick is nothing for docs/")
    plan = QUICK if options.quick else Plan()
    options.runs = Path(options.runs, "quick") if options.quick else options.runs
    make(list(all_runs(options.runs, plan)), here=True)
    results = read(options.runs, plan)
    publish(tables(results), PAGE, options)
    for folder in (options.runs, DOCS)[: 1 + options.docs]:
        draw(results, folder / PAGE.replace(".md", ".png"))
    return results


if __name__ == "__main__":
    main()
