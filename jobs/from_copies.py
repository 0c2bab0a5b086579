"""Start hpcepm on many ranks, of which one reads its packages: the others get copies of them.

    mpiexec … python jobs/from_copies.py FOLDER INPUT [options of hpcepm]

A start opens some 1500 files, packages of Python and compiled code. A thousand ranks that all do so
can keep a file system busy for minutes. Here rank 0 imports as always. The packages that it took
modules from, and what was compiled before, it sends to one rank of each node, which unpacks them in
FOLDER, on a disk of the node; there all others of the node import them. Nothing of it stays.
"""

import atexit
import os
import shutil
import signal
import site
import sys
import tempfile
import time
import traceback
from importlib import import_module
from pathlib import Path
from sysconfig import get_path
from typing import Any, Final

import mpi4py

mpi4py.rc.threads = False

from mpi4py import MPI  # noqa: E402 (this initialises it)

REQUESTS: Final = {"SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU"}
"""What asks a run to stop; kept until it listens."""

File = tuple[bytes, int]  # its content, and when it was changed: Python compares it with .pyc files


def main(folder: str, arguments: list[str]) -> None:
    """Start hpcepm on this rank."""
    requests = {getattr(signal, name) for name in REQUESTS}
    signal.pthread_sigmask(signal.SIG_BLOCK, requests)
    sys.excepthook = _abort
    if MPI.COMM_WORLD.size > 1:
        _use_copies(MPI.COMM_WORLD, folder)
    program: Any = import_module("hpcepm.__main__")
    sys.argv[1:] = arguments
    signal.pthread_sigmask(signal.SIG_UNBLOCK, requests)
    program.main()


def _use_copies(world: Any, folder: str) -> None:
    """Let all ranks but rank 0 import from a copy on their node."""
    node = world.Split_type(MPI.COMM_TYPE_SHARED)
    heads = world.Split(0 if node.rank == 0 else MPI.UNDEFINED)
    where = None
    if node.rank == 0:
        files = heads.bcast(_files_of_packages() if world.rank == 0 else None)
        if node.size > 1 or world.rank > 0:
            where = _unpacked(files, folder)
        heads.Free()
    done = node.Ibarrier()
    while not done.Test():
        time.sleep(0.05)  # whoever unpacks needs the core that spinning would take
    where = node.bcast(where)
    node.Free()
    if where is not None and world.rank > 0:
        sys.path.insert(0, where)
        os.environ["NUMBA_CACHE_DIR"] = str(Path(where, "compiled"))
        os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"  # it would look into all packages


def _files_of_packages() -> dict[str, File]:
    """Import what a run needs; return the files of the packages, and of what was compiled."""
    import_module("hpcepm.cli.run")
    names = {name.partition(".")[0] for name in sys.modules} - {"mpi4py"}  # all have that already
    ours, of_python = Path(sys.modules["hpcepm"].__path__[0]), Path(get_path("stdlib"))
    roots = {of_python, of_python / "lib-dynload", *map(Path, site.getsitepackages())}
    places = {ours: ours.parent}
    for root in roots:
        for name in names:
            ends = (name, f"{name}.libs", f"{name}.py", f"{name}.*.so", f"__pycache__/{name}.*.pyc")
            places |= {path: root for end in ends for path in root.glob(end)}
    found = {}
    for place, root in places.items():
        for path in [place] if place.is_file() else place.rglob("*"):
            relative = path.relative_to(root)
            if path.is_file() and not {"tests", "test"}.intersection(relative.parts):
                found[str(relative)] = _content(path)
    compiled = import_module("hpcepm.parallel.compiled").cache_directory()
    for path in compiled.glob("*.nbc") if compiled else ():
        found[f"compiled/hpcepm/{compiled.name}/{path.name}"] = _content(path)
    return found


def _content(path: Path) -> File:
    return path.read_bytes(), path.stat().st_mtime_ns


def _unpacked(files: dict[str, File], folder: str) -> str | None:
    """Write files into a new directory in a folder; return it, or None if that cannot be."""
    mask, where = os.umask(0o077), None
    try:
        os.makedirs(folder, exist_ok=True)
        if os.statvfs(folder).f_flag & os.ST_NOEXEC:
            raise OSError(f"{folder} is mounted noexec")
        where = tempfile.mkdtemp(prefix="hpcepm-", dir=folder)
        atexit.register(shutil.rmtree, where, ignore_errors=True)
        for name, (content, changed) in files.items():
            path = Path(where, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            os.utime(path, ns=(changed, changed))
    except OSError as error:
        said = "the ranks of this node read packages from where they are installed"
        print(f"jobs/from_copies.py: {MPI.Get_processor_name()}: {error}; {said}", file=sys.stderr)
        if where is not None:
            shutil.rmtree(where, ignore_errors=True)
        return None
    finally:
        os.umask(mask)
    return where


def _abort(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """End all ranks: the others would wait for this one."""
    traceback.print_exception(kind, error, trace)
    MPI.COMM_WORLD.Abort(1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
