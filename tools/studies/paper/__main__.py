"""Run the paper's parameter sets where they are missing, and write the page.

Started by ``tools/paper``.
"""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path

from ..ensemble import Ensemble, load
from ..harness import make
from .drawing import PANELS, draw_panel, draw_plateau
from .page import page, rows_of_table, write_table
from .sets import NAMES, SUSPECT, runs_in, scanned
from .statements import mean_slip_of_twin, nearest_scanned, plateau_of, statements

OBSERVABLES = ("stress", "threshold_mean", "localization", "strain_variance")


def write(ensembles: Mapping[str, Ensemble], folder: Path) -> None:
    """Write figures, table and page to a folder, and print what they say."""
    plateau, twin_slip = plateau_of(ensembles), mean_slip_of_twin()
    c0 = nearest_scanned(plateau)
    said = statements({**ensembles, SUSPECT: ensembles[scanned(c0)]}, plateau, twin_slip)
    for panel in PANELS:
        draw_panel(panel, ensembles, c0, folder / f"figure_{panel}.png")
    draw_plateau(ensembles, c0, folder / "plateau.png")
    rows = rows_of_table(ensembles)
    write_table(rows, folder / "table.csv")
    size = min(ensembles[name].size for name in NAMES)
    (folder / "index.md").write_text(page(rows, said, plateau, twin_slip, size))
    for name, number in plateau.of.items():
        print(f"{name:28s} plateau {number}  ({number.value / plateau.common.value - 1:+.2%})")
    print(
        f"common plateau, without {plateau.outlier}: {plateau.common}; "
        f"c0 of {SUSPECT}: {plateau.c0}; twin: {twin_slip:.4f}"
    )
    for statement in said:
        print(f"{statement.figure:8s} {statement.verdict.upper():14s} {statement.text}")
    print(f"page: {folder / 'index.md'}")


def main() -> None:
    """Carry out the command line."""
    parser = argparse.ArgumentParser(
        prog="tools/paper", description="Run the paper's parameter sets and write paper/index.md."
    )
    add, cores = parser.add_argument, os.cpu_count() or 1
    add("-n", "--ranks", type=int, default=cores, help="ranks of each run (default: all cores)")
    add("--realizations", type=int, default=2000, help="of each set (default: %(default)s)")
    add("--output", type=Path, default=Path("paper"), help="where to (default: %(default)s)")
    options = parser.parse_args()
    if options.ranks < 1 or options.realizations < 2:
        parser.error("-n wants at least one rank, --realizations at least two")
    runs = runs_in(options.output / "runs", options.realizations)
    make(runs, options.ranks)
    write({run.name: load(run.file, OBSERVABLES) for run in runs}, options.output)


if __name__ == "__main__":
    main()
