r"""Things that go wrong, on purpose.

A run in which a chosen rank fails in a chosen way at a chosen place.

    mpiexec -n 3 python -m tests.faults.faults \
        '{"at": "rows", "when": "entry", "nth": 2, "rank": 1, "do": "kill"}' input.yaml [options]

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
    "reading the glass": ("hpcepm.run.run", "glass_of"),
    "preparing": ("hpcepm.model.dynamics", "prepare"),
    "shearing": ("hpcepm.model.dynamics.Dynamics", "shear"),
    "convolving": ("hpcepm.model.convolution.Convolution", "stress_of"),
    "measuring": ("hpcepm.run.runner", "measure"),
    "snapshot": ("hpcepm.run.runner.Runner", "_add_fields"),
    "saving": ("hpcepm.storage.store.FileStore", "save"),
}
STAGES: Final = {
    "completing the state": ("hpcepm.run.runner.Runner", "under_way"),
    "skeleton": ("hpcepm.storage.fields", "_create"),
    "rows": ("hpcepm.storage.fields", "_write_at"),
    "comparing": ("hpcepm.storage.fields", "_compare_piece"),
    "checksum": ("hpcepm.storage.fields", "_write_checksum"),
    "renaming": ("hpcepm.storage.fields", "fsync_and_rename"),
    "noting the newest": ("hpcepm.storage.checkpoints", "write_bytes"),
    "pruning": ("hpcepm.storage.checkpoints.Checkpoints", "_header"),
}
ON_RANK_0: Final = ("saving", "skeleton", "renaming", "noting the newest", "pruning")
"""Where only rank 0 does anything."""

PLACES: Final = {**PHASES, **STAGES}


def _fail(number: int) -> None:
    raise OSError(number, os.strerror(number))


def _raise(*_: Any) -> None:
    raise RuntimeError("on purpose")


def _poison(dynamics: Any, *_: Any) -> None:
    dynamics.state.fields.sigma_c[1, 2] = float("nan")


DEEDS: Final[dict[str, Callable[..., None]]] = {
    "kill": lambda *_: os.kill(os.getpid(), signal.SIGKILL),
    "raise": _raise,
    "full disk": lambda *_: _fail(errno.ENOSPC),
    "broken disk": lambda *_: _fail(errno.EIO),
    "read-only disk": lambda *_: _fail(errno.EROFS),
    "directory gone": lambda *_: shutil.rmtree("run"),
    "poison": _poison,  # of what shears alone
}
"""What can happen; each is given the arguments of the place."""


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
            DEEDS[do](*arguments)
        result = original(*arguments, **options)
        if due and when == "exit":
            DEEDS[do](*arguments)
        return result

    setattr(owner, name, with_fault)


if __name__ == "__main__":
    from hpcepm.cli import main
    from hpcepm.storage import pieces

    pieces.PIECE = 2**16  # type: ignore[misc]  # so that all ranks write, once or twice a file
    install(**json.loads(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
