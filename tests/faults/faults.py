"""Things that go wrong, on purpose.

A run in which a chosen rank fails in a chosen way at a chosen place.

    mpiexec -n 3 python -m tests.faults.faults '{"at": "rows", "when": "entry", "nth": 2, "rank": 1, "do":
    "kill"}' input.yaml [options]

The places are the phases of a run and the stages of a checkpoint, in `PLACES`; what can happen
there is in `DEEDS`.
"""

import errno
import functools
import importlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from typing import Any, Final

PHASES: Final = {
    "preparing": ("hpcepm.model.dynamics", "prepare"),
    "shearing": ("hpcepm.model.dynamics.Dynamics", "shear"),
    "convolving": ("hpcepm.model.convolution.Convolution", "stress_of"),
    "measuring": ("hpcepm.storage.output", "measure"),
    "snapshot": ("hpcepm.storage.output.Output", "add_snapshot"),
    "saving": ("hpcepm.storage.output.Output", "save"),
}
STAGES: Final = {
    "completing the state": ("hpcepm.model.dynamics.Dynamics", "complete_state"),
    "skeleton": ("hpcepm.storage.fields", "_write_skeleton"),
    "rows": ("hpcepm.storage.fields", "_write_rows"),
    "comparing": ("hpcepm.storage.fields", "_compare_rows"),
    "sealing": ("hpcepm.storage.fields", "seal"),
    "renaming": ("hpcepm.storage.fields", "fsync_and_rename"),
    "noting the newest": ("hpcepm.storage.checkpoint", "_note_newest"),
    "pruning": ("hpcepm.run.simulation", "prune"),
}
ON_RANK_0: Final = ("saving", "skeleton", "renaming", "noting the newest", "pruning")
"""Where only rank 0 does anything."""

PLACES: Final = {**PHASES, **STAGES}


def _fail(number: int) -> None:
    raise OSError(number, os.strerror(number))


def _raise() -> None:
    raise RuntimeError("on purpose")


DEEDS: Final[dict[str, Callable[[], None]]] = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "raise": _raise,
    "full disk": lambda: _fail(errno.ENOSPC),
    "broken disk": lambda: _fail(errno.EIO),
    "read-only disk": lambda: _fail(errno.EROFS),
    "directory gone": lambda: shutil.rmtree("run"),
}


def install(at: str, do: str, when: str = "entry", nth: int = 1, rank: int = 0) -> None:
    """Let a deed be done at the nth entry to (or exit from) a place, on a rank."""
    from mpi4py import MPI

    module, name = PLACES[at]
    try:
        owner: Any = importlib.import_module(module)
    except ModuleNotFoundError:  # a class in a module
        path, _, kind = module.rpartition(".")
        owner = getattr(importlib.import_module(path), kind)
    original, calls = getattr(owner, name), 0

    @functools.wraps(original)
    def with_fault(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        due = calls == nth and rank == MPI.COMM_WORLD.rank
        if due and when == "entry":
            DEEDS[do]()
        result = original(*arguments, **options)
        if due and when == "exit":
            DEEDS[do]()
        return result

    setattr(owner, name, with_fault)


if __name__ == "__main__":
    import hpcepm.parallel.ranks  # noqa: F401  (before mpi4py.MPI)
    from hpcepm.cli import main

    install(**json.loads(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
