"""What a sweep came to: one table, and one figure.

Seeds are samples of one glass: points that differ in ``seed`` alone are one row and one curve, with
errors from the scatter of all their realizations.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from hpcepm.analysis.ensembles import Curve, Ensemble, ensemble_of, over_strain
from hpcepm.analysis.protocol import controls, is_held, is_under_stress, moves_after_a_hold
from hpcepm.analysis.quantities import MODULI, last_moduli, stands_out
from hpcepm.analysis.results import Results, open_run
from hpcepm.analysis.statistics import Estimate, Floats, Plateau, estimate_peak, find_plateau, mean
from hpcepm.analysis.summarize import write_csv
from hpcepm.faults import NoRun
from hpcepm.layout import SAME_STRAIN

from .grid import Point
from .plan import Sweep

SEED: Final = "seed"


@dataclass(frozen=True)
class Read:
    """What is read of a run, or of several."""

    strain: Floats | None  # of records; None where each realization has its own
    paths: Sequence[Curve]  # strain and stress of each realization
    over: Ensemble | None  # stress until the load turns; None if it is no function of strain
    moduli: Floats  # storage and loss, of the last cycle of each realization: (2, realization)
    steered: bool = False  # whether something else than the strain is
    imposed: bool = False  # whether it is the stress, which then comes to no plateau
    answers: str = ""  # under a load that is held at last: strain, or stress
    in_time: Sequence[Curve] = ()  # time and the answer of each realization, then


@dataclass(frozen=True, kw_only=True)
class Row(Read):
    """Points that differ in their seed alone."""

    values: dict[str, str]
    points: int  # with results
    of: int

    @property
    def finals(self) -> Floats:
        """The stress where each realization ends."""
        return np.array([stress[-1] for _, stress in self.paths])

    @property
    def level(self) -> Plateau | None:
        """Mean stress in the window of the plateau, and whether it is one."""
        return None if self.over is None or self.imposed else find_plateau(*self.over)

    @property
    def plateau(self) -> Estimate | None:
        """Mean stress on the plateau, if there is one."""
        level = self.level
        return level.value if level is not None and level.is_stationary else None

    @property
    def peak(self) -> tuple[Estimate, Estimate] | None:
        """Height and strain of the peak of the mean curve."""
        level = self.level
        top = None if self.over is None else estimate_peak(*self.over)
        if top is None or level is None:
            return None
        return None if level.is_stationary and not stands_out(*top, level) else top


def rows_of(sweep: Sweep, unfinished: Collection[Point]) -> tuple[list[Row], list[str]]:
    """Return the rows of a sweep, and what is wrong with runs that cannot be read."""
    left = {point.number for point in unfinished}
    together: dict[tuple[tuple[str, str], ...], list[Point]] = {}
    for point in sweep.points:
        key = tuple((k, v) for k, v in point.values.items() if k != SEED)
        together.setdefault(key, []).append(point)
    rows, problems = [], list[str]()
    for key, points in together.items():
        read: list[Read] = []
        for point in points:
            if point.number in left:
                continue
            try:
                with open_run(sweep.directory(point), "observables", "cycles") as run:
                    read.append(_curves(run))
            except NoRun as error:
                problems.append(str(error))
        if read:
            rows.append(_row(dict(key), read, len(points)))
    return rows, problems


def _curves(run: Results) -> Read:
    paths = [(x.astype(np.float64), y.astype(np.float64)) for x, y in run.curves("stress")]
    strain = None if run.counted else run.strain
    answers, in_time = "", list[Curve]()
    if is_held(run) and not moves_after_a_hold(run):
        answers = "strain" if "stress" in controls(run) else "stress"
        in_time = [
            (time[: x.size], x if answers == "strain" else y)
            for time, (x, y) in zip(run.times, paths, strict=True)
        ]
    over, moduli = over_strain(run, "stress"), last_moduli(run)
    steered = controls(run) != {"strain"}
    return Read(strain, paths, over, moduli, steered, is_under_stress(run), answers, in_time)


def _row(values: dict[str, str], read: Sequence[Read], of_all: int) -> Row:
    paths = [path for one in read for path in one.paths]
    strain = read[0].strain
    if strain is not None and any(
        one.strain is None or not np.array_equal(strain, one.strain) for one in read
    ):
        strain = None
    branches = [(of.x, y) for one in read if (of := one.over) is not None for y in of.values]
    answers = {one.answers for one in read}
    return Row(
        strain,
        paths,
        ensemble_of(branches) if len(branches) == len(paths) else None,
        np.concatenate([one.moduli for one in read], axis=1),
        any(one.steered for one in read),
        any(one.imposed for one in read),
        answers.pop() if len(answers) == 1 else "",
        [curve for one in read for curve in one.in_time],
        values=values,
        points=len(read),
        of=of_all,
    )


MOST_REASONS: Final = 6
"""Of so many rows it is said why they have no plateau."""

NUMBERS: Final = ("plateau", "peak", "peak_strain", "final_stress")
FINAL_STRAIN: Final = "final_strain"


def numbers_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """Return the names of the numbers of all rows.

    Where loads go to and fro moduli besides, and where another load is steered the last strains.
    """
    ends = np.array([x[-1] for row in rows if row.steered for x, _ in row.paths])
    strain = (FINAL_STRAIN,) if ends.size and np.ptp(ends) > SAME_STRAIN else ()
    return (*NUMBERS, *strain, *(MODULI if any(row.moduli.size for row in rows) else ()))


def estimates(row: Row) -> dict[str, Estimate | None]:
    """Return the numbers of a row, by the names of their columns."""
    height, where = row.peak or (None, None)
    moduli = [mean(values) if values.size else None for values in row.moduli]
    strain = mean(np.array([x[-1] for x, _ in row.paths]))
    found = row.plateau, height, where, mean(row.finals), strain, *moduli
    return dict(zip((*NUMBERS, FINAL_STRAIN, *MODULI), found, strict=True))


def write_table(rows: Sequence[Row], keys: Sequence[str], path: Path) -> None:
    """Write the table: parameters, samples, and numbers with their errors.

    Raises
    ------
    OSError
        It cannot be written; an older one is untouched.
    """
    shown = [key for key in keys if key != SEED]
    names = [*shown, _count(shown), "points", "points_asked_for"]
    numbers_there = numbers_of(rows)
    names += [column for name in numbers_there for column in (name, f"{name}_error")]
    table: list[Sequence[Any]] = []
    for row in rows:
        found = estimates(row)
        numbers = [
            value for name in numbers_there for value in found[name] or (float("nan"), float("nan"))
        ]
        counts = [len(row.finals), row.points, row.of]
        table.append([*(row.values[key] for key in shown), *counts, *numbers])
    write_csv((names, table), path)


def _count(keys: Sequence[str]) -> str:
    """Return what the column is called that says how many realizations a row has."""
    return "realizations_in_all" if "realizations" in keys else "realizations"


def lines(rows: Sequence[Row], keys: Sequence[str]) -> list[str]:
    """Return the table for people."""
    shown = [key for key in keys if key != SEED]
    every = [estimates(row) for row in rows]
    numbers = [name for name in numbers_of(rows) if any(found[name] for found in every)]
    head = [*shown, _count(shown), *numbers]
    table = [head]
    for row, found in zip(rows, every, strict=True):
        cells = [row.values[key] for key in shown] + [str(len(row.finals))]
        table.append([*cells, *("–" if (one := found[n]) is None else str(one) for n in numbers)])
    widths = [max(len(row[k]) for row in table) for k in range(len(head))]
    said = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]
    return [*said, *(f"  {line}" for line in _why_no_plateau(rows, shown))]


def _why_no_plateau(rows: Sequence[Row], shown: Sequence[str]) -> list[str]:
    """Return of which rows there is no plateau, and why not."""
    why = [(row, row.level.why_not) for row in rows if row.level and not row.plateau]
    more = [f"and {len(why) - MOST_REASONS} more"] if len(why) > MOST_REASONS else []
    named = [
        f"{', '.join(f'{key} = {row.values[key]}' for key in shown)}: {said}" if shown else said
        for row, said in why[:MOST_REASONS]
    ]
    return [*named, *more]
