"""Means over realizations: ``hpcepm summarize RUNDIR`` prints a table and writes summary.csv."""

import csv
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from hpcepm.files import told, write_bytes
from hpcepm.layout import NO_UNIT
from hpcepm.text import shorten

from .places import refuse_own
from .quantities import Quantity, check_window, estimate_as_json, open_for_numbers, quantities
from .results import Results
from .statistics import QUANTILES, Band, Estimate, Floats, band

ENOUGH: Final = 5
"""Realizations from which on nothing is said of how well their errors are known."""


class Summary(NamedTuple):
    """What a run comes to over its realizations."""

    realizations: int
    strain: Floats  # of the records; or where each realization ends, if these have their own
    bands: dict[str, Band]
    units: dict[str, str]
    quantities: list[Quantity]
    wanted: int  # realizations
    finished: bool

    @property
    def ends(self) -> tuple[float, float]:
        """The strains at which the first and the last realization end."""
        last = self.strain[-1:] if self.has_common_records else self.strain
        return float(last.min()), float(last.max())

    @property
    def has_common_records(self) -> bool:
        """Whether all realizations have their records at the same strains."""
        return next(iter(self.bands.values())).mean.size == self.strain.size > 1

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "realizations": self.realizations,
            "finished": self.finished,
            "strain": list(self.ends),
            "quantities": {one.name: one.as_json() for one in self.quantities},
            "at_the_last_record": {
                name: {
                    "unit": self.units[name],
                    **estimate_as_json(Estimate(one.mean[-1], one.error[-1])),
                    **{
                        f"q{100 * q:g}": float(value)
                        for q, value in zip(QUANTILES, one.quantiles[:, -1], strict=True)
                    },
                }
                for name, one in self.bands.items()
            },
        }


def summary(run: Results, window: tuple[float, float] | None = None) -> Summary:
    """Return the summary of a run.

    Parameters
    ----------
    run
        Any.
    window
        Of strain, for plateau and avalanches; None: that of `statistics.plateau_window`.

    Raises
    ------
    NoRun
        It has no records, or has not come to the window.
    """
    run.require_records()
    check_window(run, window)
    strain = run.strain
    bands = {name: band(dataset[()]) for name, dataset in run.observables.items()}
    if run.counted:  # realizations have strains of their own: where they end
        strain = np.array([strain[-1] for strain, _ in run.curves("stress")])
        bands = {name: band(_last(run, name)) for name in run.observables}
    units = {name: _unit(dataset) for name, dataset in run.observables.items()}
    found, wanted = quantities(run, window), run.settings["realizations"]
    return Summary(run.realizations, strain, bands, units, found, wanted, run.finished)


def _last(run: Results, name: str) -> Floats:
    return np.array([[values[-1]] for _, values in run.curves(name)], np.float64)


def _unit(dataset: Any) -> str:
    """Return the unit of a dataset, empty if it has none."""
    unit = dataset.attrs.get("units", NO_UNIT)
    return shorten(unit, 24) if isinstance(unit, str) and unit != NO_UNIT else ""


def lines(found: Summary) -> list[str]:
    """Return the summary as a table."""
    n, (low, high) = found.realizations, found.ends
    n_of = f"{n} of {found.wanted}" if n != found.wanted else f"{n}"
    of = f"{n_of} realization{'s' * (found.wanted > 1)}"
    where = f"strain {low:g}" if low == high else f"strains from {low:g} to {high:g}"
    records = f", {found.strain.size} records" if found.has_common_records else ""
    said = [f"{of}{records} to {where}" + ", not finished" * (not found.finished), ""]
    for one in found.quantities:
        unit = f" {one.unit}" if one.unit and one.known else ""
        value = f"{one.value}{unit}".ljust(42) + "  " if one.known else ""
        said.append(f"  {one.name:18s}{value}{one.note}".rstrip())
    if 1 < n < ENOUGH:
        off = 1 / np.sqrt(2 * (n - 1))
        said += ["", f"  an error of {n} realizations is itself uncertain by about {off:.0%}"]
    return [*said, "", *_at_the_last(found)]


def means(found: Summary) -> list[str]:
    """Return in a few lines what a run comes to: its plateau and peak, or where it ends."""
    by_name = {one.name: one for one in found.quantities}
    plateau, height = by_name.get("plateau"), by_name.get("peak stress")
    said = []
    if plateau is not None:
        value = f"{plateau.value}, mean stress over " if plateau.known else ""
        said.append(f"  plateau   {value}{plateau.note}")
    if height is not None and height.known:
        said.append(f"  peak      {height.value} at strain {by_name['peak strain'].value}")
    if plateau is None or not plateau.known:
        one = found.bands["stress"]
        final = Estimate(float(one.mean[-1]), float(one.error[-1]))
        said.append(f"  stress    {final}, mean of where realizations end")
    return said


def _at_the_last(found: Summary) -> list[str]:
    """Return a table of all observables at the last record."""
    scatters = found.realizations > 1
    head = f"{'mean':>14s}{'error':>12s}{'5 %':>13s}{'median':>13s}{'95 %':>13s}  unit"
    rows = [f"{'at the last record':26s}" + (head if scatters else f"{'value':>14s}  unit")]
    for name, one in found.bands.items():
        row = f"{name:26s}{one.mean[-1]:14.6g}"
        if scatters:
            five, _, median, _, most = one.quantiles[:, -1]
            row += f"{one.error[-1]:12.2g}{five:13.6g}{median:13.6g}{most:13.6g}"
        rows.append(f"{row}  {found.units[name]}".rstrip())
    return rows


Table = tuple[list[str], list[Sequence[Any]]]
"""The names of columns, and rows."""


def table_of(found: Summary) -> Table:
    """Return mean, standard error and quantiles of every observable, a row a record."""
    names, columns = ["strain"], [found.strain]
    for name, one in found.bands.items():
        kinds = ("mean", "error", *(f"q{100 * q:g}" for q in QUANTILES))
        names += [f"{name}_{kind}" for kind in kinds]
        columns += [one.mean, one.error, *one.quantiles]
    return names, [[float(value) for value in row] for row in zip(*columns, strict=True)]


def all_records(run: Results) -> Table:
    """Return all records of all realizations, a row each."""
    names = [*(["time"] if run.has_clock else []), *run.observables]
    rows: list[Sequence[Any]] = []
    for k, columns in enumerate(zip(*(run.curves(name) for name in names), strict=True)):
        values = zip(columns[0][0], *(values for _, values in columns), strict=True)
        rows += [[k, *(value.item() for value in row)] for row in values]
    return ["realization", "strain", *names], rows


def write_csv(table: Table, path: Path) -> None:
    """Write a table.

    Raises
    ------
    OSError
        It cannot be written; an older one is untouched.
    """
    (names, rows), out = table, StringIO()
    file = csv.writer(out, lineterminator="\n")
    file.writerow(names)
    file.writerows([one if isinstance(one, str) else repr(one) for one in row] for row in rows)
    write_bytes(path, out.getvalue().encode())


def summarize(
    directory: str, window: tuple[float, float] | None = None, out: str | None = None
) -> tuple[Summary, Path, str | None]:
    """Summarize a run, and write its table.

    Parameters
    ----------
    directory
        The run.
    window
        See `summary`.
    out
        Where the table goes; None: ``summary.csv`` in the run.

    Returns
    -------
    Summary, Path, str or None
        The summary, where the table is, and why it could not be written.

    Raises
    ------
    NoRun
        There is no run that could be read, or it has not come to the window; or the table would
        come where the run is.
    """
    with open_for_numbers(directory) as run:
        found, path = summary(run, window), Path(out) if out else run.beside("summary.csv")
        table = all_records(run) if run.counted else table_of(found)
        refuse_own(path, Path(run.file.filename))
    try:
        write_csv(table, path)
    except OSError as error:
        return found, path, told(path, error)
    return found, path, None
