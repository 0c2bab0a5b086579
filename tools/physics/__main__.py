"""Run what is missing, estimate, and write table and figure. Started by ``tools/verify-physics``."""

import argparse
import time
from pathlib import Path

from .runs import KERNELS, band_run, flow_runs


def main() -> None:
    """Do all of it."""
    parser = argparse.ArgumentParser(prog="tools/verify-physics", description=__doc__)
    parser.add_argument("--long", action="store_true", help="N = 512 as well")
    parser.add_argument("--runs", default="runs/verify", type=Path, help="where runs are kept (default: %(default)s)")
    options = parser.parse_args()
    for kernel in KERNELS:
        for run in [*flow_runs(options.runs, kernel, options.long), band_run(options.runs, kernel)]:
            began = time.monotonic()
            run.make()
            print(f"{run.path.name}: {run.realizations} realizations, {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
