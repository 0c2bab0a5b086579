"""Tables as CSV: a folder with a file for each, units in the names of columns."""

import csv
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, Final, TextIO

import numpy as np

from hpcepm.analysis.results import Results
from hpcepm.analysis.shape import PLACES
from hpcepm.layout import NO_UNIT

from .source import Column, Groups, How, blocks

TABLES: Final = ("observables", "avalanches", "cycles", "events")
AT_ONCE: Final = 2**14  # rows


def write_tables(_run: Results, groups: Groups, folder: Path, _how: How) -> None:
    """Write the tables of a run into an empty folder. Raises `OSError` if that cannot be done."""
    for name in TABLES:
        if name in groups:
            with open(folder / f"{name}.csv", "x", encoding="utf-8", newline="") as out:
                _write(out, groups[name])


def _write(out: TextIO, columns: dict[str, Column]) -> None:
    """Write a table: axes first; what is not there is left out."""
    file = csv.writer(out, lineterminator="\n")
    axes = max((one.axes for one in columns.values()), key=len)[:2]
    outer = [axis for axis in axes if axis in columns and columns[axis].is_axis]
    shown = [one for one in columns.values() if not one.is_axis and len(one.axes) >= len(axes)]
    strain = columns.get("strain")
    if strain is not None and strain not in shown:
        shown.insert(0, strain)
    shown.sort(key=lambda one: one.name not in ("realization", *PLACES))
    file.writerow([*outer, *(head for one in shown for head in _heads(one))])
    lengths = [columns[axis].shape[0] for axis in axes] if len(axes) > 1 else shown[0].shape
    for where in blocks(lengths, [1, AT_ONCE][-len(lengths) :]):
        file.writerows(_rows(where, [columns[axis] for axis in outer], shown, axes))


def _heads(column: Column) -> list[str]:
    """Return the names of a column, one for each number of a row."""
    unit = "" if column.units in (NO_UNIT, "") else f" [{column.units}]"
    turns = column.shape[2:]
    return [f"{column.name}{k}{unit}" for k in range(*turns)] if turns else [column.name + unit]


def _rows(
    where: tuple[slice, ...], outer: list[Column], shown: list[Column], axes: tuple[str, ...]
) -> Iterator[list[str]]:
    """Yield the rows of a block."""
    of_axis = dict(zip(axes, where, strict=True))
    numbers = product(*(one.read((of_axis[one.name],)).tolist() for one in outer))
    values = []
    for one in shown:
        inner = tuple(slice(0, n) for n in one.shape[len(one.axes[:2]) :])
        part = one.read((*(of_axis[axis] for axis in one.axes[:2]), *inner))
        n = of_axis[axes[-1]]
        values.append(part.reshape(n.stop - n.start, -1).tolist())
    firsts = numbers if outer else ([] for _ in values[0])
    for first, *row in zip(firsts, *values, strict=True):
        flat = [x for part in row for x in part]
        if not all(_is_missing(x) for x in flat):
            yield [*map(str, first), *map(repr, flat)]


def _is_missing(value: Any) -> bool:
    """Whether a number stands for one that a realization has not."""
    return value == -1 or (isinstance(value, float) and np.isnan(value))
