"""Tables of numbers in text files: CSV, read a line at a time."""

import csv
import re
from collections.abc import Iterator
from functools import partial
from io import TextIOWrapper
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hpcepm.files import open_regular, told

from .problems import did_you_mean, shorten

MOST_LINE: Final = 100_000  # characters
MOST_SAMPLES: Final = 50_000_000
NUMBER: Final = re.compile(
    r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?|[-+]?(nan|inf|infinity)", re.IGNORECASE
)
HEADING: Final = re.compile(
    r"[^\W\d]|[\"'(\[{<⟨$\\]"
)  # a letter or a bracket; what begins as a number should be one

OTHERS: Final = {
    b"\x93NUMPY": "is a file of numpy; let its name end in .npy",
    b"\x89HDF": "is an HDF5 file; let its name end in .h5, and name the dataset, as f.h5:/path",
    b"PK": "is a spreadsheet or an archive; export it as CSV",
    b"\xff\xfe": "is not a CSV file: it is UTF-16; save it as UTF-8",
}
"""How files begin that are no text, and what to do with them."""


class BadFile(ValueError):
    """A named file that is missing, malformed or of the wrong shape; the message names it."""


def csv_rows(path: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the cells of each line of a CSV file but for blank and # lines.

    It is read a line at a time: a quote that nothing closes does not take in the lines after it.

    Raises
    ------
    BadFile
        It cannot be read, or is not a CSV file.
    """
    number = 0
    try:
        with open_regular(path) as raw:
            begins = raw.peek(8)[:8]
            if said := next((said for key, said in OTHERS.items() if begins.startswith(key)), None):
                raise BadFile(f"{path}: {said}")
            file = TextIOWrapper(raw, "utf-8-sig", newline="")
            for number, line in enumerate(iter(partial(file.readline, MOST_LINE), ""), 1):
                if len(line) == MOST_LINE:
                    raise BadFile(f"{path}:{number}: is longer than {MOST_LINE} characters")
                row = line.strip()
                if row and not row.startswith("#"):
                    quoted = '"' in row  # else there is nothing that takes a parser, and its time
                    cells = next(csv.reader([row], strict=True)) if quoted else row.split(",")
                    yield number, [cell.strip() for cell in cells]
    except OSError as error:
        raise BadFile(told(path, error)) from None
    except UnicodeDecodeError as error:
        said = f"byte 0x{error.object[error.start]:02x} is no UTF-8; save it as UTF-8"
        raise BadFile(f"{path}: is not a CSV file: {said}") from None
    except csv.Error:
        said = f"a quotation mark of line {number} is not closed, or stands within a word"
        raise BadFile(f"{path}: is not a CSV file: {said}") from None


def read_column(path: str, column: str) -> NDArray[np.float64]:
    """Return a column of a CSV file: the one that its heading calls so, or the only one.

    Raises
    ------
    BadFile
        There is none, or it does not hold numbers.
    """
    values: list[float] = []
    place, width = (None, 0) if column else (0, 1)
    for line, (number, row) in enumerate(csv_rows(path)):
        if place is None:
            place, width = _place_of(column, row, f"{path}:{number}"), len(row)
            continue
        if len(row) != width:
            raise BadFile(f"{path}:{number}: {_told_of_columns(row, width, line == 0, path)}")
        cell = row[place]
        if NUMBER.fullmatch(cell):
            values.append(float(cell))
        elif column or line > 0 or not HEADING.match(cell):
            raise BadFile(f"{path}:{number}: '{shorten(cell)}' is not a number{_why_not(cell)}")
        if len(values) > MOST_SAMPLES:
            raise BadFile(f"{path}: has more than {MOST_SAMPLES} values; so many cannot be used")
    return np.array(values)


def _place_of(column: str, heading: list[str], place: str) -> int:
    if column in heading:
        return heading.index(column)
    if all(NUMBER.fullmatch(cell) for cell in heading):
        said = "has no heading; write the names of the columns into the first line"
        raise BadFile(f"{place}: {said}, without #")
    names = shorten(", ".join(heading), 100)
    hint = did_you_mean(column, heading) or f" (there are: {names})"
    raise BadFile(f"{place}: has no column '{shorten(column)}'{hint}")


def _told_of_columns(row: list[str], width: int, first: bool, path: str) -> str:
    """Say that a row has another number of cells than it should, and what to write."""
    there = f"has {len(row)} column{'s'[: len(row) != 1]}"
    if width != 1:
        return f"{there}; the heading has {width}"
    name = path.rpartition("/")[2]
    if not first or all(NUMBER.fullmatch(cell) for cell in row):
        said = "give them names in the first line, and name one"
        return f"{there}; one is expected; {said}, as {name}:sigma_c"
    return f"{there}; one is expected; name it, as {name}:{shorten(row[-1])}"


def _why_not(cell: str) -> str:
    if len(parts := re.split(r"[;\s]+", cell)) > 1 and all(map(NUMBER.fullmatch, parts)):
        return "; columns are separated by ','"
    return ""
