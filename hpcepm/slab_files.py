"""HDF5 files of whole fields, written by all ranks together and readable on any number of them.

With an MPI-enabled h5py all ranks write at once, collectively; with a serial one they write in turn. The file is the same. It
gets its name only when it is complete, sealed and on disk. Each row of the lattice is a chunk with a checksum: no two ranks
share one.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import h5py
import numpy as np

from .lattice import Field, Lattice
from .parallel import Team, abort_with
from .seal import SEAL_BYTES, seal

Describe = Callable[[h5py.File], None]
WRITE_ERRORS: Final = (OSError, RuntimeError, ValueError)  # what h5py raises when the disk is full or gone

BYTES_AT_A_TIME: Final = 2**23
BYTES_PER_CHUNK: Final = 128  # of the index of chunks, and more
BYTES_BESIDES: Final = 2**18  # attributes, small datasets


def write_slabs(path: Path, lattice: Lattice, fields: Mapping[str, Field], describe: Describe) -> None:
    """Write fields, each (rows, ny) here, as datasets (nx, ny). Collective.

    Parameters
    ----------
    path
        Where; an older file of this name is replaced in one instant.
    lattice
        Whose slabs they are.
    fields
        By name of the dataset.
    describe
        Adds attributes and small datasets; called with the open file, on every rank that has one.

    Raises
    ------
    ProblemOnRank
        The disk is full or gone; an older file of this name is untouched.
    """
    team = lattice.team
    partial = path.with_name(path.name + ".partial")
    _refuse_full_disk(partial, team, _expected_bytes(lattice, fields))
    if h5py.get_config().mpi and team.size > 1:
        _write_together(partial, lattice, fields, describe)
    else:
        _write_in_turn(partial, lattice, fields, describe)
    problem = seal(partial, team)
    if problem is None and team.leads:
        try:
            settle(partial, path)
        except OSError as error:
            problem = f"{path}: {error.strerror}"
    team.all_good(problem if team.leads else None)


def read_slab(dataset: h5py.Dataset, lattice: Lattice) -> Field:
    """Return this rank's rows of a dataset (nx, ny)."""
    field = lattice.field(dataset.dtype)
    for s in lattice.strips_of(lattice.team.rank):
        field[s.here : s.here + s.rows] = dataset[s.start : s.start + s.rows]
    return field


def settle(partial: Path, path: Path) -> None:
    """Give a closed file its name, once its bytes are on disk."""
    with open(partial, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(partial, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _expected_bytes(lattice: Lattice, fields: Mapping[str, Field]) -> int:
    nx, ny = lattice.shape
    return SEAL_BYTES + BYTES_BESIDES + sum(nx * (ny * f.dtype.itemsize + BYTES_PER_CHUNK) for f in fields.values())


def _refuse_full_disk(path: Path, team: Team, n_bytes: int) -> None:
    """Make sure that a file can grow so large: HDF5 may crash when it finds out by itself. Collective."""
    problem = None
    if team.leads:
        try:
            with open(path, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, n_bytes)
        except OSError as error:
            problem = f"{path}: no room for {n_bytes / 2**20:.1f} MiB: {error.strerror}"
            path.unlink(missing_ok=True)
    team.all_good(problem)


def _create(file: h5py.File, lattice: Lattice, fields: Mapping[str, Field], describe: Describe) -> None:
    for name, field in fields.items():
        file.create_dataset(name, lattice.shape, field.dtype, chunks=(1, lattice.ny), fletcher32=True)
    describe(file)


def _write_together(path: Path, lattice: Lattice, fields: Mapping[str, Field], describe: Describe) -> None:
    try:
        with h5py.File(path, "w", driver="mpio", comm=lattice.team.comm, userblock_size=SEAL_BYTES) as file:
            _create(file, lattice, fields, describe)
            for name, field in fields.items():
                _write_collectively(file[name], lattice, field)
    except WRITE_ERRORS as error:  # the others may be waiting inside HDF5: there is no way back for them
        abort_with(f"{path}: cannot be written: {error}")


def _write_collectively(dataset: h5py.Dataset, lattice: Lattice, rows: Field) -> None:
    """Write a slab, some strips at a time: HDF5 makes a copy of what it is given. Collective.

    h5py itself hangs where a rank has no rows, so the selections are made by hand.
    """
    transfer = h5py.h5p.create(h5py.h5p.DATASET_XFER)
    transfer.set_dxpl_mpio(h5py.h5fd.MPIO_COLLECTIVE)
    strips = lattice.strips_of(lattice.team.rank)
    at_a_time = max(1, BYTES_AT_A_TIME // (lattice.strip * lattice.ny * rows.itemsize))
    for first in range(0, len(lattice.strips_of(0)), at_a_time):  # no rank has more strips than the first
        part = strips[first : first + at_a_time]
        in_file = dataset.id.get_space()
        in_file.select_none()
        for s in part:
            in_file.select_hyperslab((s.start, 0), (s.rows, lattice.ny), op=h5py.h5s.SELECT_OR)
        n = sum(s.rows for s in part)
        in_memory = h5py.h5s.create_simple((max(n, 1), lattice.ny))
        here = rows[part[0].here : part[0].here + n] if part else np.zeros((1, lattice.ny), rows.dtype)
        if not part:
            in_memory.select_none()
        dataset.id.write(in_memory, in_file, here, dxpl=transfer)


def _write_in_turn(path: Path, lattice: Lattice, fields: Mapping[str, Field], describe: Describe) -> None:
    for rank in range(lattice.team.size):
        problem = None
        if rank == lattice.team.rank:
            try:
                with h5py.File(path, "w" if rank == 0 else "r+", **({"userblock_size": SEAL_BYTES} if rank == 0 else {})) as file:
                    if rank == 0:
                        _create(file, lattice, fields, describe)
                    for name, field in fields.items():
                        for s in lattice.strips_of(rank):
                            file[name][s.start : s.start + s.rows] = field[s.here : s.here + s.rows]
            except WRITE_ERRORS as error:
                problem = f"{path}: cannot be written: {error}"
        lattice.team.all_good(problem)
