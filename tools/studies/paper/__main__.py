"""Run the paper's parameter sets where they are missing, and write the page.

Started by ``tools/paper``.
"""

import argparse
import os
import sys
from pathlib import Path

from . import runs
from .drawing import PANELS, draw_panel, draw_plateau
from .page import rows_of_table, write_page, write_table
from .sets import NAMES, SCANNED, SUSPECT, TWIN, all_runs, read, scanned
from .statements import Statement, mean_slip_of_twin, nearest_scanned, plateau_of, statements
from .statistics import Ensemble, load


def second_moment(renewal: str) -> float:
    """Return ⟨σ_c²⟩ of a preset."""
    from hpcepm.model.disorder import preset

    distribution = preset(renewal)
    return float(distribution.mean**2 + distribution.std**2)


def write(ensembles: dict[str, Ensemble], folder: Path) -> list[Statement]:
    """Write figures, table and page to a folder; return the statements with their verdicts."""
    plateau = plateau_of(ensembles, SCANNED)
    c0 = nearest_scanned(plateau)
    corrected = ensembles[scanned(c0).name]
    twin = read(TWIN)
    twin_slip = mean_slip_of_twin(twin, second_moment(twin.renewal))
    said = statements({**ensembles, SUSPECT: corrected}, plateau, twin_slip)
    for panel in PANELS:
        draw_panel(panel, ensembles, corrected, c0, folder / f"figure_{panel}.png")
    draw_plateau(ensembles, corrected, plateau.c0, c0, folder / "plateau.png")
    rows = rows_of_table(ensembles)
    write_table(rows, folder / "table.csv")
    size = min(ensembles[name].size for name in NAMES)
    write_page(rows, said, plateau, twin_slip, size, folder / "index.html")
    for name, number in plateau.of.items():
        print(f"{name:28s} plateau {number}  ({number.value / plateau.common.value - 1:+.2%})")
    print(
        f"common plateau, without {plateau.outlier}: {plateau.common}; c0 of {SUSPECT}: {plateau.c0}; twin: {twin_slip:.4f}"
    )
    return said


def main() -> int:
    """Carry out the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="tools/paper", description="Run the paper's parameter sets and write paper/index.html."
    )
    parser.add_argument(
        "-n",
        "--ranks",
        type=int,
        default=os.cpu_count() or 1,
        help="ranks of each ensemble (default: all cores)",
    )
    parser.add_argument(
        "--realizations", type=int, default=2000, help="of each set (default: 2000)"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("paper"), help="where to (default: paper)"
    )
    options = parser.parse_args()
    if options.ranks < 1 or options.realizations < 2:
        parser.error("-n wants at least one rank, --realizations at least two")
    every = all_runs()
    try:
        runs.make(every, options.output / "runs", options.realizations, options.ranks)
    except runs.RunFailed as error:
        print(
            f"tools/paper: {error}; what was done stands, the same command goes on with it",
            file=sys.stderr,
        )
        return error.code
    except KeyboardInterrupt:
        return 130
    ensembles = {run.name: load(options.output / "runs" / run.name / "run.h5") for run in every}
    for statement in write(ensembles, options.output):
        print(f"{statement.figure:8s} {statement.verdict.upper():14s} {statement.text}")
    print(f"page: {options.output / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
