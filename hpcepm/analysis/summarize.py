"""Means over realizations: ``hpcepm summarize RUNDIR`` prints a table and writes summary.csv."""

import csv
from pathlib import Path
from typing import NamedTuple

from hpcepm.files import told, write_text

from . import statistics
from .results import Results, open_run
from .statistics import QUANTILES, Band, Estimate, Floats, band, plateau_window


class Summary(NamedTuple):
    """What a run comes to over its realizations."""

    realizations: int
    strain: Floats
    bands: dict[str, Band]
    plateau: Estimate
    peak: tuple[Estimate, Estimate] | None  # height and strain


def summary(run: Results) -> Summary:
    """Return the summary of a run.

    Raises
    ------
    NoRun
        It has no records.
    """
    run.require_records()
    branch = statistics.first_branch(run.strain)
    strain, stress = run.strain[:branch], run.observable("stress")[:, :branch]
    if strain[-1] < 0:  # as it would be the other way
        strain, stress = -strain, -stress
    return Summary(
        run.realizations,
        run.strain,
        {name: band(dataset[()]) for name, dataset in run.observables.items()},
        statistics.mean(statistics.plateau(strain, stress)),
        statistics.estimate_peak(strain, stress),
    )


def lines(found: Summary) -> list[str]:
    """Return the summary as a table."""
    n, records, last = found.realizations, len(found.strain), found.strain[-1]
    turn = abs(found.strain[statistics.first_branch(found.strain) - 1])
    low, high = plateau_window(float(turn))
    turns = "" if turn == last else ", before the load turns"
    of = f"{n} realizations" if n > 1 else "1 realization (so no errors)"
    top = "none: the mean stress is highest at the first or the last record"
    if found.peak is not None:
        top = f"{found.peak[0]!s:20s}  at strain {found.peak[1]}"
    head = f"{'mean':>14s}{'error':>12s}{'5 %':>13s}{'median':>13s}{'95 %':>13s}"
    rows = [
        f"{of}, {records} records to strain {last:g}",
        f"  plateau   {found.plateau!s:20s}  mean stress over {low:g} < strain < {high:g}{turns}",
        f"  peak      {top}",
        "",
        f"{'at the last record':26s}{head}",
    ]
    for name, one in found.bands.items():
        five, _, median, _, most = one.quantiles[:, -1]
        mean = f"{one.mean[-1]:14.6g}{one.error[-1]:12.2g}"
        rows.append(f"{name:26s}{mean}{five:13.6g}{median:13.6g}{most:13.6g}")
    return rows


def write_csv(found: Summary, path: Path) -> None:
    """Write mean, standard error and quantiles of every observable, a line a record.

    Raises
    ------
    OSError
        It cannot be written; an older one is untouched.
    """
    names, columns = ["strain"], [found.strain]
    for name, one in found.bands.items():
        kinds = ("mean", "error", *(f"q{100 * q:g}" for q in QUANTILES))
        names += [f"{name}_{kind}" for kind in kinds]
        columns += [one.mean, one.error, *one.quantiles]
    with write_text(path) as out:
        table = csv.writer(out, lineterminator="\n")
        table.writerow(names)
        table.writerows([repr(float(value)) for value in row] for row in zip(*columns, strict=True))


def report(directory: str) -> list[str]:
    """Summarize a run; return what to print.

    Raises
    ------
    NoRun
        There is no run that could be read.
    OSError
        The file cannot be written.
    """
    with open_run(directory, "observables") as run:
        found, path = summary(run), run.directory / "summary.csv"
    try:
        write_csv(found, path)
    except OSError as error:
        raise OSError(told(path, error)) from None
    return [*lines(found), "", f"every record: {path}"]
