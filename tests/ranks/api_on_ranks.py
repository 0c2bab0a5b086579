"""``hpcepm.simulate`` on all ranks gives, on rank 0, what one rank alone gives."""

import sys
import threading

import hpcepm
from hpcepm.storage.directory import DirectoryTaken

SETTINGS = {
    "lattice": {"shape": [20, 14]},
    "loading": {"target": 0.05},
    "output": {"observables": {"every": 0.01}, "fields": {"every": 0.05}},
}


def main() -> None:
    """Simulate in memory and in a directory."""
    from hpcepm.parallel.launch import initialize

    comm = initialize()
    for n, directory in ((1, None), (3, None), (3, sys.argv[1])):
        together = hpcepm.simulate(SETTINGS, comm=comm, directory=directory, realizations=n)
        assert (together is None) == (comm.rank > 0)
        alone = hpcepm.simulate(SETTINGS, realizations=n)
        assert alone is not None
        if together is not None:
            for group in ("observables", "avalanches", "fields", "profiles"):
                assert together[group].equals(alone[group]), group
    wrong = dict(SETTINGS, loading={"target": -1})
    try:
        hpcepm.simulate(wrong, comm=comm)
    except hpcepm.InputError as error:
        assert "loading.target" in error.problems[0]  # noqa: PT017 (a program, on all ranks)
    else:
        raise AssertionError("a negative target was accepted")
    try:
        hpcepm.simulate(SETTINGS, comm=comm, directory=sys.argv[1], resume=True, seed=2)
    except DirectoryTaken:
        assert [thread.name for thread in threading.enumerate()] == ["MainThread"]
    else:
        raise AssertionError("a run of another seed was continued")


if __name__ == "__main__":
    main()
