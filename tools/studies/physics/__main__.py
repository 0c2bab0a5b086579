"""Run what is missing, estimate exponents, and write them as tables and a figure.

Started by ``tools/verify-physics``.
"""

from ..harness import DOCS, make, options_of, publish
from .bands import read_bands
from .figure import draw
from .flow import read_flow
from .results import Results
from .runs import KERNELS, band_run, flow_runs
from .table import tables


def main() -> None:
    """Do all of it."""
    options = options_of("tools/verify-physics", __doc__, "runs/verify").parse_args()
    results = []
    for kernel in KERNELS:
        flows, band = flow_runs(options.runs, kernel), band_run(options.runs, kernel)
        make([*flows, band])
        results.append(Results(kernel, [read_flow(run) for run in flows], read_bands(band)))
    publish(tables(results), "physics.md", options)
    for folder in (options.runs, DOCS)[: 1 + options.docs]:
        draw(results, folder / "physics.png")


if __name__ == "__main__":
    main()
