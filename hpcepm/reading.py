"""HDF5 files that are read, and believed only so far as they were checked.

A file may be damaged, of another run, or made by somebody who means ill. So it is opened in one
way, `open_hdf5`: a regular file, its checksum right. What is in it is taken out by functions that
say what they expect: no link leads anywhere else, the type and the shape are as they must be, and
what a dataset declares is there. Whatever is not so is a `BadFile`, one sentence.
"""

import json
import os
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any, Final, TypeVar

import h5py
import numpy as np

from .faults import NoRun
from .files import damage, told
from .text import shorten

PROBLEMS: Final = (
    OSError,
    LookupError,
    AttributeError,
    ValueError,
    TypeError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
)
"""What HDF5, h5py, numpy and json raise at a file that is not as it should be."""

MOST_IN_CHUNK: Final = 2**26
"""HDF5 takes as much memory as a compressed chunk says that it holds."""

DEEPEST: Final = 40
"""What is nested deeper could be read, but not sent to other ranks."""

os.environ.pop("HDF5_VDS_PREFIX", None)  # HDF5 would show other files than those that were checked

Kind = TypeVar("Kind")

Shape = tuple[int | None, ...]
"""The shape of a dataset; None is any length."""


class BadFile(NoRun, ValueError):
    """A file that cannot be used; the message names it and says why."""


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong while a file is read into a `BadFile`."""
    try:
        yield
    except BadFile:
        raise
    except PROBLEMS as error:
        said = str(error.args[0] if isinstance(error, LookupError) and error.args else error)
        if inside := re.search("error message = '([^']+)'", said):
            said = inside[1]  # what HDF5 says around it is for its authors
        raise BadFile(f"{path}: cannot be read: {shorten(said or repr(error), 200)}") from error


@contextmanager
def open_hdf5(path: Path, checked: bool = False) -> Iterator[h5py.File]:
    """Open a file whose checksum is right, to read it.

    Parameters
    ----------
    path
        The file.
    checked
        Whether its checksum has been compared already.

    Raises
    ------
    BadFile
        It is not there, no regular file, or damaged; or what the caller does with it fails.
    """
    if not checked and (problem := damage(path)) is not None:
        raise BadFile(problem)
    with reading(path), _opened(path) as file:
        yield file


def _opened(path: Path) -> h5py.File:
    """Open a file on file systems without locks too: nothing is ever written in place.

    Not always so: HDF5 wants the same of all who have a file open in one process, xarray say.
    """
    name = path.absolute()  # from where HDF5 looks for the files that this one shows
    try:
        return h5py.File(name, "r")
    except OSError:
        return h5py.File(name, "r", locking=False)


def _refuse(thing: h5py.Group | h5py.Dataset, said: str) -> BadFile:
    return BadFile(f"{thing.file.filename}: {said}")


def member(parent: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    """Return what lies under a name, at any depth; it must be there and no link."""
    here: Any = parent
    for part in name.split("/"):
        link = here.get(part, getlink=True) if isinstance(here, h5py.Group) else None
        if link is None:
            raise _refuse(parent, f"has no {parent.name.rstrip('/')}/{name}")
        if not isinstance(link, h5py.HardLink):
            raise _refuse(parent, f"{parent.name.rstrip('/')}/{name} is a link")
        here = here[part]
    return here


def group(parent: h5py.Group, name: str) -> h5py.Group:
    """Return a group."""
    found = member(parent, name)
    if not isinstance(found, h5py.Group):
        raise _refuse(parent, f"{found.name} is no group")
    return found


def dataset(
    parent: h5py.Group,
    name: str,
    dtype: Any,
    shape: Shape,
    virtual: bool = False,
    compressed: bool = False,
) -> h5py.Dataset:
    """Return a dataset of a dtype and shape whose values are all there.

    Parameters
    ----------
    parent, name
        Where it is.
    dtype
        Exactly that.
    shape
        Exactly that, but for lengths that are None.
    virtual
        Whether it may show other files; these are for the caller to check.
    compressed
        Whether it may be compressed, as in a packed run.
    """
    found = member(parent, name)
    if not isinstance(found, h5py.Dataset):
        raise _refuse(parent, f"{found.name} is no dataset")
    if found.dtype != np.dtype(dtype):
        raise _refuse(found, f"{found.name} has the type {found.dtype}, not {np.dtype(dtype)}")
    lengths = found.shape or ()
    fits = len(lengths) == len(shape) and all(
        n is None or n == there for n, there in zip(shape, lengths, strict=True)
    )
    if not fits or found.shape is None:
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise _refuse(found, f"{found.name} has the shape {found.shape}, not ({wanted})")
    if found.external or (found.is_virtual and not virtual):
        raise _refuse(found, f"{found.name} keeps its values in other files")
    filters = found.id.get_create_plist()
    others = {filters.get_filter(k)[0] for k in range(filters.get_nfilters())}
    others -= {h5py.h5z.FILTER_FLETCHER32}
    if others and not (compressed and others <= _OF_GZIP):
        raise _refuse(found, f"{found.name} is compressed")
    stored = _stored_if_compressed(found) if others else found.id.get_storage_size()
    if not found.is_virtual and stored < found.size * found.dtype.itemsize:
        raise _refuse(found, f"{found.name} declares more than is stored")
    return found


_OF_GZIP: Final = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE}
_MOST_GAINED: Final = 1040
"""By more than this gzip makes nothing smaller."""


def bytes_of_this_machine(processes: int = 1) -> int:
    """Return the memory of this machine, or what limits leave so many processes, in bytes."""
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limits = (resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA))
    known = (processes * limit for limit in limits if limit != resource.RLIM_INFINITY)
    return min([there, *known])


IN_PARTS: Final = ("/fields/", "/avalanches/", "/events/")
"""What may be large, and is read part by part, or a few columns of it."""


def _stored_if_compressed(found: h5py.Dataset) -> int:
    """Return how many bytes the chunks of a dataset can come to; 0 if some are missing."""
    assert found.chunks is not None
    pairs = zip(found.shape, found.chunks, strict=True)
    chunks = prod(-(-length // part) for length, part in pairs)
    if prod(found.chunks) * found.dtype.itemsize > MOST_IN_CHUNK:
        raise _refuse(found, f"{found.name} has chunks of more than {MOST_IN_CHUNK >> 20} MiB")
    if found.nbytes > bytes_of_this_machine() // 2 and not found.name.startswith(IN_PARTS):
        raise _refuse(found, f"{found.name} would take half of the memory that there is")
    whole = found.id.get_num_chunks() == chunks
    return _MOST_GAINED * found.id.get_storage_size() if whole else 0


def attribute(owner: h5py.Group | h5py.Dataset, name: str, kind: type[Kind]) -> Kind:
    """Return a scalar attribute: a str, int, float or bool."""
    if name not in owner.attrs:
        raise _refuse(owner, f"says no {name}")
    value = owner.attrs[name]
    value = value.item() if isinstance(value, np.generic) else value
    if type(value) is not kind:
        raise _refuse(owner, f"{name} is no {kind.__name__}")
    return value


def truth(owner: h5py.Group | h5py.Dataset, name: str) -> bool:
    """Return whether an attribute is 1 and not 0; runs of before wrote true and false."""
    value = owner.attrs.get(name)
    if not isinstance(value, np.bool_ | np.int8) or value not in (0, 1):
        raise _refuse(owner, f"{name} is neither 0 nor 1")
    return bool(value)


def count(owner: h5py.Group | h5py.Dataset, name: str) -> int:
    """Return an attribute that counts something."""
    value = attribute(owner, name, int)
    if not 0 <= value < 2**62:
        raise _refuse(owner, f"{name} is {value}")
    return value


def json_of(owner: h5py.Group | h5py.Dataset, name: str) -> Any:
    """Return what an attribute has as JSON."""
    return parse_json(attribute(owner, name, str))


def parse_json(text: str) -> Any:
    """Return what a text has as JSON, without NaN and infinity.

    Raises
    ------
    ValueError
        It is none, or a deep nest.
    """

    def refuse(constant: str) -> Any:
        raise ValueError(f"{constant} is no number")

    try:
        found = json.loads(text, parse_constant=refuse)
    except RecursionError:
        raise ValueError("is too deep a nest") from None
    here, depth = [found], 0
    while here:
        inside = [list(one.values()) if isinstance(one, dict) else one for one in here]
        here = [value for one in inside if isinstance(one, list) for value in one]
        depth += 1
        if depth > DEEPEST:
            raise ValueError("is too deep a nest")
    return found


def names(parent: h5py.Group, pattern: str) -> list[str]:
    """Return the names in a group, which must all match a regular expression."""
    found = list(parent)
    for name in found:
        if not re.fullmatch(pattern, name):
            raise _refuse(parent, f"{parent.name} has {shorten(name)!r}")
    return found


def own_names(folder: Path, pattern: str) -> list[str]:
    """Return the names in a folder that match a pattern, in order; none if there is no folder.

    Raises
    ------
    BadFile
        It cannot be read.
    """
    try:
        return sorted(name for name in os.listdir(folder) if re.fullmatch(pattern, name, re.ASCII))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise BadFile(told(folder, error)) from None


def names_in(folder: Path, table: str) -> list[str]:
    """Return the names of the pieces of a table that lie in a folder, by number."""
    return own_names(folder, rf"{table}-\d{{8}}\.h5")
