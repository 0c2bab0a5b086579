"""Means over realizations: ``python -m hpcepm summarize RUNDIR`` prints a table and writes RUNDIR/summary.csv."""

import csv
from pathlib import Path
from typing import Any, Final, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from hpcepm.model.observables import OBSERVABLES
from hpcepm.storage.directory import NoRun
from hpcepm.storage.tables import in_one_instant

Floats = NDArray[np.float64]

QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
PLATEAU: Final = (0.5, 1.0)
"""The strains whose mean stress is the plateau, as in the paper.

Of a shorter run, its second half.
"""


class Band(NamedTuple):
    """An observable over realizations; each (records,), the quantiles (len(QUANTILES), records)."""

    mean: Floats
    error: Floats  # standard error of the mean; NaN for one realization
    quantiles: Floats


def band(values: NDArray[Any]) -> Band:
    """Return the mean over realizations, its standard error, and quantiles, of values (realization, record)."""
    return Band(values.mean(axis=0), standard_error(values), np.quantile(values, QUANTILES, axis=0))


def standard_error(values: NDArray[Any]) -> Floats:
    """Return the standard error of the mean over the first axis.

    NaN where there is one value alone.
    """
    n = len(values)
    return values.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.full(values.shape[1:], np.nan)


def plateau_of(strain: Floats) -> tuple[float, float]:
    """Return between which strains the plateau of a run lies."""
    return (
        PLATEAU if strain[-1] >= PLATEAU[1] - 1e-9 else (float(strain[-1]) / 2, float(strain[-1]))
    )


def plateau(strain: Floats, stress: Floats) -> Floats:
    """Return the mean stress of each realization on the plateau, shape (realization,), of stress (realization, record)."""
    low, high = plateau_of(strain)
    return stress[:, (strain > low - 1e-9) & (strain < high + 1e-9)].mean(axis=1)


class Summary(NamedTuple):
    """What a run comes to over its realizations."""

    realizations: int
    strain: Floats
    bands: dict[str, Band]
    plateau: tuple[float, float]  # mean and standard error
    peak: tuple[float, float, float]  # of the mean curve: its strain, height and standard error


def summary(run_file: Path) -> Summary:
    """Return the summary of a run.

    Raises
    ------
    NoRun
        There is no run, or it has no records.
    """
    try:
        with h5py.File(run_file, "r") as file:
            strain = file["observables/strain"][()]
            values = {o.name: file[f"observables/{o.name}"][()] for o in OBSERVABLES}
    except (OSError, KeyError) as error:
        raise NoRun(f"{run_file}: no run there that could be read ({error})") from None
    stress = values["stress"]
    if stress.size == 0:
        raise NoRun(f"{run_file}: has no records yet; wait a little")
    bands = {name: band(those) for name, those in values.items()}
    level, top = plateau(strain, stress), int(bands["stress"].mean.argmax())
    peak = (float(strain[top]), float(bands["stress"].mean[top]), float(bands["stress"].error[top]))
    return Summary(
        len(stress), strain, bands, (float(level.mean()), float(standard_error(level))), peak
    )


def lines(found: Summary) -> list[str]:
    """Return the summary as a table."""
    n, (low, high) = found.realizations, plateau_of(found.strain)
    rows = [
        f"{n} realization{'s' if n > 1 else ''}, {len(found.strain)} records to strain {found.strain[-1]:g}",
        f"  plateau   {told(*found.plateau)}   mean stress over {low:g} < strain < {high:g}",
        f"  peak      {told(*found.peak[1:])}   at strain {found.peak[0]:g}",
        "",
        f"{'at the last record':26s}{'mean':>14s}{'error':>12s}{'5 %':>13s}{'median':>13s}{'95 %':>13s}",
    ]
    for name, one in found.bands.items():
        low, _, median, _, high = one.quantiles[:, -1]
        rows.append(
            f"{name:26s}{one.mean[-1]:14.6g}{one.error[-1]:12.2g}{low:13.6g}{median:13.6g}{high:13.6g}"
        )
    return rows


def told(value: float, error: float) -> str:
    """Return a value and its standard error in words."""
    return (
        f"{value:.5f} ± {error:.5f}"
        if np.isfinite(error)
        else f"{value:.5f} (one realization: no error)"
    )


def write_csv(found: Summary, path: Path) -> None:
    """Write mean, standard error and quantiles of every observable, a line a record, in one instant.

    Raises
    ------
    OSError
        It cannot be written; an older one is untouched.
    """
    kinds = ["mean", "error", *(f"q{100 * q:g}" for q in QUANTILES)]
    with in_one_instant(path) as out:
        table = csv.writer(out, lineterminator="\n")
        table.writerow(["strain", *(f"{name}_{kind}" for name in found.bands for kind in kinds)])
        for k, strain in enumerate(found.strain):
            row = [strain]
            for one in found.bands.values():
                row += [one.mean[k], one.error[k], *one.quantiles[:, k]]
            table.writerow([repr(float(value)) for value in row])


def report(directory: str) -> list[str]:
    """Summarize a run directory; return what to print.

    Raises
    ------
    NoRun
        There is no run in it, or it cannot be written to.
    """
    folder = Path(directory)
    found = summary(folder / "run.h5")
    try:
        write_csv(found, folder / "summary.csv")
    except OSError as error:
        raise NoRun(f"{folder / 'summary.csv'}: {error.strerror}") from None
    return [*lines(found), "", f"every record: {folder / 'summary.csv'}"]
