"""What is said of a wrong input, and what must never be: the words of libraries."""

import re
from pathlib import Path
from typing import Final

import pytest

from hpcepm.input.problems import InputError
from hpcepm.input.read import read_input

MINIMAL: Final = "lattice: {shape: [8, 6]}\nloading: {target: 0.1}\n"
LATTICE: Final = "lattice: {shape: [8, 6]}\n"
LOADING: Final = "loading: {target: 0.1}\n"

TELL_TALES: Final = (
    # pydantic
    "Input should", "should be a valid", "should be greater", "should be less", "should have",
    "Value error", "validation error", "Field required", "Extra inputs", "pydantic", "for further",
    "literal_error", "input_type", "type=",
    # PyYAML
    "<block", "<scalar>", "<stream", "<document", "mapping values", "could not find expected",
    "cannot start any token", "while scanning", "while parsing", "found character", "but got",
    "but found", "unacceptable character", "special characters", "escape sequence", "sequence entr",
    "unicode string",
    # HDF5 and h5py
    "nable to", "synchronously", "signature", "h5py", "errno", "error message", "Can't",
    # numpy and Python
    "could not convert", "Cannot load", "allow_pickle", "dtype(", "np.", "codec", "ndarray",
    "magic string", "reshape", "Traceback", "object has no", "null byte", "invalid literal",
    "unexpected end", "Error:", "Exception",
)  # fmt: skip
OF_PYTHON: Final = re.compile(r"\b(True|False|None|NoneType)\b")


def is_in_plain_words(line: str) -> bool:
    """Return whether a line is none of a library, and one that fits a terminal."""
    told = [phrase for phrase in TELL_TALES if phrase.lower() in line.lower()]
    assert not told, f"{line}\n… has the words of a library: {told}"
    assert not OF_PYTHON.search(line), line
    return line.isprintable() and len(line) < 420


def problems_of(folder: Path, text: str | bytes, *assignments: str) -> list[str]:
    """Return what is said of an input, names of files without their folder."""
    path = folder / "in.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(InputError) as raised:
        read_input(str(path), list(assignments))
    lines = [line.replace(f"{folder}/", "") for line in raised.value.problems]
    assert lines and all(map(is_in_plain_words, lines))
    return lines


def assert_said(lines: list[str], place: str, remedy: str) -> None:
    """Check that one of the lines has the place, the key and the remedy."""
    where, _, key = place.partition(" ")
    begin = f"in.yaml:{where}: {key}"
    assert any(line.startswith(begin) and remedy in line for line in lines), lines
