"""No page of a file is written by two machines, and large files are written in large pieces.

Four ranks are one machine, two, and four. `Machine` is what a machine keeps of a file on a file
system like NFS: whole pages, which it reads when a file is opened anew and writes back at a sync.
There rows that ranks write themselves lose bytes; those handed to one writer do not.
"""

import contextlib
import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from hpcepm.parallel import launch
from hpcepm.parallel.ranks import Ranks
from hpcepm.parallel.rows import Lattice
from hpcepm.storage import fields, pieces, writers
from tests.ranks.cluster import Cluster

PAGE = 4096
LARGE, SMALL = (1037, 1001), (61, 53)  # rows end anywhere in a page

Deed = Callable[[], None]


class Write(NamedTuple):
    """A call of ``pwrite``."""

    rank: int
    machine: int
    start: int
    size: int


def rows_of(lattice: Lattice) -> dict[str, NDArray[Any]]:
    """Return fields that say at each site which it is."""
    here = lattice.row_map.global_row[:, None] * lattice.ny + np.arange(lattice.ny)
    return {"group/sigma": here + 0.5, "n_events": here.astype(np.int32), "x": 1.0 / (1 + here)}


def write(path: Path, ranks: Ranks, shape: tuple[int, int]) -> None:
    """Write fields and some small things."""
    lattice = Lattice(shape, ranks)
    fields.write_fields(path, ranks, lattice, rows_of(lattice), lambda file: file.update({"n": 1}))


def write_own_rows(path: Path, ranks: Ranks, shape: tuple[int, int]) -> None:
    """Write one field at the beginning of a file, each rank its rows where they belong."""
    lattice = Lattice(shape, ranks)
    rows = {"x": rows_of(lattice)["x"]}
    if ranks.is_root:
        path.write_bytes(bytes(lattice.n_sites * 8))
    ranks.comm.Barrier()
    with open(os.open(path, os.O_RDWR), "rb+", buffering=0) as file:
        for start, data in fields._local_bytes(lattice, rows, {"x": 0}):
            os.pwrite(file.fileno(), data.data, start)
        ranks.comm.Barrier()
        os.fsync(file.fileno())
    ranks.comm.Barrier()


@contextlib.contextmanager
def replaced(owner: Any, **functions: Any) -> Iterator[None]:
    """Replace functions of a module for a while."""
    before = {name: getattr(owner, name) for name in functions}
    try:
        for name, function in functions.items():
            setattr(owner, name, function)
        yield
    finally:
        for name, function in before.items():
            setattr(owner, name, function)


def recorded(ranks: Ranks, machine: int, deed: Deed) -> list[Write]:
    """Do something, and return which bytes all ranks wrote meanwhile. Collective."""
    writes, real = [], os.pwrite

    def pwrite(descriptor: int, data: Any, start: int) -> int:
        n = real(descriptor, data, start)
        writes.append(Write(ranks.rank, machine, start, n))
        return n

    with replaced(os, pwrite=pwrite):
        deed()
    return [one for those in ranks.allgather(writes) for one in those]


class Machine:
    """The pages that the ranks of a machine have of one file."""

    def __init__(self, ranks: Ranks, size: int, lock: Path) -> None:
        self._pages = ranks.node.shared((-(-size // PAGE), PAGE), np.uint8)
        self._known = ranks.node.shared(len(self._pages), np.bool_)
        self._dirty = ranks.node.shared(len(self._pages), np.bool_)
        self._real = {name: getattr(os, name) for name in ("open", "pwrite", "pread", "fsync")}
        self._lock = lock

    def functions(self) -> dict[str, Any]:
        """Return what takes the place of functions of `os`."""
        return {name: getattr(self, name) for name in self._real}

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        lock = self._real["open"](self._lock, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def open(self, path: Any, flags: int, *mode: int) -> int:
        """Open a file; what is not written back is kept, the rest is read anew."""
        with self._alone():
            self._known &= self._dirty
        return int(self._real["open"](path, flags, *mode))

    def pwrite(self, descriptor: int, data: Any, start: int) -> int:
        """Write into pages, which are read before."""
        with self._alone():
            self._load(descriptor, start, start + len(data))
            self._pages.reshape(-1)[start : start + len(data)] = np.frombuffer(data, np.uint8)
            self._dirty[start // PAGE : -(-(start + len(data)) // PAGE)] = True
        return len(data)

    def pread(self, descriptor: int, n: int, start: int) -> bytes:
        """Read from pages."""
        with self._alone():
            self._load(descriptor, start, start + n)
            return self._pages.reshape(-1)[start : start + n].tobytes()

    def _load(self, descriptor: int, start: int, end: int) -> None:
        for k in range(start // PAGE, -(-end // PAGE)):
            if not self._known[k]:
                there = self._real["pread"](descriptor, PAGE, k * PAGE)
                self._pages[k, : len(there)] = np.frombuffer(there, np.uint8)
                self._known[k] = True

    def fsync(self, descriptor: int) -> None:
        """Write whole pages back."""
        with self._alone():
            size = os.fstat(descriptor).st_size
            for k in np.flatnonzero(self._dirty).tolist():
                page = self._pages[k, : size - k * PAGE]
                self._real["pwrite"](descriptor, page.data, k * PAGE)
            self._dirty[:] = False
        self._real["fsync"](descriptor)


def check_writes(writes: list[Write], content: bytes, machines: set[int], large: bool) -> None:
    """Check who wrote which bytes of a file of these contents."""
    *whole, checksum = sorted(writes, key=lambda one: (one.size < 1000, one.start))
    assert [(one.start, one.size) for one in whole] == [
        (start, min(pieces.PIECE, len(content) - start))
        for start in range(0, len(content), pieces.PIECE)
    ]
    assert (len(whole) > 4) == large and (pieces.PIECE >= 4 * 2**20 or not large)
    assert checksum.start + checksum.size == len(content) and checksum.rank == 0
    machine_of: dict[int, int] = {}
    for one in writes:
        for page in range(one.start // PAGE, -(-(one.start + one.size) // PAGE)):
            assert machine_of.setdefault(page, one.machine) == one.machine, "two machines"
    assert set(machine_of.values()) == (machines if large else {0})


def main(folder: Path) -> None:
    """Write as one machine, two and four, on a file system of all machines and on another."""
    world = launch.initialize()
    fields._skeleton = cache_of_skeletons(fields._skeleton)
    for shape in (LARGE, SMALL):
        alone = folder / f"alone-{world.rank}.h5"
        write(alone, Ranks(MPI.COMM_SELF), shape)
        content = world.bcast(alone.read_bytes())
        for per_node in (4, 2, 1):
            Cluster.per_node = per_node
            ranks = Ranks(Cluster(world))
            for kind in ("lustre", "nfs4"):
                check(folder, ranks, shape, content, kind)
            own_rows_are_lost(folder, ranks, shape)


def cache_of_skeletons(make: Callable[..., fields.Skeleton]) -> Callable[..., fields.Skeleton]:
    """Return what makes one skeleton for each shape: HDF5 puts the time of day into it."""
    made: dict[Any, fields.Skeleton] = {}

    def skeleton(shape: Any, *others: Any) -> fields.Skeleton:
        return made.setdefault(shape, make(shape, *others))

    return skeleton


def check(folder: Path, ranks: Ranks, shape: tuple[int, int], content: bytes, kind: str) -> None:
    """Write on a kind of file system, and check the writes and the bytes."""
    path, n_machines = folder / "together.h5", ranks.size // Cluster.per_node
    machine = ranks.rank // Cluster.per_node
    with replaced(writers, file_system=lambda _: kind):
        found = writers.writers_in(folder, ranks)
        assert found.all_write == (kind == "lustre" or n_machines == 1)
        assert (found.machines, found.file_system) == (n_machines, kind)
        writes = recorded(ranks, machine, lambda: write(path, ranks, shape))
        assert path.read_bytes() == content
        at_work = set(range(n_machines)) if found.all_write else {0}
        check_writes(writes, content, at_work, shape == LARGE)
        ranks.comm.Barrier()
        with replaced(os, **Machine(ranks, len(content), folder / f"lock-{machine}").functions()):
            write(path, ranks, shape)
        assert path.read_bytes() == content
        ranks.comm.Barrier()


def own_rows_are_lost(folder: Path, ranks: Ranks, shape: tuple[int, int]) -> None:
    """Check that `Machine` loses bytes if several write to a page, as some file systems do."""
    path = folder / "rows"
    whole = Lattice(shape, Ranks(MPI.COMM_SELF))
    lock = folder / f"lock-{ranks.rank // Cluster.per_node}"
    with replaced(os, **Machine(ranks, whole.n_sites * 8, lock).functions()):
        write_own_rows(path, ranks, shape)
    kept = path.read_bytes() == rows_of(whole)["x"].tobytes()
    assert kept == (Cluster.per_node == ranks.size)
    ranks.comm.Barrier()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
