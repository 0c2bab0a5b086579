"""Runs from Python: in a notebook on one rank, or under mpiexec with ``comm``."""

import os
import signal
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, overload

from mpi4py import MPI

from hpcepm.input.problems import InputError
from hpcepm.input.read import ReadInput, read_mapping, refuse_too_large
from hpcepm.model.snapshot import Snapshot
from hpcepm.names import expanded
from hpcepm.parallel.launch import initialize
from hpcepm.parallel.ranks import ProblemOnRank, Ranks
from hpcepm.storage.directory import RunDirectory

from .journal import Journal
from .resources import refuse_too_much, refuse_too_much_in_memory
from .run import Run, RunFailed, RunStopped
from .stopping import Stopped, StopRequest
from .terminal import Progress

if TYPE_CHECKING:
    from xarray import DataTree

Source = str | os.PathLike[str] | Mapping[str, Any]
"""The path of a YAML input, or what it would say as a mapping."""

BY_ARGUMENTS: Final = ("Pass resume=True", "directory=…")
"""As `BY_OPTIONS` of the command line."""


@overload
def simulate(
    source: Source,
    *,
    comm: None = None,
    directory: str | os.PathLike[str] | None = None,
    resume: bool = False,
    **changes: Any,
) -> "DataTree": ...
@overload
def simulate(
    source: Source,
    *,
    comm: MPI.Intracomm,
    directory: str | os.PathLike[str] | None = None,
    resume: bool = False,
    **changes: Any,
) -> "DataTree | None": ...
def simulate(
    source: Source,
    *,
    comm: MPI.Intracomm | None = None,
    directory: str | os.PathLike[str] | None = None,
    resume: bool = False,
    **changes: Any,
) -> "DataTree | None":
    """Shear a glass, or several realizations of it, to the target.

    Parameters
    ----------
    source
        The path of a YAML input, or a mapping of the same keys (docs/model.md, section 4).
    comm
        The ranks that share the work; this one alone if None. Collective on them.
    directory
        Where the run is kept, as by the command line; None keeps it in memory. What the input says
        of ``output.directory`` is not used.
    resume
        Go on from the newest checkpoint in ``directory``, if there is one.
    **changes
        Keys of the input to change, such as ``seed=2`` or ``slip={"c1": 0.02}``.

    Returns
    -------
    xarray.DataTree
        The groups of ``run.h5``, with units: observables and profiles, and as the input asks for
        them avalanches, events, fields and cycles (docs/model.md, section 5). On rank 0 of
        ``comm``; None on the others.

    Raises
    ------
    InputError
        The input is wrong; ``problems`` has a line for each thing, with its place.
    TypeError
        An argument is of no use, such as ``resume`` without a directory.
    DirectoryTaken, DirectoryUnusable
        The directory holds another or a finished run, or cannot be used.
    RunFailed
        The run cannot go on.
    RunStopped
        It was asked to stop, by a file ``STOP`` in its directory.
    KeyboardInterrupt
        By Ctrl-C. A run in a directory writes a checkpoint first, unless a second one comes.
    """
    from hpcepm.analysis.tree import open_tree, require_xarray, tree_in_memory

    if resume not in (True, False):  # of numpy, too
        raise TypeError(f"resume: must be True or False, not {resume!r}")
    if resume and directory is None:
        raise TypeError("resume=True: say where the run is kept, by directory=…")
    world = _ranks(comm)
    world.on_root(require_xarray)
    read, held = _prepare(world, source, changes, directory, resume)
    if directory is None:
        world.on_root(lambda: refuse_too_much_in_memory(read.settings))
    journal = Journal(held.path, held.claim.check) if held else None
    progress = Progress(None, quiet=True, journal=journal) if held else None
    try:
        with _interrupted(held is not None) as request:
            run = Run(world, read, held, resume, progress, request)
            for _ in _shear(run):
                pass
    finally:
        if held is not None:
            held.release()
    if run.store is None:
        return None
    if run.path is not None:
        return open_tree(run.path)
    return tree_in_memory(run.store.image())


def steps(
    source: Source, *, comm: MPI.Intracomm | None = None, **changes: Any
) -> Iterator[Snapshot]:
    """Shear one realization; yield the glass at each record, and go on when asked for the next.

    The state is complete at each yield: a `Snapshot` has ``strain``, ``stress``, and the local rows
    of ``sigma``, ``sigma_c``, ``epsilon_p`` and ``n_events``, which hold until the next. Nothing is
    kept.

    Parameters
    ----------
    source, comm, **changes
        As for `simulate`.

    Yields
    ------
    Snapshot
        The glass at a record; the last one holds on.

    Raises
    ------
    InputError
        The input is wrong, or asks for several realizations.
    RunFailed
        The run cannot go on.
    """
    if kept := {"directory", "resume"} & changes.keys():
        raise TypeError(f"{min(kept)}: steps keeps nothing; use simulate to keep a run")
    world = _ranks(comm)
    read, _ = _prepare(world, source, changes, None, False)
    if read.settings.realizations > 1:
        said = "steps shears one; write a loop over seeds, or use simulate"
        raise InputError([f"realizations: {read.settings.realizations}: {said}"])
    read.settings = read.settings.with_output(fields=None, avalanches=False, events=False)
    run = Run(world, read)
    shearing = _shear(run)
    # A generator that never begins never comes to its ``finally``.
    weakref.finalize(shearing, run.watchdog.stop).atexit = False
    return shearing


def _shear(run: Run) -> Iterator[Snapshot]:
    """Run; raise `RunFailed` for whatever ends it."""
    try:
        yield from run.run()
    except ProblemOnRank as problem:
        raise RunFailed(str(problem)) from problem
    except Stopped as stop:
        said = str(stop).replace("--continue", "resume=True")
        if run.stop_request.name == "SIGINT":
            raise KeyboardInterrupt(said) from None
        raise RunStopped(said) from None


@contextmanager
def _interrupted(is_kept: bool) -> Iterator[StopRequest]:
    """Let the first Ctrl-C end a run that is kept by a checkpoint; a second one interrupts it.

    Python hears signals in the main thread alone, and a handler of somebody else's stays.
    """
    request, before = StopRequest(), signal.getsignal(signal.SIGINT)
    in_main = threading.current_thread() is threading.main_thread()
    if not (is_kept and in_main and before is signal.default_int_handler):
        yield request
        return

    def note(number: int, frame: FrameType | None) -> None:
        if request.name is not None:
            raise KeyboardInterrupt
        request.note(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield request
    finally:
        signal.signal(signal.SIGINT, before)


def _ranks(comm: MPI.Intracomm | None) -> Ranks:
    initialize()
    if comm is not None and (not isinstance(comm, MPI.Intracomm) or comm == MPI.COMM_NULL):
        raise TypeError(f"comm: give a communicator, such as MPI.COMM_WORLD, not {comm!r}")
    return Ranks(MPI.COMM_SELF if comm is None else comm)


def _name_of(directory: str | os.PathLike[str]) -> str:
    """Return the name of a directory, ``~`` and variables written out, or raise `InputError`."""
    name = os.fsdecode(directory)
    try:
        if not name or not name.isprintable():
            raise ValueError("is no name of a directory")
        return expanded(name)
    except ValueError as error:
        raise InputError([f"directory={name!r}: {error}"]) from None


def _prepare(
    world: Ranks,
    source: Source,
    changes: Mapping[str, Any],
    directory: str | os.PathLike[str] | None,
    resume: bool,
) -> tuple[ReadInput, RunDirectory | None]:
    """Return a valid input on all ranks, and the directory on rank 0. Collective."""
    held: RunDirectory | None = None
    memory = world.memory()

    def prepare() -> ReadInput:
        nonlocal held
        read = read_mapping(source, changes)
        refuse_too_large(read, memory)
        if directory is not None:
            name = _name_of(directory)
            read.settings = read.settings.with_output(directory=name)
            refuse_too_much(read.settings)
            held = RunDirectory(name, resume, BY_ARGUMENTS)
        return read

    return world.on_root(prepare), held
