"""The CSV file of a measured curve: strain, value and standard error of each point."""

import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hpcepm.input.csv_files import NUMBER, csv_rows
from hpcepm.input.problems import shorten
from hpcepm.layout import SAME_STRAIN

MOST_ROWS: Final = 10_000
LEAST_ERROR: Final = 1e-9


def read_curve(name: str, observable: str) -> NDArray[np.float64]:
    """Return the rows of a CSV file with the columns strain, observable, error, (rows, 3).

    A heading and # lines are skipped.

    Raises
    ------
    ValueError
        It cannot be read, or is malformed; the message says where.
    """
    rows: list[list[float]] = []
    columns = ["strain", observable, "error"]
    for number, cells in csv_rows(name):
        if not rows and cells == columns:
            continue
        try:
            rows.append(_point(cells, rows[-1][0] if rows else -1.0))
        except ValueError as error:
            said = f"{name}:{number}: {error}"
            if re.search("[;\t]", ",".join(cells)):
                said += "; columns are separated by ',', and numbers have a decimal point"
            raise ValueError(f"{said}; columns: {', '.join(columns)}") from None
        if len(rows) > MOST_ROWS:
            raise ValueError(f"{name}: has more than {MOST_ROWS} rows; thin it out")
    if not rows:
        raise ValueError(f"{name}: holds no rows; columns: {', '.join(columns)}")
    if rows[-1][0] <= SAME_STRAIN:
        raise ValueError(f"{name}: holds no point beyond strain 0, where nothing is to be fitted")
    return np.array(rows)


def _point(cells: list[str], strain_before: float) -> list[float]:
    if len(cells) != 3:
        raise ValueError(f"has {len(cells)} column{'s'[: len(cells) > 1]}; three are expected")
    if not all(NUMBER.fullmatch(cell) for cell in cells):
        raise ValueError(f"'{shorten(','.join(cells))}' are not three numbers")
    strain, value, error = (float(cell) for cell in cells)
    if not all(abs(number) <= 1e12 for number in (strain, value, error)):
        raise ValueError("numbers must be finite")
    if strain < 0 or strain <= strain_before + SAME_STRAIN:
        raise ValueError(f"strain {strain:g} is not above the one before; rows ascend from 0")
    if not error > LEAST_ERROR:
        raise ValueError(
            f"the error is {error:g}; it must be above {LEAST_ERROR:g} "
            "(leave out points that are exact, as strain 0)"
        )
    return [strain, value, error]
