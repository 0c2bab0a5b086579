"""Steps that are asked for and never taken leave no thread and no open file."""

import gc
import os
import threading
from typing import Any

import hpcepm

SETTINGS = {"lattice": {"shape": [12, 10]}, "loading": {"target": 0.05}}


def held() -> int:
    """Return how many files this process has open."""
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


def main() -> None:
    """Ask for steps, and drop them; raise on rank 0 alone, which all ranks must hear."""
    from hpcepm.parallel.launch import initialize

    comm = initialize()
    hpcepm.steps(SETTINGS, comm=comm)
    before = held()
    for _ in range(5):
        hpcepm.steps(SETTINGS, comm=comm)
    assert held() <= before + 1, (held(), before)
    assert [thread.name for thread in threading.enumerate()] == ["MainThread"]
    wrong: list[dict[str, Any]] = [{"source": None}, {"source": SETTINGS, "directory": 3}]
    for arguments in wrong:
        try:
            hpcepm.simulate(**arguments, comm=comm)
        except TypeError:
            pass
        else:
            raise AssertionError(f"{arguments} were accepted")


if __name__ == "__main__":
    main()
