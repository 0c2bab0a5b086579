"""Forgeries: files of a run that were changed with care, their checksums right.

Each is a small program that changes an open file: an object is missing, of another type or shape,
holds what cannot be, or leads elsewhere. `forgeries` lists all that can be done to a file.
"""

import io
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np

from hpcepm.files import CHECKSUM_BYTES, with_checksum

Forgery = tuple[str, Callable[[h5py.File], None]]

NUMBERS: Final = (
    -1, 0, 1, 7, 65_535, 65_536, 10**6, 2**31 - 1, 2**31, 2**53, 2**62, -(2**63),
    1e-300, 1e12, 1e300, -1e300, float("nan"), float("inf"), float("-inf"),
)  # fmt: skip
"""What a number may be replaced by, as far as its type can hold it."""

DEEP: Final = "[" * 60_000
TEXTS: Final = (
    "", "x", "{}", "[]", "null", "NaN", "1e999", '{"a": ' * 5_000, DEEP, "\x1b[2J", "9" * 5_000,
    '{"realizations": -1}', '{"0": ["../../x.h5", 1, 1]}', '{"x": 1}', "é" * 1000,
)  # fmt: skip


def _replace(name: str, values: Any, file: h5py.File) -> None:
    attributes = dict(file[name].attrs)
    del file[name]
    file[name] = values
    for key, value in attributes.items():
        if key not in ("DIMENSION_LIST", "REFERENCE_LIST", "CLASS", "NAME"):
            file[name].attrs[key] = value


def _link(name: str, link: Any, file: h5py.File) -> None:
    del file[name]
    file[name] = link


def _declare(name: str, factor: int, file: h5py.File) -> None:
    """Declare a dataset of many values, and store none."""
    old = file[name]
    dtype, shape = old.dtype, tuple(factor * max(n, 1) for n in old.shape)
    del file[name]
    file.create_dataset(name, shape, dtype, chunks=tuple(min(n, 16) for n in shape) or None)


def _elsewhere(name: str, way: str, file: h5py.File) -> None:
    """Let a dataset keep its values in a file outside."""
    old = file[name]
    dtype, shape = old.dtype, old.shape
    del file[name]
    if way == "external":
        file.create_dataset(name, shape, dtype, external=[("../outside.bin", 0, 2**20)])
    else:
        layout = h5py.VirtualLayout(shape, dtype)
        layout[...] = h5py.VirtualSource("../outside.h5", "x", shape, dtype)
        file.create_virtual_dataset(name, layout)


def _compress(name: str, file: h5py.File) -> None:
    values = file[name][()]
    del file[name]
    file.create_dataset(name, data=values, compression="gzip", chunks=True)


def _group(name: str, file: h5py.File) -> None:
    del file[name]
    file.create_group(name).create_group("/".join("a" * 200))


def _delete(name: str, file: h5py.File) -> None:
    del file[name]


def _attribute(owner: str, name: str, value: Any, file: h5py.File) -> None:
    del file[owner].attrs[name]
    if value is not None:
        file[owner].attrs[name] = value


def forgeries(image: bytes) -> Iterator[Forgery]:
    """List what can be done to a file: what it is called, and how."""
    found: list[str] = []
    with h5py.File(io.BytesIO(image[:-CHECKSUM_BYTES]), "r") as file:
        file.visit(found.append)
        for name in found:
            yield from _of_object(name, file[name])
        for owner in ("/", *found):
            for name, value in file[owner].attrs.items():
                if not isinstance(value, np.ndarray):
                    yield from _of_attribute(owner, name, value)


def _of_object(name: str, thing: Any) -> Iterator[Forgery]:
    yield f"{name} missing", partial(_delete, name)
    yield f"{name} soft link", partial(_link, name, h5py.SoftLink("/"))
    yield f"{name} dangling", partial(_link, name, h5py.SoftLink("/nowhere"))
    yield f"{name} external link", partial(_link, name, h5py.ExternalLink("../outside.h5", "x"))
    yield f"{name} a type", partial(_link, name, np.dtype("f4"))
    if isinstance(thing, h5py.Group):
        yield f"{name} a number", partial(_link, name, 3.0)
        yield f"{name} itself", lambda file: file[name].__setitem__("again", file["/"])
        return
    yield f"{name} a group", partial(_group, name)
    yield f"{name} text", partial(_link, name, "text")
    yield f"{name} empty", partial(_link, name, h5py.Empty("f8"))
    yield f"{name} declared", partial(_declare, name, 2**20)
    yield f"{name} larger", partial(_declare, name, 2)
    yield f"{name} external", partial(_elsewhere, name, "external")
    yield f"{name} virtual", partial(_elsewhere, name, "virtual")
    if thing.shape and thing.size and thing.dtype.names is None:
        yield f"{name} compressed", partial(_compress, name)
    if thing.is_virtual:
        return
    values = thing[()]
    for kind in ("f4", "c16", "S3", "i1"):
        if thing.dtype.names is None:
            yield f"{name} as {kind}", partial(_replace, name, values.astype(kind))
    if values.ndim:
        yield f"{name} no rows", partial(_replace, name, values[:0])
        yield f"{name} twice", partial(_replace, name, np.concatenate([values, values]))
        yield f"{name} another axis", partial(_replace, name, values[None])
    if values.size:
        columns = thing.dtype.names or [None]
        for column in columns:
            kind = thing.dtype[column] if column else thing.dtype
            for number in NUMBERS:
                if _holds(kind, number):
                    first = np.zeros(values.shape, bool)
                    first.flat[values.size // 2] = True
                    where = (column, first) if column else first
                    yield f"{name} {column or ''} {number}", partial(_set_at, name, where, number)


def _set_at(name: str, where: Any, number: float, file: h5py.File) -> None:
    values = file[name][()]
    if isinstance(where, tuple):
        values[where[0]][where[1]] = number
    else:
        values[where] = number
    _replace(name, values, file)


def _holds(kind: np.dtype[Any], number: float) -> bool:
    if kind.kind == "f":
        return True
    if kind.kind not in "iu" or not np.isfinite(number) or number != int(number):
        return False
    bounds = np.iinfo(kind)
    return int(bounds.min) <= number <= int(bounds.max)


def _of_attribute(owner: str, name: str, value: Any) -> Iterator[Forgery]:
    others: list[Any] = [None, 1.5, np.arange(3), h5py.Empty("f8"), b"\xff\xfe", -1, 2**62]
    if isinstance(value, str):
        others += TEXTS
    elif not isinstance(value, bytes):
        others += [number for number in NUMBERS if np.isfinite(number)]
        others.append("text")
    for k, other in enumerate(others):
        yield f"{owner}@{name} {k}", partial(_attribute, owner, name, other)


def forged(image: bytes, change: Callable[[h5py.File], None]) -> bytes | None:
    """Return a changed file with a right checksum; None if HDF5 itself cannot make it."""
    memory = io.BytesIO(image[:-CHECKSUM_BYTES])
    try:
        with h5py.File(memory, "r+") as file:
            change(file)
    except (ValueError, OSError, RuntimeError, TypeError, KeyError):
        return None
    return with_checksum(memory.getvalue())


def outside(folder: Path) -> dict[str, bytes]:
    """Make files beside a run that no forgery may lead to; return them."""
    with h5py.File(folder / "outside.h5", "w") as file:
        file["x"] = np.full(10_000, 4711.0)
    (folder / "outside.bin").write_bytes(bytes(2**20))
    return {path.name: path.read_bytes() for path in folder.glob("outside.*")}
